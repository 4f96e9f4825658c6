#include "ws_key.h"

#include "common/check.h"
#include "common/crypto.h"

enum { TEXT_LEN = 24, KEY_LEN = 16, ACCEPT_TEXT_MAX = 64 };

bool ws_key_is(struct str key)
{
	uint8_t raw[TEXT_LEN];
	size_t n = sizeof(raw);
	return key.len == TEXT_LEN && crypto_read_base64(key, raw, &n) == OK && n == KEY_LEN;
}

void ws_key_write_accept(struct buf *b, struct str key)
{
	char mem[ACCEPT_TEXT_MAX];
	struct buf text;
	uint8_t sha[CRYPTO_SHA1_LEN];
	CHECK(key.len == TEXT_LEN);
	buf_init(&text, mem, sizeof(mem));
	buf_str(&text, key);
	buf_lit(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	crypto_sha1(text.p, text.len, sha);
	crypto_write_base64(b, sha, sizeof(sha));
}
