/*
 * RTCP as the other party may see it (RFC 3550 §6.5: its descriptions name users, hosts and products; design promise
 * 3): a compound is written afresh from the parts that are known to hold nothing but numbers.
 *
 *   SR, RR        as they are, without profile-specific extensions
 *   SDES          a CNAME in each chunk, made by us; nothing else
 *   BYE           without its reason
 *   feedback      the generic and codec messages of RFC 4585, 5104, 6642, 6679, 8888, TWCC and REMB
 *   XR            the blocks of RFC 3611, 5725, 6679, 6776, 6798, 6843, 6958, 7003
 *   FIR, NACK     of RFC 2032
 *   all else      is left out: APP, SMPTE, AVB, unknown types, descriptions and goodbyes of nobody; padding too
 *
 * A part keeps its place, so a compound that was whole stays whole: a report first, a CNAME behind it.
 */
#ifndef SALLYPORT_RTCP_HIDE_H
#define SALLYPORT_RTCP_HIDE_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/siphash.h"
#include "common/str.h"

enum { RTCP_HIDE_CNAME_LEN = 16 }; /* 96 bits in base64, RFC 7022 §4.2 */

/* Names are made of all three, and so say nothing of the first: the same CNAME of one party is the same name again and
 * still joins its streams (RFC 3550 §6.5.1), of another party or another call it is another one. */
struct rtcp_hide {
	struct siphash_key key; /* secret of the worker */
	uint64_t party;         /* whose packet this is; random */
};

/*
 * In place; `cap` bytes may be used from p on. Only for bytes that rtcp_check passed. *len 0 afterwards: nothing of it
 * may cross. ERR_BAD: descriptions, goodbyes or blocks reach past their part; ERR_LIMIT: cap is too small for the new
 * names: nothing is changed.
 */
enum err rtcp_hide(uint8_t *p, size_t *len, size_t cap, const struct rtcp_hide *h) MUST_USE;
/* The name that `text`, not empty, becomes. */
void rtcp_hide_name(const struct rtcp_hide *h, struct str text, char out[RTCP_HIDE_CNAME_LEN]);

#endif
