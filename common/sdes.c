#include "sdes.h"

#include "crypto.h"

static const struct sdes_suite_info suites[SDES_SUITE_COUNT] = {
#define X(name, key, salt, rtp_tag, rtcp_tag) {#name, key, salt, rtp_tag, rtcp_tag},
	SDES_SUITE_TABLE(X)
#undef X
};

enum {
	TAG_MAX = 999999999,
	TAG_DIGITS = 9,
	LIFETIME_LOG_MAX = 48,
	MKI_LEN_MAX = 128,
	AEAD_SALT = 12
};

const struct sdes_suite_info *sdes_suite_info(enum sdes_suite s)
{
	CHECK(s < SDES_SUITE_COUNT);
	return &suites[s];
}

bool sdes_suite_is_aead(const struct sdes_suite_info *info)
{
	return info->salt_len == AEAD_SALT;
}

enum err sdes_suite_find(struct str name, enum sdes_suite *out)
{
	for (int s = 0; s < SDES_SUITE_COUNT; s++)
		if (str_ieq(name, str_from(suites[s].name))) {
			*out = (enum sdes_suite)s;
			return OK;
		}
	return ERR_NOTFOUND;
}

/* A number of packets, or "2^n". */
static enum err parse_lifetime(struct str v, uint64_t *out)
{
	const uint64_t max = (uint64_t)1 << LIFETIME_LOG_MAX;
	uint64_t n;
	if (str_has_prefix(v, STR("2^"))) {
		if (str_to_u64(str_from_offset(v, 2), LIFETIME_LOG_MAX, &n) != OK)
			return ERR_BAD;
		*out = (uint64_t)1 << n;
		return OK;
	}
	if (str_to_u64(v, max, &n) != OK || n == 0)
		return ERR_BAD;
	*out = n;
	return OK;
}

/* "value:length"; the value must fit the length. */
static enum err parse_mki(struct str v, struct sdes *s)
{
	size_t colon = str_index(v, ':');
	uint16_t len;
	if (str_to_u16(str_from_offset(v, colon + 1), MKI_LEN_MAX, &len) != OK || len == 0)
		return ERR_BAD;
	enum err e = str_to_u64((struct str){v.p, colon}, UINT64_MAX, &s->mki);
	if (e != OK)
		return e == ERR_LIMIT ? ERR_UNSUPPORTED : ERR_BAD;
	if (len < sizeof(s->mki) && s->mki >> (8 * len) != 0)
		return ERR_BAD;
	s->mki_len = (uint8_t)len;
	return OK;
}

static enum err parse_key(struct str base64, struct sdes *s)
{
	const struct sdes_suite_info *info = &suites[s->suite];
	uint8_t bytes[SECRET_MAX];
	size_t n = sizeof(bytes);
	enum err e = crypto_read_base64(base64, bytes, &n);
	if (e == OK && n == (size_t)info->key_len + info->salt_len)
		e = secret_init(&s->key, bytes, n);
	else
		e = ERR_BAD;
	secret_wipe(bytes, sizeof(bytes));
	return e;
}

/* inline:KEY[|LIFETIME][|MKI:LENGTH] */
static enum err parse_inline(struct str v, struct sdes *s)
{
	struct str part;
	if (str_has_char(v, ';') || !str_has_iprefix(v, STR("inline:")))
		return ERR_UNSUPPORTED;
	v = str_from_offset(v, sizeof("inline:") - 1);
	if (!str_cut(&v, '|', &part))
		return ERR_BAD;
	struct str key = part;
	bool has_part = str_cut(&v, '|', &part);
	enum err e = OK;
	if (has_part && !str_has_char(part, ':')) {
		e = parse_lifetime(part, &s->lifetime);
		has_part = str_cut(&v, '|', &part);
	}
	if (e == OK && has_part)
		e = parse_mki(part, s);
	if (e == OK && v.p != NULL)
		e = ERR_BAD;
	return e == OK ? parse_key(key, s) : e;
}

/* What may stand behind the key. Only WSH (a hint) and unknown ones marked "-" can be passed over. */
static enum err check_params(struct str v)
{
	struct str word;
	while (str_cut_word(&v, &word)) {
		uint64_t n;
		if (str_has_iprefix(word, STR("WSH="))) {
			if (str_to_u64(str_from_offset(word, 4), UINT64_MAX, &n) != OK)
				return ERR_BAD;
		} else if (word.p[0] != '-') {
			return ERR_UNSUPPORTED;
		}
	}
	return OK;
}

enum err sdes_parse(struct str value, struct sdes *out)
{
	struct sdes s = {0};
	struct str tag, suite, key;
	if (!str_cut_word(&value, &tag) || !str_cut_word(&value, &suite) ||
	    !str_cut_word(&value, &key))
		return ERR_BAD;
	if (tag.len > TAG_DIGITS || str_to_u32(tag, TAG_MAX, &s.tag) != OK)
		return ERR_BAD;
	if (sdes_suite_find(suite, &s.suite) != OK)
		return ERR_UNSUPPORTED;
	enum err e = check_params(value);
	if (e == OK)
		e = parse_inline(key, &s);
	if (e == OK)
		*out = s;
	secret_release(&s.key);
	return e;
}

static void write_line(struct buf *b, const struct sdes *s, bool padded)
{
	char text[SECRET_MAX * 4 / 3 + 4];
	struct buf base64;
	buf_init(&base64, text, sizeof(text));
	crypto_write_base64(&base64, s->key.bytes, s->key.len);
	struct str key = buf_view(&base64);
	while (!padded && key.len > 0 && key.p[key.len - 1] == '=')
		key.len--;

	buf_u64(b, s->tag);
	buf_char(b, ' ');
	buf_z(b, suites[s->suite].name);
	buf_lit(b, " inline:");
	buf_str(b, key);
	secret_wipe(text, sizeof(text));
	if (s->lifetime > 0) {
		bool is_power = (s->lifetime & (s->lifetime - 1)) == 0;
		buf_z(b, is_power ? "|2^" : "|");
		buf_u64(b, is_power ? (uint64_t)__builtin_ctzll(s->lifetime) : s->lifetime);
	}
	if (s->mki_len > 0) {
		buf_char(b, '|');
		buf_u64(b, s->mki);
		buf_char(b, ':');
		buf_u64(b, s->mki_len);
	}
}

void sdes_write(struct buf *b, const struct sdes *s)
{
	write_line(b, s, true);
}

void sdes_write_unpadded(struct buf *b, const struct sdes *s)
{
	write_line(b, s, false);
}

void sdes_release(struct sdes *s)
{
	secret_wipe(s, sizeof(*s));
}
