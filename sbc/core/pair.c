#include "sbc/core/pair.h"

#include "sbc/core/setup.h"

struct dialog *pair_dialog(struct call *c, const struct pair *p, unsigned side)
{
	return fork_dialog(c, p->fork, side);
}

struct offer *pair_offer(struct call *c, const struct pair *p, unsigned side)
{
	return p->fork ? &p->fork->offer[side] : &c->offer[side];
}

bool pair_of_message(struct call *c, const struct msg *m, struct pair *out)
{
	for (unsigned side = 0; side < 2 && !c->setup; side++)
		if (c->leg[side].dialog.text && dialog_has_request(&c->leg[side].dialog, m)) {
			*out = (struct pair){.side = side, .serial = c->winner};
			return true;
		}
	if (!c->setup)
		return false;
	list_each (n, &c->setup->forks) {
		struct fork *f = LIST_OBJECT(n, struct fork, node);
		for (unsigned side = 0; side < 2; side++)
			if (dialog_has_request(fork_dialog(c, f, side), m)) {
				*out = (struct pair){.side = side, .serial = f->serial, .fork = f};
				return true;
			}
	}
	/* An answer that came without a provisional: its dialog is not a fork's. */
	if (c->setup->stage == SETUP_ANSWERING && dialog_has_request(&c->leg[1].dialog, m)) {
		*out = (struct pair){.side = 1, .serial = 0};
		return true;
	}
	return false;
}

bool pair_of_serial(struct call *c, unsigned side, uint8_t serial, struct pair *out)
{
	*out = (struct pair){.side = side, .serial = serial};
	if (!c->setup)
		return serial == c->winner;
	list_each (n, &c->setup->forks) {
		struct fork *f = LIST_OBJECT(n, struct fork, node);
		if (f->serial == serial) {
			out->fork = f;
			return true;
		}
	}
	return false;
}
