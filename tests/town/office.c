#include "tests/town/office.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"

enum {
	PBX_DESKS =
		10, /* of the extensions those at the PBX inside: they do not register with us */
	CAMPAIGN_DAY = 8,
	CAMPAIGN_CALLS = 60,
	ON_CALL_NIGHTLY = 2
};

/* Where people call, and how many of a thousand calls go there. */
static const struct {
	const char *prefix; /* the rest is drawn */
	uint32_t digits;    /* of the rest */
	uint32_t permille;
} outward[] = {
	{"+4930", 7, 330}, {"+4989", 7, 140},  {"+49221", 7, 90}, {"+49171", 7, 120},
	{"+49160", 7, 90}, {"+49800", 7, 40},  {"+4343", 7, 45},  {"+4144", 7, 40},
	{"+33142", 6, 30}, {"+442079", 6, 30}, {"+12125", 6, 15}, {"+316", 8, 10},
	{"+48221", 6, 8},  {"+390269", 5, 6},  {"+90212", 7, 4},  {"+8135", 7, 2},
};

const char *office_address(uint32_t extension)
{
	static char text[32];
	snprintf(text, sizeof(text), "198.51.100.%u", 100 + (extension - OFFICE_FIRST));
	return text;
}

static void draw_number(struct town *t, char *out, size_t cap)
{
	uint32_t n = dice_range(&t->dice, 0, 999);
	size_t i = 0;
	while (i + 1 < ARRAY_LEN(outward) && n >= outward[i].permille)
		n -= outward[i++].permille;
	int at = snprintf(out, cap, "%s", outward[i].prefix);
	for (uint32_t k = 0; k < outward[i].digits; k++)
		at += snprintf(out + at, cap - (size_t)at, "%u",
			       dice_range(&t->dice, k == 0 ? 2 : 0, 9));
}

/* Most calls are short, some long, a few very long. */
static uint32_t draw_talk_ms(struct town *t)
{
	const uint32_t n = dice_range(&t->dice, 0, 99);
	if (n < 12)
		return dice_range(&t->dice, 2000, 9000);
	if (n < 80)
		return dice_range(&t->dice, 15000, 240000);
	if (n < 97)
		return dice_range(&t->dice, 240000, 1200000);
	return dice_range(&t->dice, 1200000, 3000000);
}

static void draw_fate(struct town *t, struct town_call *c)
{
	const uint32_t n = dice_range(&t->dice, 0, 99);
	c->outcome = n < 78 ? TOWN_ANSWERS : n < 85 ? TOWN_BUSY : TOWN_RINGS;
	c->ring_ms = c->outcome == TOWN_RINGS ? dice_range(&t->dice, 12000, 40000)
					      : dice_range(&t->dice, 2000, 15000);
	c->talk_ms = draw_talk_ms(t);
	c->callee_ends = dice_percent(&t->dice, 45);
}

static void who(struct town_call *c, uint32_t extension, bool at_pbx)
{
	static char addresses[OFFICE_EXTENSIONS][32];
	char *address = addresses[extension - OFFICE_FIRST];
	if (at_pbx) {
		c->from = (struct town_source){.address = "10.20.0.10", .inside = true};
		snprintf(c->caller, sizeof(c->caller), "+49305550%u", extension);
		return;
	}
	snprintf(address, sizeof(addresses[0]), "%s", office_address(extension));
	c->from = (struct town_source){.address = address, .tls = true};
	snprintf(c->user, sizeof(c->user), "%u", extension);
	snprintf(c->password, sizeof(c->password),
		 extension == 117 ? "1234" : "rather long and hard %u", extension);
}

static bool is_at_pbx(uint32_t extension)
{
	return extension < OFFICE_FIRST + PBX_DESKS;
}

static void plan_out(struct town *t, uint64_t at_ms, uint32_t extension)
{
	struct town_call c = {.kind = TOWN_CALL};
	who(&c, extension, is_at_pbx(extension));
	draw_number(t, c.number, sizeof(c.number));
	draw_fate(t, &c);
	town_plan(t, at_ms, &c);
}

static void plan_in(struct town *t, uint64_t at_ms)
{
	static const char *const callers[] = {"+4930", "+4989", "+49171", "+4314", "+4420"};
	struct town_call c = {.from = {.address = "198.51.100.10"}};
	snprintf(c.caller, sizeof(c.caller), "%s%u",
		 callers[dice_range(&t->dice, 0, ARRAY_LEN(callers) - 1)],
		 dice_range(&t->dice, 2000000, 9999999));
	snprintf(c.number, sizeof(c.number), "+49305550%u",
		 dice_range(&t->dice, OFFICE_FIRST, OFFICE_FIRST + OFFICE_EXTENSIONS - 1));
	draw_fate(t, &c);
	town_plan(t, at_ms, &c);
}

/* The partner's PBX has one address and calls us and, through us, others. */
static void plan_partner(struct town *t, uint64_t at_ms)
{
	struct town_call c = {.from = {.address = "198.51.100.77",
				       .tls = true,
				       .certificate = "sbc.partner.example"}};
	snprintf(c.caller, sizeof(c.caller), "+4940777%u", dice_range(&t->dice, 100, 119));
	if (dice_percent(&t->dice, 70))
		snprintf(c.number, sizeof(c.number), "+49305550%u",
			 dice_range(&t->dice, OFFICE_FIRST, OFFICE_FIRST + OFFICE_EXTENSIONS - 1));
	else
		draw_number(t, c.number, sizeof(c.number));
	draw_fate(t, &c);
	town_plan(t, at_ms, &c);
}

