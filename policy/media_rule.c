#include "policy/media_rule.h"

#include "common/check.h"
#include "common/sdes.h"

/* Warn-codes of RFC 3261 §20.43. */
enum {
	WARN_TRANSPORT = 302,    /* the m= protocol */
	WARN_MEDIA_TYPE = 304,   /* the kind of medium */
	WARN_FORMAT = 305,       /* its codecs */
	WARN_MISCELLANEOUS = 399 /* keys */
};

static struct verdict accept(const struct media_rule *m)
{
	return (struct verdict){.outcome = VERDICT_ALLOW,
				.stage = VERDICT_STAGE_MEDIA,
				.rule = m->name,
				.file = m->place.file,
				.line = m->place.line};
}

static struct verdict refuse(const struct media_rule *m, uint16_t warn_code, struct str warn_text)
{
	struct verdict v = accept(m);
	v.outcome = VERDICT_REJECT;
	v.status = 488;
	v.reason = STR("Not Acceptable Here");
	v.warn_code = warn_code;
	v.warn_text = warn_text;
	return v;
}

static bool plain_is_allowed(const struct media_rule *m)
{
	return m->rtp != MEDIA_FORBID && m->srtp != MEDIA_REQUIRE;
}

static bool name_is_listed(const struct str *list, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_ieq(list[i], name))
			return true;
	return false;
}

static bool has_codec(const struct media_rule *r, const struct sdp_media *m)
{
	if (r->codecs_allow_count == 0)
		return true;
	for (size_t i = 0; i < m->format_count; i++) {
		struct sdp_codec codec;
		if (sdp_find_codec(m, m->formats[i], &codec) != OK || sdp_is_companion(codec.name))
			continue;
		if (name_is_listed(r->codecs_allow, r->codecs_allow_count, codec.name))
			return true;
	}
	return false;
}

enum keys { KEYS_NONE, KEYS_OTHER_SUITE, KEYS_GOOD };

/* The best that the a=crypto lines of the medium offer. */
static enum keys find_keys(const struct media_rule *r, const struct sdp_media *m)
{
	enum keys best = KEYS_NONE;
	const struct str name = STR("crypto");
	for (const struct sdp_attr *a = sdp_find_attr(&m->attrs, name); a;
	     a = sdp_next_attr(&m->attrs, name, a)) {
		struct sdes line;
		if (sdes_parse(a->value, &line) != OK)
			continue;
		enum sdes_suite suite = line.suite;
		sdes_release(&line);
		best = best == KEYS_GOOD ? KEYS_GOOD : KEYS_OTHER_SUITE;
		for (size_t i = 0; i < r->suite_count; i++)
			if (r->suites[i] == suite)
				best = KEYS_GOOD;
	}
	return best;
}

/* RFC 8122 §5: the peer's certificate by a hash that still counts. SHA-1 is broken, others nobody uses. */
static bool has_fingerprint(const struct sdp *sdp, const struct sdp_media *m)
{
	static const struct str hashes[] = {{"sha-256", 7}, {"sha-384", 7}, {"sha-512", 7}};
	const struct str name = STR("fingerprint");
	const struct sdp_attrs *all[] = {&m->attrs, &sdp->attrs};
	for (size_t k = 0; k < ARRAY_LEN(all); k++)
		for (const struct sdp_attr *a = sdp_find_attr(all[k], name); a;
		     a = sdp_next_attr(all[k], name, a)) {
			struct str rest = a->value, hash;
			if (!str_cut_word(&rest, &hash))
				continue;
			for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
				if (str_ieq(hash, hashes[i]) && str_trim(rest).len > 0)
					return true;
		}
	return false;
}

/* The profile says it; some say RTP/SAVP and give a fingerprint and no key. */
static bool is_dtls(const struct sdp *sdp, const struct sdp_media *m)
{
	return sdp_proto_info(m->proto)->dtls || (!sdp_find_attr(&m->attrs, STR("crypto")) &&
						  sdp_find_any(sdp, m, STR("fingerprint")));
}

