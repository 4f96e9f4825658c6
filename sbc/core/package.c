#include "sbc/core/package.h"

#include "common/check.h"
#include "sbc/core/hdr.h"

static const struct {
	struct str name;
	enum trust least; /* of the realm that its notifications go to */
} packages[] = {
	{{"message-summary", 15}, TRUST_NONE},
	{{"check-sync", 10}, TRUST_NONE}, /* no body; a NOTIFY that nobody subscribed to */
	{{"presence", 8}, TRUST_MEDIUM},
	{{"presence.winfo", 14}, TRUST_MEDIUM},
	{{"dialog", 6}, TRUST_MEDIUM},
	{{"conference", 10}, TRUST_MEDIUM},
	{{"reg", 3}, TRUST_MEDIUM},
	{{"as-feature-event", 16}, TRUST_MEDIUM},
	{{"call-completion", 15}, TRUST_MEDIUM},
	{{"vq-rtcpxr", 9}, TRUST_MEDIUM},
};

static const struct {
	struct str type;
	enum trust least;
} bodies[] = {
	{{"text/plain", 10}, TRUST_NONE},
	{{"text/html", 9}, TRUST_NONE},
	{{"application/simple-message-summary", 34}, TRUST_NONE},
	{{"application/im-iscomposing+xml", 30}, TRUST_NONE},
	{{"message/cpim", 12}, TRUST_MEDIUM},
	{{"message/imdn+xml", 16}, TRUST_MEDIUM},
	{{"message/sipfrag", 15}, TRUST_MEDIUM},
	{{"application/pidf+xml", 20}, TRUST_MEDIUM},
	{{"application/pidf-diff+xml", 25}, TRUST_MEDIUM},
	{{"application/xpidf+xml", 21}, TRUST_MEDIUM},
	{{"application/cpim-pidf+xml", 25}, TRUST_MEDIUM},
	{{"application/watcherinfo+xml", 27}, TRUST_MEDIUM},
	{{"application/dialog-info+xml", 27}, TRUST_MEDIUM},
	{{"application/conference-info+xml", 31}, TRUST_MEDIUM},
	{{"application/reginfo+xml", 23}, TRUST_MEDIUM},
	{{"application/rlmi+xml", 20}, TRUST_MEDIUM},
	{{"application/x-as-feature-event+xml", 34}, TRUST_MEDIUM},
	{{"application/vq-rtcpxr", 21}, TRUST_MEDIUM},
	{{"application/call-completion", 27}, TRUST_MEDIUM},
	{{"application/vnd.3gpp.sms", 24}, TRUST_MEDIUM},
	{{"multipart/related", 17}, TRUST_MEDIUM},
};

/* Cuts "token" off the front of "token;a=b": the rest are parameters, with their ';'. */
static enum err cut_token(struct str value, struct str *out, struct str *params)
{
	size_t at = str_index(value, ';');
	struct str token = str_trim((struct str){value.p, at});

	if (!hdr_is_token(token))
		return ERR_BAD;
	*out = token;
	*params = str_from_offset(value, at);
	return OK;
}

enum err package_parse_event(struct str value, struct package_event *out)
{
	struct str name, params, key, val, id = STR_NONE;
	bool bad = false;

	if (cut_token(value, &name, &params) != OK || name.len > PACKAGE_NAME_MAX)
		return ERR_BAD;
	while (hdr_param_cut(&params, &key, &val, &bad)) {
		if (!str_ieq(key, STR("id")))
			continue; /* of one package, about one leg: stays behind */
		if (!hdr_is_token(val) || val.len > PACKAGE_ID_MAX)
			return ERR_BAD;
		id = val;
	}
	if (bad)
		return ERR_BAD;
	*out = (struct package_event){.name = name, .id = id};
	return OK;
}

bool package_event_eq(const struct package_event *a, const struct package_event *b)
{
	return str_eq(a->name, b->name) && str_eq(a->id, b->id);
}

