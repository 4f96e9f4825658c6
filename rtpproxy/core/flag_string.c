#include "rtpproxy/core/flag_string.h"

#include "common/sdp.h"

/* Transport: bits that words set and clear; full names set them all. */
enum { SECURE = 1, FEEDBACK = 2, KEYED_BY_DTLS = 4, GIVEN = 8 };

struct expand {
	struct arena *arena;
	struct dict *root, *flags, *direction;
	unsigned transport;
};

static struct str transport_name(unsigned bits)
{
	if (bits & KEYED_BY_DTLS) {
		return bits & FEEDBACK ? STR("UDP/TLS/RTP/SAVPF") : STR("UDP/TLS/RTP/SAVP");
	}
	if (bits & SECURE) {
		return bits & FEEDBACK ? STR("RTP/SAVPF") : STR("RTP/SAVP");
	}
	return bits & FEEDBACK ? STR("RTP/AVPF") : STR("RTP/AVP");
}

static bool take_transport(unsigned *bits, struct str w)
{
	static const struct {
		struct str word;
		unsigned clear, set;
	} words[] = {
		{{"RTP", 3}, SECURE, 0},         {{"AVP", 3}, FEEDBACK, 0},
		{{"SRTP", 4}, 0, SECURE},        {{"AVPF", 4}, 0, FEEDBACK},
		{{"DTLS", 4}, 0, KEYED_BY_DTLS},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eq(w, words[i].word)) {
			*bits = ((*bits & ~words[i].clear) | words[i].set) | GIVEN;
			return true;
		}
	}
	enum sdp_proto p = sdp_proto_find(w);
	if (p == SDP_PROTO_OTHER || p == SDP_PROTO_UDPTL) {
		return false;
	}
	const struct sdp_proto_info *info = sdp_proto_info(p);
	*bits = GIVEN |
		(info->dtls   ? KEYED_BY_DTLS
		 : info->srtp ? SECURE
			      : 0u) |
		(info->feedback ? FEEDBACK : 0u);
	return true;
}

/* The next piece: up to a space that is not inside brackets. */
static bool cut_piece(struct str *s, struct str *out)
{
	while (s->len > 0 && (s->p[0] == ' ' || s->p[0] == '\t')) {
		*s = str_from_offset(*s, 1);
	}
	size_t n = 0;
	unsigned depth = 0;
	for (; n < s->len && (depth > 0 || s->p[n] != ' '); n++) {
		depth += s->p[n] == '[';
		depth -= s->p[n] == ']' && depth > 0;
	}
	*out = (struct str){s->p, n};
	*s = str_from_offset(*s, n);
	return n > 0;
}

/* "key=value": false when there is no "=" before the first bracket. */
static bool cut_pair(struct str piece, struct str *out_key, struct str *out_value)
{
	size_t eq = str_index(piece, '=');
	if (eq == 0 || eq == piece.len || str_index(piece, '[') < eq) {
		return false;
	}
	*out_key = (struct str){piece.p, eq};
	*out_value = str_from_offset(piece, eq + 1);
	return true;
}

static bool is_bracketed(struct str v)
{
	return v.len >= 2 && v.p[0] == '[' && v.p[v.len - 1] == ']';
}

static void add_value(struct arena *a, struct dict *parent, struct str key, struct str v,
		      unsigned depth);

/* The first piece says what it is: "[k=v …" is a dictionary, anything else a list. */
static void add_members(struct arena *a, struct dict *parent, struct str key, struct str inner,
			unsigned depth)
{
	struct str rest = inner, piece, name, value;
	bool pairs = cut_piece(&rest, &piece) && cut_pair(piece, &name, &value);
	struct dict *d = pairs ? dict_add_dict(a, parent, key) : dict_add_list(a, parent, key);
	while (d && cut_piece(&inner, &piece)) {
		if (!pairs) {
			add_value(a, d, STR_NONE, piece, depth);
		} else if (cut_pair(piece, &name, &value)) {
			add_value(a, d, name, value, depth);
		}
	}
}

static void add_value(struct arena *a, struct dict *parent, struct str key, struct str v,
		      unsigned depth)
{
	if (is_bracketed(v) && depth < FLAG_STRING_DEPTH_MAX) {
		add_members(a, parent, key, (struct str){v.p + 1, v.len - 2}, depth + 1);
	} else {
		dict_add_str(a, parent, key, v);
	}
}

static void add_direction(struct expand *x, struct str v)
{
	x->direction =
		x->direction ? x->direction : dict_add_list(x->arena, x->root, STR("direction"));
	if (x->direction) {
		dict_add_str(x->arena, x->direction, STR_NONE, v);
	}
}

/* "codec-strip=PCMA" is "codec-strip-PCMA": one word of `flags` for each value. */
static void add_prefixed(struct expand *x, struct str key, struct str v)
{
	struct str one;
	if (is_bracketed(v)) {
		v = (struct str){v.p + 1, v.len - 2};
	}
	while (cut_piece(&v, &one)) {
		char mem[128];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		buf_str(&b, key);
		buf_char(&b, '-');
		buf_str(&b, one);
		if (!b.overflow) {
			dict_add_str(x->arena, x->flags, STR_NONE,
				     arena_str(x->arena, buf_view(&b)));
		}
	}
}

static bool is_prefix(struct str key)
{
	return str_has_prefix(key, STR("codec-")) || str_eq(key, STR("transcode"));
}

static void take_pair(struct expand *x, struct str key, struct str value)
{
	if (str_eq(key, STR("direction")) && !is_bracketed(value)) {
		add_direction(x, value);
		return;
	}
	if (is_prefix(key)) {
		add_prefixed(x, key, value);
		return;
	}
	add_value(x->arena, x->root, key, value, 0);
	if (str_eq(key, STR("to-tag"))) {
		dict_add_str(x->arena, x->flags, STR_NONE, key);
	} else if (str_eq(key, STR("from-tag"))) {
		dict_add_str(x->arena, x->flags, STR_NONE, STR("directional"));
	}
}

void flag_string_expand(struct arena *a, struct dict *d)
{
	struct str s = dict_get_str(d, STR("rtpp-flags")), piece, key, value;
	s = s.len > 0 ? s : dict_get_str(d, STR("rtpp_flags"));
	if (s.len == 0) {
		return;
	}
	struct expand x = {.arena = a, .root = d, .flags = dict_add_list(a, d, STR("flags"))};
	while (x.flags && cut_piece(&s, &piece)) {
		if (cut_pair(piece, &key, &value)) {
			take_pair(&x, key, value);
		} else if (str_eq(piece, STR("internal")) || str_eq(piece, STR("external"))) {
			add_direction(&x, piece);
		} else if (!take_transport(&x.transport, piece)) {
			dict_add_str(a, x.flags, STR_NONE, piece);
		}
	}
	if (x.transport & GIVEN) {
		dict_add_str(a, d, STR("transport-protocol"), transport_name(x.transport));
	}
}
