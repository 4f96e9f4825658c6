/*
 * The packets of RFC 7714 §16 and §17, whole, through our core. The RFC gives session keys, so they are put in where
 * others are derived from a master key. Those that are only tagged are not made by us and refused: a policy
 * that says encrypted means it; their tags are checked with the cipher.
 */
#include <string.h>

#include "rtpproxy/core/srtp_own.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { ROOM = 128, RTCP_INDEX = 0x5d4 };

#define KEY_128  "000102030405060708090a0b0c0d0e0f"
#define KEY_256  KEY_128 "101112131415161718191a1b1c1d1e1f"
#define SALT     "517569642070726f2071756f"
#define RTP_IV   "51753c6580c2726f20718414"
#define RTCP_IV  "517524055203726f207170bb"
#define RTP_HEAD "8040f17b8041f8d35501a0b2"
#define RTP_TEXT                                                                                   \
	"47616c6c696120657374206f6d6e697320646976697361"                                           \
	"20696e207061727465732074726573"
#define RTCP_HEAD "81c8000d4d617273"
#define RTCP_TEXT                                                                                  \
	"4e5450314e545032525450200000042a0000e9304c756e61"                                         \
	"deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"

static const struct {
	const char *name;
	enum sdes_suite suite;
	const char *key;
	enum pkt_kind kind;
	const char *plain, *sealed;
} packets[] = {
	{"16.1.1 and 16.1.2", SDES_AEAD_AES_128_GCM, KEY_128, PKT_RTP, RTP_HEAD RTP_TEXT,
	 RTP_HEAD "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
		  "899d7f27beb16a9152cf765ee4390cce"},
	{"16.2.1 and 16.2.2", SDES_AEAD_AES_256_GCM, KEY_256, PKT_RTP, RTP_HEAD RTP_TEXT,
	 RTP_HEAD "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
		  "7aa3db36dfffd6b0f9bb7878d7a76c13"},
	{"17.1", SDES_AEAD_AES_128_GCM, KEY_128, PKT_RTCP, RTCP_HEAD RTCP_TEXT,
	 RTCP_HEAD
	 "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded"
	 "0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"},
	{"17.2", SDES_AEAD_AES_256_GCM, KEY_256, PKT_RTCP, RTCP_HEAD RTCP_TEXT,
	 RTCP_HEAD
	 "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047"
	 "6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"},
};

struct session {
	struct own_worker worker;
	struct srtp_own *key;
};

static void start(struct session *s, enum srtp_direction d, enum sdes_suite suite, const char *key)
{
	static const uint8_t master[SRTP_KEY_MAX + SRTP_SALT_MAX];
	EXPECT_ERR(own_worker_init(&s->worker), OK);
	s->key = malloc(own_size(d));
	EXPECT_ERR(own_init(s->key, &s->worker, d, suite, master), OK);
	media_hex(key, s->key->rtp.key, SRTP_KEY_MAX);
	media_hex(SALT, s->key->rtp.salt, OWN_IV_LEN);
	s->key->rtcp = s->key->rtp;
	s->key->rtcp_index = RTCP_INDEX - 1;
}

static void stop(struct session *s)
{
	own_release(s->key);
	free(s->key);
	own_worker_release(&s->worker);
}

static void test_packets(void **state)
{
	(void)state;
	CHECK_TABLE(row, packets)
	{
		static struct media_pkt m;
		struct session s;
		uint8_t plain[ROOM], sealed[ROOM];
		const size_t len = media_hex(row->plain, plain, ROOM);
		const size_t sealed_len = media_hex(row->sealed, sealed, ROOM);

		start(&s, SRTP_TX, row->suite, row->key);
		memcpy(m.bytes, plain, len);
		media_pkt_set(&m, row->kind, len);
		EXPECT_INT(own_protect(s.key, &m.pkt), FATE_SENT);
		EXPECT_INT(m.pkt.len, sealed_len);
		EXPECT_BYTES(m.bytes, sealed, sealed_len);
		stop(&s);

		start(&s, SRTP_RX, row->suite, row->key);
		memcpy(m.bytes, sealed, sealed_len);
		media_pkt_set(&m, row->kind, sealed_len);
		EXPECT_INT(own_unprotect(s.key, &m.pkt), FATE_SENT);
		EXPECT_INT(m.pkt.len, len);
		EXPECT_BYTES(m.bytes, plain, len);
		stop(&s);
	}
}