void package_write_event(struct buf *b, const struct package_event *e)
{
	buf_str(b, e->name);
	if (e->id.len) {
		buf_lit(b, ";id=");
		buf_str(b, e->id);
	}
}

bool package_is_allowed(struct str name, enum trust to)
{
	for (size_t i = 0; i < ARRAY_LEN(packages); i++)
		if (str_eq(packages[i].name, name))
			return to >= packages[i].least;
	return false;
}

static void write_item(struct buf *b, struct str item, bool *first)
{
	if (!*first)
		buf_lit(b, ", ");
	*first = false;
	buf_str(b, item);
}

void package_write_allowed(struct buf *b, enum trust to)
{
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(packages); i++)
		if (to >= packages[i].least)
			write_item(b, packages[i].name, &first);
}

enum err package_parse_state(struct str value, struct package_state *out)
{
	struct package_state s = {.has_expires = false};
	struct str params, key, val;
	bool bad = false;

	if (cut_token(value, &s.state, &params) != OK)
		return ERR_BAD;
	while (hdr_param_cut(&params, &key, &val, &bad)) {
		if (str_ieq(key, STR("expires"))) {
			if (hdr_delta_parse(val, &s.expires_s, NULL) != OK)
				return ERR_BAD;
			s.has_expires = true;
		} else if (str_ieq(key, STR("retry-after"))) {
			if (hdr_delta_parse(val, &s.retry_after_s, NULL) != OK)
				return ERR_BAD;
			s.has_retry_after = true;
		} else if (str_ieq(key, STR("reason"))) {
			if (!hdr_is_token(val))
				return ERR_BAD;
			s.reason = val;
		}
	}
	if (bad)
		return ERR_BAD;
	s.terminated = str_ieq(s.state, STR("terminated"));
	*out = s;
	return OK;
}

static void write_number(struct buf *b, const char *key, uint32_t n)
{
	buf_z(b, key);
	buf_u64(b, n);
}

void package_write_state(struct buf *b, const struct package_state *s)
{
	buf_str(b, s->state);
	if (s->has_expires)
		write_number(b, ";expires=", s->expires_s);
	if (s->reason.len) {
		buf_lit(b, ";reason=");
		buf_str(b, s->reason);
	}
	if (s->has_retry_after)
		write_number(b, ";retry-after=", s->retry_after_s);
}

static struct str type_of(struct str content_type)
{
	return str_trim((struct str){content_type.p, str_index(content_type, ';')});
}

bool package_body_crosses(struct str content_type, enum trust to)
{
	struct str type = type_of(content_type);

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		if (str_ieq(bodies[i].type, type))
			return to >= bodies[i].least;
	return false;
}

void package_write_bodies(struct buf *b, enum trust to)
{
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		if (to >= bodies[i].least)
			write_item(b, bodies[i].type, &first);
}

bool package_is_summary(struct str content_type)
{
	return str_ieq(type_of(content_type), STR("application/simple-message-summary"));
}

/* "yes", "2/8 (0/2)": nothing that could name anyone. */
static bool is_plain_count(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!str_has_char(STR("0123456789/() "), value.p[i]))
			return false;
	return value.len > 0;
}

void package_write_summary(struct buf *b, struct str body)
{
	struct str line;

	while (str_cut(&body, '\n', &line)) {
		size_t colon = str_index(line, ':');
		struct str name = str_trim((struct str){line.p, colon});
		struct str value = str_trim(str_from_offset(line, colon + 1));
		bool waiting = str_ieq(name, STR("Messages-Waiting")) &&
			       (str_ieq(value, STR("yes")) || str_ieq(value, STR("no")));
		bool count = hdr_is_token(name) && str_has_isuffix(name, STR("-Message")) &&
			     is_plain_count(value);
		if (colon == line.len || (!waiting && !count))
			continue;
		buf_str(b, name);
		buf_lit(b, ": ");
		buf_str(b, value);
		buf_lit(b, "\r\n");
	}
}
