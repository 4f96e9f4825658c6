/* Where a source is, and whether it may speak from there: what each datagram of a realm with such rules pays. */
#include <stdio.h>

#include "policy/geo_rule.h"
#include "sbc/shell/geo_db.h"
#include "tests/bench/run.h"

enum { RULES = 20, ADDRESSES = 64 };

struct load {
	struct geo_db *db;
	struct addr addresses[ADDRESSES];
	struct policy_config config;
	struct geo_rule rules[RULES];
	struct realm_rule realm;
	struct facts facts;
};

static void country(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++) {
		char out[2];
		bench_keep(geo_db_country(l->db, &l->addresses[i % ADDRESSES], out));
	}
}

static void asn(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(geo_db_asn(l->db, &l->addresses[i % ADDRESSES]));
}

static void judge(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(geo_rule_judge(&l->config, &l->facts, GEO_EARLY).outcome);
}

int main(void)
{
	static struct load l = {.facts = {.country = "NO", .trunk = POLICY_NO_INDEX}};
	static const char *const starts[] = {"127.0.10.", "127.0.20.", "203.0.113.", "192.0.2."};
	char mem[256], text[32];
	struct buf why;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		(void)snprintf(text, sizeof(text), "%s%u", starts[i % 4], i);
		CHECK(addr_parse_ip(str_from(text), &l.addresses[i]) == OK);
	}
	buf_init(&why, mem, sizeof(mem));
	CHECK(geo_db_open(&l.db, GEO_KIND_COUNTRY, "tests/data/geo/country.mmdb", &why) == OK);
	bench("geo: country of an address", country, &l);
	geo_db_free(&l.db);
	CHECK(geo_db_open(&l.db, GEO_KIND_ASN, "tests/data/geo/asn.mmdb", &why) == OK);
	bench("geo: autonomous system of an address", asn, &l);
	geo_db_free(&l.db);
	for (unsigned i = 0; i < RULES; i++) {
		l.rules[i] = (struct geo_rule){.by_country = true, .action = GEO_REJECT};
		country_set_add(&l.rules[i].countries, country_code(STR("CU")));
	}
	l.config = (struct policy_config){
		.realms = &l.realm, .realm_count = 1, .geo = l.rules, .geo_count = RULES};
	bench("geo: 20 rules, none matches", judge, &l);
	return 0;
}
