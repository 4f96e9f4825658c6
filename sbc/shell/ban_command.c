#include "ban_command.h"

#include "policy/ban_text.h"

static void write_list(struct buf *b, const struct sbc *sbc, struct ban_time t)
{
	uint32_t cursor = 0, n = 0;
	struct ban v;

	buf_lit(b, "{\"bans\":[");
	while (sbc_next_ban(sbc, t, false, &cursor, &v)) {
		if (n++ > 0)
			buf_char(b, ',');
		ban_write(b, &v);
	}
	buf_printf(b, "],\"total\":%u,\"wall_ms\":%llu}\n", n, (unsigned long long)t.wall_ms);
}

static void refuse(struct buf *b, const char *why)
{
	buf_printf(b, "{\"error\":\"%s\"}\n", why);
}

/* False: refused. */
static bool read_subject(struct buf *b, const struct dict *d, struct subject *out)
{
	const struct str kind = dict_get_str(d, STR("kind")),
			 name = dict_get_str(d, STR("subject"));
	unsigned k = 0;

	while (k < SUBJECT_KIND_COUNT &&
	       !str_eq(kind, str_from(ban_kind_name((enum subject_kind)k))))
		k++;
	*out = (struct subject){.kind = (enum subject_kind)k, .name = name};
	if (k == SUBJECT_KIND_COUNT) {
		refuse(b, "kind is source, user, trunk, caller or destination");
		return false;
	}
	if (k == SUBJECT_SOURCE && ban_read_source(name, &out->source) != OK) {
		refuse(b, "the source is no address and no prefix");
		return false;
	}
	return true;
}

static void write_result(struct buf *b, const char *result, const struct ban *v)
{
	buf_printf(b, "{\"result\":\"%s\",\"ban\":", result);
	ban_write(b, v);
	buf_lit(b, "}\n");
}

static void on_ban(struct buf *b, struct sbc *sbc, const struct dict *d, struct ban_time t)
{
	enum { YEARS_10_S = 10 * 365 * 86400 };
	const int64_t seconds = dict_get_int(d, STR("seconds"), 0);
	struct ban_order o = {.by = BAN_BY_OPERATOR,
			      .rule = STR("operator"),
			      .why = dict_get_str(d, STR("why")),
			      .exact = seconds > 0,
			      .seconds = (uint32_t)(seconds > 0 ? seconds : 0)};
	struct ban v;

	if (!read_subject(b, d, &o.subject))
		return;
	if (seconds < 0 || seconds > YEARS_10_S) {
		refuse(b, "the time is 1 second to 10 years");
		return;
	}
	const enum ban_result r = sbc_ban(sbc, &o, t, &v);
	switch (r) {
	case BAN_NEW:
	case BAN_LONGER:
	case BAN_KEPT: write_result(b, ban_result_name(r), &v); break;
	case BAN_SPARED: refuse(b, "it is on the list bans.allow"); break;
	case BAN_FULL: refuse(b, "no room: the table is full of operators' bans"); break;
	case BAN_UNPROVEN:
	case BAN_NAMELESS:
	case BAN_RESULT_COUNT:
		refuse(b, "there is no such subject, or its name is too long");
		break;
	}
}

static void on_unban(struct buf *b, struct sbc *sbc, const struct dict *d, struct ban_time t)
{
	struct subject who;
	struct ban v;

	if (!read_subject(b, d, &who))
		return;
	if (sbc_unban(sbc, &who, t, &v))
		write_result(b, "lifted", &v);
	else
		refuse(b, "it is not banned");
}

bool ban_command(struct buf *b, struct sbc *sbc, struct str command, const struct dict *request,
		 struct ban_time t)
{
	if (str_eq(command, STR("bans")))
		write_list(b, sbc, t);
	else if (str_eq(command, STR("ban")))
		on_ban(b, sbc, request, t);
	else if (str_eq(command, STR("unban")))
		on_unban(b, sbc, request, t);
	else
		return false;
	return true;
}
