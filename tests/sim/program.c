/*
 * The simulated world (design §4): the real signalling core, phones, a relay and a network of chance on a virtual
 * clock. Prints TAP, one line a scenario; a seed that fails is made as short as it can be and printed: how to repeat
 * it, what is wrong, and its ladder.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/hour.h"
#include "tests/sim/invariants.h"
#include "tests/sim/scenario.h"
#include "tests/sim/self_test.h"
#include "tests/sim/shrink.h"

enum { FAILED_SHOWN = 3 }; /* seeds of one scenario */

struct arguments {
	uint64_t first, seeds, seed, calls;
	bool one_seed, pending, hour, two, self_test, whole_story;
	const char *scenario, *page;
	struct world_options options;
};

static void explain(struct world *w, const struct scenario *s, uint64_t seed,
		    const struct arguments *a)
{
	struct world_options o = a->options;
	if (!a->whole_story)
		shrink(w, s, seed, &o);
	shrink_print(s, seed, &o);
	o.verbose = true;
	(void)world_run(w, s, seed, &o);
	for (size_t i = 0; i < w->faults.count && i < FAULTS_KEPT; i++)
		printf("# WRONG (%s): %s\n", invariant_name(w->faults.of[i]), w->faults.text[i]);
	if (w->faults.count > FAULTS_KEPT)
		printf("# WRONG: and %zu more\n", w->faults.count - FAULTS_KEPT);
}

static bool run_scenario(struct world *w, const struct scenario *s, unsigned number,
			 const struct arguments *a)
{
	uint64_t first = a->one_seed ? a->seed : a->first, count = a->one_seed ? 1 : a->seeds;
	uint64_t failed = 0;
	/* Among all the others a third of the seeds must do. */
	if (!a->scenario && scenario_is_dear(s))
		count = (count + 2) / 3;
	for (uint64_t seed = first; seed < first + count; seed++) {
		if (world_run(w, s, seed, &a->options))
			continue;
		if (failed++ < FAILED_SHOWN)
			explain(w, s, seed, a);
	}
	printf("%s %u - %s\n", failed ? "not ok" : "ok", number, s->name);
	if (failed)
		printf("# %llu of %llu seeds failed at %u %% loss\n", (unsigned long long)failed,
		       (unsigned long long)count, a->options.loss);
	fflush(stdout);
	return failed == 0;
}

static void usage(FILE *to)
{
	fputs("world [--seeds N] [--first S] [--seed S] [--scenario NAME] [--loss PERCENT] [--cut "
	      "LIST] "
	      "[--verbose]\n"
	      "      [--whole] [--long] [--list]      scenarios; --cut: what a shrunk run leaves "
	      "out\n"
	      "world --hour [--calls N] [--seed S]    traffic of an hour, 10 calls a second\n"
	      "world --two [--seed S]                two nodes and one limit of sessions\n"
	      "world --self-test [--page FILE]        each invariant can fail; FILE says what they "
	      "are\n"
	      "world --write-page                     the page of the invariants\n",
	      to);
}

static uint64_t number(const char *text)
{
	uint64_t v;
	if (str_to_u64(str_from(text), UINT64_MAX - 1, &v) != OK) {
		usage(stderr);
		exit(2);
	}
	return v;
}

static void list(void)
{
	const struct scenario *s;
	for (unsigned i = 0; (s = scenario_at(i)) != NULL; i++)
		puts(s->name);
}

static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
					{"seed", required_argument, NULL, 's'},
					{"first", required_argument, NULL, 'f'},
					{"scenario", required_argument, NULL, 'c'},
					{"loss", required_argument, NULL, 'l'},
					{"cut", required_argument, NULL, 'x'},
					{"verbose", no_argument, NULL, 'v'},
					{"whole", no_argument, NULL, 'w'},
					{"long", no_argument, NULL, 'o'},
					{"pending", no_argument, NULL, 'q'},
					{"hour", no_argument, NULL, 'H'},
					{"calls", required_argument, NULL, 'k'},
					{"two", no_argument, NULL, '2'},
					{"self-test", no_argument, NULL, 't'},
					{"page", required_argument, NULL, 'p'},
					{"write-page", no_argument, NULL, 'P'},
					{"list", no_argument, NULL, 'L'},
					{"help", no_argument, NULL, 'h'},
					{NULL, 0, NULL, 0}};

static void read_arguments(int argc, char **argv, struct arguments *a)
{
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n': a->seeds = number(optarg); break;
		case 's':
			a->seed = number(optarg);
			a->one_seed = true;
			break;
		case 'f': a->first = number(optarg); break;
		case 'c': a->scenario = optarg; break;
		case 'l': a->options.loss = (uint32_t)number(optarg); break;
		case 'x':
			if (!shrink_read(optarg, &a->options.cut)) {
				usage(stderr);
				exit(2);
			}
			break;
		case 'w': a->options.whole = true; /* fall through */
		case 'v': a->options.verbose = true; break;
		case 'o': a->whole_story = true; break;
		case 'q': a->pending = true; break;
		case 'H': a->hour = true; break;
		case '2': a->two = true; break;
		case 'k': a->calls = number(optarg); break;
		case 't': a->self_test = true; break;
		case 'p': a->page = optarg; break;
		case 'P': self_test_page(stdout); exit(0);
		case 'L': list(); exit(0);
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
}

static bool run_scenarios(struct world *w, const struct arguments *a)
{
	unsigned n = 0;
	bool good = true, exact = false;
	const struct scenario *s;
	for (unsigned i = 0; a->scenario && (s = scenario_at(i)) != NULL; i++)
		exact |= strcmp(a->scenario, s->name) == 0;
	for (unsigned i = 0; (s = scenario_at(i)) != NULL; i++) {
		if (a->scenario &&
		    (exact ? strcmp(a->scenario, s->name)
			   : strncmp(a->scenario, s->name, strlen(a->scenario))) != 0)
			continue;
		if (s->pending && !a->scenario && !a->pending)
			continue;
		good &= run_scenario(w, s, ++n, a);
	}
	printf("1..%u\n", n);
	return good && n;
}

int main(int argc, char **argv)
{
	struct arguments a = {.first = 1,
			      .seeds = 100,
			      .calls = 36000,
			      .options = {.loss = 10, .broken = INV_COUNT}};
	read_arguments(argc, argv, &a);
	struct world *w = malloc(sizeof(*w));
	CHECK(w != NULL);
	world_init(w);
	bool good = a.self_test ? self_test(w, a.page)
		    : a.two     ? hour_of_two(w, a.one_seed ? a.seed : 1)
		    : a.hour    ? hour(w, a.one_seed ? a.seed : 1, a.calls)
				: run_scenarios(w, &a);
	world_release(w);
	free(w);
	return good ? 0 : 1;
}
