#include "sbc/core/session_id.h"

#include "sbc/core/hdr.h"
#include "sbc/core/octet.h"

/* RFC 4122 writes groups, RFC 7989 forbids them; who sends them is understood. */
static enum err read_uuid(struct str s, char out[SESSION_ID_LEN])
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '-' && n > 0)
			continue;
		if (n == SESSION_ID_LEN || !octet_is(s.p[i], OCTET_HEX))
			return ERR_BAD;
		out[n++] = octet_lower(s.p[i]);
	}
	return n == SESSION_ID_LEN ? OK : ERR_BAD;
}

enum err session_id_parse(struct str value, struct session_id_value *out)
{
	struct session_id_value v = {.has_remote = false};
	value = str_trim(value);
	size_t n = str_index(value, ';');
	if (read_uuid(str_trim((struct str){value.p, n}), v.local) != OK)
		return ERR_BAD;
	struct str params = str_from_offset(value, n), name, x;
	bool bad;
	while (hdr_param_cut(&params, &name, &x, &bad)) {
		if (!str_ieq(name, STR("remote")))
			continue;
		if (v.has_remote || read_uuid(x, v.remote) != OK)
			return ERR_BAD;
		v.has_remote = true;
	}
	if (bad)
		return ERR_BAD;
	*out = v;
	return OK;
}

static bool is_nil(const char uuid[SESSION_ID_LEN])
{
	for (int i = 0; i < SESSION_ID_LEN; i++)
		if (uuid[i] != '0')
			return false;
	return true;
}

bool session_id_take(struct session_id *s, unsigned side, struct str value)
{
	struct session_id_value v;
	struct session_id_side *x = &s->side[side];
	if (value.len == 0 || session_id_parse(value, &v) != OK || is_nil(v.local))
		return false;
	/* The old form says in both directions what the first message said: it is the caller's, not its own. */
	if (!v.has_remote && s->side[1 - side].known &&
	    memcmp(v.local, s->side[1 - side].uuid, SESSION_ID_LEN) == 0) {
		x->old = true;
		return false;
	}
	bool is_new = !x->known || x->made || memcmp(x->uuid, v.local, SESSION_ID_LEN) != 0;
	memcpy(x->uuid, v.local, SESSION_ID_LEN);
	x->known = true;
	x->made = false;
	x->old = !v.has_remote;
	return is_new;
}

void session_id_make(struct session_id *s, unsigned side, const uint8_t random[SESSION_ID_BYTES])
{
	struct session_id_side *x = &s->side[side];
	uint8_t r[SESSION_ID_BYTES];
	struct buf b;
	memcpy(r, random, sizeof(r));
	r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
	r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
	buf_init(&b, x->uuid, sizeof(x->uuid));
	buf_hex(&b, r, sizeof(r));
	x->known = x->made = true;
}

static void write_uuid(struct buf *b, const struct session_id_side *x)
{
	if (x->known)
		buf_bytes(b, x->uuid, SESSION_ID_LEN);
	else
		buf_lit(b, "00000000000000000000000000000000");
}

bool session_id_write(struct buf *b, const struct session_id *s, unsigned side)
{
	const struct session_id_side *to = &s->side[side], *other = &s->side[1 - side];
	if (!other->known && !to->known)
		return false;
	if (to->old) { /* one identifier for both: theirs, if they were first */
		write_uuid(b, to->known ? to : other);
		return true;
	}
	write_uuid(b, other);
	buf_lit(b, ";remote=");
	write_uuid(b, to);
	return true;
}

void session_id_join(struct session_id *s, unsigned side, const struct session_id *other,
		     unsigned other_side)
{
	s->side[1 - side] = other->side[other_side];
}
