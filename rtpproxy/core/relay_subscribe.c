#include "rtpproxy/core/relay_work.h"

#include "rtpproxy/core/codecs.h"
#include "rtpproxy/core/sdp_relay.h"
#include "rtpproxy/core/subscriber.h"

enum { TAG_LEN = 16, SDP_ROOM = 16384 };

/* ---- what parties may send: the formats of the last answer */

void relay_keep_formats(struct work *w, const struct call_place *answerer, const struct sdp *sdp)
{
	struct leg *l = &answerer->d->legs[answerer->side];
	char mem[4096];
	for (unsigned i = 0; i < l->media_count && i < sdp->media_count; i++) {
		struct leg_media *m = l->media[i];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		block_str_free(&w->r->texts, &m->formats);
		if (m->active && leg_is_rtp(m->proto)) {
			sdp_relay_write_formats(&w->ng->flags, &sdp->media[i], &b);
		}
		m->formats = b.overflow ? STR_NONE : block_str(&w->r->texts, buf_view(&b));
		/* Which of the two has answered last may change: there is one text for both. */
		block_str_free(&w->r->texts,
			       &answerer->d->legs[1 - answerer->side].media[i]->formats);
	}
}

static struct str formats_of(const struct subscriber_media *m)
{
	if (!m->d) {
		return STR_NONE;
	}
	const struct leg_media *own = m->d->legs[m->side].media[m->index];
	const struct leg_media *other = m->d->legs[1 - m->side].media[m->index];
	return own->formats.len > 0 ? own->formats : other->formats;
}

static const struct leg *leg_of(const struct subscriber_media *m)
{
	return m->d ? &m->d->legs[m->side] : NULL;
}

static struct leg_media *media_of(const struct subscriber_media *m)
{
	return m->d->legs[m->side].media[m->index];
}

/* ---- ending */

static void detach(struct subscriber_media *m)
{
	list_del(&m->copy.node);
	m->copy.rtp = m->copy.rtcp = NULL;
}

static void free_subscription(struct relay *r, struct call *c, struct subscriber *s,
			      uint64_t now_ms)
{
	for (unsigned i = 0; i < s->count; i++) {
		detach(&s->media[i]);
	}
	subscriber_del(c, s);
	relay_free_legs(r, s->d, now_ms);
	pool_free(&r->dialogues, s->d->id);
	pool_free(&r->subscribers, s->id);
	r->counters[RELAY_SUBSCRIPTIONS]--;
}

void relay_unsubscribe_all(struct relay *r, struct call *c, uint64_t now_ms)
{
	while (c->subscribers) {
		free_subscription(r, c, c->subscribers, now_ms);
	}
}

void relay_unsubscribe_from(struct call *c, const struct dialogue *d)
{
	for (struct subscriber *s = c->subscribers; s; s = s->next) {
		for (unsigned i = 0; i < s->count; i++) {
			if (s->media[i].d == d) {
				detach(&s->media[i]);
				s->media[i].d = NULL;
			}
		}
	}
}

/* ---- whom a request is about */

/* The parties, in the order in which they are asked for; a party of several dialogues is the one that was answered. */
static void add_party(struct party_set *out, struct dialogue *d, unsigned side)
{
	struct str tag = str_from(d->legs[side].tag);
	if (!d->answered || d->dies_ms != 0 || out->count == ARRAY_LEN(out->at)) {
		return;
	}
	for (unsigned i = 0; i < out->count; i++) {
		if (leg_has_tag(&out->at[i].d->legs[out->at[i].side], tag)) {
			return;
		}
	}
	out->at[out->count++] = (struct party){d, side};
}

static void add_tag(struct party_set *out, const struct call *c, struct str tag)
{
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		for (unsigned s = 0; s < 2; s++) {
			if (tag.len == 0 || leg_has_tag(&c->dialogues[i]->legs[s], tag)) {
				add_party(out, c->dialogues[i], s);
			}
		}
	}
}

