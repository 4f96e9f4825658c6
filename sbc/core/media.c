#include "sbc/core/media.h"

#include "common/bencode.h"
#include "common/check.h"
#include "policy/media_rule.h"

/* The relay's names of the two sides; a call has one of each. */
static const char *const party[MEDIA_PARTIES] = {"caller", "callee"};

void media_init(struct media *m, uint32_t random_a, uint32_t random_b)
{
	CHECK(m);
	*m = (struct media){.relay = SETTINGS_NO_INDEX};
	m->face[0] = m->face[1] = (struct media_face){.suite = SDES_SUITE_COUNT};
	sdp_face_init(&m->face[0].sdp, random_a);
	sdp_face_init(&m->face[1].sdp, random_b);
}

static struct str session_name(struct arena *a, const struct media *m, struct str call)
{
	char *mem = arena_alloc(a, call.len + 8);
	struct buf b;

	if (!mem)
		return STR_NONE;
	buf_init(&b, mem, call.len + 8);
	buf_str(&b, call);
	buf_char(&b, '-');
	buf_u64(&b, m->session);
	return buf_view(&b);
}

static const struct media_rule *rule_of(const struct settings *s, uint16_t realm)
{
	if (realm >= s->policy.realm_count)
		return NULL;
	uint16_t at = s->policy.realms[realm].media_policy;

	return at < s->policy.media_count ? &s->policy.media[at] : NULL;
}

static struct str joined(struct arena *a, const char *first, struct str second)
{
	size_t n = strlen(first);
	char *mem = arena_alloc(a, n + second.len + 1);

	if (!mem)
		return STR_NONE;
	memcpy(mem, first, n);
	if (second.len)
		memcpy(mem + n, second.p, second.len);
	return (struct str){mem, n + second.len};
}

/* Keys towards the receiver: by DTLS, and by SDES the suites that its policy allows, in its order. */
static void add_keying(struct arena *a, struct dict *d, const struct media_rule *r, bool dtls,
		       bool with_sdes)
{
	struct dict *list = dict_add_list(a, d, STR("SDES"));

	if (!dtls)
		dict_add_str(a, d, STR("DTLS"), STR("off"));
	if (!with_sdes) {
		dict_add_str(a, list, STR_NONE, STR("off"));
		return;
	}
	char order[MEDIA_SUITES_MAX * 32];
	struct buf b;
	buf_init(&b, order, sizeof(order));
	for (size_t i = 0; i < r->suite_count; i++) {
		struct str name = str_from(sdes_suite_info(r->suites[i])->name);
		dict_add_str(a, list, STR_NONE, joined(a, "only-", name));
		buf_str(&b, name);
		buf_char(&b, ';');
	}
	if (r->suite_count)
		dict_add_str(a, list, STR_NONE, joined(a, "order:", buf_view(&b)));
	dict_add_str(a, list, STR_NONE, STR("pad"));
}

static const struct str event_name = {"telephone-event", 15};

static bool names_events(struct str sdp)
{
	return str_find(sdp, event_name) < sdp.len;
}

/* In these words of NG nothing but telephone-event is meant: it is all that the relay can add or take by itself. */
static void add_events(struct arena *a, struct dict *codec, const char *word)
{
	dict_add_str(a, dict_add_list(a, codec, str_from(word)), STR_NONE, event_name);
}

/* An offer where the sides tell keys in different ways, or may (media_policies.X.dtmf). */
static void add_event_words(struct arena *a, struct dict *codec, const struct media_rule *from,
			    const struct media_rule *to, struct str sdp)
{
	bool here = from->dtmf == MEDIA_DTMF_INFO ||
		    (from->dtmf == MEDIA_DTMF_AUTO && !names_events(sdp));

	if (to->dtmf == MEDIA_DTMF_INFO)
		add_events(a, codec, "consume");
	else if (here)
		add_events(a, codec, "transcode");
	if (to->dtmf == MEDIA_DTMF_AUTO && from->dtmf != MEDIA_DTMF_INFO)
		add_events(a, codec, "accept");
}

static bool allows(const struct media_rule *r, struct str codec)
{
	for (size_t i = 0; i < r->codecs_allow_count; i++)
		if (str_ieq(r->codecs_allow[i], codec))
			return true;
	return r->codecs_allow_count == 0;
}

