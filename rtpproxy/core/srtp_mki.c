#include "srtp_mki.h"

#include <string.h>

/* Bytes behind the MKI: the tag, unless it is part of the ciphertext. */
static size_t behind(const struct srtp_key *k, const struct pkt *pkt)
{
	const struct sdes_suite_info *info = sdes_suite_info((enum sdes_suite)k->suite);
	if (sdes_suite_is_aead(info))
		return 0;
	return pkt->kind == PKT_RTCP ? info->rtcp_tag_len : info->rtp_tag_len;
}

/* Big endian, as long as was agreed. */
static void write_mki(const struct srtp_key *k, uint8_t *out)
{
	uint32_t v = k->mki;
	for (size_t i = k->mki_len; i-- > 0; v >>= 8)
		out[i] = (uint8_t)v;
}

enum pkt_fate srtp_mki_strip(const struct srtp_key *k, struct pkt *pkt)
{
	uint8_t mki[SRTP_MKI_MAX];
	const size_t tail = behind(k, pkt);
	if (pkt->len < tail + k->mki_len)
		return FATE_MALFORMED;
	uint8_t *at = pkt->data + pkt->len - tail - k->mki_len;
	write_mki(k, mki);
	if (memcmp(at, mki, k->mki_len) != 0)
		return FATE_MKI;
	memmove(at, at + k->mki_len, tail);
	pkt->len -= k->mki_len;
	return FATE_SENT;
}

bool srtp_mki_has_room(const struct srtp_key *k, const struct pkt *pkt)
{
	return pkt->cap >= (size_t)pkt->len + k->mki_len + SRTP_TRAILER_MAX;
}

void srtp_mki_insert(const struct srtp_key *k, struct pkt *pkt)
{
	const size_t tail = behind(k, pkt);
	uint8_t *at = pkt->data + pkt->len - tail;
	memmove(at + k->mki_len, at, tail);
	write_mki(k, at);
	pkt->len += k->mki_len;
}
