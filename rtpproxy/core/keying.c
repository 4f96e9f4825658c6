#include "rtpproxy/core/keying.h"

enum { ALL_SUITES = (1 << SDES_SUITE_COUNT) - 1, TAG_HIGH = 999999900 };

unsigned keying_allowed(const struct flags_sdes *f)
{
	if (f->off) {
		return 0;
	}
	return f->has_only ? f->only : (unsigned)ALL_SUITES & ~(unsigned)f->no;
}

unsigned keying_read(const struct sdp_media *m, struct leg_crypto out[LIMIT_CRYPTOS])
{
	unsigned n = 0;
	struct sdes s;
	for (const struct sdp_attr *a = sdp_find_attr(&m->attrs, STR("crypto"));
	     a && n < LIMIT_CRYPTOS; a = sdp_next_attr(&m->attrs, STR("crypto"), a)) {
		if (sdes_parse(a->value, &s) != OK) {
			continue;
		}
		if (s.mki_len <= SRTP_MKI_MAX && s.mki <= UINT32_MAX) {
			out[n++] = (struct leg_crypto){.tag = s.tag,
						       .suite = (uint8_t)s.suite,
						       .mki_len = s.mki_len,
						       .mki = (uint32_t)s.mki,
						       .key = s.key};
		}
		sdes_release(&s);
	}
	return n;
}

bool keying_is_offered(const struct sdp_media *m)
{
	struct leg_crypto cryptos[LIMIT_CRYPTOS];
	bool yes = keying_read(m, cryptos) > 0;
	secret_wipe(cryptos, sizeof(cryptos));
	return yes;
}

static void fresh_key(struct rng *rng, struct leg_crypto *c)
{
	const struct sdes_suite_info *s = sdes_suite_info((enum sdes_suite)c->suite);
	c->key.len = (size_t)s->key_len + s->salt_len;
	rng_bytes(rng, c->key.bytes, c->key.len);
}

static const struct leg_crypto *find_suite(const struct leg_crypto *list, unsigned n,
					   unsigned suite)
{
	for (unsigned i = 0; i < n; i++) {
		if (list[i].suite == suite) {
			return &list[i];
		}
	}
	return NULL;
}

/* What an offer is made from. */
struct offer {
	struct leg_keys *to;
	const struct leg_keys *from;
	struct rng *rng;
	unsigned allowed;
	bool nonew;
	uint32_t next_tag;
};

static void add_suite(struct offer *o, unsigned suite)
{
	const struct leg_crypto *theirs = find_suite(o->from->theirs, o->from->theirs_count, suite);
	if (!(o->allowed & 1u << suite) || find_suite(o->to->ours, o->to->ours_count, suite) ||
	    (!theirs && o->nonew)) {
		return;
	}
	struct leg_crypto *c = &o->to->ours[o->to->ours_count++];
	*c = (struct leg_crypto){.suite = (uint8_t)suite};
	c->tag = theirs ? theirs->tag : o->next_tag++;
	fresh_key(o->rng, c);
}

void keying_offer(struct leg_keys *to, const struct leg_keys *from, const struct flags_sdes *f,
		  struct rng *rng)
{
	if (to->chosen >= 0) {
		to->ours[0] = to->ours[to->chosen];
		to->ours_count = 1;
		to->chosen = 0;
		return;
	}
	struct offer o = {.to = to,
			  .from = from,
			  .rng = rng,
			  .allowed = keying_allowed(f),
			  .nonew = f->nonew && from->theirs_count > 0,
			  .next_tag = 1};
	for (unsigned i = 0; i < from->theirs_count; i++) {
		uint32_t tag = from->theirs[i].tag;
		/* Tags end at nine digits; above a very high one we begin at the bottom. */
		if (tag >= o.next_tag && tag < TAG_HIGH) {
			o.next_tag = tag + 1;
		}
	}
	to->ours_count = 0;
	for (unsigned i = 0; i < f->order_count; i++) {
		add_suite(&o, f->order[i]);
	}
	for (unsigned i = 0; i < from->theirs_count; i++) {
		add_suite(&o, from->theirs[i].suite);
	}
	for (unsigned s = 0; s < SDES_SUITE_COUNT; s++) {
		add_suite(&o, s);
	}
}

static int find_ours(const struct leg_keys *k, const struct leg_crypto *c)
{
	int by_suite = -1;
	for (int i = 0; i < k->ours_count; i++) {
		if (k->ours[i].suite == c->suite && k->ours[i].tag == c->tag) {
			return i;
		}
		if (k->ours[i].suite == c->suite && by_suite < 0) {
			by_suite = i;
		}
	}
	return by_suite;
}

bool keying_find_answer(const struct leg_keys *k, const struct sdp_media *m, struct leg_crypto *out,
			int *out_ours)
{
	struct leg_crypto cryptos[LIMIT_CRYPTOS];
	unsigned n = keying_read(m, cryptos);
	bool found = false;
	for (unsigned i = 0; !found && i < n; i++) {
		int ours = find_ours(k, &cryptos[i]);
		found = ours >= 0;
		if (found) {
			*out = cryptos[i];
			*out_ours = ours;
		}
	}
	secret_wipe(cryptos, sizeof(cryptos));
	return found;
}

int keying_choose(const struct leg_keys *k, const struct flags_sdes *f)
{
	unsigned allowed = keying_allowed(f);
	int first = -1;
	for (int i = 0; i < k->theirs_count; i++) {
		if (!(allowed & 1u << k->theirs[i].suite)) {
			continue;
		}
		if (k->chosen >= 0 && k->ours[k->chosen].suite == k->theirs[i].suite) {
			return i;
		}
		first = first < 0 ? i : first;
	}
	return first;
}

void keying_answer(struct leg_keys *k, int in, struct rng *rng)
{
	CHECK(in >= 0 && in < k->theirs_count);
	/* A party that names its key by an MKI looks for one in our packets too. */
	struct leg_crypto c = {.tag = k->theirs[in].tag,
			       .suite = k->theirs[in].suite,
			       .mki_len = k->theirs[in].mki_len,
			       .mki = k->theirs[in].mki};
	if (k->chosen >= 0 && k->ours[k->chosen].suite == c.suite) {
		c.key = k->ours[k->chosen].key;
	} else {
		fresh_key(rng, &c);
	}
	k->ours[0] = c;
	k->ours_count = 1;
	k->chosen = 0;
	k->chosen_in = (int8_t)in;
	secret_release(&c.key);
}
