/* What an SRTP engine is: the inside of srtp.h. Only srtp.c, the engines and their tests include this. */
#ifndef SALLYPORT_SRTP_ENGINE_H
#define SALLYPORT_SRTP_ENGINE_H

#include "srtp.h"

struct srtp_engine {
	const char *name;
	/* The thread's part. ERR_NOMEM; ERR_UNSUPPORTED: the library lacks an algorithm. */
	enum err (*worker_new)(void **out_state);
	void (*worker_free)(void **state);
	/* One key of one direction: master key, then salt. ERR_NOMEM. */
	enum err (*key_new)(void *worker, enum srtp_direction d, enum sdes_suite s,
			    const uint8_t *master, void **out_state);
	void (*key_free)(void **state);
	/* Each sets ops[].fate and pkt->len. RTP and RTCP mixed, any keys, in order. */
	void (*unprotect)(void *worker, struct srtp_op ops[], size_t n);
	void (*protect)(void *worker, struct srtp_op ops[], size_t n);
	/* Heap of one key, estimated where the library hides it. */
	size_t (*key_memory)(const void *state);
};

extern const struct srtp_engine srtp_engine_openssl;
extern const struct srtp_engine srtp_engine_libsrtp2;
/* Where the library was there at build. The first chooses its code by the size of a batch, of what the processor has; the
 * others are of one level: without and with the instructions for SHA, and wider ones. */
extern const struct srtp_engine srtp_engine_ipsec_mb;
extern const struct srtp_engine srtp_engine_ipsec_mb_plain;
extern const struct srtp_engine srtp_engine_ipsec_mb_sse;
extern const struct srtp_engine srtp_engine_ipsec_mb_avx2;
extern const struct srtp_engine srtp_engine_ipsec_mb_avx512;

#endif