static struct verdict check_srtp(const struct media_rule *r, const struct sdp *sdp,
				 const struct sdp_media *m, bool signalling_secure)
{
	if (r->srtp == MEDIA_FORBID)
		return refuse(r, WARN_TRANSPORT, STR("SRTP not available"));
	if (is_dtls(sdp, m)) {
		if (!r->keying_dtls)
			return refuse(r, WARN_TRANSPORT, STR("DTLS-SRTP not available, SDES is"));
		return has_fingerprint(sdp, m)
			       ? accept(r)
			       : refuse(r, WARN_MISCELLANEOUS,
					STR("no usable a=fingerprint (sha-256 or longer)"));
	}
	if (!r->keying_sdes)
		return refuse(r, WARN_MISCELLANEOUS,
			      r->keying_dtls ? STR("SDES not available, DTLS-SRTP is")
					     : STR("SDES keys not allowed"));
	/* RFC 4568 §7.1: whoever reads the signalling has the keys. */
	if (!signalling_secure)
		return refuse(r, WARN_MISCELLANEOUS, STR("SDES keys need TLS signalling"));
	switch (find_keys(r, m)) {
	case KEYS_NONE: return refuse(r, WARN_MISCELLANEOUS, STR("no usable SRTP key (a=crypto)"));
	case KEYS_OTHER_SUITE: return refuse(r, WARN_MISCELLANEOUS, STR("no SRTP suite in common"));
	case KEYS_GOOD: break;
	}
	return accept(r);
}

static bool is_live(const struct sdp_media *m)
{
	return m->port != 0;
}

static bool is_fax(const struct sdp_media *m)
{
	return m->proto == SDP_PROTO_UDPTL;
}

/* No encrypted form of these is known here: they pass where plain media may; fax where policy names it. */
static struct verdict check_other(const struct media_rule *r, const struct sdp_media *m)
{
	if (is_fax(m) ? r->t38 : plain_is_allowed(r))
		return accept(r);
	return refuse(r, WARN_MEDIA_TYPE,
		      is_fax(m) ? STR("T.38 not available")
				: STR("only audio and video over SRTP"));
}

static struct verdict check_medium(const struct media_rule *r, const struct sdp *sdp,
				   const struct sdp_media *m, bool signalling_secure)
{
	bool av = str_ieq(m->kind, STR("audio")) || str_ieq(m->kind, STR("video"));
	if (!av || is_fax(m))
		return check_other(r, m);
	if (m->proto == SDP_PROTO_OTHER)
		return refuse(r, WARN_TRANSPORT, STR("media protocol not available"));
	bool srtp = sdp_proto_info(m->proto)->srtp;
	/* RTP/AVP with a=crypto (RFC 8643) is a wish, not SRTP: the far end may go on in plaintext. */
	if (!srtp && !plain_is_allowed(r))
		return refuse(r, WARN_TRANSPORT, STR("SRTP required"));
	struct verdict v = srtp ? check_srtp(r, sdp, m, signalling_secure) : accept(r);
	if (v.outcome == VERDICT_ALLOW && !has_codec(r, m))
		return refuse(r, WARN_FORMAT, STR("no codec in common"));
	return v;
}

struct verdict media_rule_check(const struct media_rule *m, const struct sdp *sdp,
				bool signalling_secure)
{
	for (size_t i = 0; i < sdp->media_count; i++) {
		if (!is_live(&sdp->media[i]))
			continue;
		struct verdict v = check_medium(m, sdp, &sdp->media[i], signalling_secure);
		if (v.outcome != VERDICT_ALLOW)
			return v;
	}
	return accept(m);
}

/* One of the two: an offer with both leaves it to the far end what is in force, and many read only one of them. */
bool media_rule_offers_dtls(const struct media_rule *m)
{
	return m->srtp != MEDIA_FORBID && m->keying_dtls && (m->dtls_first || !m->keying_sdes);
}

/*
 * allow: SRTP is taken when it comes, and not asked for. prefer: asked for. An offer names one
 * profile, so there is nothing between the two; whether the sender used SRTP does not lower what this
 * side's own policy says, nor raise it where keys would cross in the clear.
 */
struct str media_rule_protocol(const struct media_rule *m, bool dtls, bool feedback)
{
	bool srtp = !plain_is_allowed(m) || m->srtp == MEDIA_PREFER;
	if (srtp && dtls)
		return feedback ? STR("UDP/TLS/RTP/SAVPF") : STR("UDP/TLS/RTP/SAVP");
	if (srtp)
		return feedback ? STR("RTP/SAVPF") : STR("RTP/SAVP");
	return feedback ? STR("RTP/AVPF") : STR("RTP/AVP");
}