static enum refusal find_parties(const struct work *w, const struct call *c, struct party_set *out)
{
	const struct party_who *who = &w->ng->who;
	struct dict_words tags = dict_words(dict_get(w->ng->root, STR("from-tags")));
	struct str tag;
	out->count = 0;
	while (dict_words_next(&tags, &tag)) {
		add_tag(out, c, tag);
	}
	if (out->count > 0) {
		return REFUSAL_NONE;
	}
	if (w->ng->flags.words & FLAGS_ALL ||
	    str_ieq(dict_get_str(w->ng->root, STR("all")), STR("all"))) {
		add_tag(out, c, STR_NONE);
	} else if (who->from_tag.len + who->label.len + who->address.len == 0) {
		return REFUSAL_NO_PARTY;
	} else {
		struct party_set named;
		/* Its to-tag is the subscriber's own. */
		const struct party_who from = {.from_tag = who->from_tag,
					       .label = who->from_tag.len > 0 ? STR_NONE
									      : who->label,
					       .address = who->address};
		enum refusal refused = party_find(c, &from, &named);
		if (refused != REFUSAL_NONE) {
			return refused;
		}
		for (unsigned i = 0; i < named.count; i++) {
			add_party(out, named.at[i].d, named.at[i].side);
		}
	}
	return out->count > 0 ? REFUSAL_NONE : REFUSAL_NO_SOURCE;
}

/* The lines that the offer will have; those that an earlier one had stay, if only as rejected ones. */
static enum refusal choose_media(struct subscriber *s, const struct party_set *parties)
{
	unsigned n = 0;
	for (unsigned p = 0; p < parties->count; p++) {
		const struct party *at = &parties->at[p];
		const struct leg *l = &at->d->legs[at->side];
		for (unsigned i = 0; i < l->media_count && n < LIMIT_MEDIAS; i++) {
			const struct subscriber_media m = {
				.d = at->d, .side = (uint8_t)at->side, .index = (uint8_t)i};
			struct subscriber_media *to = &s->media[n];
			if (!l->media[i]->active || !l->media[i]->connected ||
			    formats_of(&m).len == 0) {
				continue;
			}
			if (n >= s->count) {
				list_init(&to->copy.node);
			}
			if (to->d != m.d || to->side != m.side || to->index != m.index) {
				detach(to);
			}
			to->d = m.d;
			to->side = m.side;
			to->index = m.index;
			n++;
		}
	}
	if (n == 0) {
		return REFUSAL_NO_SOURCE;
	}
	for (unsigned i = n; i < s->count; i++) {
		detach(&s->media[i]);
		s->media[i].d = NULL;
	}
	s->count = (uint8_t)(n > s->count ? n : s->count);
	return REFUSAL_NONE;
}

/* ---- the offer */

/* What the parties would say if they offered it themselves; our own protocol and keys come as in any offer. */
static void write_sources(const struct work *w, const struct subscriber *s, struct buf *b)
{
	bool inactive = (w->ng->flags.words & FLAGS_INACTIVE) != 0;
	buf_printf(b, "v=0\r\no=- %u 1 IN IP4 ", 1 + (uint32_t)s->d->legs[1].number / 2);
	buf_lit(b, "192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");
	for (unsigned i = 0; i < s->count; i++) {
		struct str formats = formats_of(&s->media[i]);
		const struct leg_media *m =
			s->d->legs[0].media_count > i ? s->d->legs[0].media[i] : NULL;
		const char *kind = s->media[i].d ? media_of(&s->media[i])->kind
				   : m           ? m->kind
						 : "audio";
		buf_printf(b, "m=%s %u RTP/AVP ", kind, formats.len > 0 ? 9u : 0u);
		buf_str(b, formats.len > 0 ? formats : STR("0\r\n"));
		buf_printf(b, "a=label:%u\r\na=%s\r\n", i + 1, inactive ? "inactive" : "sendonly");
	}
}

