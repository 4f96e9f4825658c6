/*
 * Which packet indices of which SSRC were seen: rollover counter guess and replay window (RFC 3711 §3.3.1, §3.3.2)
 * for a bounded number of SSRCs. Serves both ends: receiving, it refuses replays; sending, it makes sure that no
 * index protects two packets. An SSRC is never forgotten while its key lives: one that had to make room keeps its
 * highest index, and when there is no room for that either, further SSRCs are refused. The first SSRC lies in the struct;
 * all others in one block that is allocated when the second comes, once for each key.
 */
#ifndef SALLYPORT_SRTP_WINDOW_H
#define SALLYPORT_SRTP_WINDOW_H

#include <stdint.h>

#include "pkt.h"
#include "srtp.h"

#define SRTP_INDEX_END ((uint64_t)1 << 48) /* RFC 3711 §9.2: then a new key is needed */

struct srtp_window {
	uint64_t top;     /* highest index */
	uint64_t bits[2]; /* bit n: top − n was seen */
	uint32_t used;    /* srtp_windows.commits at the last one */
};

/* What only a key with a second SSRC has: hundreds of bytes that most calls never need. */
struct srtp_more {
	uint32_t ssrc[SRTP_SSRC_LIVE - 1];
	struct srtp_window live[SRTP_SSRC_LIVE - 1];
	uint32_t old_ssrc[SRTP_SSRC_OLD];
	uint32_t old_top[SRTP_SSRC_OLD]; /* low 32 bits */
	uint16_t old_top_high[SRTP_SSRC_OLD];
};

/* Zeroed: nothing seen. */
struct srtp_windows {
	struct srtp_window first; /* live one 0; those after it are in `more` */
	uint32_t ssrc;
	uint32_t commits;
	struct srtp_more *more; /* NULL: there was no second SSRC */
	uint8_t live_count, old_count;
};

/*
 * The index of a packet with this sequence number, and whether it may be: FATE_SENT, FATE_REPLAY (seen, or too
 * far back), FATE_SSRC_LIMIT, FATE_KEY_END. Changes nothing: the packet is not authenticated yet.
 */
enum pkt_fate srtp_windows_guess(const struct srtp_windows *w, uint32_t ssrc, uint16_t seq,
				 uint64_t *out_index);
/* The same for an index that the packet states (SRTCP). */
enum pkt_fate srtp_windows_check(const struct srtp_windows *w, uint32_t ssrc, uint64_t index);
/* Marks it as seen; the check is made again, as a copy may have been committed since. Same answers; FATE_SSRC_LIMIT also
 * where there is no memory for a second SSRC. */
enum pkt_fate srtp_windows_commit(struct srtp_windows *w, uint32_t ssrc, uint64_t index);
/* Nothing seen any more. */
void srtp_windows_release(struct srtp_windows *w);

#endif
