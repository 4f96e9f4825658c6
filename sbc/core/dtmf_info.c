#include "sbc/core/dtmf_info.h"

#include "common/check.h"

static const char keys[] = "0123456789*#ABCD!";
_Static_assert(sizeof(keys) - 1 == DTMF_INFO_KEYS, "a letter for each key");

static struct str type_of(struct str content_type)
{
	struct str type;
	return str_cut(&content_type, ';', &type) ? str_trim(type) : STR_NONE;
}

bool dtmf_info_is(struct str content_type)
{
	struct str type = type_of(content_type);
	return str_ieq(type, STR("application/dtmf-relay")) ||
	       str_ieq(type, STR("application/dtmf"));
}

/* "5", "#", "11" for #; "hf", "flash", "!" and 16 for the hook flash. */
static enum err read_key(struct str v, uint8_t *out)
{
	uint16_t n;
	v = str_trim(v);
	if (v.len == 1) {
		char c = v.p[0] >= 'a' && v.p[0] <= 'd' ? (char)(v.p[0] - 'a' + 'A') : v.p[0];
		for (uint8_t i = 0; i < DTMF_INFO_KEYS; i++)
			if (keys[i] == c) {
				*out = i;
				return OK;
			}
		return ERR_BAD;
	}
	if (str_ieq(v, STR("hf")) || str_ieq(v, STR("flash"))) {
		*out = DTMF_INFO_KEYS - 1;
		return OK;
	}
	if (v.len != 2 || str_to_u16(v, DTMF_INFO_KEYS - 1, &n) != OK)
		return ERR_BAD;
	*out = (uint8_t)n;
	return OK;
}

static uint32_t read_ms(struct str v)
{
	uint32_t ms;
	if (str_to_u32(str_trim(v), UINT32_MAX, &ms) != OK || ms == 0)
		return DTMF_INFO_MS;
	return ms > DTMF_INFO_MS_MAX ? DTMF_INFO_MS_MAX : ms;
}

enum err dtmf_info_read(struct str content_type, struct str body, uint8_t *out_key,
			uint32_t *out_ms)
{
	struct str line;
	uint32_t ms = DTMF_INFO_MS;
	uint8_t key = DTMF_INFO_KEYS;

	CHECK(out_key && out_ms);
	if (!dtmf_info_is(content_type))
		return ERR_NOTFOUND;
	if (str_ieq(type_of(content_type), STR("application/dtmf")) && !str_has_char(body, '=')) {
		if (read_key(body, &key) != OK)
			return ERR_BAD;
	}
	while (key == DTMF_INFO_KEYS || body.len) {
		struct str name;
		if (!str_cut(&body, '\n', &line))
			break;
		if (!str_has_char(line, '='))
			continue;
		(void)str_cut(&line, '=', &name);
		name = str_trim(name);
		if (str_ieq(name, STR("Signal")) && read_key(line, &key) != OK)
			return ERR_BAD;
		if (str_ieq(name, STR("Duration")))
			ms = read_ms(line);
	}
	if (key == DTMF_INFO_KEYS)
		return ERR_BAD;
	*out_key = key;
	*out_ms = ms;
	return OK;
}

struct str dtmf_info_write(struct buf *b, uint8_t key, uint32_t ms, bool plain)
{
	CHECK(b && key < DTMF_INFO_KEYS);
	if (plain) {
		buf_char(b, keys[key]);
		return STR("application/dtmf");
	}
	buf_lit(b, "Signal=");
	buf_char(b, keys[key]);
	buf_lit(b, "\r\nDuration=");
	buf_u64(b, ms ? ms : DTMF_INFO_MS);
	buf_lit(b, "\r\n");
	return STR("application/dtmf-relay");
}
