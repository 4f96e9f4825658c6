#include "self_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/sabotage.h"
#include "tests/sim/scenario.h"

enum { TRIES = 40 };

void self_test_page(FILE *to)
{
	fputs("# What holds after every run of the simulated world\n\n"
	      "Made from `tests/sim/faults.h` by `world --write-page`; a test keeps the two equal. "
	      "`world --self-test`\n"
	      "spoils the core's output in one way for each, and sees that the check of that name "
	      "fails\n"
	      "(`tests/sim/sabotage.c`).\n\n| name | what must hold |\n| --- | --- |\n",
	      to);
	for (unsigned i = 0; i < INV_COUNT; i++)
		if (i != INV_SCENARIO)
			fprintf(to, "| %s | %s |\n", invariant_name((enum invariant)i),
				invariant_text((enum invariant)i));
}

static const struct scenario *find(const char *name)
{
	const struct scenario *s;
	for (unsigned i = 0; (s = scenario_at(i)) != NULL; i++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* Fails with the sabotage, and not without. */
static bool can_fail(struct world *w, enum invariant of)
{
	const struct scenario *s = find(sabotage_scenario(of));
	struct world_options o = {.loss = 0, .broken = of};
	CHECK(s != NULL);
	for (uint64_t seed = 1; seed <= TRIES; seed++) {
		(void)world_run(w, s, seed, &o);
		if (w->faults.broken >> of & 1)
			return true;
	}
	return false;
}

static bool same_page(const char *path)
{
	char *want = NULL, *have;
	size_t want_len, have_len = 0;
	FILE *memory = open_memstream(&want, &want_len);
	FILE *file = fopen(path, "r");
	CHECK(memory != NULL);
	self_test_page(memory);
	fclose(memory);
	have = malloc(want_len + 2);
	CHECK(have != NULL);
	if (file) {
		have_len = fread(have, 1, want_len + 1, file);
		fclose(file);
	}
	bool same = have_len == want_len && memcmp(have, want, want_len) == 0;
	free(have);
	free(want);
	return same;
}

bool self_test(struct world *w, const char *page)
{
	unsigned n = 0;
	bool good = true;
	for (unsigned i = 0; i < INV_COUNT; i++) {
		bool ok = can_fail(w, (enum invariant)i);
		printf("%s %u - the invariant \"%s\" can fail\n", ok ? "ok" : "not ok", ++n,
		       invariant_name((enum invariant)i));
		good &= ok;
	}
	if (page) {
		bool ok = same_page(page);
		printf("%s %u - docs/invariants.md says what is checked\n", ok ? "ok" : "not ok",
		       ++n);
		good &= ok;
	}
	printf("1..%u\n", n);
	return good;
}
