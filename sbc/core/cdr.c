#include "sbc/core/cdr.h"

#include <math.h>

/* One member of a JSON object; `first` says whether a comma must stand before it. */
struct members {
	struct buf *b;
	bool more;
};

static void key(struct members *m, const char *name)
{
	if (m->more)
		buf_char(m->b, ',');
	m->more = true;
	buf_json_str(m->b, str_from(name));
	buf_char(m->b, ':');
}

static void text(struct members *m, const char *name, struct str v)
{
	if (v.len == 0)
		return;
	key(m, name);
	buf_json_str(m->b, v);
}

static void number(struct members *m, const char *name, uint64_t v)
{
	key(m, name);
	buf_u64(m->b, v);
}

static void time_of(struct members *m, const char *name, uint64_t wall_ms)
{
	if (wall_ms == 0)
		return;
	key(m, name);
	buf_char(m->b, '"');
	buf_time(m->b, wall_ms);
	buf_char(m->b, '"');
}

static void address(struct members *m, const char *name, const struct addr *a)
{
	if (a->family == ADDR_NONE)
		return;
	key(m, name);
	buf_char(m->b, '"');
	addr_write(m->b, a);
	buf_char(m->b, '"');
}

static void transport_of(struct members *m, const char *name, enum transport t,
			 const struct addr *a)
{
	if (a->family != ADDR_NONE && (unsigned)t < TRANSPORT_COUNT)
		text(m, name, str_from(transport_label(t)));
}

/* Three decimals, without a locale and without what JSON does not know (NaN, infinity). */
static void real(struct members *m, const char *name, bool given, double v)
{
	if (!given || !isfinite(v) || fabs(v) > 1e12)
		return;
	key(m, name);
	int64_t thousandths = (int64_t)llround(v * 1000);
	if (thousandths < 0) {
		buf_char(m->b, '-');
		thousandths = -thousandths;
	}
	buf_i64(m->b, thousandths / 1000);
	unsigned rest = (unsigned)(thousandths % 1000);
	if (rest) {
		buf_char(m->b, '.');
		buf_char(m->b, (char)('0' + rest / 100));
		if (rest % 100)
			buf_char(m->b, (char)('0' + rest / 10 % 10));
		if (rest % 10)
			buf_char(m->b, (char)('0' + rest % 10));
	}
}

static void write_attempt(struct buf *b, const struct cdr_attempt *a)
{
	struct members m = {.b = b};

	buf_char(b, '{');
	text(&m, "trunk", a->trunk);
	text(&m, "peer", a->peer);
	text(&m, "number", a->number);
	time_of(&m, "start", a->start_ms);
	if (a->status)
		number(&m, "status", a->status);
	number(&m, "ms", a->ms);
	text(&m, "cause", a->cause);
	buf_char(b, '}');
}

static void write_media(struct buf *b, const struct cdr_media *d)
{
	struct members m = {.b = b};

	buf_char(b, '{');
	text(&m, "leg", d->leg);
	text(&m, "kind", d->kind);
	text(&m, "codec", d->codec);
	text(&m, "srtp_suite", d->suite);
	text(&m, "keying", d->keying);
	text(&m, "local", d->local);
	text(&m, "remote", d->remote);
	number(&m, "packets", d->packets);
	number(&m, "bytes", d->bytes);
	if (d->has_loss)
		number(&m, "lost", d->lost);
	real(&m, "loss_pct", d->has_loss, d->loss_pct);
	real(&m, "jitter_ms", d->has_jitter, d->jitter_ms);
	real(&m, "jitter_max_ms", d->has_jitter, d->jitter_max_ms);
	real(&m, "rtt_ms", d->has_rtt, d->rtt_ms);
	real(&m, "mos_lq", d->has_mos, d->mos_lq);
	real(&m, "mos_cq", d->has_mos, d->mos_cq);
	if (d->one_way) {
		key(&m, "one_way");
		buf_lit(b, "true");
	}
	buf_char(b, '}');
}

