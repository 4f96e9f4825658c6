#include "srtp_known.h"

#include <string.h>

#include "srtp.h"

#define BYTES(text)                                                                                \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}

struct bytes {
	const uint8_t *p;
	size_t len;
};

enum { KINDS = 2, ROOM = 128, BATCH_MAX = 17 };

/* Master key and salt are 00 01 02 … */
static const struct bytes plain[KINDS] = {
	BYTES("\x80\x08\x12\x34\xde\xca\xfb\xad\xca\xfe\xba\xbe"
	      "\xd5\xd5\xd5\xd5\xd5\xd5\xd5\xd5\xd5\xd5"
	      "\xd5\xd5\xd5\xd5\xd5\xd5\xd5\xd5\xd5\xd5"),
	BYTES("\x80\xc9\x00\x01\xca\xfe\xba\xbe\x81\xcb\x00\x01\xca\xfe\xba\xbe"),
};

/* As libsrtp2 2.5.0 makes them. */
static const struct bytes known[SDES_SUITE_COUNT][KINDS] = {
	[SDES_AEAD_AES_256_GCM] =
		{
			BYTES("\x80\x08\x12\x34\xde\xca\xfb\xad\xca\xfe\xba\xbe\xab\x30\xa8\x4c"
			      "\xd9\x15\x81\x41\xdc\x91\xc5\x2b\xe9\xdb\xab\x96\x1f\x47\x54\xcb"
			      "\x5e\x6d\x2a\x34\x30\xc6\x1d\x25\xab\x6a\x08\xff\xa7\xc3\xf3\x4e"),
			BYTES("\x80\xc9\x00\x01\xca\xfe\xba\xbe\x38\xb5\x3d\x64\x00\x91\x94\xf2"
			      "\x6f\xfc\x54\xaf\x46\x9f\x21\xba\xa8\x0a\xb2\xda\xdc\x56\xbd\x18"
			      "\x80\x00\x00\x01"),
		},
	[SDES_AEAD_AES_128_GCM] =
		{
			BYTES("\x80\x08\x12\x34\xde\xca\xfb\xad\xca\xfe\xba\xbe\x34\xa9\xa6\xdb"
			      "\x21\xcd\x83\xee\x53\xcb\x29\xb7\x35\x3f\x20\xb3\x17\x1e\x3f\x05"
			      "\xe9\x82\x54\xb5\xba\xd3\x48\xcf\xb9\xeb\xec\x1a\x6e\x25\xb7\x02"),
			BYTES("\x80\xc9\x00\x01\xca\xfe\xba\xbe\x4a\xd6\x27\x13\x10\x55\xf5\x35"
			      "\x68\x0e\x55\xee\x86\xdd\x77\x68\xc0\x5f\x45\xa4\xa9\x40\x5c\x50"
			      "\x80\x00\x00\x01"),
		},
	[SDES_AES_256_CM_HMAC_SHA1_80] =
		{
			BYTES("\x80\x08\x12\x34\xde\xca\xfb\xad\xca\xfe\xba\xbe\xb6\xd4\xb8\xb4"
			      "\x2b\x3c\x63\x6c\xae\x34\x98\xd5\x2f\x20\x08\x3c\x80\x2f\x33\x8d"
			      "\xf1\x7b\xb5\x6e\x24\x19\x9f\xf9\xef\xc7"),
			BYTES("\x80\xc9\x00\x01\xca\xfe\xba\xbe\x15\xf6\xae\x22\xc7\x18\x23\xd6"
			      "\x80\x00\x00\x01\xb8\x7d\x52\xf7\x58\xfb\x7d\x68\x56\x1a"),
		},
	[SDES_AES_256_CM_HMAC_SHA1_32] =
		{
			BYTES("\x80\x08\x12\x34\xde\xca\xfb\xad\xca\xfe\xba\xbe\xb6\xd4\xb8\xb4"
			      "\x2b\x3c\x63\x6c\xae\x34\x98\xd5\x2f\x20\x08\x3c\x80\x2f\x33\x8d"
			      "\xf1\x7b\xb5\x6e"),
			BYTES("\x80\xc9\x00\x01\xca\xfe\xba\xbe\x15\xf6\xae\x22\xc7\x18\x23\xd6"
			      "\x80\x00\x00\x01\xb8\x7d\x52\xf7\x58\xfb\x7d\x68\x56\x1a"),
		},
	[SDES_AES_CM_128_HMAC_SHA1_80] =
		{
			BYTES("\x80\x08\x12\x34\xde\xca\xfb\xad\xca\xfe\xba\xbe\xb6\x8b\x9e\x5f"
			      "\x3c\x48\x9b\x83\x97\xb5\xa8\x53\x39\xce\xde\xef\x9c\x2a\x15\x01"
			      "\x38\xb1\xd8\x0a\x6b\x1d\x1d\x65\xdb\x43"),
			BYTES("\x80\xc9\x00\x01\xca\xfe\xba\xbe\x07\xab\x7a\x0a\x96\x36\x90\x1d"
			      "\x80\x00\x00\x01\xee\x9a\xe8\x45\x7f\xab\x83\x7c\x0f\x79"),
		},
	[SDES_AES_CM_128_HMAC_SHA1_32] =
		{
			BYTES("\x80\x08\x12\x34\xde\xca\xfb\xad\xca\xfe\xba\xbe\xb6\x8b\x9e\x5f"
			      "\x3c\x48\x9b\x83\x97\xb5\xa8\x53\x39\xce\xde\xef\x9c\x2a\x15\x01"
			      "\x38\xb1\xd8\x0a"),
			BYTES("\x80\xc9\x00\x01\xca\xfe\xba\xbe\x07\xab\x7a\x0a\x96\x36\x90\x1d"
			      "\x80\x00\x00\x01\xee\x9a\xe8\x45\x7f\xab\x83\x7c\x0f\x79"),
		},
};

