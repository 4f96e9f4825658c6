#include "sbc/core/rules.h"

#include "sbc/core/octet.h"
#include "sbc/core/uri.h"

enum class {
	CLASS_FREE,    /* crosses where a list names it */
	CLASS_DEFAULT, /* is in the default list */
	CLASS_BODY,    /* crosses with its body */
	CLASS_PRODUCT, /* never crosses, but may be set */
	CLASS_LEG      /* belongs to one leg: we write it or nobody does */
};

/* All that is not named here is CLASS_FREE. Test: every id of one leg is refused by name in any list. */
static const uint8_t classes[HDR_COUNT] = {
	[HDR_ACCEPT] = CLASS_DEFAULT,
	[HDR_ACCEPT_LANGUAGE] = CLASS_DEFAULT,
	[HDR_DATE] = CLASS_DEFAULT,
	[HDR_EXPIRES] = CLASS_DEFAULT,
	[HDR_INFO_PACKAGE] = CLASS_DEFAULT,
	[HDR_P_EARLY_MEDIA] = CLASS_DEFAULT,
	[HDR_PRIORITY] = CLASS_DEFAULT,
	[HDR_PRIVACY] = CLASS_DEFAULT,
	[HDR_REASON] = CLASS_DEFAULT,
	[HDR_RECV_INFO] = CLASS_DEFAULT,
	[HDR_RETRY_AFTER] = CLASS_DEFAULT,
	[HDR_SUBJECT] = CLASS_DEFAULT,

	[HDR_CONTENT_DISPOSITION] = CLASS_BODY,
	[HDR_CONTENT_ENCODING] = CLASS_BODY,
	[HDR_CONTENT_LANGUAGE] = CLASS_BODY,
	[HDR_MIME_VERSION] = CLASS_BODY,

	[HDR_SERVER] = CLASS_PRODUCT,
	[HDR_USER_AGENT] = CLASS_PRODUCT,

	[HDR_ALLOW] = CLASS_LEG,
	[HDR_ALLOW_EVENTS] = CLASS_LEG,
	[HDR_AUTHENTICATION_INFO] = CLASS_LEG,
	[HDR_AUTHORIZATION] = CLASS_LEG,
	[HDR_CALL_ID] = CLASS_LEG,
	[HDR_CONTACT] = CLASS_LEG,
	[HDR_CONTENT_LENGTH] = CLASS_LEG,
	[HDR_CONTENT_TYPE] = CLASS_LEG,
	[HDR_CSEQ] = CLASS_LEG,
	[HDR_EVENT] = CLASS_LEG,
	[HDR_FROM] = CLASS_LEG,
	[HDR_IN_REPLY_TO] = CLASS_LEG, /* Call-IDs */
	[HDR_MAX_FORWARDS] = CLASS_LEG,
	[HDR_MIN_EXPIRES] = CLASS_LEG,
	[HDR_MIN_SE] = CLASS_LEG,
	[HDR_PATH] = CLASS_LEG,
	[HDR_PROXY_AUTHENTICATE] = CLASS_LEG,
	[HDR_PROXY_AUTHORIZATION] = CLASS_LEG,
	[HDR_PROXY_REQUIRE] = CLASS_LEG,
	[HDR_RACK] = CLASS_LEG,
	[HDR_RECORD_ROUTE] = CLASS_LEG,
	[HDR_REFER_TO] = CLASS_LEG,
	[HDR_REFER_SUB] = CLASS_LEG,
	[HDR_REPLACES] = CLASS_LEG,
	[HDR_REQUIRE] = CLASS_LEG,
	[HDR_ROUTE] = CLASS_LEG,
	[HDR_RSEQ] = CLASS_LEG,
	[HDR_SERVICE_ROUTE] = CLASS_LEG,
	[HDR_SESSION_EXPIRES] = CLASS_LEG,
	[HDR_SUBSCRIPTION_STATE] = CLASS_LEG,
	[HDR_SUPPORTED] = CLASS_LEG,
	[HDR_TIMESTAMP] = CLASS_LEG,
	[HDR_TO] = CLASS_LEG,
	[HDR_UNSUPPORTED] = CLASS_LEG,
	[HDR_VIA] = CLASS_LEG,
	[HDR_WARNING] = CLASS_LEG, /* names the host that warns */
	[HDR_WWW_AUTHENTICATE] = CLASS_LEG,
};

/* Names that hdr does not know and that belong to one leg all the same. */
static const struct str leg_names[] = {
	{"Proxy-Authentication-Info", 25},
	{"Security-Client", 15},
	{"Security-Server", 15},
	{"Security-Verify", 15},
	{"SIP-ETag", 8},
	{"SIP-If-Match", 12},
	{"Flow-Timer", 10},
	{"Join", 4},
	{"Target-Dialog", 13},
	{"P-Access-Network-Info", 21},
	{"P-Visited-Network-ID", 20},
};

