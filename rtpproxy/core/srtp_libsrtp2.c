/*
 * The reference engine, and the only file with libsrtp2. Debian's build stands on NSS and slows down with every live
 * stream (4.6 µs a re-key at 64, 286 at 4,096): for comparison, tests and doubt, not for load. Sending RTCP it counts its index per SSRC.
 */
#include "srtp_engine.h"

#include <pthread.h>
#include <string.h>

#include <srtp2/srtp.h>

#include "common/secret.h"

/* The library is set up once for the process: a second srtp_init fails. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static srtp_err_status_t ready;

static void set_up(void)
{
	ready = srtp_init();
}

static enum err worker_new(void **out_state)
{
	pthread_once(&once, set_up);
	if (ready != srtp_err_status_ok)
		return ERR_UNSUPPORTED;
	*out_state = NULL;
	return OK;
}

static void worker_free(void **state)
{
	*state = NULL;
}

static void set_crypto(enum sdes_suite s, srtp_policy_t *p)
{
	switch (s) {
	case SDES_AEAD_AES_256_GCM:
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&p->rtp);
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&p->rtcp);
		break;
	case SDES_AEAD_AES_128_GCM:
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p->rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p->rtcp);
		break;
	case SDES_AES_256_CM_HMAC_SHA1_80:
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtp);
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtcp);
		break;
	case SDES_AES_256_CM_HMAC_SHA1_32:
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(&p->rtp);
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtcp);
		break;
	case SDES_AES_CM_128_HMAC_SHA1_80:
		srtp_crypto_policy_set_rtp_default(&p->rtp);
		srtp_crypto_policy_set_rtcp_default(&p->rtcp);
		break;
	case SDES_AES_CM_128_HMAC_SHA1_32:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&p->rtp);
		srtp_crypto_policy_set_rtcp_default(&p->rtcp);
		break;
	case SDES_SUITE_COUNT: CHECK(s < SDES_SUITE_COUNT);
	}
}

static enum err key_new(void *worker, enum srtp_direction d, enum sdes_suite s,
			const uint8_t *master, void **out_state)
{
	(void)worker;
	uint8_t key[SRTP_MAX_KEY_LEN] = {0};
	srtp_policy_t policy;
	srtp_t session;
	memset(&policy, 0, sizeof(policy));
	memcpy(key, master, (size_t)sdes_suite_info(s)->key_len + sdes_suite_info(s)->salt_len);
	set_crypto(s, &policy);
	policy.ssrc.type = d == SRTP_RX ? ssrc_any_inbound : ssrc_any_outbound;
	policy.key = key;
	policy.window_size = SRTP_WINDOW;
	const srtp_err_status_t status = srtp_create(&session, &policy);
	secret_wipe(key, sizeof(key));
	if (status != srtp_err_status_ok)
		return ERR_NOMEM;
	*out_state = session;
	return OK;
}

static void key_free(void **state)
{
	if (*state)
		srtp_dealloc(*state);
	*state = NULL;
}

static enum pkt_fate fate_of(srtp_err_status_t status, enum pkt_fate replay)
{
	switch ((int)status) {
	case srtp_err_status_ok: return FATE_SENT;
	case srtp_err_status_auth_fail: return FATE_AUTH;
	case srtp_err_status_replay_fail:
	case srtp_err_status_replay_old: return replay;
	case srtp_err_status_cant_check: return FATE_UNENCRYPTED;
	case srtp_err_status_key_expired: return FATE_KEY_END;
	case srtp_err_status_bad_param:
	case srtp_err_status_parse_err: return FATE_MALFORMED;
	default: return FATE_ENGINE;
	}
}

static void unprotect(void *worker, struct srtp_op ops[], size_t n)
{
	(void)worker;
	for (size_t i = 0; i < n; i++) {
		struct pkt *pkt = ops[i].pkt;
		int len = (int)pkt->len;
		const srtp_err_status_t status =
			pkt->kind == PKT_RTCP
				? srtp_unprotect_rtcp(ops[i].key->state, pkt->data, &len)
				: srtp_unprotect(ops[i].key->state, pkt->data, &len);
		ops[i].fate = (uint8_t)fate_of(status, FATE_REPLAY);
		if (status == srtp_err_status_ok)
			pkt->len = (uint32_t)len;
	}
}

static void protect(void *worker, struct srtp_op ops[], size_t n)
{
	(void)worker;
	for (size_t i = 0; i < n; i++) {
		struct pkt *pkt = ops[i].pkt;
		int len = (int)pkt->len;
		if (pkt->cap < pkt->len + SRTP_TRAILER_MAX) {
			ops[i].fate = FATE_NO_ROOM;
			continue;
		}
		const srtp_err_status_t status =
			pkt->kind == PKT_RTCP
				? srtp_protect_rtcp(ops[i].key->state, pkt->data, &len)
				: srtp_protect(ops[i].key->state, pkt->data, &len);
		ops[i].fate = (uint8_t)fate_of(status, FATE_REUSE);
		if (status == srtp_err_status_ok)
			pkt->len = (uint32_t)len;
	}
}

/* Measured: half of what Debian's build takes for a pair of directions. */
static size_t key_memory(const void *state)
{
	(void)state;
	return 30000;
}

const struct srtp_engine srtp_engine_libsrtp2 = {
	.name = "libsrtp2",
	.worker_new = worker_new,
	.worker_free = worker_free,
	.key_new = key_new,
	.key_free = key_free,
	.unprotect = unprotect,
	.protect = protect,
	.key_memory = key_memory,
};
