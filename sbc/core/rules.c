#include "sbc/core/rules.h"

#include "policy/pattern.h"
#include "sbc/core/octet.h"
#include "sbc/core/uri.h"

enum {
	LINES_MAX = MSG_HEADERS_MAX + 96,
	TEXT_MAX = 16 * 1024 /* of all values that edits make of one message */
};

enum class {
	CLASS_FREE,     /* crosses where a list names it */
	CLASS_DEFAULT,  /* is in the default list */
	CLASS_BODY,     /* crosses with its body */
	CLASS_IDENTITY, /* says who somebody is: `made` has it, or nothing */
	CLASS_SIGNED, /* as FREE, but of `made` alone: a signature of what we did not write is none */
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
	[HDR_REASON] = CLASS_DEFAULT,
	[HDR_RECV_INFO] = CLASS_DEFAULT,
	[HDR_RETRY_AFTER] = CLASS_DEFAULT,
	[HDR_SUBJECT] = CLASS_DEFAULT,

	[HDR_CONTENT_DISPOSITION] = CLASS_BODY,
	[HDR_CONTENT_ENCODING] = CLASS_BODY,
	[HDR_CONTENT_LANGUAGE] = CLASS_BODY,
	[HDR_MIME_VERSION] = CLASS_BODY,

	[HDR_DIVERSION] = CLASS_IDENTITY,
	[HDR_HISTORY_INFO] = CLASS_IDENTITY,
	[HDR_P_ASSERTED_IDENTITY] = CLASS_IDENTITY,
	[HDR_P_PREFERRED_IDENTITY] = CLASS_IDENTITY,
	[HDR_PRIVACY] = CLASS_IDENTITY,
	[HDR_REMOTE_PARTY_ID] = CLASS_IDENTITY,
	[HDR_SESSION_ID] = CLASS_IDENTITY,

