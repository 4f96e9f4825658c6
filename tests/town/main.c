/*
 * The town's program, TAP on stdout: a clean month, then each fraud.
 *   town [--seed N] [--only N] [--loss PERCENT] [--config FILE] [--verbose]      --only 0: the month; 1 and on: that fraud;
 *   each twice, over a perfect network and one that loses 5 % of the datagrams and brings 15 % twice; --loss: once, with that
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/town/fraud.h"
#include "tests/town/office.h"

/* 2026-11-09, a Monday, 00:00 UTC. */
#define MONDAY_MS 1794182400000u

enum { MONTH_DAYS = 30, LOSS = 5 };

struct arguments {
	const char *config;
	uint64_t seed;
	long only, loss; /* -1: all; without and with */
	bool verbose;
};

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

/* What came out of a run: by what rule so many were refused. */
struct outcome {
	struct town_refusal refusals[TOWN_RULES_MAX];
	uint32_t count;
};

static bool one(unsigned n, const struct arguments *a, uint32_t loss, struct outcome *out)
{
	static struct town t;
	if (!town_init(&t, a->config, MONDAY_MS, a->seed))
		return false;
	t.verbose = a->verbose;
	t.loss = loss;
	bool good = n == 0 ? clean_month(&t) : fraud_scenario(&t, n - 1);
	print_refusals(&t);
	memcpy(out->refusals, t.refusals, sizeof(t.refusals));
	out->count = t.refusal_count;
	town_release(&t);
	return good;
}

/* Who is nobody's is refused without a transaction: each copy, and each is one datagram that was refused. */
static bool is_of_copies(const struct town_refusal *r)
{
	return strcmp(r->stage, "identify") == 0;
}

static bool same(const struct outcome *perfect, const struct outcome *lossy)
{
	bool good = perfect->count == lossy->count;
	for (uint32_t i = 0; i < perfect->count && good; i++) {
		const struct town_refusal *p = &perfect->refusals[i];
		uint32_t k = 0;
		while (k < lossy->count && strcmp(lossy->refusals[k].rule, p->rule) != 0)
			k++;
		good = k < lossy->count &&
		       (p->count == lossy->refusals[k].count || is_of_copies(p));
	}
	if (!good)
		printf("# what is lost, late or comes twice changes what is refused\n");
	return good;
}

static unsigned say(bool good, unsigned number, const char *prefix, unsigned n)
{
	printf("%sok %u - %s%s\n", good ? "" : "not ", number, prefix,
	       n == 0 ? "a clean month: nobody is stopped" : fraud_scenario_name(n - 1));
	fflush(stdout);
	return !good;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", 1, NULL, 's'},    {"only", 1, NULL, 'o'},
						{"config", 1, NULL, 'c'},  {"loss", 1, NULL, 'l'},
						{"verbose", 0, NULL, 'v'}, {NULL, 0, NULL, 0}};
	struct arguments a = {
		.config = "tests/data/town/office.yaml", .seed = 1, .only = -1, .loss = -1};
	unsigned failed = 0, number = 0;
	int o;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 's': a.seed = strtoull(optarg, NULL, 10); break;
		case 'o': a.only = strtol(optarg, NULL, 10); break;
		case 'l': a.loss = strtol(optarg, NULL, 10); break;
		case 'c': a.config = optarg; break;
		case 'v': a.verbose = true; break;
		default: return 2;
		}
	}
	for (unsigned n = 0; n <= fraud_scenario_count(); n++) {
		static struct outcome perfect, lossy;
		if (a.only >= 0 && (long)n != a.only)
			continue;
		bool good = one(n, &a, a.loss > 0 ? (uint32_t)a.loss : 0, &perfect);
		failed += say(good, ++number, "", n);
		if (a.loss >= 0)
			continue;
		good = one(n, &a, LOSS, &lossy);
		good &= same(&perfect, &lossy);
		failed += say(good, ++number, "with datagrams lost, late and twice: ", n);
	}
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
