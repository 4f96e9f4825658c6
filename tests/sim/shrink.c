#include "shrink.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"

enum { CHANCES = 4, SHORTER_MAX = 6 };

static const struct {
	const char *word;
	size_t offset;
} flags[] = {
	{"stalls", offsetof(struct world_cut, stalls)},
	{"operator", offsetof(struct world_cut, operator_acts)},
	{"second", offsetof(struct world_cut, second)},
	{"relay", offsetof(struct world_cut, relay)},
	{"noise", offsetof(struct world_cut, noise)},
	{"reorder", offsetof(struct world_cut, reorder)},
	{"repeat", offsetof(struct world_cut, repeat)},
	{"loss", offsetof(struct world_cut, loss)},
	{"streams", offsetof(struct world_cut, plain)},
};

static bool *flag(struct world_cut *c, size_t i)
{
	return (bool *)((char *)c + flags[i].offset);
}

/* Does it fail in the way that it did? */
static bool fails(struct world *w, const struct scenario *s, uint64_t seed, struct world_options *o,
		  uint32_t broken)
{
	o->verbose = false;
	return !world_run(w, s, seed, o) && (w->faults.broken & ~broken) == 0;
}

/* Tries this cut, with several throws of the network's dice. */
static bool try(struct world *w, const struct scenario *s, uint64_t seed, struct world_options *o,
		struct world_cut c, uint32_t broken)
{
	struct world_options next = *o;
	for (uint32_t i = 0; i < CHANCES; i++) {
		next.cut = c;
		next.cut.chance += i;
		if (fails(w, s, seed, &next, broken)) {
			o->cut = next.cut;
			return true;
		}
	}
	return false;
}

void shrink(struct world *w, const struct scenario *s, uint64_t seed, struct world_options *o)
{
	uint32_t broken = w->faults.broken;
	bool shorter = true;
	while (shorter) {
		shorter = false;
		for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
			struct world_cut c = o->cut;
			if (*flag(&c, i))
				continue;
			*flag(&c, i) = true;
			shorter |= try(w, s, seed, o, c, broken);
		}
		for (int u = 0; u < UA_COUNT; u++)
			for (unsigned t = 0; t < UA_TODOS; t++) {
				struct world_cut c = o->cut;
				/* Those that are not there are left out without a word. */
				size_t had = w->want.plans[u].todo_count;
				if (c.todos[u] >> t & 1 || (t >= UA_TODOS / 2 && had == 0))
					continue;
				c.todos[u] |= 1u << t;
				struct world_options before = *o;
				if (!fails(w, s, seed, o, broken)) /* no longer the same run */
					*o = before;
				size_t now = w->want.plans[u].todo_count;
				if (!try(w, s, seed, o, c, broken))
					continue;
				if (w->want.plans[u].todo_count == now)
					o->cut.todos[u] &= ~(1u << t);
				else
					shorter = true;
			}
		struct world_cut c = o->cut;
		if (c.shorter < SHORTER_MAX) {
			c.shorter++;
			shorter |= try(w, s, seed, o, c, broken);
		}
	}
	(void)fails(w, s, seed, o, broken);
}

static const char *ua_names[UA_COUNT] = {"carrier", "carrier2", "pbx", "pbx2", "spare", "stranger"};

static void add(bool *any, const char *word)
{
	printf("%s%s", *any ? "," : " --cut ", word);
	*any = true;
}

void shrink_print(const struct scenario *s, uint64_t seed, const struct world_options *o)
{
	struct world_cut c = o->cut;
	char word[32];
	bool any = false;
	printf("# seed %llu fails; again: build/rel/tests/sim/world --scenario \"%s\" --seed %llu "
	       "--loss %u --long",
	       (unsigned long long)seed, s->name, (unsigned long long)seed, o->loss);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (*flag(&c, i))
			add(&any, flags[i].word);
	for (int u = 0; u < UA_COUNT; u++)
		for (unsigned t = 0; t < UA_TODOS; t++)
			if (c.todos[u] >> t & 1) {
				snprintf(word, sizeof(word), "%s.%u", ua_names[u], t);
				add(&any, word);
			}
	if (c.shorter) {
		snprintf(word, sizeof(word), "shorter.%u", c.shorter);
		add(&any, word);
	}
	if (c.chance) {
		snprintf(word, sizeof(word), "chance.%u", c.chance);
		add(&any, word);
	}
	printf(" --verbose\n");
}

bool shrink_read(const char *text, struct world_cut *out)
{
	struct str rest = str_from(text), word;
	struct world_cut c = {.chance = 0};
	while (str_cut(&rest, ',', &word)) {
		size_t dot = str_index(word, '.');
		struct str name = {word.p, dot};
		uint32_t n = 0;
		bool known = false;
		if (dot < word.len &&
		    str_to_u32(str_from_offset(word, dot + 1), 1u << 20, &n) != OK)
			return false;
		for (size_t i = 0; i < ARRAY_LEN(flags); i++)
			if (str_eq(name, str_from(flags[i].word)))
				*flag(&c, i) = known = true;
		for (int u = 0; u < UA_COUNT; u++)
			if (str_eq(name, str_from(ua_names[u])) && n < UA_TODOS) {
				c.todos[u] |= 1u << n;
				known = true;
			}
		if (str_eq(name, STR("shorter"))) {
			c.shorter = (uint8_t)n;
			known = true;
		} else if (str_eq(name, STR("chance"))) {
			c.chance = n;
			known = true;
		}
		if (!known)
			return false;
	}
	*out = c;
	return true;
}
