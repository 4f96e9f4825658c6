#include "rtpproxy/core/sdp_keys.h"

#include "rtpproxy/core/keying.h"
#include "rtpproxy/core/keying_dtls.h"

/* ---- offer */

/* SDES does not go with a protocol that names DTLS: browsers refuse such lines (RFC 8827 §6.5). */
static bool has_sdes(const struct sdp_media *m)
{
	return !sdp_proto_info(m->proto)->dtls && keying_is_offered(m);
}

static bool has_dtls(const struct sdp_relay *x, const struct sdp_media *m)
{
	return keying_dtls_is_offered(x->sdp, m, x->dtls);
}

/* Ways of keying that an offer of ours may have. */
struct ways {
	bool sdes, dtls;
};

/* What was agreed before stays, if the flags leave it. */
static struct ways offered_ways(const struct sdp_relay *x, const struct leg_media *to,
				enum sdp_proto proto)
{
	struct ways w = {.sdes = !sdp_proto_info(proto)->dtls &&
				 keying_allowed(&x->flags->sdes) != 0,
			 .dtls = x->dtls && !x->flags->dtls_off};
	if (to && to->keying == LEG_SDES && w.sdes) {
		w.dtls = false;
	} else if (to && to->keying == LEG_DTLS && w.dtls) {
		w.sdes = false;
	}
	return w;
}

enum refusal sdp_keys_check_offer(const struct sdp_relay *x, size_t i, enum sdp_proto proto)
{
	const struct sdp_media *m = &x->sdp->media[i];
	const struct sdp_proto_info *said = sdp_proto_info(m->proto), *to = sdp_proto_info(proto);
	if (said->srtp && !has_sdes(m) && !has_dtls(x, m)) {
		return said->dtls || sdp_find_any(x->sdp, m, STR("fingerprint"))
			       ? REFUSAL_DTLS
			       : REFUSAL_NO_COMMON_SUITE;
	}
	const struct ways w =
		offered_ways(x, i < x->to->media_count ? x->to->media[i] : NULL, proto);
	if (to->srtp && !w.sdes && !w.dtls) {
		return to->dtls ? REFUSAL_DTLS_WANTED : REFUSAL_NO_KEYING;
	}
	return REFUSAL_NONE;
}

static void forget_sdes(struct leg_media *m)
{
	secret_wipe(m->keys, sizeof(*m->keys));
	m->keys->chosen = m->keys->chosen_in = -1;
}

/* Whatever keys the offerer has. In a line of a plain protocol they are an offer that may be left (RFC 8643). */
static void take_offer_keys(const struct sdp_relay *x, const struct sdp_media *m,
			    struct leg_media *from)
{
	const bool sdes = leg_is_rtp(m->proto) && has_sdes(m);
	const bool dtls = leg_is_rtp(m->proto) && has_dtls(x, m);
	from->osrtp = !sdp_proto_info(m->proto)->srtp && (sdes || dtls);
	if (sdes) {
		from->keys->theirs_count = (uint8_t)keying_read(m, from->keys->theirs);
	} else {
		/* No more: what was agreed before is over, and so is its key. */
		forget_sdes(from);
	}
	if (dtls) {
		keying_dtls_read(x->sdp, m, x->dtls, from->dtls);
		from->dtls->prefer_passive = x->flags->dtls_passive;
		from->dtls->prefer_sdes = x->flags->sdes.prefer;
	} else {
		keying_dtls_forget(from->dtls);
	}
}

/* OSRTP towards the receiver: as asked, else as the offerer does unless the protocol was asked for. */
static bool wants_osrtp(const struct sdp_relay *x, const struct leg_media *from,
			const struct leg_media *to)
{
	return leg_is_rtp(to->proto) && !sdp_proto_info(to->proto)->srtp &&
	       ((x->flags->osrtp & FLAGS_OSRTP_OFFER) || (from->osrtp && !x->flags->has_transport));
}

static void offer_keys(const struct sdp_relay *x, const struct leg_media *from,
		       struct leg_media *to)
{
	struct ways w = offered_ways(x, to, to->proto);
	to->osrtp = wants_osrtp(x, from, to) && (w.sdes || w.dtls);
	if (!to->osrtp && !sdp_proto_info(to->proto)->srtp) {
		w = (struct ways){false, false};
	}
	to->sdes_wanted = w.sdes;
	to->dtls->wanted = w.dtls;
	if (w.sdes) {
		keying_offer(to->keys, from->keys, &x->flags->sdes, x->rng);
	}
	if (w.dtls) {
		keying_dtls_say(to->dtls, x->dtls, x->flags, x->rng);
	}
}

void sdp_keys_take_offer(const struct sdp_relay *x, size_t i)
{
	take_offer_keys(x, &x->sdp->media[i], x->from->media[i]);
	offer_keys(x, x->from->media[i], x->to->media[i]);
}

/* ---- answer */