/* What both sides' policies allow; an order, if the receiver's names one. */
static void add_codecs(struct arena *a, struct dict *d, const struct media_rule *from,
		       const struct media_rule *to, struct str sdp)
{
	bool events = from->dtmf != MEDIA_DTMF_RFC4733 || to->dtmf != MEDIA_DTMF_RFC4733;
	const struct media_rule *list = to->codecs_allow_count ? to : from;
	const struct media_rule *other = list == to ? from : to;

	if (list->codecs_allow_count == 0 && to->codecs_order_count == 0 && !events)
		return;
	struct dict *codec = dict_add_dict(a, d, STR("codec"));
	if (list->codecs_allow_count) {
		/* What is excepted from stripping all is what is left. */
		dict_add_str(a, dict_add_list(a, codec, STR("strip")), STR_NONE, STR("all"));
		struct dict *except = dict_add_list(a, codec, STR("except"));
		for (size_t i = 0; i < list->codecs_allow_count; i++)
			if (allows(other, list->codecs_allow[i]) &&
			    !(to->dtmf == MEDIA_DTMF_INFO &&
			      str_ieq(list->codecs_allow[i], event_name)))
				dict_add_str(a, except, STR_NONE, list->codecs_allow[i]);
	}
	if (to->codecs_order_count) {
		struct dict *order = dict_add_list(a, codec, STR("offer"));
		for (size_t i = 0; i < to->codecs_order_count; i++)
			if (allows(from, to->codecs_order[i]))
				dict_add_str(a, order, STR_NONE, to->codecs_order[i]);
	}
	if (events)
		add_event_words(a, codec, from, to, sdp);
}

static void add_source(struct arena *a, struct dict *d, const struct addr *source)
{
	char *mem = arena_alloc(a, 64);
	struct buf b;

	if (!mem || !source || source->family == ADDR_NONE)
		return;
	buf_init(&b, mem, 64);
	addr_write_ip(&b, source);
	struct dict *l = dict_add_list(a, d, STR("received-from"));
	dict_add_str(a, l, STR_NONE, source->family == ADDR_IP6 ? STR("IP6") : STR("IP4"));
	dict_add_str(a, l, STR_NONE, buf_view(&b));
}

static bool uses_feedback(const struct sdp *sdp)
{
	for (size_t i = 0; sdp && i < sdp->media_count; i++) {
		const struct sdp_proto_info *p = sdp_proto_info(sdp->media[i].proto);
		if (sdp->media[i].port && p->feedback && !p->dtls)
			return true;
	}
	return false;
}

/* Which keying an offer to that side has: as it is agreed, else what its policy names first. */
static bool offers_dtls(const struct media *m, const struct media_query *q, unsigned to,
			const struct media_rule *r)
{
	const struct media_face *f = &m->face[to];
	const struct sdp_proto_info *p = sdp_proto_info((enum sdp_proto)f->proto);

	if (q->protocol.len)
		return sdp_proto_info(sdp_proto_find(q->protocol))->dtls;
	if (q->again && p->srtp)
		return p->dtls || f->suite == SDES_SUITE_COUNT;
	return media_rule_offers_dtls(r);
}

/*
 * The feedback profile (RFC 4585) goes on as it came; but in that of DTLS-SRTP, which most have in this one form, it is no
 * wish. A browser gets no other.
 */
static bool offers_feedback(const struct media_query *q, unsigned to)
{
	const struct realm *realms = q->settings->realms;

	if (realms[q->realm[to]].ice_lite)
		return true;
	return uses_feedback(q->parsed);
}

/* What only the side that an SDP is for may see of ICE and BUNDLE: ours, where its realm has them. */
static void add_ice(struct arena *a, struct dict *d, const struct media_query *q, bool offer)
{
	const struct realm *to = &q->settings->realms[q->realm[1 - q->from]];
	const struct realm *from = &q->settings->realms[q->realm[q->from]];

	dict_add_str(a, d, STR("ICE"), to->ice_lite ? STR("force") : STR("remove"));
	if (offer && (to->ice_lite || from->ice_lite))
		dict_add_str(a, d, STR("ICE-lite"),
			     !from->ice_lite ? STR("forward")
			     : to->ice_lite  ? STR("both")
					     : STR("backward"));
	if (from->bundle || to->bundle)
		dict_add_str(a, dict_add_list(a, d, STR("bundle")), STR_NONE, STR("accept"));
}

