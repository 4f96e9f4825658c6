/*
 * The batched engine on Intel's libipsec-mb (1.3 in Debian, amd64 alone; works on AMD as well). Counter mode RTP of a batch is
 * hashed in one burst over all its streams and ciphered in another; GCM goes packet by packet through the library's direct
 * calls. All that is unusual goes to srtp_own: RTCP, packets that are refused anyway, and a packet whose index was
 * settled by another one of its batch. What was measured, and why bursts and not jobs: docs/performance.md.
 *
 * The calls are the unchecked ones, because of the checked ones one packet without payload refuses the whole burst. So
 * lengths are checked here first, no empty payload becomes a cipher job, and tags are taken in 12 bytes.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>

#include "common/secret.h"
#include "srtp_engine.h"
#include "srtp_own.h"

enum {
	MANY = 16, /* hash jobs that fill the widest lanes, */
	SOME = 6,  /* and half of them */
	TAG = 12,  /* the shortest that the library writes */
	TAG_ROOM = 16,
	ROC = 4,
	AHEAD = 8,
	LINE = 64,
	ROUND_KEYS_128 = 11 * 16,
	ROUND_KEYS = 15 * 16
};

/* A level of the library: which code of it runs. */
struct level {
	uint64_t flags;
	bool (*is_there)(void);
	void (*init)(IMB_MGR *);
};

struct worker {
	struct own_worker own;
	/* For few, some and many hash jobs; several may be the same. The widest does all the ciphering. */
	IMB_MGR *few, *some, *many;
	struct gcm_context_data gcm;
	IMB_JOB cipher[SRTP_BATCH], hash[SRTP_BATCH];
	uint8_t iv[SRTP_BATCH][OWN_IV_LEN];
	uint8_t tag[SRTP_BATCH][TAG_ROOM];
};

/* Behind `own`, whose size depends on its direction, lie the round keys of counter mode: as many as the cipher has. */
struct key {
	struct gcm_key_data *gcm; /* GCM only */
	struct srtp_own own;
};

/* A packet that is in the hash burst. */
struct held {
	struct rtp h;
	uint64_t index;
	uint8_t tag[ROC]; /* what lay where its rollover counter is now */
	int8_t job;       /* -1: it is not */
};

/* Asked of the compiler's run-time, which also looks whether the system saves the wide registers. */
static bool has_sse(void)
{
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("aes") &&
	       __builtin_cpu_supports("pclmul");
}