/* Each packet under a key object of its own, as the streams of a batch are. */
struct batch {
	struct srtp_key keys[BATCH_MAX];
	struct pkt pkts[BATCH_MAX];
	struct srtp_op ops[BATCH_MAX];
	uint8_t bytes[BATCH_MAX][ROOM];
};

static enum err set_keys(struct batch *b, struct srtp_worker *w, enum srtp_direction d,
			 enum sdes_suite suite, const struct secret *key)
{
	enum err e = OK;
	for (size_t i = 0; i < BATCH_MAX; i++) {
		srtp_key_init(&b->keys[i], w, d);
		if (e == OK)
			e = srtp_key_set(&b->keys[i], suite, key);
	}
	return e;
}

static bool is_right(struct batch *b, struct srtp_worker *w, size_t n, enum pkt_kind kind,
		     const struct bytes *in, const struct bytes *want)
{
	for (size_t i = 0; i < n; i++) {
		b->pkts[i] = (struct pkt){.data = b->bytes[i],
					  .len = (uint32_t)in->len,
					  .cap = ROOM,
					  .kind = (uint8_t)kind};
		memcpy(b->bytes[i], in->p, in->len);
		b->ops[i] = (struct srtp_op){.key = &b->keys[i], .pkt = &b->pkts[i]};
	}
	if (b->keys[0].direction == SRTP_TX)
		srtp_batch_protect(w, b->ops, n);
	else
		srtp_batch_unprotect(w, b->ops, n);
	for (size_t i = 0; i < n; i++)
		if (b->ops[i].fate != FATE_SENT || b->pkts[i].len != want->len ||
		    memcmp(b->bytes[i], want->p, want->len) != 0)
			return false;
	return true;
}

/* Sizes of batches that make engines take different code. */
static const uint8_t sizes[] = {1, 8, BATCH_MAX};

static enum err check_size(struct batch *b, struct srtp_worker *w, enum srtp_direction d,
			   enum sdes_suite suite, const struct secret *key, size_t n)
{
	enum err e = set_keys(b, w, d, suite, key);
	for (int kind = 0; e == OK && kind < KINDS; kind++) {
		const struct bytes *in = d == SRTP_TX ? &plain[kind] : &known[suite][kind];
		const struct bytes *out = d == SRTP_TX ? &known[suite][kind] : &plain[kind];
		if (!is_right(b, w, n, (enum pkt_kind)kind, in, out))
			e = ERR_UNSUPPORTED;
	}
	for (size_t i = 0; i < BATCH_MAX; i++)
		srtp_key_release(&b->keys[i]);
	return e;
}

static enum err check_suite(struct srtp_worker *w, enum sdes_suite suite, const struct secret *key)
{
	struct batch b;
	for (int d = 0; d < SRTP_DIRECTION_COUNT; d++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			const enum err e =
				check_size(&b, w, (enum srtp_direction)d, suite, key, sizes[i]);
			if (e != OK)
				return e;
		}
	return OK;
}

enum err srtp_known_check(struct srtp_worker *w)
{
	for (unsigned s = 0; s < SDES_SUITE_COUNT; s++) {
		const struct sdes_suite_info *info = sdes_suite_info((enum sdes_suite)s);
		struct secret key = {.len = (size_t)info->key_len + info->salt_len};
		for (size_t i = 0; i < key.len; i++)
			key.bytes[i] = (uint8_t)i;
		const enum err e = check_suite(w, (enum sdes_suite)s, &key);
		if (e != OK)
			return e;
	}
	return OK;
}