static void add_flags(struct arena *a, struct dict *d, const struct media_query *q,
		      const struct media_rule *from)
{
	const struct realm *to = &q->settings->realms[q->realm[1 - q->from]];
	bool mid = to->ice_lite || to->bundle;
	bool bridge = from && (from->dtmf == MEDIA_DTMF_INFO ||
			       (from->dtmf == MEDIA_DTMF_AUTO && !names_events(q->sdp)));

	if (!mid && !bridge)
		return;
	struct dict *l = dict_add_list(a, d, STR("flags"));
	if (mid)
		dict_add_str(a, l, STR_NONE, STR("generate mid"));
	if (bridge) /* keys for this side end at the relay, and we hear of them */
		dict_add_str(a, l, STR_NONE, STR("bridge DTMF"));
}

/* Each side's mux is its own: what the sender offers is taken, or not; what the receiver is offered is by its policy. */
static void add_mux(struct arena *a, struct dict *d, const struct media_rule *from,
		    const struct media_rule *to)
{
	struct dict *l = dict_add_list(a, d, STR("rtcp-mux"));
	enum media_mux in = from ? from->rtcp_mux : MEDIA_MUX_ACCEPT;
	enum media_mux out = to ? to->rtcp_mux : MEDIA_MUX_ACCEPT;

	dict_add_str(a, l, STR_NONE, in == MEDIA_MUX_REJECT ? STR("reject") : STR("demux"));
	if (out == MEDIA_MUX_OFFER || out == MEDIA_MUX_REQUIRE)
		dict_add_str(a, l, STR_NONE, STR("offer"));
	if (out == MEDIA_MUX_REQUIRE)
		dict_add_str(a, l, STR_NONE, STR("require"));
}

/*
 * Who is not heard we hear of as an event, and end the call with the figures of its media; the relay ends by itself, some time
 * after that, what nobody has ever sent anything to.
 */
static void add_timeout(struct arena *a, struct dict *d, const struct media_rule *from,
			const struct media_rule *to)
{
	enum { SLACK_MS = 15000 };
	uint32_t x = from ? from->timeout_ms : 0, y = to ? to->timeout_ms : 0;
	uint32_t longer = x == 0 || y == 0 ? 0 : (x > y ? x : y) + SLACK_MS;

	if (from && to)
		dict_add_int(a, d, STR("media-timeout"), (longer + 999) / 1000);
}

static struct dict *begin(struct arena *a, const char *command, const struct media *m,
			  struct str call)
{
	struct dict *d = dict_new(a, DICT_DICT);

	dict_add_str(a, d, STR("command"), str_from(command));
	dict_add_str(a, d, STR("call-id"), session_name(a, m, call));
	return d;
}

static void end(struct buf *b, struct arena *a, const struct dict *d)
{
	buf_reset(b);
	if (d && !a->failed)
		bencode_write(b, d);
	if (b->overflow)
		buf_reset(b);
}

static void add_replace(struct arena *a, struct dict *d)
{
	struct dict *l = dict_add_list(a, d, STR("replace"));

	dict_add_str(a, l, STR_NONE, STR("origin"));
	dict_add_str(a, l, STR_NONE, STR("session-connection"));
}

/* What the party hears goes on where it was in the other call (docs/ng.md). */
static void add_before(struct arena *a, struct dict *d, struct str key,
		       const struct media_before *before)
{
	if (before->call.len == 0)
		return;
	struct dict *was = dict_add_dict(a, d, key);
	dict_add_str(a, was, STR("call-id"), session_name(a, before->media, before->call));
	dict_add_str(a, was, STR("tag"), str_from(party[before->side]));
}