static bool has_avx2(void)
{
	return has_sse() && __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") &&
	       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static const struct level level_plain = {IMB_FLAG_SHANI_OFF, has_sse, init_mb_mgr_sse};
static const struct level level_sse = {0, has_sse, init_mb_mgr_sse};
static const struct level level_avx2 = {0, has_avx2, init_mb_mgr_avx2};
static const struct level level_avx512 = {0, has_avx512, init_mb_mgr_avx512};

/* NULL: the processor has not what it needs, the library fails its own test, or no memory. */
static IMB_MGR *make_manager(const struct level *l)
{
	if (!l->is_there())
		return NULL;
	IMB_MGR *m = alloc_mb_mgr(l->flags);
	if (!m)
		return NULL;
	l->init(m);
	if (imb_get_errno(m) != 0 || !(m->features & IMB_FEATURE_SELF_TEST_PASS)) {
		free_mb_mgr(m);
		return NULL;
	}
	return m;
}

static own_gcm_fn run_gcm;

static void prepare_jobs(struct worker *w)
{
	for (size_t i = 0; i < SRTP_BATCH; i++) {
		w->cipher[i] = (IMB_JOB){.cipher_mode = IMB_CIPHER_CNTR,
					 .cipher_direction = IMB_DIR_ENCRYPT,
					 .hash_alg = IMB_AUTH_NULL,
					 .chain_order = IMB_ORDER_CIPHER_HASH,
					 .iv = w->iv[i],
					 .iv_len_in_bytes = OWN_IV_LEN};
		w->hash[i] = (IMB_JOB){.cipher_mode = IMB_CIPHER_NULL,
				       .cipher_direction = IMB_DIR_ENCRYPT,
				       .hash_alg = IMB_AUTH_HMAC_SHA_1,
				       .chain_order = IMB_ORDER_HASH_CIPHER,
				       .auth_tag_output = w->tag[i],
				       .auth_tag_output_len_in_bytes = TAG};
	}
}

static void worker_free(void **state)
{
	struct worker *w = *state;
	if (!w)
		return;
	own_worker_release(&w->own);
	if (w->many && w->many != w->some && w->many != w->few)
		free_mb_mgr(w->many);
	if (w->some && w->some != w->few)
		free_mb_mgr(w->some);
	if (w->few)
		free_mb_mgr(w->few);
	secret_wipe(w, sizeof(*w));
	free(w);
	*state = NULL;
}

/* Managers as wide as there are; the wider ones may be NULL in `levels`: then the one below serves. */
static enum err worker_make(const struct level *const levels[3], void **out_state)
{
	struct worker *w = calloc(1, sizeof(*w));
	if (!w)
		return ERR_NOMEM;
	void *state = w;
	enum err e = own_worker_init(&w->own);
	if (e != OK) {
		free(w);
		return e;
	}
	IMB_MGR *m[3] = {NULL};
	for (int i = 0; i < 3; i++) {
		m[i] = levels[i] ? make_manager(levels[i]) : NULL;
		if (!m[i] && i > 0)
			m[i] = m[i - 1];
	}
	w->few = m[0];
	w->some = m[1];
	w->many = m[2];
	if (!w->few) {
		worker_free(&state);
		return ERR_UNSUPPORTED;
	}
	w->own.gcm_rtp = run_gcm;
	prepare_jobs(w);
	*out_state = w;
	return OK;
}

static enum err worker_new(void **out_state)
{
	const struct level *const levels[3] = {&level_sse, &level_avx2, &level_avx512};
	return worker_make(levels, out_state);
}

static enum err worker_new_plain(void **out_state)
{
	const struct level *const levels[3] = {&level_plain, NULL, NULL};
	return worker_make(levels, out_state);
}

static enum err worker_new_sse(void **out_state)
{
	const struct level *const levels[3] = {&level_sse, NULL, NULL};
	return worker_make(levels, out_state);
}

static enum err worker_new_avx2(void **out_state)
{
	const struct level *const levels[3] = {&level_avx2, NULL, NULL};
	return worker_make(levels, out_state);
}

static enum err worker_new_avx512(void **out_state)
{
	const struct level *const levels[3] = {&level_avx512, NULL, NULL};
	return worker_make(levels, out_state);
}

static size_t rounds_at(enum srtp_direction d)
{
	return (offsetof(struct key, own) + own_size(d) + 15) & ~(size_t)15;
}

static uint8_t *rounds_of(struct key *k)
{
	return (uint8_t *)k + rounds_at((enum srtp_direction)k->own.direction);
}

static size_t rounds_len(const struct srtp_own *o)
{
	if (o->aead)
		return 0;
	return o->key_len == 32 ? ROUND_KEYS : ROUND_KEYS_128;
}

static void key_free(void **state)
{
	struct key *k = *state;
	if (!k)
		return;
	if (k->gcm)
		secret_wipe(k->gcm, sizeof(*k->gcm));
	free(k->gcm);
	secret_wipe(rounds_of(k), rounds_len(&k->own));
	own_release(&k->own);
	free(k);
	*state = NULL;
}

static size_t round_up(size_t n)
{
	return (n + LINE - 1) & ~(size_t)(LINE - 1);
}

/* Never too little for a suite: GCM has no round keys here. */
static size_t key_size(enum srtp_direction d, const struct sdes_suite_info *s)
{
	const struct srtp_own shape = {.aead = sdes_suite_is_aead(s), .key_len = s->key_len};
	return round_up(rounds_at(d) + rounds_len(&shape));
}

/* What the library makes of the session key of RTP. The tables of GCM depend on the manager. */
static enum err expand(const struct worker *w, struct key *k)
{
	const uint8_t *raw = k->own.rtp.key;
	const bool is_long = k->own.key_len == 32;
	uint8_t unused[ROUND_KEYS] __attribute__((aligned(16)));
	if (!k->own.aead) {
		if (is_long)
			IMB_AES_KEYEXP_256(w->many, raw, rounds_of(k), unused);
		else
			IMB_AES_KEYEXP_128(w->many, raw, rounds_of(k), unused);
		secret_wipe(unused, sizeof(unused));
		return OK;
	}
	/* The library wants it so, but says it only where a macro of its own is defined. */
	k->gcm = aligned_alloc(LINE, round_up(sizeof(*k->gcm)));
	if (!k->gcm)
		return ERR_NOMEM;
	if (is_long)
		IMB_AES256_GCM_PRE(w->many, raw, k->gcm);
	else
		IMB_AES128_GCM_PRE(w->many, raw, k->gcm);
	return OK;
}

static enum err key_new(void *worker, enum srtp_direction d, enum sdes_suite s,
			const uint8_t *master, void **out_state)
{
	struct worker *w = worker;
	struct key *k = aligned_alloc(LINE, key_size(d, sdes_suite_info(s)));
	if (!k)
		return ERR_NOMEM;
	void *state = k;
	k->gcm = NULL;
	enum err e = own_init(&k->own, &w->own, d, s, master);
	if (e == OK)
		e = expand(w, k);
	if (e != OK)
		key_free(&state);
	else
		*out_state = k;
	return e;
}

static size_t key_memory(const void *state)
{
	const struct key *k = state;
	const enum srtp_direction d = (enum srtp_direction)k->own.direction;
	return round_up(rounds_at(d) + rounds_len(&k->own)) + own_memory(&k->own) - own_size(d) +
	       (k->gcm ? round_up(sizeof(*k->gcm)) : 0);
}

/* ---- GCM, one packet */

static bool run_gcm(struct srtp_own *own, const struct cipher_gcm_op *op, bool seal)
{
	const struct key *k = CONTAINER_OF(own, struct key, own);
	struct worker *w = CONTAINER_OF(own->worker, struct worker, own);
	uint8_t tag[CIPHER_GCM_TAG];
	const bool is_long = own->key_len == 32;
	if (seal) {
		(is_long ? w->many->gcm256_enc
			 : w->many->gcm128_enc)(k->gcm, &w->gcm, op->p, op->p, op->len, op->iv,
						op->aad, op->aad_len, op->tag, CIPHER_GCM_TAG);
		return true;
	}
	(is_long ? w->many->gcm256_dec : w->many->gcm128_dec)(k->gcm, &w->gcm, op->p, op->p,
							      op->len, op->iv, op->aad, op->aad_len,
							      tag, CIPHER_GCM_TAG);
	return secret_eq_bytes(tag, op->tag, CIPHER_GCM_TAG);
}

/* ---- counter mode, a batch */

static bool is_batched(const struct key *k, const struct pkt *pkt)
{
	return !k->own.aead && pkt->kind != PKT_RTCP;
}

static bool run_hash(const struct worker *w, IMB_JOB *jobs, uint32_t n)
{
	IMB_MGR *m = n >= MANY ? w->many : n >= SOME ? w->some : w->few;
	return n == 0 || IMB_SUBMIT_HASH_BURST_NOCHECK(m, jobs, n, IMB_AUTH_HMAC_SHA_1) == n;
}

/* Of one length of key at a time: the burst's key size is that of all. */
static bool run_cipher(const struct worker *w, IMB_JOB *jobs, uint32_t n)
{
	for (uint32_t at = 0, end; at < n; at = end) {
		const uint64_t size = jobs[at].key_len_in_bytes;
		for (end = at + 1; end < n && jobs[end].key_len_in_bytes == size;)
			end++;
		if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(w->many, jobs + at, end - at, IMB_CIPHER_CNTR,
						    IMB_DIR_ENCRYPT, size) != end - at)
			return false;
	}
	return true;
}

