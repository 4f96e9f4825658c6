#include "rtpproxy/core/keying_dtls.h"

#include "common/siphash.h"

static enum leg_setup read_setup(const struct sdp *sdp, const struct sdp_media *m)
{
	static const struct {
		const char *word;
		enum leg_setup setup;
	} words[] = {
		{"actpass", LEG_SETUP_ACTPASS},
		{"active", LEG_SETUP_ACTIVE},
		{"passive", LEG_SETUP_PASSIVE},
		{"holdconn", LEG_SETUP_HOLD},
	};
	const struct sdp_attr *a = sdp_find_any(sdp, m, STR("setup"));
	for (size_t i = 0; a && i < ARRAY_LEN(words); i++) {
		if (str_ieq(str_trim(a->value), str_from(words[i].word))) {
			return words[i].setup;
		}
	}
	return LEG_SETUP_NONE;
}

/* Of the strongest hash alone (RFC 8122 §5.1): a weak one beside it must not be a way in. */
static void read_prints(const struct sdp_attrs *attrs, const struct dtls_ours *ours,
			struct dtls_expect *out)
{
	struct dtls_fingerprint f;
	out->count = 0;
	for (const struct sdp_attr *a = sdp_find_attr(attrs, STR("fingerprint")); a;
	     a = sdp_next_attr(attrs, STR("fingerprint"), a)) {
		if (dtls_fingerprint_parse(a->value, &f) != OK ||
		    (f.hash == DTLS_SHA1 && !ours->accept_sha1)) {
			continue;
		}
		if (out->count > 0 && f.hash > out->at[0].hash) {
			out->count = 0;
		}
		if (out->count == 0 ||
		    (f.hash == out->at[0].hash && out->count < DTLS_FINGERPRINTS)) {
			out->at[out->count++] = f;
		}
	}
}

static void read_expect(const struct sdp *sdp, const struct sdp_media *m,
			const struct dtls_ours *ours, struct dtls_expect *out)
{
	read_prints(&m->attrs, ours, out);
	if (!sdp_find_attr(&m->attrs, STR("fingerprint"))) {
		read_prints(&sdp->attrs, ours, out);
	}
}

bool keying_dtls_is_offered(const struct sdp *sdp, const struct sdp_media *m,
			    const struct dtls_ours *ours)
{
	struct dtls_expect e;
	if (!ours || read_setup(sdp, m) == LEG_SETUP_HOLD) {
		return false;
	}
	read_expect(sdp, m, ours, &e);
	return e.count > 0;
}

static uint64_t read_id(const struct sdp *sdp, const struct sdp_media *m)
{
	/* Only to see a change: a peer gains nothing by a collision, so the key is no secret. */
	static const struct siphash_key key = {{0, 0}};
	const struct sdp_attr *a = sdp_find_any(sdp, m, STR("tls-id"));
	return a && a->value.len > 0 ? siphash(&key, a->value.p, a->value.len) | 1 : 0;
}

static bool shares_print(const struct dtls_expect *a, const struct dtls_expect *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		for (unsigned k = 0; k < b->count; k++) {
			if (dtls_fingerprint_eq(&a->at[i], &b->at[k])) {
				return true;
			}
		}
	}
	return false;
}

/* RFC 8842 §4: another tls-id or another certificate is another association. A name left out is no change, and nor are other
 * words of ICE: browsers go on with their association over an ICE restart. */
static bool is_new(const struct leg_dtls *d, const struct dtls_expect *theirs, uint64_t id)
{
	if (d->their_id != 0 && id != 0 && id != d->their_id) {
		return true;
	}
	return d->theirs.count > 0 && theirs->count > 0 && !shares_print(&d->theirs, theirs);
}

static void drop_words(struct leg_dtls *d)
{
	d->ours_said = false;
	d->agreed = false;
	d->tls_id[0] = '\0';
}

void keying_dtls_read(const struct sdp *sdp, const struct sdp_media *m,
		      const struct dtls_ours *ours, struct leg_dtls *out)
{
	struct dtls_expect theirs;
	const uint64_t id = read_id(sdp, m);
	read_expect(sdp, m, ours, &theirs);
	if (is_new(out, &theirs, id)) {
		if (out->agreed) {
			drop_words(out);
		}
		out->their_id = id;
	}
	out->offered = keying_dtls_is_offered(sdp, m, ours);
	out->setup = (uint8_t)read_setup(sdp, m);
	out->theirs = theirs;
	out->their_id = id != 0 ? id : out->their_id;
	out->names_id = id != 0;
}

void keying_dtls_forget(struct leg_dtls *d)
{
	*d = (struct leg_dtls){0};
}

void keying_dtls_say(struct leg_dtls *d, const struct dtls_ours *ours, const struct flags *f,
		     struct rng *rng)
{
	if (f->dtls_hash >= 0) {
		d->hash = (uint8_t)f->dtls_hash;
	} else if (!d->ours_said) {
		d->hash = DTLS_SHA256;
	}
	if (!d->ours_said) {
		d->generation = ours->generation;
		rng_text(rng, d->tls_id, LEG_TLS_ID);
		d->tls_id[LEG_TLS_ID] = '\0';
		d->ours_said = true;
	}
	/* What was said stays until a new association, also when the certificate was renewed meanwhile. */
	if (d->generation == ours->generation) {
		d->print = ours->prints[d->hash];
	}
	d->shows_id = !(f->words & FLAGS_NO_TLS_ID);
}

static enum dtls_role role_of(const struct leg_dtls *d, bool they_answered)
{
	/* Our offer named the roles that hold. An answer that repeats the one of the first offer (baresip: "active", whoever
	   began) would leave both waiting for the other's hello. */
	if (they_answered && d->agreed) {
		return (enum dtls_role)d->role;
	}
	switch ((enum leg_setup)d->setup) {
	case LEG_SETUP_ACTIVE: return DTLS_SERVER;
	case LEG_SETUP_PASSIVE: return DTLS_CLIENT;
	case LEG_SETUP_NONE:
	case LEG_SETUP_ACTPASS:
	case LEG_SETUP_HOLD: break;
	}
	if (they_answered) {
		return DTLS_SERVER; /* no answer at all, or none that is one: then they begin (RFC 4145 §4) */
	}
	if (d->agreed) {
		return (enum dtls_role)d->role;
	}
	if (d->setup == LEG_SETUP_NONE) {
		return DTLS_SERVER; /* an offer without a word is active (RFC 4145 §4) */
	}
	return d->prefer_passive ? DTLS_SERVER : DTLS_CLIENT;
}

void keying_dtls_agree(struct leg_dtls *d, bool they_answered)
{
	d->role = (uint8_t)role_of(d, they_answered);
	d->agreed = true;
}

void keying_dtls_write(struct buf *b, const struct leg_dtls *d, bool answer)
{
	const char *setup = "actpass";
	/* Once agreed, an offer keeps what is there (RFC 8842 §5.5). */
	if (answer || d->agreed) {
		setup = d->role == DTLS_SERVER ? "passive" : "active";
	}
	buf_printf(b, "a=setup:%s\r\na=fingerprint:", setup);
	dtls_fingerprint_write(b, &d->print);
	buf_lit(b, "\r\n");
	/* An answer has one only if the offer had (RFC 8842 §5.3). */
	if (d->shows_id && (!answer || d->names_id)) {
		buf_printf(b, "a=tls-id:%s\r\n", d->tls_id);
	}
}