void media_write_offer(struct buf *b, struct arena *a, const struct media *m,
		       const struct media_query *q)
{
	CHECK(b && a && m && q && q->from < MEDIA_PARTIES);
	unsigned to = 1 - q->from;
	const struct settings *s = q->settings;
	const struct media_rule *from_rule = rule_of(s, q->realm[q->from]);
	const struct media_rule *to_rule = rule_of(s, q->realm[to]);
	struct dict *d = begin(a, "offer", m, q->call);

	dict_add_str(a, d, STR("from-tag"), str_from(party[q->from]));
	if (q->again)
		dict_add_str(a, d, STR("to-tag"), str_from(party[to]));
	struct dict *l = dict_add_list(a, d, STR("direction"));
	dict_add_str(a, l, STR_NONE, s->realms[q->realm[q->from]].name);
	dict_add_str(a, l, STR_NONE, s->realms[q->realm[to]].name);
	add_replace(a, d);
	add_ice(a, d, q, true);
	add_flags(a, d, q, from_rule);
	add_mux(a, d, from_rule, to_rule);
	add_timeout(a, d, from_rule, to_rule);
	add_before(a, d, STR("from-continues"), &q->before[q->from]);
	add_before(a, d, STR("to-continues"), &q->before[to]);
	if (q->notify.len)
		dict_add_str(a, d, STR("notify"), q->notify);
	struct str protocol = q->protocol;
	bool dtls = to_rule && offers_dtls(m, q, to, to_rule);
	if (protocol.len == 0 && to_rule)
		protocol = media_rule_protocol(to_rule, dtls, offers_feedback(q, to));
	if (protocol.len)
		dict_add_str(a, d, STR("transport-protocol"), protocol);
	if (to_rule) {
		bool sdes = to_rule->srtp != MEDIA_FORBID && to_rule->keying_sdes && !dtls;
		add_keying(a, d, to_rule, dtls, sdes);
		add_codecs(a, d, from_rule ? from_rule : to_rule, to_rule, q->sdp);
	}
	add_source(a, d, q->source);
	dict_add_str(a, d, STR("sdp"), q->sdp);
	end(b, a, d);
}

void media_write_answer(struct buf *b, struct arena *a, const struct media *m,
			const struct media_query *q)
{
	CHECK(b && a && m && q && q->from < MEDIA_PARTIES);
	unsigned to = 1 - q->from;
	const struct media_rule *to_rule = rule_of(q->settings, q->realm[to]);
	struct dict *d = begin(a, "answer", m, q->call);

	dict_add_str(a, d, STR("from-tag"), str_from(party[to])); /* still the offerer's */
	dict_add_str(a, d, STR("to-tag"), str_from(party[q->from]));
	add_replace(a, d);
	add_ice(a, d, q, false);
	add_flags(a, d, q, rule_of(q->settings, q->realm[q->from]));
	if (to_rule && to_rule->dtmf == MEDIA_DTMF_INFO)
		add_events(a, dict_add_dict(a, d, STR("codec")), "strip");
	/* Of what that side has offered and its policy allows. */
	if (to_rule && to_rule->srtp != MEDIA_FORBID)
		add_keying(a, d, to_rule, to_rule->keying_dtls, to_rule->keying_sdes);
	else if (to_rule)
		add_keying(a, d, to_rule, false, false);
	add_source(a, d, q->source);
	dict_add_str(a, d, STR("sdp"), q->sdp);
	end(b, a, d);
}

bool media_is_session(const struct media *m, struct str call, struct str name)
{
	char mem[320];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	buf_str(&b, call);
	buf_char(&b, '-');
	buf_u64(&b, m->session);
	return m->open && !b.overflow && str_eq(buf_view(&b), name);
}

bool media_see(struct media_seen *s, uint32_t number)
{
	enum { KEPT = 32 };
	uint32_t ahead = number - s->top, behind = s->top - number;

	if (!s->any) {
		*s = (struct media_seen){.top = number, .any = true};
		return true;
	}
	if (ahead == 0)
		return false;
	if (ahead < UINT32_MAX / 2) {
		s->below = ahead >= KEPT ? 0 : s->below << ahead;
		if (ahead <= KEPT)
			s->below |= 1u << (ahead - 1);
		s->top = number;
		return true;
	}
	if (behind > KEPT || s->below & 1u << (behind - 1))
		return false;
	s->below |= 1u << (behind - 1);
	return true;
}