/* The rollover counter is hashed as if it stood behind the packet (RFC 3711 §4.2); so it does, for the time of the burst. */
static void add_hash(struct worker *w, uint32_t at, const struct key *k, const struct pkt *pkt,
		     size_t len, uint64_t index)
{
	const uint32_t roc = htobe32((uint32_t)(index >> 16));
	IMB_JOB *j = &w->hash[at];
	memcpy(pkt->data + len, &roc, sizeof(roc));
	j->src = pkt->data;
	j->hash_start_src_offset_in_bytes = 0;
	j->msg_len_to_hash_in_bytes = len + ROC;
	j->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)k->own.rtp.auth.inner;
	j->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)k->own.rtp.auth.outer;
}

/* Returns the number of cipher jobs then. */
static uint32_t add_cipher(struct worker *w, uint32_t at, struct key *k, struct pkt *pkt,
			   size_t end, const struct held *p)
{
	IMB_JOB *j = &w->cipher[at];
	if (end == p->h.header_len)
		return at;
	own_iv(&k->own, &k->own.rtp, p->h.ssrc, p->index, w->iv[at]);
	j->src = pkt->data + p->h.header_len;
	j->dst = pkt->data + p->h.header_len;
	j->cipher_start_src_offset_in_bytes = 0;
	j->msg_len_to_cipher_in_bytes = end - p->h.header_len;
	j->enc_keys = rounds_of(k);
	j->dec_keys = j->enc_keys;
	j->key_len_in_bytes = k->own.key_len;
	return at + 1;
}