static const struct {
	const char *name;
	enum sdes_suite suite;
	const char *key, *iv, *text, *more, *tag;
} tagged[] = {
	{"16.1.3", SDES_AEAD_AES_128_GCM, KEY_128, RTP_IV, RTP_HEAD RTP_TEXT, "",
	 "22493f82d2bce397e9d79e3b19aa4216"},
	{"16.2.3", SDES_AEAD_AES_256_GCM, KEY_256, RTP_IV, RTP_HEAD RTP_TEXT, "",
	 "a866d5910f887463067ceefec45215d4"},
	{"17.3", SDES_AEAD_AES_128_GCM, KEY_128, RTCP_IV, RTCP_HEAD RTCP_TEXT, "000005d4",
	 "841dd9683dd78ec92ae58790125f62b3"},
	{"17.4", SDES_AEAD_AES_256_GCM, KEY_256, RTCP_IV, RTCP_HEAD RTCP_TEXT, "000005d4",
	 "91db4afbfeee5a978fab4393ed2615fe"},
};

static void test_tags(void **state)
{
	(void)state;
	static struct cipher_pad pad;
	CHECK_TABLE(row, tagged)
	{
		uint8_t key[SRTP_KEY_MAX], text[ROOM], more[4], iv[12], want[16], tag[16], none[1];
		const bool is_long = media_hex(row->key, key, sizeof(key)) == 32;
		EVP_CIPHER_CTX *aes =
			cipher_aes_new(is_long ? EVP_aes_256_ecb() : EVP_aes_128_ecb(), key);
		GCM128_CONTEXT *gcm = cipher_gcm_new(&pad, aes);
		struct cipher_gcm_op op = {.aes = aes,
					   .gcm = gcm,
					   .new_key = true,
					   .iv = iv,
					   .aad = text,
					   .aad_len = media_hex(row->text, text, ROOM),
					   .more_aad = more,
					   .more_aad_len = media_hex(row->more, more, sizeof(more)),
					   .p = none,
					   .tag = tag};
		media_hex(row->iv, iv, sizeof(iv));
		media_hex(row->tag, want, sizeof(want));
		EXPECT_TRUE(cipher_gcm_seal(&pad, &op));
		EXPECT_BYTES(tag, want, sizeof(want));
		EXPECT_TRUE(cipher_gcm_open(&pad, &op));
		tag[0] ^= 1;
		EXPECT_TRUE(!cipher_gcm_open(&pad, &op));
		CRYPTO_gcm128_release(gcm);
		EVP_CIPHER_CTX_free(aes);
	}
}

static void test_tagged_only_is_refused(void **state)
{
	(void)state;
	CHECK_TABLE(row, tagged)
	{
		static struct media_pkt m;
		struct session s;
		const bool is_rtcp = row->more[0] != '\0';
		size_t len = media_hex(row->text, m.bytes, ROOM);
		len += media_hex(row->tag, m.bytes + len, ROOM);
		len += media_hex(row->more, m.bytes + len, ROOM);
		start(&s, SRTP_RX, row->suite, row->key);
		media_pkt_set(&m, is_rtcp ? PKT_RTCP : PKT_RTP, len);
		EXPECT_INT(own_unprotect(s.key, &m.pkt), is_rtcp ? FATE_UNENCRYPTED : FATE_AUTH);
		stop(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"packets are sealed and opened as in RFC 7714 16.1, 16.2, 17.1 and 17.2",
		 test_packets, NULL, NULL, NULL},
		{"tags alone are those of RFC 7714 16.1.3, 16.2.3, 17.3 and 17.4", test_tags, NULL,
		 NULL, NULL},
		{"a packet that is tagged and not encrypted is refused",
		 test_tagged_only_is_refused, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