void media_write_key(struct buf *b, struct arena *a, const struct media *m, struct str call,
		     unsigned side, uint8_t key, uint32_t ms)
{
	CHECK(b && a && m && side < MEDIA_PARTIES);
	struct dict *d = begin(a, "play DTMF", m, call);

	dict_add_str(a, d, STR("from-tag"), str_from(party[side]));
	dict_add_int(a, d, STR("code"), key);
	dict_add_int(a, d, STR("duration"), ms);
	end(b, a, d);
}

void media_write_delete(struct buf *b, struct arena *a, const struct media *m, struct str call)
{
	CHECK(b && a && m);
	struct dict *d = begin(a, "delete", m, call);

	dict_add_int(a, d, STR("delete-delay"), 0);
	end(b, a, d);
}

/* ---- what is in force */

static bool line_cut(struct str *rest, struct str *line)
{
	if (rest->len == 0)
		return false;
	size_t at = str_index(*rest, '\n');

	*line = (struct str){rest->p, at < rest->len ? at + 1 : at};
	*rest = str_from_offset(*rest, line->len);
	return true;
}

static void note_codec(struct media *m, struct str media_lines, struct str format)
{
	struct str line, best = STR_NONE;
	char name[24];
	struct buf b;

	buf_init(&b, name, sizeof(name));
	buf_lit(&b, "a=rtpmap:");
	buf_str(&b, format);
	buf_char(&b, ' ');
	while (line_cut(&media_lines, &line)) {
		if (str_has_prefix(line, STR("m=")))
			break;
		if (b.len && str_has_prefix(line, buf_view(&b)))
			best = str_trim(str_from_offset(line, b.len));
	}
	uint16_t type;
	if (best.len == 0 && str_to_u16(format, 127, &type) == OK &&
	    sdp_static_codec((uint8_t)type))
		best = sdp_static_codec((uint8_t)type)->name;
	struct str word;
	if (best.len && str_cut(&best, '/', &word) &&
	    str_copy(word, m->codec, sizeof(m->codec)) == OK)
		return;
	m->codec[0] = 0;
}

void media_note(struct media *m, unsigned side, struct str sdp)
{
	CHECK(m && side < MEDIA_PARTIES);
	struct media_face *f = &m->face[side];
	struct str line, word;
	bool seen = false;

	f->suite = SDES_SUITE_COUNT;
	while (line_cut(&sdp, &line)) {
		if (str_has_prefix(line, STR("m="))) {
			if (seen)
				return;
			struct str rest = str_trim(line), format = STR_NONE;
			if (!str_cut_word(&rest, &word) || !str_cut_word(&rest, &word) ||
			    str_eq(word, STR("0")) || !str_cut_word(&rest, &word))
				continue;
			seen = true;
			f->proto = (uint8_t)sdp_proto_find(word);
			if (str_cut_word(&rest, &format))
				note_codec(m, sdp, format);
		} else if (seen && str_has_prefix(line, STR("a=crypto:"))) {
			struct str rest = str_trim(str_from_offset(line, 9));
			enum sdes_suite suite;
			if (str_cut_word(&rest, &word) && str_cut_word(&rest, &word) &&
			    sdes_suite_find(word, &suite) == OK && f->suite == SDES_SUITE_COUNT)
				f->suite = (uint8_t)suite;
		}
	}
}

void media_write_state(struct buf *b, const struct media_face *f)
{
	CHECK(b && f);
	const struct sdp_proto_info *p = sdp_proto_info((enum sdp_proto)f->proto);

	buf_z(b, p->name);
	if (p->srtp && f->suite < SDES_SUITE_COUNT) {
		buf_char(b, ' ');
		buf_z(b, sdes_suite_info((enum sdes_suite)f->suite)->name);
	}
}

/* ---- the end */

static struct str endpoint_text(struct arena *a, struct str ip, int64_t port)
{
	char *mem = arena_alloc(a, 80);
	struct buf b;

	if (!mem || ip.len == 0 || port <= 0 || port > 65535)
		return STR_NONE;
	buf_init(&b, mem, 80);
	if (str_has_char(ip, ':'))
		buf_char(&b, '[');
	buf_str(&b, ip);
	if (str_has_char(ip, ':'))
		buf_char(&b, ']');
	buf_char(&b, ':');
	buf_u64(&b, (uint64_t)port);
	return buf_view(&b);
}

