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

static struct verdict check_srtp(const struct media_rule *r, const struct sdp_media *m,
				 bool signalling_secure)
{
	if (r->srtp == MEDIA_FORBID)
		return refuse(r, WARN_TRANSPORT, STR("SRTP not available"));
	if (sdp_proto_info(m->proto)->dtls)
		return refuse(r, WARN_TRANSPORT, STR("DTLS-SRTP not available, SDES is"));
	if (!r->keying_sdes)
		return refuse(r, WARN_MISCELLANEOUS, STR("SDES keys not allowed"));
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

static struct verdict check_medium(const struct media_rule *r, const struct sdp_media *m,
				   bool signalling_secure)
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
	struct verdict v = srtp ? check_srtp(r, m, signalling_secure) : accept(r);
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
		struct verdict v = check_medium(m, &sdp->media[i], signalling_secure);
		if (v.outcome != VERDICT_ALLOW)
			return v;
	}
	return accept(m);
}

/*
 * allow: SRTP is taken when it comes, and not asked for. prefer: asked for. An offer names one
 * profile, so there is nothing between the two; whether the sender used SRTP does not lower what this
 * side's own policy says, nor raise it where keys would cross in the clear.
 */
struct str media_rule_protocol(const struct media_rule *m, bool sender_srtp, bool feedback)
{
	(void)sender_srtp;
	bool srtp = !plain_is_allowed(m) || m->srtp == MEDIA_PREFER;
	if (srtp)
		return feedback ? STR("RTP/SAVPF") : STR("RTP/SAVP");
	return feedback ? STR("RTP/AVPF") : STR("RTP/AVP");
}