static void prefetch_key(const struct srtp_op ops[], size_t n, size_t i, enum srtp_direction d)
{
	if (i >= n)
		return;
	const struct key *k = ops[i].key->state;
	const char *rounds = (const char *)k + rounds_at(d);
	for (size_t at = 0; at < offsetof(struct key, own.rtcp); at += LINE)
		__builtin_prefetch((const char *)k + at);
	for (size_t at = 0; at < ROUND_KEYS_128; at += LINE)
		__builtin_prefetch(rounds + at);
}

static void prefetch_gcm(const struct srtp_op ops[], size_t n, size_t i)
{
	if (i >= n)
		return;
	const struct key *k = ops[i].key->state;
	if (!k->gcm)
		return;
	/* Round keys, and the low powers of the hash key: where they lie depends on the level; this is AVX2's. */
	for (size_t at = 0; at < ROUND_KEYS + 4 * LINE; at += LINE)
		__builtin_prefetch(k->gcm->expanded_keys + at);
}

/* Prepares what can be verified in one burst. */
static uint32_t hold_all(struct worker *w, const struct srtp_op ops[], size_t n, struct held held[])
{
	uint32_t jobs = 0;
	for (size_t i = 0; i < AHEAD; i++)
		prefetch_key(ops, n, i, SRTP_RX);
	for (size_t i = 0; i < n; i++) {
		const struct key *k = ops[i].key->state;
		const struct pkt *pkt = ops[i].pkt;
		struct held *p = &held[i];
		CHECK(k && k->own.worker == &w->own && k->own.direction == SRTP_RX);
		prefetch_key(ops, n, i + AHEAD, SRTP_RX);
		prefetch_gcm(ops, n, i + 2);
		p->job = -1;
		if (!is_batched(k, pkt) || own_look_in(&k->own, pkt, &p->h, &p->index) != FATE_SENT)
			continue;
		const size_t end = pkt->len - k->own.tag_len;
		memcpy(p->tag, pkt->data + end, ROC);
		add_hash(w, jobs, k, pkt, end, p->index);
		p->job = (int8_t)jobs++;
	}
	return jobs;
}

/* After the burst, at its turn: another of the batch may have used its index, or moved what its index is. */
static enum pkt_fate settle(struct worker *w, struct key *k, struct pkt *pkt, struct held *p,
			    bool hashed, uint32_t *ciphers)
{
	const size_t end = pkt->len - k->own.tag_len;
	uint64_t index;
	memcpy(pkt->data + end, p->tag, ROC);
	const enum pkt_fate again = srtp_windows_guess(&k->own.seen, p->h.ssrc, p->h.seq, &index);
	if (!hashed || again != FATE_SENT || index != p->index)
		return own_unprotect(&k->own, pkt);
	if (!secret_eq_bytes(w->tag[p->job], pkt->data + end, k->own.tag_len))
		return FATE_AUTH;
	const enum pkt_fate fate = srtp_windows_commit(&k->own.seen, p->h.ssrc, index);
	if (fate != FATE_SENT)
		return fate;
	*ciphers = add_cipher(w, *ciphers, k, pkt, end, p);
	pkt->len = (uint32_t)end;
	return FATE_SENT;
}