/* Phones come back in the morning; now and then somebody has changed his password and not told his phone. */
static void plan_register(struct town *t, uint64_t day_ms, uint32_t extension)
{
	struct town_call c = {.kind = TOWN_REGISTER};
	uint64_t at = day_ms + 4 * TOWN_HOUR_MS + dice_range(&t->dice, 0, TOWN_HOUR_MS);
	who(&c, extension, false);
	if (dice_percent(&t->dice, 2)) {
		struct town_call wrong = c;
		snprintf(wrong.password, sizeof(wrong.password), "last year's");
		for (int i = 0; i < 2; i++, at += TOWN_MINUTE_MS)
			town_plan(t, at, &wrong);
	}
	town_plan(t, at, &c);
}

/* Between eight and eighteen, most before lunch. In UTC: the office is an hour or two ahead. */
static uint64_t draw_hour_ms(struct town *t)
{
	const uint32_t hour = dice_percent(&t->dice, 55) ? dice_range(&t->dice, 6, 10)
							 : dice_range(&t->dice, 11, 16);
	return (uint64_t)hour * TOWN_HOUR_MS + dice_range(&t->dice, 0, TOWN_HOUR_MS - 1);
}

static void plan_workday(struct town *t, uint64_t day_ms)
{
	for (uint32_t e = OFFICE_FIRST; e < OFFICE_FIRST + OFFICE_EXTENSIONS; e++) {
		const uint32_t calls = dice_range(&t->dice, 3, 13);
		for (uint32_t i = 0; i < calls; i++)
			plan_out(t, day_ms + draw_hour_ms(t), e);
	}
	for (uint32_t i = 0; i < 250; i++)
		plan_in(t, day_ms + draw_hour_ms(t));
	for (uint32_t i = 0; i < 25; i++)
		plan_partner(t, day_ms + draw_hour_ms(t));
}

/* Somebody is on call, at home, and calls colleagues, customers, and once the family far away. */
static void plan_night(struct town *t, uint64_t day_ms, bool sunday)
{
	struct town_call c = {.ring_ms = 6000, .talk_ms = 25 * TOWN_MINUTE_MS};
	for (uint32_t i = 0; i < ON_CALL_NIGHTLY; i++) {
		struct town_call d = {.kind = TOWN_CALL};
		who(&d, 112, false);
		snprintf(d.number, sizeof(d.number), "+49171%u",
			 dice_range(&t->dice, 2000000, 9999999));
		draw_fate(t, &d);
		town_plan(t, day_ms + 20 * TOWN_HOUR_MS + dice_range(&t->dice, 0, 7 * TOWN_HOUR_MS),
			  &d);
	}
	for (uint32_t i = 0; i < 6; i++)
		plan_in(t, day_ms + 18 * TOWN_HOUR_MS + dice_range(&t->dice, 0, 5 * TOWN_HOUR_MS));
	if (sunday) {
		who(&c, 125, false);
		snprintf(c.number, sizeof(c.number), "+902123456%03u", dice_range(&t->dice, 0, 9));
		town_plan(t, day_ms + 17 * TOWN_HOUR_MS, &c);
	}
}

/* Sales work through a list that somebody has sorted. */
static void plan_campaign(struct town *t, uint64_t day_ms)
{
	for (uint32_t i = 0; i < CAMPAIGN_CALLS; i++) {
		struct town_call c = {.kind = TOWN_CALL};
		who(&c, 103, true);
		snprintf(c.number, sizeof(c.number), "+4989555%04u",
			 i * 37 + dice_range(&t->dice, 0, 30));
		draw_fate(t, &c);
		c.talk_ms = dice_range(&t->dice, 4000, 90000);
		town_plan(t, day_ms + 8 * TOWN_HOUR_MS + i * 4 * (uint64_t)TOWN_MINUTE_MS, &c);
	}
}

void office_plan(struct town *t, uint32_t first, uint32_t end, uint32_t *out_first,
		 uint32_t *out_end)
{
	*out_first = t->call_count;
	for (uint32_t day = first; day < end; day++) {
		const uint64_t day_ms = day * TOWN_DAY_MS;
		for (uint32_t e = OFFICE_FIRST + PBX_DESKS; e < OFFICE_FIRST + OFFICE_EXTENSIONS;
		     e++)
			plan_register(t, day_ms, e);
		if (day % 7 < 5)
			plan_workday(t, day_ms);
		plan_night(t, day_ms, day % 7 == 6);
		if (day == CAMPAIGN_DAY)
			plan_campaign(t, day_ms);
	}
	*out_end = t->call_count;
}

/* What its party would have heard without us: an answer, busy, or its own CANCEL. */
static bool is_natural(const struct town_call *c)
{
	if (c->kind == TOWN_REGISTER)
		return c->status == 200 ||
		       (c->status == 401 && strcmp(c->password, "last year's") == 0);
	switch (c->outcome) {
	case TOWN_ANSWERS: return c->status == 200 && !c->ended_by_us;
	case TOWN_BUSY: return c->status == 486;
	case TOWN_RINGS:
	case TOWN_REDIRECTS:
	case TOWN_EARLY: break;
	}
	return c->status == 487;
}

uint32_t office_stopped(const struct town *t, uint32_t first, uint32_t end)
{
	uint32_t stopped = 0;
	for (uint32_t i = first; i < end; i++) {
		const struct town_call *c = &t->calls[i];
		if (c->branch == 0 || is_natural(c)) /* its time has not come, or all is well */
			continue;
		if (stopped++ < 5)
			printf("# stopped: %s%s -> %s at %llu s: %u%s\n", c->user, c->caller,
			       c->number, (unsigned long long)(c->answered_ms / 1000), c->status,
			       c->ended_by_us ? ", ended by us" : "");
	}
	return stopped;
}
