/*
 * The town's program, TAP on stdout: a clean month, then each fraud.
 *   town [--seed N] [--only N] [--config FILE] [--verbose]      --only 0: the month; 1 and on: that fraud
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/town/fraud.h"
#include "tests/town/office.h"

/* 2026-11-09, a Monday, 00:00 UTC. */
#define MONDAY_MS 1794182400000u

enum { MONTH_DAYS = 30 };

static bool clean_month(struct town *t)
{
	uint32_t first, end;
	office_plan(t, 0, MONTH_DAYS, &first, &end);
	town_run(t, MONTH_DAYS * TOWN_DAY_MS);
	town_end(t);
	printf("# %u calls and registrations, %u came out at the far end, %llu records\n",
	       end - first, t->leg_count, (unsigned long long)t->cdrs);
	return office_stopped(t, first, end) == 0 && t->cdrs == t->leg_count && !t->wrong;
}

static void print_refusals(const struct town *t)
{
	for (uint32_t i = 0; i < t->refusal_count; i++)
		printf("#   %s/%s: %u\n", t->refusals[i].stage, t->refusals[i].rule,
		       t->refusals[i].count);
}

static bool one(unsigned n, const char *config, uint64_t seed, bool verbose)
{
	static struct town t;
	if (!town_init(&t, config, MONDAY_MS, seed))
		return false;
	t.verbose = verbose;
	bool good = n == 0 ? clean_month(&t) : fraud_scenario(&t, n - 1);
	print_refusals(&t);
	town_release(&t);
	return good;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", 1, NULL, 's'},
						{"only", 1, NULL, 'o'},
						{"config", 1, NULL, 'c'},
						{"verbose", 0, NULL, 'v'},
						{NULL, 0, NULL, 0}};
	const char *config = "tests/data/town/office.yaml";
	uint64_t seed = 1;
	long only = -1;
	bool verbose = false;
	unsigned failed = 0, number = 0;
	int o;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 's': seed = strtoull(optarg, NULL, 10); break;
		case 'o': only = strtol(optarg, NULL, 10); break;
		case 'c': config = optarg; break;
		case 'v': verbose = true; break;
		default: return 2;
		}
	}
	for (unsigned n = 0; n <= fraud_scenario_count(); n++) {
		if (only >= 0 && (long)n != only)
			continue;
		bool good = one(n, config, seed, verbose);
		failed += !good;
		printf("%sok %u - %s\n", good ? "" : "not ", ++number,
		       n == 0 ? "a clean month: nobody is stopped" : fraud_scenario_name(n - 1));
		fflush(stdout);
	}
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