static void unprotect(void *worker, struct srtp_op ops[], size_t n)
{
	struct worker *w = worker;
	struct held held[SRTP_BATCH];
	uint32_t ciphers = 0;
	const uint32_t jobs = hold_all(w, ops, n, held);
	const bool hashed = run_hash(w, w->hash, jobs);
	for (size_t i = 0; i < n; i++) {
		struct key *k = ops[i].key->state;
		ops[i].fate = (uint8_t)(held[i].job < 0 ? own_unprotect(&k->own, ops[i].pkt)
							: settle(w, k, ops[i].pkt, &held[i], hashed,
								 &ciphers));
	}
	const bool done = run_cipher(w, w->cipher, ciphers);
	if (!NEVER(!done))
		return;
	for (size_t i = 0; i < n; i++)
		if (held[i].job >= 0 && ops[i].fate == FATE_SENT)
			ops[i].fate = FATE_ENGINE;
}

/* Uses up the indices and writes the jobs; the packets are not touched yet. */
static uint32_t take_all(struct worker *w, struct srtp_op ops[], size_t n, struct held held[],
			 uint32_t *out_ciphers)
{
	uint32_t jobs = 0;
	*out_ciphers = 0;
	for (size_t i = 0; i < AHEAD; i++)
		prefetch_key(ops, n, i, SRTP_TX);
	for (size_t i = 0; i < n; i++) {
		struct key *k = ops[i].key->state;
		struct pkt *pkt = ops[i].pkt;
		CHECK(k && k->own.worker == &w->own && k->own.direction == SRTP_TX);
		prefetch_key(ops, n, i + AHEAD, SRTP_TX);
		prefetch_gcm(ops, n, i + 2);
		held[i].job = -1;
		if (!is_batched(k, pkt)) {
			ops[i].fate = (uint8_t)own_protect(&k->own, pkt);
			continue;
		}
		ops[i].fate = (uint8_t)own_look_out(&k->own, pkt, &held[i].h, &held[i].index);
		if (ops[i].fate != FATE_SENT)
			continue;
		*out_ciphers = add_cipher(w, *out_ciphers, k, pkt, pkt->len, &held[i]);
		add_hash(w, jobs, k, pkt, pkt->len, held[i].index);
		held[i].job = (int8_t)jobs++;
	}
	return jobs;
}

static void protect(void *worker, struct srtp_op ops[], size_t n)
{
	struct worker *w = worker;
	struct held held[SRTP_BATCH];
	uint32_t ciphers;
	const uint32_t jobs = take_all(w, ops, n, held, &ciphers);
	const bool done = run_cipher(w, w->cipher, ciphers) && run_hash(w, w->hash, jobs);
	for (size_t i = 0; i < n; i++) {
		if (held[i].job < 0)
			continue;
		const struct key *k = ops[i].key->state;
		struct pkt *pkt = ops[i].pkt;
		if (NEVER(!done)) {
			ops[i].fate = FATE_ENGINE;
			continue;
		}
		memcpy(pkt->data + pkt->len, w->tag[held[i].job], k->own.tag_len);
		pkt->len += k->own.tag_len;
	}
}

#define ENGINE(symbol, text, new_fn)                                                               \
	const struct srtp_engine symbol = {                                                        \
		.name = text,                                                                      \
		.worker_new = new_fn,                                                              \
		.worker_free = worker_free,                                                        \
		.key_new = key_new,                                                                \
		.key_free = key_free,                                                              \
		.unprotect = unprotect,                                                            \
		.protect = protect,                                                                \
		.key_memory = key_memory,                                                          \
	}

ENGINE(srtp_engine_ipsec_mb, "ipsec-mb", worker_new);
ENGINE(srtp_engine_ipsec_mb_plain, "ipsec-mb-plain", worker_new_plain);
ENGINE(srtp_engine_ipsec_mb_sse, "ipsec-mb-sse", worker_new_sse);
ENGINE(srtp_engine_ipsec_mb_avx2, "ipsec-mb-avx2", worker_new_avx2);
ENGINE(srtp_engine_ipsec_mb_avx512, "ipsec-mb-avx512", worker_new_avx512);
