#include "rtpproxy/core/ng.h"

#include "common/bencode.h"
#include "common/json.h"
#include "rtpproxy/core/flag_string.h"

static const char *const commands[NG_COMMAND_COUNT] = {
#define X(name, word, counters) word,
	NG_COMMAND_TABLE(X)
#undef X
};
static const char *const counters_of[NG_COMMAND_COUNT] = {
#define X(name, word, counters) counters,
	NG_COMMAND_TABLE(X)
#undef X
};
static const char *const unsupported[] = {
#define X(word) word,
	NG_UNSUPPORTED_TABLE(X)
#undef X
};

const char *ng_command_name(enum ng_command c)
{
	CHECK(c < NG_COMMAND_COUNT);
	return commands[c];
}

const char *ng_command_counters(enum ng_command c)
{
	CHECK(c < NG_COMMAND_COUNT);
	return counters_of[c];
}

bool ng_command_find(struct str word, enum ng_command *out)
{
	for (int c = 0; c < NG_COMMAND_COUNT; c++) {
		if (dict_key_eq(word, str_from(commands[c]))) {
			*out = (enum ng_command)c;
			return true;
		}
	}
	return false;
}

bool ng_is_about_call(enum ng_command c)
{
	return c != NG_PING && c != NG_LIST && c != NG_STATISTICS;
}

bool ng_split(struct str datagram, struct str *out_cookie, struct str *out_body)
{
	size_t space = str_index(datagram, ' ');
	if (space == 0 || space >= datagram.len) {
		return false;
	}
	*out_cookie = (struct str){datagram.p, space};
	*out_body = str_from_offset(datagram, space + 1);
	return true;
}

/* "7:call-id": the digits, the colon, the bytes. */
static bool cut_string(struct str *s, struct str *out)
{
	size_t colon = 0;
	uint32_t n;
	while (colon < s->len && colon < 8 && s->p[colon] != ':') {
		colon++;
	}
	if (colon >= s->len || s->p[colon] != ':' ||
	    str_to_u32((struct str){s->p, colon}, LIMIT_DATAGRAM, &n) != OK ||
	    n > s->len - colon - 1) {
		return false;
	}
	*out = (struct str){s->p + colon + 1, n};
	*s = str_from_offset(*s, colon + 1 + n);
	return true;
}

bool ng_peek(struct str body, struct str *out_command, struct str *out_call_id)
{
	struct str key, value;
	*out_command = *out_call_id = STR_NONE;
	if (body.len < 2 || body.p[0] != 'd') {
		return false;
	}
	body = str_from_offset(body, 1);
	while (body.len > 0 && body.p[0] != 'e') {
		if (!cut_string(&body, &key) || body.len == 0) {
			return false;
		}
		if (body.p[0] < '0' || body.p[0] > '9') {
			ptrdiff_t n = bencode_len(body);
			if (n <= 0) {
				return false;
			}
			body = str_from_offset(body, (size_t)n);
			continue;
		}
		if (!cut_string(&body, &value)) {
			return false;
		}
		if (dict_key_eq(key, STR("rtpp-flags")) || str_eq(key, STR("rtpp_flags"))) {
			return false; /* may name another call-id */
		}
		if (dict_key_eq(key, STR("call-id"))) {
			*out_call_id = value;
		} else if (dict_key_eq(key, STR("command"))) {
			*out_command = value;
		}
	}
	return body.len > 0;
}

static enum refusal parse_tree(struct str body, struct arena *a, struct ng *out)
{
	if (body.len > 0 && body.p[0] == 'd') {
		return bencode_parse(body, a, &out->root) < 0 ? REFUSAL_BENCODE : REFUSAL_NONE;
	}
	if (body.len > 0 && body.p[0] == '{') {
		out->json = true;
		return json_parse(body, a, &out->root) < 0 ? REFUSAL_JSON : REFUSAL_NONE;
	}
	return REFUSAL_FORMAT;
}

static enum refusal find_command(struct str word, enum ng_command *out)
{
	if (word.len == 0) {
		return REFUSAL_NO_COMMAND;
	}
	if (ng_command_find(word, out)) {
		return REFUSAL_NONE;
	}
	for (size_t i = 0; i < ARRAY_LEN(unsupported); i++) {
		if (dict_key_eq(word, str_from(unsupported[i]))) {
			return REFUSAL_UNSUPPORTED;
		}
	}
	return REFUSAL_COMMAND;
}

static enum refusal check_lengths(const struct ng *n)
{
	if (n->sdp.len > LIMIT_SDP) {
		return REFUSAL_SDP_TOO_LONG;
	}
	return n->call_id.len > LIMIT_CALL_ID || n->names.from_tag.len > LIMIT_TAG ||
			       n->names.to_tag.len > LIMIT_TAG ||
			       n->names.branch.len > LIMIT_BRANCH ||
			       n->flags.label.len > LIMIT_LABEL ||
			       n->flags.notify.len > LIMIT_NOTIFY
		       ? REFUSAL_TOO_LONG
		       : REFUSAL_NONE;
}