static enum class class_of(struct str name) {
	enum hdr id = hdr_find(name); if (id != HDR_OTHER) return (enum class)classes[id];
	for (size_t i = 0; i < ARRAY_LEN(leg_names);
	     i++) if (str_ieq(name, leg_names[i])) return CLASS_LEG;
	return CLASS_FREE;
}

bool rules_may_name(struct str header, bool set)
{
	enum class c = class_of(header);
	return hdr_is_token(header) && c != CLASS_LEG &&
	       (set ? c != CLASS_BODY : c != CLASS_PRODUCT);
}

/* Compact and full forms are one name. */
static bool is_same(struct str a, struct str b)
{
	enum hdr id = hdr_find(a);
	return id != HDR_OTHER ? hdr_find(b) == id : str_ieq(a, b);
}

/* --- the rules of both realms, looked up once a message */

struct side {
	const struct header_rules *rules; /* NULL: none */
	const struct header_edit *edits;  /* of the direction that applies */
	size_t edit_count;
	enum trust trust;
};

static struct side side_of(const struct settings *s, uint16_t realm, bool outbound)
{
	struct side side = {.trust = TRUST_HIGH};
	if (realm == SETTINGS_NO_INDEX)
		return side;
	CHECK(realm < s->realm_count);
	if (realm < s->policy.realm_count)
		side.trust = s->policy.realms[realm].trust;
	uint16_t index = s->realms[realm].header_rules;
	if (index == SETTINGS_NO_INDEX)
		return side;
	CHECK(index < s->header_rules_count);
	side.rules = &s->header_rules[index];
	side.edits = outbound ? side.rules->outbound : side.rules->inbound;
	side.edit_count = outbound ? side.rules->outbound_count : side.rules->inbound_count;
	return side;
}

/* The edit that decides over this header: the last one that names it and applies. */
static const struct header_edit *find_edit(const struct side *side, struct str name)
{
	for (size_t i = side->edit_count; i > 0; i--) {
		const struct header_edit *e = &side->edits[i - 1];
		if ((!e->when_trust_below || side->trust < e->trust_below) &&
		    is_same(e->header, name))
			return e;
	}
	return NULL;
}

static bool is_carried_by(const struct header_rules *rules, struct str name)
{
	for (size_t i = 0; i < rules->carry_count; i++)
		if (is_same(rules->carry[i], name))
			return true;
	return false;
}

static bool may_cross(const struct side *from, const struct side *to, struct str name, bool body)
{
	enum class c = class_of(name);
	if (c == CLASS_LEG || c == CLASS_PRODUCT)
		return false;
	if (c == CLASS_BODY)
		return body;
	if (!from->rules && !to->rules)
		return c == CLASS_DEFAULT;
	return (!from->rules || is_carried_by(from->rules, name)) &&
	       (!to->rules || is_carried_by(to->rules, name));
}

/* --- values of edits */

enum variable { VARIABLE_NODE, VARIABLE_FROM, VARIABLE_TO, VARIABLE_COUNT };

static const struct str variables[VARIABLE_COUNT] = {
	[VARIABLE_NODE] = {"node.name", 9},
	[VARIABLE_FROM] = {"call.from.number", 16},
	[VARIABLE_TO] = {"call.to.number", 14},
};

/* Cuts literal text and the name of the ${variable} behind it off the front; false: all is literal. */
static bool cut_variable(struct str *s, struct str *out_text, struct str *out_name)
{
	size_t at = str_find(*s, STR("${"));
	*out_text = (struct str){s->p, at};
	if (at == s->len)
		return false;
	struct str rest = str_from_offset(*s, at + 2);
	size_t n = str_index(rest, '}');
	*out_name = (struct str){rest.p, n};
	*s = str_from_offset(rest, n + 1);
	return true;
}

static enum variable find_variable(struct str name)
{
	for (unsigned v = 0; v < VARIABLE_COUNT; v++)
		if (str_eq(name, variables[v]))
			return (enum variable)v;
	return VARIABLE_COUNT;
}

struct str rules_unknown_variable(struct str value)
{
	struct str text, name;
	while (cut_variable(&value, &text, &name))
		if (find_variable(name) == VARIABLE_COUNT)
			return name;
	return STR_NONE;
}

/* False: a variable is empty or unknown. A number comes from a stranger: it is escaped as a user part, so it cannot close a
 * bracket or begin a parameter. */
static bool expand(struct buf *b, struct str value, const struct rules_params *p)
{
	struct str text, name;
	while (cut_variable(&value, &text, &name)) {
		buf_str(b, text);
		enum variable v = find_variable(name);
		if (v == VARIABLE_COUNT)
			return false;
		struct str with = v == VARIABLE_NODE   ? p->settings->node
				  : v == VARIABLE_FROM ? p->from_number
						       : p->to_number;
		if (with.len == 0)
			return false;
		if (v == VARIABLE_NODE)
			buf_str(b, with);
		else
			uri_write_user(b, with);
	}
	buf_str(b, text);
	return true;
}