static void write_parties(struct members *m, const struct cdr *c)
{
	text(m, "call", c->call);
	text(m, "call_id_in", c->call_id_in);
	text(m, "call_id_out", c->call_id_out);
	text(m, "node", c->node);
	if (c->taken_over)
		number(m, "taken_over", c->taken_over);
	text(m, "ingress_trunk", c->ingress_trunk);
	text(m, "ingress_realm", c->ingress_realm);
	address(m, "ingress_address", &c->ingress_address);
	transport_of(m, "ingress_transport", c->ingress_transport, &c->ingress_address);
	text(m, "ingress_country", c->ingress_country);
	if (c->ingress_asn)
		number(m, "ingress_asn", c->ingress_asn);
	text(m, "egress_trunk", c->egress_trunk);
	text(m, "egress_realm", c->egress_realm);
	address(m, "egress_address", &c->egress_address);
	transport_of(m, "egress_transport", c->egress_transport, &c->egress_address);
	text(m, "from_number", c->from_number);
	text(m, "from_display", c->from_display);
	text(m, "to_number", c->to_number);
	text(m, "number_as_dialled", c->number_as_dialled);
	text(m, "number_as_sent", c->number_as_sent);
	text(m, "domain", c->domain);
	text(m, "user", c->user);
	if (c->diversions)
		number(m, "diversions", c->diversions);
	text(m, "user_agent", c->user_agent);
	text(m, "route", c->route);
	text(m, "transferred_from", c->transferred_from);
	text(m, "transferred_to", c->transferred_to);
}

static void write_outcome(struct members *m, const struct cdr *c)
{
	static const char *const sides[CDR_SIDE_COUNT] = {
		[CDR_CALLER] = "caller", [CDR_CALLEE] = "callee", [CDR_US] = "us"};

	time_of(m, "start", c->start);
	time_of(m, "ring", c->ring);
	time_of(m, "early_media", c->early_media);
	time_of(m, "answer", c->answer);
	time_of(m, "end", c->end);
	number(m, "setup_ms", c->setup_ms);
	if (c->ring)
		number(m, "ring_ms", c->ring_ms);
	number(m, "duration_ms", c->duration_ms);
	number(m, "billable_ms", c->billable_ms);
	if (c->status)
		number(m, "status", c->status);
	text(m, "reason", c->reason);
	if (c->q850)
		number(m, "q850", c->q850);
	if ((unsigned)c->ended_by < CDR_SIDE_COUNT)
		text(m, "ended_by", str_from(sides[c->ended_by]));
	text(m, "cause", c->cause);
}

static void write_lists(struct members *m, const struct cdr *c)
{
	key(m, "attempts");
	buf_char(m->b, '[');
	for (size_t i = 0; i < c->attempt_count && i < CDR_ATTEMPTS_MAX; i++) {
		if (i)
			buf_char(m->b, ',');
		write_attempt(m->b, &c->attempts[i]);
	}
	buf_char(m->b, ']');
	if (c->media_count) {
		key(m, "media");
		buf_char(m->b, '[');
		for (size_t i = 0; i < c->media_count && i < CDR_MEDIA_MAX; i++) {
			if (i)
				buf_char(m->b, ',');
			write_media(m->b, &c->media[i]);
		}
		buf_char(m->b, ']');
	}
	if (c->tls_version.len) {
		struct members t = {.b = m->b};
		key(m, "tls");
		buf_char(m->b, '{');
		text(&t, "version", c->tls_version);
		text(&t, "cipher", c->tls_cipher);
		text(&t, "peer_name", c->tls_peer);
		buf_char(m->b, '}');
	}
	if (c->verstat.len || c->signed_as.len) {
		struct members t = {.b = m->b};
		key(m, "identity");
		buf_char(m->b, '{');
		text(&t, "verstat", c->verstat);
		text(&t, "fault", c->identity_fault);
		text(&t, "attest", c->attest);
		text(&t, "origid", c->origid);
		text(&t, "signed", c->signed_as);
		buf_char(m->b, '}');
	}
}

void cdr_write(struct buf *b, const struct cdr *c)
{
	CHECK(b && c);
	struct members m = {.b = b};

	buf_char(b, '{');
	write_parties(&m, c);
	write_outcome(&m, c);
	write_lists(&m, c);
	buf_lit(b, "}\n");
}

/* noc.md §1, the row "Outcome of an attempt". */
struct str cdr_outcome(uint16_t status, bool rang, bool by_timeout)
{
	if (by_timeout && !rang)
		return STR("timeout");
	if (status >= 200 && status < 300)
		return STR("answered");
	if (status >= 300 && status < 400)
		return STR("redirected");
	switch (status) {
	case 486:
	case 600: return STR("busy");
	case 480: return rang ? STR("no_answer") : STR("rejected");
	case 408: return rang ? STR("no_answer") : STR("timeout");
	case 487: return rang ? STR("no_answer") : STR("cancelled");
	case 433:
	case 603:
	case 607:
	case 608: return STR("rejected");
	case 404:
	case 410:
	case 484:
	case 604: return STR("wrong_number");
	case 606: return STR("refused");
	default: break;
	}
	if (by_timeout)
		return STR("timeout");
	if (status >= 400 && status < 500)
		return STR("refused");
	return STR("congestion");
}