/* Which of the ways that we offered the answer takes. */
static enum leg_keying answered_keying(const struct sdp_relay *x, const struct sdp_media *m,
				       const struct leg_media *from)
{
	struct leg_crypto c;
	int ours;
	const bool sdes = from->sdes_wanted && !sdp_proto_info(m->proto)->dtls &&
			  keying_find_answer(from->keys, m, &c, &ours);
	const bool dtls = from->dtls->wanted && has_dtls(x, m);
	secret_wipe(&c, sizeof(c));
	if (dtls && !(sdes && x->flags->sdes.prefer)) {
		return LEG_DTLS;
	}
	return sdes ? LEG_SDES : LEG_PLAIN;
}

/*
 * Which way of the offerer's we take: DTLS before SDES unless it was asked otherwise; what is in force stays. `from` is the
 * answerer's: an opportunistic offer is taken if the other side is encrypted too, or if that is wished.
 */
static enum leg_keying chosen_keying(const struct sdp_relay *x, const struct leg_media *to,
				     enum leg_keying from)
{
	const bool sdes =
		!sdp_proto_info(to->proto)->dtls && keying_choose(to->keys, &x->flags->sdes) >= 0;
	const bool dtls = to->dtls->offered && x->dtls && !x->flags->dtls_off;
	if (to->osrtp && from == LEG_PLAIN && !(x->flags->osrtp & FLAGS_OSRTP_ACCEPT)) {
		return LEG_PLAIN;
	}
	if (!to->osrtp && !sdp_proto_info(to->proto)->srtp) {
		return LEG_PLAIN;
	}
	if (dtls && !(sdes && (to->dtls->prefer_sdes || to->keying == LEG_SDES))) {
		return LEG_DTLS;
	}
	return sdes ? LEG_SDES : LEG_PLAIN;
}

enum refusal sdp_keys_check_answer(const struct sdp_relay *x, size_t i)
{
	const struct leg_media *from = x->from->media[i], *to = x->to->media[i];
	const enum leg_keying keying = answered_keying(x, &x->sdp->media[i], from);
	if (sdp_proto_info(from->proto)->srtp && keying == LEG_PLAIN) {
		return REFUSAL_ANSWER_CRYPTO;
	}
	return sdp_proto_info(to->proto)->srtp && chosen_keying(x, to, keying) == LEG_PLAIN
		       ? REFUSAL_NO_COMMON_SUITE
		       : REFUSAL_NONE;
}

static void take_answer_keys(const struct sdp_relay *x, const struct sdp_media *m,
			     struct leg_media *from)
{
	from->keying = (uint8_t)answered_keying(x, m, from);
	if (from->keying == LEG_SDES) {
		int ours = -1;
		bool found = keying_find_answer(from->keys, m, &from->keys->theirs[0], &ours);
		CHECK(found); /* answered_keying looked */
		from->keys->theirs_count = 1;
		from->keys->chosen_in = 0;
		from->keys->chosen = (int8_t)ours;
	} else {
		forget_sdes(from);
	}
	if (from->keying == LEG_DTLS) {
		keying_dtls_read(x->sdp, m, x->dtls, from->dtls);
		keying_dtls_agree(from->dtls, true);
	} else {
		keying_dtls_forget(from->dtls);
	}
}

static void answer_keys(const struct sdp_relay *x, struct leg_media *to, enum leg_keying from)
{
	to->keying = (uint8_t)chosen_keying(x, to, from);
	if (to->keying == LEG_SDES) {
		keying_answer(to->keys, keying_choose(to->keys, &x->flags->sdes), x->rng);
	}
	if (to->keying == LEG_DTLS) {
		keying_dtls_say(to->dtls, x->dtls, x->flags, x->rng);
		keying_dtls_agree(to->dtls, false);
	} else {
		to->dtls->agreed = false;
	}
}

void sdp_keys_take_answer(const struct sdp_relay *x, size_t i)
{
	take_answer_keys(x, &x->sdp->media[i], x->from->media[i]);
	answer_keys(x, x->to->media[i], (enum leg_keying)x->from->media[i]->keying);
}

/* ---- writing */

static void write_crypto(const struct sdp_relay *x, struct buf *b, const struct leg_crypto *c)
{
	struct sdes s = {.tag = c->tag, .suite = (enum sdes_suite)c->suite, .key = c->key};
	s.mki = c->mki;
	s.mki_len = c->mki_len;
	s.lifetime = x->flags->sdes.lifetime ? UINT64_C(1) << 31 : 0;
	buf_lit(b, "a=crypto:");
	if (x->flags->sdes.pad) {
		sdes_write(b, &s);
	} else {
		sdes_write_unpadded(b, &s);
	}
	buf_lit(b, "\r\n");
	sdes_release(&s);
}

void sdp_keys_write(const struct sdp_relay *x, struct buf *b, const struct leg_media *to)
{
	const struct leg_keys *k = to->keys;
	const bool sdes = x->answer ? to->keying == LEG_SDES : to->sdes_wanted;
	for (int i = 0; sdes && i < k->ours_count; i++) {
		if (!x->answer || i == k->chosen) {
			write_crypto(x, b, &k->ours[i]);
		}
	}
	if (x->answer ? to->keying == LEG_DTLS : to->dtls->wanted) {
		keying_dtls_write(b, to->dtls, x->answer);
	}
}