	[HDR_IDENTITY] = CLASS_SIGNED,

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

bool rules_is_identity(struct str header)
{
	return class_of(header) == CLASS_IDENTITY;
}

/* Compact and full forms are one name. */
static bool is_same(struct str a, struct str b)
{
	enum hdr id = hdr_find(a);
	return id != HDR_OTHER ? hdr_find(b) == id : str_ieq(a, b);
}

/* What names the sender beside the identities themselves (RFC 3323 §4.1; RFC 8224 for Identity). */
static bool is_personal(enum hdr id)
{
	return id == HDR_SUBJECT || id == HDR_CALL_INFO || id == HDR_ORGANIZATION ||
	       id == HDR_REPLY_TO || id == HDR_REFERRED_BY || id == HDR_IDENTITY ||
	       id == HDR_IDENTITY_INFO || id == HDR_ALERT_INFO || id == HDR_ERROR_INFO;
}

/* --- the rules of both realms, looked up once a message */

struct side {
	const struct header_rules *rules; /* NULL: none */
	const struct header_edit *edits;  /* of the direction that applies */
	size_t edit_count;
	const struct trunk *trunk;
	enum trust trust;
};

static struct side side_of(const struct rules_params *p, bool outbound)
{
	const struct settings *s = p->settings;
	uint16_t realm = outbound ? p->to_realm : p->from_realm;
	struct side side = {.trust = TRUST_HIGH, .trunk = outbound ? p->to : p->from};
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

static bool is_carried_by(const struct header_rules *rules, struct str name)
{
	for (size_t i = 0; i < rules->carry_count; i++)
		if (is_same(rules->carry[i], name))
			return true;
	return false;
}

/* Do the lists let it cross? */
static bool is_listed(const struct side *from, const struct side *to, enum class c, struct str name,
		      bool body)
{
	if (c == CLASS_LEG || c == CLASS_PRODUCT)
		return false;
	if (c == CLASS_BODY)
		return body;
	if (!from->rules && !to->rules)
		return c == CLASS_DEFAULT || c == CLASS_IDENTITY;
	return (!from->rules || is_carried_by(from->rules, name)) &&
	       (!to->rules || is_carried_by(to->rules, name));
}

bool rules_lets(const struct rules_params *p, struct str header)
{
	struct side from = side_of(p, false), to = side_of(p, true);

	return is_listed(&from, &to, class_of(header), header, p->body);
}

/* Is it one that may be copied at all? */
static bool is_copied(enum class c, enum hdr id, const struct rules_params *p)
{
	return c != CLASS_LEG && c != CLASS_PRODUCT && c != CLASS_IDENTITY && c != CLASS_SIGNED &&
	       !(p->dated && id == HDR_DATE) && (c != CLASS_BODY || p->body) &&
	       !(p->hidden && is_personal(id));
}

/* --- lines */

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
static void write_referrer(struct buf *b, struct str value, struct str node)
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
	buf_str(b, node);
	buf_char(b, '>');
}

/* Byte for byte, but for what has a place for free text beside its meaning. */
static void write_value(struct buf *b, enum hdr id, struct str value, const struct rules_params *p)
{
	uint32_t seconds;
	if (id == HDR_REASON)
		write_reasons(b, value);
	else if (id == HDR_REFERRED_BY)
		write_referrer(b, value, p->settings->node);
	else if (id != HDR_RETRY_AFTER && id != HDR_EXPIRES)
		hdr_write_unfolded(b, value);
	else if (hdr_delta_parse(value, &seconds, NULL) == OK)
		buf_u64(b, seconds);
}

/* `made`: the value stands as it is. */
static void write_line(struct buf *b, struct str name, struct str value, bool made,
		       const struct rules_params *p)
{
	size_t line_at = b->len;
	write_name(b, name);
	size_t value_at = b->len;
	if (made)
		buf_str(b, value);
	else
		write_value(b, hdr_find(name), value, p);
	end_line(b, line_at, value_at, b->len > value_at || value.len == 0);
}

/* --- without edits: straight through */

static void write_plain(struct buf *b, const struct msg *m, const struct rules_params *p,
			const struct side *from, const struct side *to)
{
	for (size_t i = 0; m && i < m->header_count; i++) {
		struct str name = msg_name_at(m, i);
		enum hdr id = (enum hdr)m->headers[i].id;
		enum class c = id != HDR_OTHER ? (enum class)classes[id] : class_of(name);
		if (is_copied(c, id, p) && is_listed(from, to, c, name, p->body))
			write_line(b, name, msg_value_at(m, i), false, p);
	}
	for (size_t i = 0; i < p->made_count; i++)
		if (p->made[i].named ||
		    is_listed(from, to, class_of(p->made[i].name), p->made[i].name, p->body))
			write_line(b, p->made[i].name, p->made[i].value, true, p);
}

/* --- with edits: over a list of lines */

struct line {
	struct str name, value;
	bool made;    /* the value is as it shall stand; else as it came */
	bool named;   /* needs no list */
	bool crosses; /* the lists have let it */
};

struct work {
	const struct msg *m;
	const struct rules_params *p;
	struct buf text;
	size_t count;
	bool full; /* a line or a value found no room: nothing is sent of a message that is not whole */
	struct line lines[LINES_MAX];
	char text_mem[TEXT_MAX];
};

static void add_line(struct work *w, struct line l)
{
	if (w->count == LINES_MAX)
		w->full = true;
	else
		w->lines[w->count++] = l;
}

static void del_lines(struct work *w, struct str name)
{
	size_t n = 0;
	for (size_t i = 0; i < w->count; i++)
		if (!is_same(w->lines[i].name, name))
			w->lines[n++] = w->lines[i];
	w->count = n;
}

static struct str cut_text(struct work *w, size_t at)
{
	if (w->text.overflow) {
		w->full = true;
		return STR_NONE;
	}
	return (struct str){w->text.p + at, w->text.len - at};
}

/* The value as it would be written: nothing that a copy would not show gets into an edit. */
static struct str value_of(struct work *w, const struct line *l)
{
	if (l->made)
		return l->value;
	size_t at = w->text.len;
	write_value(&w->text, hdr_find(l->name), l->value, w->p);
	return cut_text(w, at);
}

static void gather(struct work *w)
{
	for (size_t i = 0; w->m && i < w->m->header_count; i++) {
		struct str name = msg_name_at(w->m, i);
		if (is_copied(class_of(name), hdr_find(name), w->p))
			add_line(w, (struct line){.name = name, .value = msg_value_at(w->m, i)});
	}
	for (size_t i = 0; i < w->p->made_count; i++)
		add_line(w, (struct line){.name = w->p->made[i].name,
					  .value = w->p->made[i].value,
					  .made = true,
					  .named = w->p->made[i].named});
}

/* --- values of edits */

enum variable {
	VARIABLE_NODE,
	VARIABLE_FROM,
	VARIABLE_TO,
	VARIABLE_CALL,
	VARIABLE_HEADER, /* a name behind it */
	VARIABLE_COUNT
};

static const struct str variables[VARIABLE_COUNT] = {
	[VARIABLE_NODE] = {"node.name", 9},     [VARIABLE_FROM] = {"call.from.number", 16},
	[VARIABLE_TO] = {"call.to.number", 14}, [VARIABLE_CALL] = {"call.id", 7},
	[VARIABLE_HEADER] = {"header.", 7},
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
	for (unsigned v = 0; v < VARIABLE_HEADER; v++)
		if (str_eq(name, variables[v]))
			return (enum variable)v;
	if (str_has_prefix(name, variables[VARIABLE_HEADER]) &&
	    rules_may_name(str_from_offset(name, variables[VARIABLE_HEADER].len), false))
		return VARIABLE_HEADER;
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

static struct str header_value(struct work *w, struct str name)
{
	for (size_t i = 0; i < w->count; i++)
		if (is_same(w->lines[i].name, name))
			return value_of(w, &w->lines[i]);
	return STR_NONE;
}

/* False: a variable is empty or unknown. A number comes from a stranger: it is escaped as a user part, so it cannot close a
 * bracket or begin a parameter. */
static bool expand(struct work *w, struct str value, struct str *out)
{
	char mem[2048];
	struct buf b;
	struct str text, name;
	buf_init(&b, mem, sizeof(mem));
	while (cut_variable(&value, &text, &name)) {
		struct str with = STR_NONE;
		enum variable v = find_variable(name);
		buf_str(&b, text);
		switch (v) {
		case VARIABLE_NODE: with = w->p->settings->node; break;
		case VARIABLE_FROM: with = w->p->hidden ? STR_NONE : w->p->from_number; break;
		case VARIABLE_TO: with = w->p->to_number; break;
		case VARIABLE_CALL: with = w->p->call; break;
		case VARIABLE_HEADER:
			with = header_value(w,
					    str_from_offset(name, variables[VARIABLE_HEADER].len));
			break;
		case VARIABLE_COUNT: break;
		}
		if (with.len == 0)
			return false;
		if (v == VARIABLE_FROM || v == VARIABLE_TO)
			uri_write_user(&b, with);
		else
			buf_str(&b, with);
	}
	buf_str(&b, text);
	if (b.overflow) {
		w->full = true;
		return false;
	}
	size_t at = w->text.len;
	buf_str(&w->text, buf_view(&b));
	*out = cut_text(w, at);
	return true;
}

/* --- conditions */

static bool has_method(const struct header_edit *e, const struct msg *m)
{
	for (size_t i = 0; m && i < e->when_method_count; i++)
		if (str_eq(e->when_methods[i], m->method_text))
			return true;
	return e->when_method_count == 0;
}

static bool has_status(const struct header_edit *e, const struct msg *m)
{
	for (size_t i = 0; m && !m->is_request && i < e->when_status_count; i++)
		if (m->status >= e->when_statuses[i].min && m->status <= e->when_statuses[i].max)
			return true;
	return e->when_status_count == 0;
}

static bool has_trunk(const struct header_edit *e, const struct side *side,
		      const struct settings *s)
{
	for (size_t i = 0; side->trunk && i < e->when_trunk_count; i++)
		if (e->when_trunks[i] < s->trunk_count &&
		    side->trunk == &s->trunks[e->when_trunks[i]])
			return true;
	return e->when_trunk_count == 0;
}

/* A value that cannot be judged is treated as if it matched where that removes something. */
static bool is_match(const struct header_edit *e, struct str value)
{
	enum pattern_found f = pattern_find(e->when_matches, value, NULL);
	return f == PATTERN_YES || (f == PATTERN_UNKNOWN && e->action == HEADER_REMOVE);
}

static bool has_header(struct work *w, const struct header_edit *e)
{
	if (e->when_header.len == 0)
		return true;
	for (size_t i = 0; i < w->count; i++)
		if (is_same(w->lines[i].name, e->when_header) &&
		    (!e->when_matches || is_match(e, value_of(w, &w->lines[i]))))
			return true;
	return false;
}

static bool applies(struct work *w, const struct header_edit *e, const struct side *side)
{
	return (!e->when_trust_below || side->trust < e->trust_below) && has_method(e, w->m) &&
	       has_status(e, w->m) && has_trunk(e, side, w->p->settings) && has_header(w, e);
}

/* --- edits */

static void edit_value(struct work *w, struct line *l, const struct header_edit *e)
{
	struct pattern_groups g;
	struct str value = value_of(w, l);
	if (pattern_find(e->pattern, value, &g) != PATTERN_YES || w->full)
		return;
	const char *end = value.p + value.len, *hit = g.at[0].p ? g.at[0].p : end;
	size_t at = w->text.len;
	buf_str(&w->text, str_sub(value.p, hit));
	pattern_fill(&w->text, e->value, &g);
	buf_str(&w->text, str_sub(hit + g.at[0].len, end));
	l->value = cut_text(w, at);
	l->made = true;
}

static void edit(struct work *w, const struct header_edit *e, bool outbound)
{
	struct str value;
	switch (e->action) {
	case HEADER_REMOVE: del_lines(w, e->header); return;
	case HEADER_SET:
	case HEADER_ADD:
		if (e->action == HEADER_SET)
			del_lines(w, e->header);
		if (rules_may_name(e->header, true) && expand(w, e->value, &value))
			add_line(w, (struct line){.name = e->header,
						  .value = value,
						  .made = true,
						  .crosses = outbound});
		return;
	case HEADER_RENAME:
		for (size_t i = 0; i < w->count; i++)
			if (is_same(w->lines[i].name, e->header) &&
			    rules_may_name(e->value, true)) {
				w->lines[i].value = value_of(w, &w->lines[i]);
				w->lines[i].made = true;
				w->lines[i].name = e->value;
			}
		return;
	case HEADER_EDIT:
		for (size_t i = 0; i < w->count; i++)
			if (is_same(w->lines[i].name, e->header))
				edit_value(w, &w->lines[i], e);
		return;
	case HEADER_ACTION_COUNT: return;
	}
}

static enum err write_edited(struct buf *b, const struct msg *m, const struct rules_params *p,
			     const struct side *from, const struct side *to)
{
	struct work w;
	w.m = m;
	w.p = p;
	w.count = 0;
	w.full = false;
	buf_init(&w.text, w.text_mem, sizeof(w.text_mem));
	gather(&w);
	for (size_t i = 0; m && i < from->edit_count; i++)
		if (applies(&w, &from->edits[i], from))
			edit(&w, &from->edits[i], false);
	for (size_t i = 0; i < w.count; i++)
		w.lines[i].crosses =
			w.lines[i].named ||
			is_listed(from, to, class_of(w.lines[i].name), w.lines[i].name, p->body);
	for (size_t i = 0; i < to->edit_count; i++)
		if (applies(&w, &to->edits[i], to))
			edit(&w, &to->edits[i], true);
	for (size_t i = 0; i < w.count; i++)
		if (w.lines[i].crosses)
			write_line(b, w.lines[i].name, w.lines[i].value, w.lines[i].made, p);
	return w.full || b->overflow ? ERR_LIMIT : OK;
}

enum err rules_carry(struct buf *lines, const struct msg *m, const struct rules_params *p)
{
	CHECK(p->settings);
	struct side from = side_of(p, false);
	struct side to = side_of(p, true);
	if ((m && from.edit_count > 0) || to.edit_count > 0)
		return write_edited(lines, m, p, &from, &to);
	write_plain(lines, m, p, &from, &to);
	return lines->overflow ? ERR_LIMIT : OK;
}