/* The jitter, loss and MOS that the relay gives for an SSRC (ng-protocol §5, query). */
static void read_quality(const struct dict *ssrc, struct cdr_media *out)
{
	const struct dict *avg = dict_get(ssrc, STR("average MOS"));
	int64_t lost = dict_get_int(ssrc, STR("cumulative loss"), -1);

	if (lost >= 0) {
		out->has_loss = true;
		out->lost = (uint64_t)lost;
		int64_t expected = dict_get_int(ssrc, STR("expected"), 0);
		uint64_t sum = expected > 0 ? (uint64_t)expected : out->packets + out->lost;
		out->loss_pct = sum ? 100.0 * (double)out->lost / (double)sum : 0;
	}
	if (avg) {
		int64_t mos = dict_get_int(avg, STR("MOS"), 0);
		if (mos > 0) {
			out->has_mos = true;
			/* Our relay has it in thousandths, beside the tenths of the protocol. */
			int64_t exact = dict_get_int(ssrc, STR("MOS x1000"), 100 * mos);
			out->mos_lq = out->mos_cq = (double)exact / 1000;
		}
		int64_t jitter = dict_get_int(avg, STR("jitter"), -1);
		if (jitter >= 0) {
			out->has_jitter = true;
			int64_t exact = dict_get_int(ssrc, STR("jitter us"), 1000 * jitter);
			out->jitter_ms = (double)(exact < 0 ? 0 : exact) / 1000;
			out->jitter_max_ms = out->jitter_ms;
		}
		int64_t rtt = dict_get_int(avg, STR("round-trip time"), 0);
		if (rtt > 0) {
			out->has_rtt = true;
			out->rtt_ms = (double)rtt / 1000;
		}
	}
}

static void read_stream(const struct dict *media, const struct dict *stream, struct arena *a,
			struct cdr_media *out)
{
	const struct dict *endpoint = dict_get(stream, STR("endpoint"));
	const struct dict *stats = dict_get(stream, STR("stats"));

	out->kind = dict_get_str(media, STR("type"));
	out->codec = dict_get_str(media, STR("codec"));
	out->suite = dict_get_str(stream, STR("crypto suite"));
	out->keying = dict_get_str(stream, STR("keying"));
	/* Other relays say the suite alone. */
	if (out->keying.len == 0 && out->suite.len)
		out->keying = STR("sdes");
	out->local = endpoint_text(a, dict_get_str(stream, STR("local address")),
				   dict_get_int(stream, STR("local port"), 0));
	out->remote = endpoint_text(a, dict_get_str(endpoint, STR("address")),
				    dict_get_int(endpoint, STR("port"), 0));
	int64_t packets = dict_get_int(stats, STR("packets"), 0);
	int64_t bytes = dict_get_int(stats, STR("bytes"), 0);
	out->packets = packets > 0 ? (uint64_t)packets : 0;
	out->bytes = bytes > 0 ? (uint64_t)bytes : 0;
	read_quality(dict_first(dict_get(media, STR("ingress SSRCs"))), out);
}

/* One direction is silent while the other is not. */
static void mark_one_way(struct cdr_media *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count; k++)
			if (!str_eq(list[i].leg, list[k].leg) &&
			    str_eq(list[i].kind, list[k].kind) && list[i].packets == 0 &&
			    list[k].packets > 0)
				list[i].one_way = list[k].one_way = true;
}

size_t media_read_cdr(const struct dict *reply, struct arena *a, struct cdr_media *out, size_t cap)
{
	CHECK(a && out);
	const struct dict *tags = dict_get(reply, STR("tags"));
	size_t n = 0;

	dict_each (tag, tags) {
		bool caller = str_eq(tag->key, str_from(party[0]));
		if (!caller && !str_eq(tag->key, str_from(party[1])))
			continue;
		dict_each (media, dict_get(tag, STR("medias"))) {
			/* The first stream is RTP; RTCP is counted by the relay, not billed. */
			const struct dict *stream = dict_first(dict_get(media, STR("streams")));
			if (!stream || n == cap)
				continue;
			out[n] = (struct cdr_media){.leg = caller ? STR("ingress") : STR("egress")};
			read_stream(media, stream, a, &out[n]);
			n++;
		}
	}
	mark_one_way(out, n);
	return n;
}