/* In the order in which rtpengine looks. */
static enum refusal check_needs(const struct ng *n)
{
	bool offer = n->command == NG_OFFER, answer = n->command == NG_ANSWER;
	if ((offer || answer) && n->sdp.len == 0) {
		return REFUSAL_NO_SDP;
	}
	if (ng_is_about_call(n->command) && n->call_id.len == 0) {
		return REFUSAL_NO_CALL_ID;
	}
	if ((offer || answer) && n->names.from_tag.len == 0) {
		return REFUSAL_NO_FROM_TAG;
	}
	if (answer && n->names.to_tag.len == 0) {
		return REFUSAL_NO_TO_TAG;
	}
	return check_lengths(n);
}

/* Names are kept as texts: one with a NUL in it is none. */
static struct str name_of(const struct dict *d, struct str key)
{
	struct str name = dict_get_str(d, key);
	return str_index(name, '\0') == name.len ? name : STR_NONE;
}

enum refusal ng_parse(struct str cookie, struct str body, struct arena *a, struct ng *out)
{
	*out = (struct ng){.cookie = cookie};
	enum refusal r = parse_tree(body, a, out);
	if (r != REFUSAL_NONE) {
		return r;
	}
	r = find_command(dict_get_str(out->root, STR("command")), &out->command);
	if (r != REFUSAL_NONE) {
		return r;
	}
	flag_string_expand(a, out->root);
	if (a->failed) {
		return REFUSAL_MEMORY;
	}
	const struct dict *d = out->root;
	out->call_id = name_of(d, STR("call-id"));
	out->sdp = dict_get_str(d, STR("sdp"));
	out->names = (struct call_names){
		.from_tag = name_of(d, STR("from-tag")),
		.to_tag = name_of(d, STR("to-tag")),
		.branch = name_of(d, STR("via-branch")),
	};
	out->who = (struct party_who){
		.from_tag = out->names.from_tag,
		.to_tag = out->names.to_tag,
		.label = dict_get_str(d, STR("label")),
		.to_label = dict_get_str(d, STR("to-label")),
		.address = dict_get_str(d, STR("address")),
	};
	out->has_load_limit = dict_has_word(d, STR("supports"), STR("load limit"));
	out->limit = dict_get_int(d, STR("limit"), 32);
	flags_parse(d, &out->flags);
	if (out->command != NG_ANSWER) {
		out->flags.words &= ~(uint32_t)FLAGS_SINGLE_CODEC;
	}
	return check_needs(out);
}

struct dict *ng_reply(struct arena *a, struct str result)
{
	struct dict *d = dict_new(a, DICT_DICT);
	if (d) {
		dict_add_str(a, d, STR("result"), result);
	}
	return d;
}

struct dict *ng_error(struct arena *a, enum refusal r)
{
	struct dict *d = ng_reply(a, STR("error"));
	if (d) {
		dict_add_str(a, d, STR("error-reason"), str_from(refusal_text(r)));
	}
	return d;
}

void ng_warn(struct arena *a, struct dict *reply, struct str text)
{
	static const struct str key = STR("warning");
	struct str before = dict_get_str(reply, key);
	char mem[512];
	struct buf b;
	if (before.len > 0) {
		buf_init(&b, mem, sizeof(mem));
		buf_printf(&b, "%.*s; %.*s", STR_ARG(before), STR_ARG(text));
		dict_del(reply, key);
		text = b.overflow ? before : arena_str(a, buf_view(&b));
	}
	dict_add_str(a, reply, key, text);
}

static bool is_load(enum refusal r)
{
	return r == REFUSAL_CALLS || r == REFUSAL_LOAD_CPU || r == REFUSAL_LOAD ||
	       r == REFUSAL_LOAD_BANDWIDTH;
}

struct dict *ng_refuse(struct arena *a, const struct ng *n, enum refusal r)
{
	if (!is_load(r)) {
		return ng_error(a, r);
	}
	if (!n->has_load_limit) {
		return ng_error(a, REFUSAL_CALLS);
	}
	struct dict *d = dict_new(a, DICT_DICT);
	if (d) {
		dict_add_str(a, d, STR("message"), str_from(refusal_text(r)));
		dict_add_str(a, d, STR("result"), STR("load limit"));
	}
	return d;
}

bool ng_shorten(struct arena *a, const struct ng *n, struct dict *reply, struct buf *b)
{
	/* Figures of each SSRC are in `SSRC` and again in `tags`. */
	static const struct str less[] = {STR("SSRC"), STR("tags")};
	ng_warn(a, reply, STR("too long for one reply: not all is told"));
	for (size_t i = 0; i < ARRAY_LEN(less) && !a->failed; i++) {
		dict_del(reply, less[i]);
		buf_reset(b);
		ng_write(b, n, reply);
		if (!b->overflow) {
			return true;
		}
	}
	buf_reset(b);
	return false;
}

void ng_write(struct buf *b, const struct ng *n, const struct dict *reply)
{
	if (n->cookie.len > 0) {
		buf_str(b, n->cookie);
		buf_char(b, ' ');
	}
	if (n->json) {
		json_write(b, reply);
	} else {
		bencode_write(b, reply);
	}
}