static enum refusal take_offer(struct work *w, struct leg *const legs[2], const struct sdp_relay *x)
{
	enum refusal e = REFUSAL_NONE;
	sdp_relay_take(x);
	for (unsigned i = 0; e == REFUSAL_NONE && i < legs[1]->media_count; i++) {
		struct leg_media *m = legs[1]->media[i];
		unsigned want = sdp_relay_endpoints(m);
		e = want ? relay_open_media(w, legs[1], m, want) : REFUSAL_NONE;
		if (e == REFUSAL_NONE && m->active) {
			handshake_offered(w->r, m);
		}
	}
	leg_expect_checks(legs[1]);
	return e == REFUSAL_NONE ? relay_write_sdp(w, x) : e;
}

static enum refusal offer(struct work *w, const struct call *c, struct subscriber *s)
{
	struct relay *r = w->r;
	struct leg *const legs[2] = {&s->d->legs[0], &s->d->legs[1]};
	struct flags flags = w->ng->flags;
	struct sdp sdp;
	struct buf b;
	char *mem = arena_alloc(&r->arena, SDP_ROOM);
	if (!mem) {
		return REFUSAL_MEMORY;
	}
	buf_init(&b, mem, SDP_ROOM);
	write_sources(w, s, &b);
	if (b.overflow || sdp_parse(buf_view(&b), &r->arena, &sdp) != OK) {
		return REFUSAL_REWRITE;
	}
	flags.replace |= FLAGS_REPLACE_ORIGIN_FULL;
	flags.words &= ~(unsigned)FLAGS_SIP_SOURCE;
	if (!flags.has_transport) {
		flags.has_transport = true;
		flags.transport = SDP_PROTO_RTP_AVP;
	}
	const struct sdp_relay x = relay_sdp(w, &sdp, &flags, legs, false);
	enum refusal e = sdp_relay_check(&x);
	if (e == REFUSAL_NONE) {
		e = relay_add_medias(r, legs, sdp.media_count);
	}
	if (e == REFUSAL_NONE) {
		e = relay_ice_add(r, c, &x);
	}
	if (e != REFUSAL_NONE) {
		return e;
	}
	e = relay_open_keys(r, legs);
	if (e == REFUSAL_NONE) {
		e = take_offer(w, legs, &x);
	}
	const enum refusal kept = relay_keep_keys(r, legs);
	return e != REFUSAL_NONE ? e : kept;
}

/* ---- the reply's lists */

static struct dict *describe(struct work *w, struct dict *d, const struct subscriber_media *m,
			     unsigned label, bool with_label)
{
	struct arena *a = &w->r->arena;
	char text[16];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	buf_u64(&b, label);
	dict_add_int(a, d, STR("index"), m->index + 1);
	dict_add_str(a, d, STR("type"), str_from(media_of(m)->kind));
	if (with_label) {
		dict_add_str(a, d, STR("label"), arena_str(a, buf_view(&b)));
	}
	dict_add_str(a, d, STR("mode"),
		     w->ng->flags.words & FLAGS_INACTIVE ? STR("inactive") : STR("sendonly"));
	return d;
}

static void add_siprec(struct work *w, const struct subscriber *s)
{
	struct arena *a = &w->r->arena;
	struct dict *tags = dict_add_list(a, w->reply, STR("tag-medias"));
	struct dict *labels = dict_add_dict(a, w->reply, STR("media-labels"));
	struct dict *medias = NULL;
	const struct leg *last = NULL;
	for (unsigned i = 0; i < s->count; i++) {
		const struct subscriber_media *m = &s->media[i];
		const struct leg *l = leg_of(m);
		char text[16];
		struct buf b;
		if (!l) {
			continue;
		}
		if (l != last) {
			struct dict *one = dict_add_dict(a, tags, STR_NONE);
			dict_add_str(a, one, STR("tag"), str_from(l->tag));
			if (l->label[0] != '\0') {
				dict_add_str(a, one, STR("label"), str_from(l->label));
			}
			medias = dict_add_list(a, one, STR("medias"));
			last = l;
		}
		describe(w, dict_add_dict(a, medias, STR_NONE), m, i + 1, true);
		buf_init(&b, text, sizeof(text));
		buf_u64(&b, i + 1u);
		struct dict *d = dict_add_dict(a, labels, arena_str(a, buf_view(&b)));
		dict_add_str(a, d, STR("tag"), str_from(l->tag));
		if (l->label[0] != '\0') {
			dict_add_str(a, d, STR("label"), str_from(l->label));
		}
		describe(w, d, m, i + 1, false);
	}
}