static void write_name(struct buf *b, struct str name)
{
	enum hdr id = hdr_find(name);
	buf_str(b, id != HDR_OTHER ? hdr_name(id) : name);
	buf_lit(b, ": ");
}

/* Takes the line back where its value may not stand in a message. */
static void end_line(struct buf *b, size_t line_at, size_t value_at, bool good)
{
	if (b->overflow)
		return;
	if (good && hdr_is_clean((struct str){b->p + value_at, b->len - value_at}))
		buf_lit(b, "\r\n");
	else
		b->len = line_at;
}

static void write_set(struct buf *b, const struct header_edit *e, const struct rules_params *p)
{
	size_t line_at = b->len;
	if (!rules_may_name(e->header, true))
		return;
	write_name(b, e->header);
	size_t value_at = b->len;
	bool good = expand(b, e->value, p);
	end_line(b, line_at, value_at, good);
}

/* "Q.850;cause=16" of each reason: the text behind it names hosts and products (RFC 3326 has it for people alone). */
static void write_reasons(struct buf *b, struct str list)
{
	struct str item;
	size_t at = b->len;
	while (hdr_list_cut(&list, &item)) {
		struct hdr_reason r;
		if (hdr_reason_parse(item, &r) != OK || r.cause == 0)
			continue;
		if (b->len > at)
			buf_lit(b, ", ");
		buf_str(b, r.protocol);
		buf_lit(b, ";cause=");
		buf_u64(b, r.cause);
		/* The one text that phones look for (RFC 3326 §3.1), in our own words. */
		if (r.cause == 200 && str_ieq(r.protocol, STR("SIP")))
			buf_lit(b, ";text=\"Call completed elsewhere\"");
	}
}

/* Who asked for the transfer (RFC 3892 §2): the number. Where its phone stands is the other side's affair. */
static void write_referrer(struct buf *b, struct str value, const struct rules_params *p)
{
	struct name_addr a;
	struct uri u;
	char mem[256];
	struct buf number;
	buf_init(&number, mem, sizeof(mem));
	if (name_addr_parse(value, &a) != OK || a.star || uri_parse(a.uri, &u) != OK ||
	    uri_write_number(&number, &u) != OK || number.overflow || number.len == 0)
		return;
	buf_lit(b, "<sip:");
	uri_write_user(b, buf_view(&number));
	buf_char(b, '@');
	buf_str(b, p->settings->node);
	buf_char(b, '>');
}

/* Byte for byte, but for what has a place for free text beside its meaning. */
static void write_value(struct buf *b, enum hdr id, struct str value, const struct rules_params *p)
{
	uint32_t seconds;
	if (id == HDR_REASON)
		write_reasons(b, value);
	else if (id == HDR_REFERRED_BY)
		write_referrer(b, value, p);
	else if (id != HDR_RETRY_AFTER)
		hdr_write_unfolded(b, value);
	else if (hdr_delta_parse(value, &seconds, NULL) == OK)
		buf_u64(b, seconds);
}

static void write_carried(struct buf *b, const struct msg *m, const struct side *from,
			  const struct side *to, const struct rules_params *p)
{
	for (size_t i = 0; i < m->header_count; i++) {
		struct str name = msg_name_at(m, i);
		if (!may_cross(from, to, name, p->body) || find_edit(from, name) ||
		    find_edit(to, name))
			continue;
		size_t line_at = b->len;
		write_name(b, name);
		size_t value_at = b->len;
		struct str value = msg_value_at(m, i);
		write_value(b, hdr_find(name), value, p);
		end_line(b, line_at, value_at, b->len > value_at || value.len == 0);
	}
}

enum err rules_carry(struct buf *lines, const struct msg *m, const struct rules_params *p)
{
	CHECK(p->settings);
	struct side from = side_of(p->settings, p->from_realm, false);
	struct side to = side_of(p->settings, p->to_realm, true);
	if (m)
		write_carried(lines, m, &from, &to, p);
	for (size_t i = 0; m && i < from.edit_count; i++) {
		const struct header_edit *e = &from.edits[i];
		if (e->action == HEADER_SET && find_edit(&from, e->header) == e &&
		    may_cross(&from, &to, e->header, p->body) && !find_edit(&to, e->header))
			write_set(lines, e, p);
	}
	for (size_t i = 0; i < to.edit_count; i++) {
		const struct header_edit *e = &to.edits[i];
		if (e->action == HEADER_SET && find_edit(&to, e->header) == e)
			write_set(lines, e, p);
	}
	return lines->overflow ? ERR_LIMIT : OK;
}
