#include "sbc/core/challenge.h"

#include <stdlib.h>

#include "common/secret.h"
#include "sbc/core/uri.h"

/* time (8), random (4), the front of the HMAC (16); in hex */
enum { MAC_LEN = 16, NONCE_LEN = 8 + CHALLENGE_RANDOM_LEN + MAC_LEN, OPAQUE_LEN = 8 };

void challenge_init(struct challenge *c, const uint8_t key[CHALLENGE_KEY_LEN])
{
	CHECK(c && key);
	*c = (struct challenge){.sets = NULL};
	memcpy(c->key, key, CHALLENGE_KEY_LEN);
}

void challenge_release(struct challenge *c)
{
	free(c->sets);
	secret_wipe(c, sizeof(*c));
}

/* ---- nonces */

static void put_u64(uint8_t out[8], uint64_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t in[8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | in[i];
	return v;
}

/* Over time and random, the realm, and the path: a stream by its id, a datagram's source by address and port. */
static void mac(const struct challenge *c, const struct challenge_ask *a,
		const uint8_t front[8 + CHALLENGE_RANDOM_LEN], uint8_t out[CRYPTO_SHA256_LEN])
{
	char mem[512];
	struct buf b;
	uint8_t id[8];

	buf_init(&b, mem, sizeof(mem));
	buf_bytes(&b, front, 8 + CHALLENGE_RANDOM_LEN);
	put_u64(id, a->flow->id);
	buf_bytes(&b, id, sizeof(id));
	if (a->flow->id == ID_NONE)
		addr_write(&b, &a->flow->remote);
	buf_char(&b, 0);
	buf_str(&b, a->realm);
	CHECK(!b.overflow);
	crypto_hmac_sha256(c->key, sizeof(c->key), b.p, b.len, out);
}

static void make_nonce(const struct challenge *c, const struct challenge_ask *a,
		       const uint8_t random[CHALLENGE_RANDOM_LEN], uint8_t out[NONCE_LEN])
{
	uint8_t sum[CRYPTO_SHA256_LEN];

	put_u64(out, a->now_ms);
	memcpy(out + 8, random, CHALLENGE_RANDOM_LEN);
	mac(c, a, out, sum);
	memcpy(out + 8 + CHALLENGE_RANDOM_LEN, sum, MAC_LEN);
}

struct nonce {
	uint64_t issued_ms;
	uint32_t random;
};

/* False: not ours, or given to another realm or path. */
static bool read_nonce(const struct challenge *c, const struct challenge_ask *a, struct str text,
		       struct nonce *out)
{
	uint8_t raw[NONCE_LEN], sum[CRYPTO_SHA256_LEN];

	if (text.len != 2 * NONCE_LEN || str_to_hex(text, raw, NONCE_LEN) != OK)
		return false;
	mac(c, a, raw, sum);
	if (!secret_eq_bytes(sum, raw + 8 + CHALLENGE_RANDOM_LEN, MAC_LEN))
		return false;
	out->issued_ms = get_u64(raw);
	out->random =
		(uint32_t)raw[8] << 24 | (uint32_t)raw[9] << 16 | (uint32_t)raw[10] << 8 | raw[11];
	return true;
}

/* ---- counts */

/* Where the nonce stands, or may stand; NULL: it has been forgotten. The random part is ours: nobody chooses the set. */
static struct challenge_use *find_use(struct challenge_set *set, const struct nonce *n)
{
	struct challenge_use *oldest = &set->use[0];

	for (int i = 0; i < CHALLENGE_WAYS; i++) {
		struct challenge_use *u = &set->use[i];
		if (u->issued_ms == n->issued_ms && u->random == n->random)
			return u;
		if (u->issued_ms < oldest->issued_ms)
			oldest = u;
	}
	if (n->issued_ms <= set->floor_ms)
		return NULL;
	if (oldest->issued_ms > set->floor_ms)
		set->floor_ms = oldest->issued_ms;
	*oldest = (struct challenge_use){.issued_ms = n->issued_ms, .random = n->random};
	return oldest;
}

/* Marks this count; false: it has come before, or is too far back to know. */
static bool take_count(struct challenge_use *u, uint32_t nc)
{
	if (nc == 0)
		return false;
	if (nc > u->top) {
		uint32_t by = nc - u->top;
		u->seen = by < CHALLENGE_WINDOW ? u->seen << by : 0;
		u->seen |= 1;
		u->top = nc;
		return true;
	}
	uint32_t back = u->top - nc;
	if (back >= CHALLENGE_WINDOW || u->seen & 1u << back)
		return false;
	u->seen |= 1u << back;
	return true;
}

/* May this nonce be used with this count, now? Then it is used. */
static bool use_nonce(struct challenge *c, const struct nonce *n, uint32_t nc, uint64_t now_ms)
{
	if (n->issued_ms > now_ms || now_ms - n->issued_ms > CHALLENGE_AGE_MS)
		return false;
	if (!c->sets)
		c->sets = calloc(CHALLENGE_SETS, sizeof(*c->sets));
	if (!c->sets)
		return false;
	struct challenge_use *u = find_use(&c->sets[n->random % CHALLENGE_SETS], n);
	return u && take_count(u, nc);
}

/* ---- answers */

static enum hdr answer_header(const struct challenge_ask *a)
{
	return a->proxy ? HDR_PROXY_AUTHORIZATION : HDR_AUTHORIZATION;
}

/* The answer for this realm. ERR_NOTFOUND: none; ERR_BAD: one that cannot be read, and none that can. */
static enum err find_answer(const struct challenge_ask *a, struct digest_answer *out)
{
	struct str value;
	size_t cursor = 0;
	enum err worst = ERR_NOTFOUND;

	for (int i = 0;
	     i < DIGEST_CHALLENGES_MAX && msg_next(a->m, answer_header(a), &cursor, &value); i++) {
		struct digest_answer one;
		enum err e = digest_answer_parse(value, &one);
		if (e == OK && digest_same(one.realm, a->realm)) {
			*out = one;
			return OK;
		}
		if (e != OK && e != ERR_NOTFOUND)
			worst = ERR_BAD;
	}
	return worst;
}

bool challenge_user(const struct challenge_ask *a, struct buf *b)
{
	struct digest_answer answer;

	if (find_answer(a, &answer) != OK)
		return false;
	for (size_t i = 0; i < answer.user.len; i++) {
		if (answer.user.p[i] == '\\' && i + 1 < answer.user.len)
			i++;
		buf_char(b, answer.user.p[i]);
	}
	return true;
}

bool challenge_is_ours(const struct challenge *c, const struct challenge_ask *a)
{
	struct digest_answer answer;
	struct nonce unused;

	return find_answer(a, &answer) == OK && read_nonce(c, a, answer.nonce, &unused);
}

/* RFC 7616 §3.4.6: of this request, or of one that means the same. */
static bool is_of_request(struct str said, const struct msg *m)
{
	struct uri one, other;

	if (str_eq(said, m->uri))
		return true;
	return uri_parse(said, &one) == OK && uri_parse(m->uri, &other) == OK &&
	       uri_eq(&one, &other);
}

enum challenge_result challenge_judge(struct challenge *c, const struct challenge_ask *a,
				      const struct digest_secret *who, bool known)
{
	CHECK(c && a && a->m && a->flow && who);
	struct digest_answer answer;
	struct nonce nonce;

	enum err e = find_answer(a, &answer);
	if (e != OK)
		return e == ERR_NOTFOUND ? CHALLENGE_NONE : CHALLENGE_GARBLED;
	/* We offer qop to everyone: an answer without it counts nothing (RFC 8760 §2.5). */
	if (!answer.qop || !is_of_request(answer.uri, a->m))
		return CHALLENGE_GARBLED;
	if (answer.algorithm == CRYPTO_SHA512_256 || answer.sess ||
	    (a->no_md5 && answer.algorithm == CRYPTO_MD5) ||
	    (a->no_sha256 && answer.algorithm == CRYPTO_SHA256))
		return CHALLENGE_NONE; /* was not offered */
	bool ours = read_nonce(c, a, answer.nonce, &nonce);
	bool right = digest_check(&answer, a->m->method_text, who);
	if (!known || !right)
		return CHALLENGE_WRONG;
	if (!ours || !use_nonce(c, &nonce, answer.nc, a->now_ms))
		return CHALLENGE_STALE;
	return CHALLENGE_PASSED;
}

/* ---- challenges */

void challenge_write(const struct challenge *c, const struct challenge_ask *a, bool stale,
		     const uint8_t random[CHALLENGE_RANDOM_LEN], struct buf *lines)
{
	static const enum crypto_hash offered[] = {CRYPTO_SHA256, CRYPTO_MD5};
	uint8_t nonce[NONCE_LEN], opaque[CRYPTO_SHA256_LEN];

	make_nonce(c, a, random, nonce);
	/* Says nothing, and is the same for a realm as long as we run. */
	crypto_hmac_sha256(c->key, sizeof(c->key), a->realm.p, a->realm.len, opaque);
	for (size_t i = 0; i < ARRAY_LEN(offered); i++) {
		if (!crypto_has_hash(offered[i]) ||
		    (offered[i] == CRYPTO_MD5 ? a->no_md5 : a->no_sha256))
			continue;
		buf_str(lines, hdr_name(a->proxy ? HDR_PROXY_AUTHENTICATE : HDR_WWW_AUTHENTICATE));
		buf_lit(lines, ": Digest realm=");
		hdr_write_quoted(lines, a->realm);
		buf_lit(lines, ", nonce=\"");
		buf_hex(lines, nonce, sizeof(nonce));
		buf_lit(lines, "\", opaque=\"");
		buf_hex(lines, opaque, OPAQUE_LEN);
		buf_lit(lines, "\", algorithm=");
		buf_str(lines, digest_algorithm_name(offered[i]));
		buf_lit(lines, ", qop=\"auth\"");
		if (stale)
			buf_lit(lines, ", stale=true");
		buf_lit(lines, "\r\n");
	}
}
