#include "policy/country.h"

#include <string.h>

#include "common/check.h"

/* Each in its place of the alphabet, so that the list can be compared with any other. */
static const char known[] =
	"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
	"BR BS "
	"BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
	"EC EE "
	"EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY "
	"HK HM "
	"HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA "
	"LB LC "
	"LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY "
	"MZ NA "
	"NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS "
	"RU RW "
	"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
	"TN TO "
	"TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ";

static bool is_pair(struct str s)
{
	return s.len == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] >= 'A' && s.p[1] <= 'Z';
}

uint16_t country_code(struct str s)
{
	return is_pair(s) ? (uint16_t)(1 + 26 * (s.p[0] - 'A') + (s.p[1] - 'A')) : COUNTRY_UNKNOWN;
}

bool country_is_known(struct str s)
{
	for (const char *p = known; is_pair(s) && *p; p += 3)
		if (p[0] == s.p[0] && p[1] == s.p[1])
			return true;
	return false;
}

struct str country_meant(struct str word)
{
	static const struct str slips[][2] = {{STR("UK"), STR("GB")},  {STR("EL"), STR("GR")},
					      {STR("USA"), STR("US")}, {STR("SU"), STR("RU")},
					      {STR("AN"), STR("CW")},  {STR("YU"), STR("RS")},
					      {STR("GER"), STR("DE")}, {STR("FX"), STR("FR")}};
	for (size_t i = 0; i < ARRAY_LEN(slips); i++)
		if (str_ieq(word, slips[i][0]))
			return slips[i][1];
	/* "de": the same in capitals, if that is one. */
	for (const char *p = known; word.len == 2 && *p; p += 3)
		if (str_ieq(word, (struct str){p, 2}))
			return (struct str){p, 2};
	return STR_NONE;
}

void country_set_add(struct country_set *s, uint16_t code)
{
	CHECK(code < COUNTRY_CODES);
	s->bits[code / 64] |= (uint64_t)1 << code % 64;
}

void country_set_del(struct country_set *s, uint16_t code)
{
	CHECK(code < COUNTRY_CODES);
	s->bits[code / 64] &= ~((uint64_t)1 << code % 64);
}

void country_set_fill(struct country_set *s)
{
	memset(s, 0, sizeof(*s));
	for (uint16_t i = 0; i < COUNTRY_CODES; i++)
		country_set_add(s, i);
}

bool country_set_has(const struct country_set *s, uint16_t code)
{
	return code < COUNTRY_CODES && (s->bits[code / 64] >> code % 64 & 1);
}

bool country_set_is_empty(const struct country_set *s)
{
	for (unsigned i = 0; i < COUNTRY_SET_WORDS; i++)
		if (s->bits[i])
			return false;
	return true;
}