static void add_tags(struct work *w, const struct subscriber *s)
{
	struct arena *a = &w->r->arena;
	const struct leg *last = NULL;
	unsigned parties = 0;
	dict_add_str(a, w->reply, STR("to-tag"), str_from(s->d->legs[1].tag));
	struct dict *tags = dict_add_list(a, w->reply, STR("from-tags"));
	for (unsigned i = 0; i < s->count; i++) {
		const struct leg *l = leg_of(&s->media[i]);
		if (l && l != last) {
			dict_add_str(a, tags, STR_NONE, str_from(l->tag));
			last = l;
			parties++;
		}
	}
	if (parties == 1) {
		dict_add_str(a, w->reply, STR("from-tag"), str_from(last->tag));
	}
	if (w->ng->flags.words & FLAGS_SIPREC) {
		add_siprec(w, s);
	}
}

/* ---- commands */

static struct str interface_of(const struct work *w)
{
	const struct str from = w->ng->flags.direction[0], to = w->ng->flags.direction[1];
	const struct str name = dict_get_str(w->ng->root, STR("interface"));
	return name.len > 0 ? name : to.len > 0 ? to : from;
}

static enum refusal new_subscription(struct work *w, struct call *c, struct str tag,
				     struct subscriber **out)
{
	struct relay *r = w->r;
	id_t64 id, d_id;
	if (subscriber_count(c) >= LIMIT_SUBSCRIPTIONS) {
		return REFUSAL_SUBSCRIPTIONS;
	}
	struct subscriber *s = pool_new(&r->subscribers, &id);
	if (!s) {
		return REFUSAL_SUBSCRIPTIONS;
	}
	s->id = id;
	s->d = pool_new(&r->dialogues, &d_id);
	if (!s->d) {
		pool_free(&r->subscribers, id);
		return REFUSAL_CALLS;
	}
	s->d->id = d_id;
	for (unsigned k = 0; k < 2; k++) {
		leg_init(&s->d->legs[k]);
		rng_bytes(&r->rng, &s->d->legs[k].number, sizeof(s->d->legs[k].number));
		relay_set_interface(w, &s->d->legs[k], interface_of(w));
	}
	struct leg *l = &s->d->legs[1];
	if (tag.len > 0) {
		enum err e = str_copy(tag, l->tag, sizeof(l->tag));
		CHECK(e == OK); /* ng_parse checked the length */
	} else {
		rng_text(&r->rng, l->tag, TAG_LEN);
	}
	subscriber_add(c, s);
	r->counters[RELAY_SUBSCRIPTIONS]++;
	*out = s;
	return REFUSAL_NONE;
}

enum refusal relay_subscribe_request(struct work *w)
{
	struct call *c = relay_find_call(w->r, w->ng->call_id);
	struct str tag = w->ng->names.to_tag;
	struct party_set parties;
	if (!c) {
		return REFUSAL_UNKNOWN_CALL_ID;
	}
	enum refusal e = find_parties(w, c, &parties);
	if (e != REFUSAL_NONE) {
		return e;
	}
	/* A party is no subscriber; it has an offer and an answer of its own. */
	if (call_find_leg(c, tag)) {
		return REFUSAL_DIALOGUE;
	}
	struct subscriber *s = tag.len > 0 ? subscriber_find(c, tag) : NULL;
	bool fresh = s == NULL;
	if (fresh) {
		e = new_subscription(w, c, tag, &s);
	}
	if (e == REFUSAL_NONE) {
		e = choose_media(s, &parties);
	}
	if (e == REFUSAL_NONE) {
		struct str label = w->ng->flags.label;
		if (label.len > 0 && w->ng->who.from_tag.len > 0) {
			enum err copied =
				str_copy(label, s->d->legs[1].label, sizeof(s->d->legs[1].label));
			CHECK(copied == OK); /* ng_parse checked the length */
		}
		e = offer(w, c, s);
	}
	if (e == REFUSAL_NONE) {
		add_tags(w, s);
	} else if (fresh && s) {
		free_subscription(w->r, c, s, w->now_ms);
	}
	return e;
}

/* A line of the subscriber is in force: what its party sends goes there too. */
static enum refusal attach(struct work *w, struct call *c, struct subscriber_media *m,
			   struct leg_media *to, bool flows)
{
	detach(m);
	if (!m->d || !to->active || !to->connected) {
		return REFUSAL_NONE;
	}
	struct tap *t = tap_of(&w->r->taps, &media_of(m)->streams[LEG_RTP]);
	if (!t || tap_set_make_spares(&w->r->taps) != OK) {
		return REFUSAL_MEMORY;
	}
	m->copy.rtp = &to->streams[LEG_RTP];
	m->copy.rtcp = to->mux.agreed || !(to->opened & 1u << LEG_RTCP) ? m->copy.rtp
									: &to->streams[LEG_RTCP];
	m->copy.paused = !flows;
	list_add_tail(&t->copies, &m->copy.node);
	relay_tap_dialogue(w->r, c, m->d);
	return REFUSAL_NONE;
}

static void take_flags(const struct work *w, struct leg *l)
{
	const struct flags *f = &w->ng->flags;
	if (f->latch >= 0) {
		l->latch = (uint8_t)f->latch;
	}
	if (f->received_from.family != ADDR_NONE) {
		l->net.addr = f->received_from;
		l->net.bits = f->received_from.family == ADDR_IP6 ? 128 : 32;
	}
	l->unproven = f->unproven;
}

/* What stands for the parties is no media of its own in the gauges. */
static void uncount_sources(struct relay *r, const struct leg *sources)
{
	for (unsigned i = 0; i < sources->media_count; i++) {
		if (sources->media[i]->connected) {
			sources->media[i]->connected = false;
			r->counters[RELAY_MEDIAS_PLAIN]--;
		}
	}
}

enum refusal relay_subscribe_answer(struct work *w)
{
	struct call *c = relay_find_call(w->r, w->ng->call_id);
	struct sdp sdp;
	if (!c) {
		return REFUSAL_UNKNOWN_CALL_ID;
	}
	struct subscriber *s = subscriber_find(c, w->ng->names.to_tag);
	if (!s) {
		return REFUSAL_TO_TAG_UNKNOWN;
	}
	enum refusal e = relay_parse_sdp(w, &sdp);
	if (e != REFUSAL_NONE) {
		return e;
	}
	struct leg *const legs[2] = {&s->d->legs[1], &s->d->legs[0]};
	const struct sdp_relay x = relay_sdp(w, &sdp, &w->ng->flags, legs, true);
	e = relay_open_keys(w->r, legs);
	if (e == REFUSAL_NONE) {
		e = sdp_relay_check(&x);
	}
	const bool may = e == REFUSAL_NONE;
	if (may) {
		take_flags(w, legs[0]);
		sdp_relay_take(&x);
		e = relay_connect(w, legs);
	}
	const enum refusal kept = relay_keep_keys(w->r, legs);
	if (!may) {
		return e;
	}
	e = e == REFUSAL_NONE ? kept : e;
	for (unsigned i = 0; e == REFUSAL_NONE && i < s->count && i < legs[0]->media_count; i++) {
		struct leg_media *to = legs[0]->media[i];
		e = attach(w, c, &s->media[i], to, leg_may_send(legs[1]->media[i], to));
	}
	uncount_sources(w->r, legs[1]);
	s->d->answered = true;
	return e;
}

enum refusal relay_unsubscribe(struct work *w)
{
	struct call *c = relay_find_call(w->r, w->ng->call_id);
	if (!c) {
		return REFUSAL_UNKNOWN_CALL_ID;
	}
	struct subscriber *s = subscriber_find(c, w->ng->names.to_tag);
	if (!s) {
		return REFUSAL_TO_TAG_UNKNOWN;
	}
	free_subscription(w->r, c, s, w->now_ms);
	return REFUSAL_NONE;
}
