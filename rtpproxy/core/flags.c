#include "rtpproxy/core/flags.h"

#include "rtpproxy/core/dtls.h"
#include "rtpproxy/core/latch.h"

static const struct str words[] = {
#define X(name, word) {word, sizeof(word) - 1},
	FLAGS_WORD_TABLE(X)
#undef X
};
static const struct str replaces[] = {
#define X(name, word) {word, sizeof(word) - 1},
	FLAGS_REPLACE_TABLE(X)
#undef X
};
static const struct str muxes[] = {
#define X(name, word) {word, sizeof(word) - 1},
	FLAGS_MUX_TABLE(X)
#undef X
};

static unsigned bit_of(const struct str *table, size_t n, struct str word)
{
	for (size_t i = 0; i < n; i++) {
		if (dict_key_eq(table[i], word)) {
			return 1u << i;
		}
	}
	return 0;
}

static bool is_off(struct str w)
{
	return str_ieq(w, STR("off")) || str_ieq(w, STR("no")) || str_ieq(w, STR("disable")) ||
	       str_ieq(w, STR("disabled"));
}

/* Cuts `prefix` off when w begins with it; hyphen and space are the same. */
static bool cut_prefix(struct str *w, struct str prefix)
{
	struct str head = {w->p, prefix.len};
	if (w->len <= prefix.len || !dict_key_eq(head, prefix)) {
		return false;
	}
	*w = str_from_offset(*w, prefix.len);
	return true;
}

static void take_suite(uint8_t *mask, struct str name)
{
	enum sdes_suite s;
	if (sdes_suite_find(name, &s) == OK) {
		*mask |= (uint8_t)(1u << s);
	}
}

static void take_sdes_order(struct flags_sdes *s, struct str names)
{
	struct str name;
	enum sdes_suite suite;
	while (str_cut(&names, ';', &name)) {
		if (s->order_count < SDES_SUITE_COUNT && sdes_suite_find(name, &suite) == OK) {
			s->order[s->order_count++] = (uint8_t)suite;
		}
	}
}

static void take_sdes(struct flags *f, struct str w)
{
	struct flags_sdes *s = &f->sdes;
	if (cut_prefix(&w, STR("no-"))) {
		take_suite(&s->no, w);
	} else if (cut_prefix(&w, STR("only-"))) {
		s->has_only = true;
		take_suite(&s->only, w);
	} else if (cut_prefix(&w, STR("order:"))) {
		take_sdes_order(s, w);
	} else if (is_off(w)) {
		s->off = true;
	} else if (str_ieq(w, STR("nonew"))) {
		s->nonew = true;
	} else if (str_ieq(w, STR("pad"))) {
		s->pad = true;
	} else if (str_ieq(w, STR("prefer"))) {
		s->prefer = true;
	} else if (str_ieq(w, STR("lifetime"))) {
		s->lifetime = true;
	}
}

static void take_name(struct flags_names *n, struct str w)
{
	if (n->count < LIMIT_CODECS) {
		n->at[n->count++] = w;
	}
}

static void take_replace(struct flags *f, struct str w)
{
	f->replace |= (uint16_t)bit_of(replaces, ARRAY_LEN(replaces), w);
}

static void take_mux(struct flags *f, struct str w)
{
	f->mux |= (uint8_t)bit_of(muxes, ARRAY_LEN(muxes), w);
}

static void take_strip(struct flags *f, struct str w)
{
	take_name(&f->codecs.strip, w);
}

static void take_except(struct flags *f, struct str w)
{
	take_name(&f->codecs.except, w);
}

static void take_codec_offer(struct flags *f, struct str w)
{
	take_name(&f->codecs.offer, w);
}

static void take_ignore(struct flags *f, struct str w)
{
	take_name(&f->codecs.ignore, w);
}

static void take_media_remove(struct flags *f, struct str w)
{
	take_name(&f->media_remove, w);
}

static void take_from_interface(struct flags *f, struct str w)
{
	f->direction[0] = w;
}

static void take_to_interface(struct flags *f, struct str w)
{
	f->direction[1] = w;
}

/* Nothing here transcodes: who asks for it is told. */
static void take_transcode(struct flags *f, struct str w)
{
	(void)w;
	f->transcode_wanted = true;
}

/* The one format that needs no transcoder (sdp_events.h). */
static bool is_events(struct flags *f, struct str w)
{
	struct str name, rest = w;
	bool it_is = str_cut(&rest, '/', &name) && str_ieq(name, STR("telephone-event"));
	if (!it_is) {
		take_transcode(f, w);
	}
	return it_is;
}

static void take_accept(struct flags *f, struct str w)
{
	f->codecs.accept_events |= is_events(f, w);
}

static void take_consume(struct flags *f, struct str w)
{
	if (is_events(f, w)) {
		f->codecs.accept_events = true;
		take_strip(f, w);
	}
}

static void take_add(struct flags *f, struct str w)
{
	f->codecs.add_events |= is_events(f, w);
}

static void add_edit(struct flags *f, const struct flags_edit *e)
{
	if (f->edits.count < FLAGS_EDITS_MAX && e->what.len > 0 && e->what.len < FLAGS_EDIT_MAX &&
	    e->with.len < FLAGS_EDIT_MAX) {
		f->edits.at[f->edits.count++] = *e;
	}
}

/* "audio-ptime:20" behind sdp-attr-add-. */
static void take_edit_word(struct flags *f, enum flags_edit_kind kind, struct str w)
{
	struct flags_edit e = {.kind = kind, .escaped = true};
	if (!str_cut(&w, '-', &e.section)) {
		return;
	}
	e.what = w;
	if (kind == FLAGS_EDIT_SUBSTITUTE) {
		(void)str_cut(&w, '>', &e.what);
		e.with = w;
	}
	add_edit(f, &e);
}

static void take_edit_add(struct flags *f, struct str w)
{
	take_edit_word(f, FLAGS_EDIT_ADD, w);
}

static void take_edit_remove(struct flags *f, struct str w)
{
	take_edit_word(f, FLAGS_EDIT_REMOVE, w);
}

static void take_edit_substitute(struct flags *f, struct str w)
{
	take_edit_word(f, FLAGS_EDIT_SUBSTITUTE, w);
}

static void take_direction(struct flags *f, struct str w)
{
	if (!f->direction[0].p) {
		f->direction[0] = w;
	} else if (!f->direction[1].p) {
		f->direction[1] = w;
	}
}

static void take_dtls(struct flags *f, struct str w)
{
	f->dtls_off = is_off(w);
	f->dtls_passive = str_ieq(w, STR("passive"));
}

static void take_dtls_hash(struct flags *f, struct str w)
{
	enum dtls_hash h;
	if (dtls_hash_find(w, &h) == OK) {
		f->dtls_hash = (int8_t)h;
	}
}

static void take_osrtp(struct flags *f, struct str w)
{
	static const struct {
		const char *word;
		unsigned bits;
	} modes[] = {
		{"offer", FLAGS_OSRTP_OFFER},
		{"offer-RFC", FLAGS_OSRTP_OFFER},
		{"offer-legacy", FLAGS_OSRTP_OFFER | FLAGS_OSRTP_LEGACY},
		{"accept", FLAGS_OSRTP_ACCEPT},
		{"accept-RFC", FLAGS_OSRTP_ACCEPT},
		{"accept-legacy", FLAGS_OSRTP_ACCEPT | FLAGS_OSRTP_LEGACY},
	};
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (str_ieq(w, str_from(modes[i].word))) {
			f->osrtp |= (uint8_t)modes[i].bits;
		}
	}
}

static void take_ice(struct flags *f, struct str w)
{
	if (str_ieq(w, STR("remove"))) {
		f->ice = FLAGS_ICE_REMOVE;
	} else if (str_ieq(w, STR("default"))) {
		f->ice = FLAGS_ICE_DEFAULT;
	} else if (str_ieq(w, STR("force"))) {
		f->ice = FLAGS_ICE_FORCE;
	} else if (str_ieq(w, STR("force-relay")) || str_ieq(w, STR("optional"))) {
		f->ice = FLAGS_ICE_FORCE;
		f->ice_relay = true;
	} else if (str_ieq(w, STR("trickle"))) {
		f->words |= FLAGS_TRICKLE_ICE;
	}
}

static void take_bundle(struct flags *f, struct str w)
{
	if (str_ieq(w, STR("offer")) || str_ieq(w, STR("require"))) {
		f->bundle.offer = true;
	} else if (str_ieq(w, STR("reject")) || str_ieq(w, STR("strict"))) {
		f->bundle.reject = true;
	}
}

static void take_extmap_strip(struct flags *f, struct str w)
{
	take_name(&f->extmap_strip, w);
}

static void take_transport(struct flags *f, struct str w)
{
	if (str_ieq(w, STR("accept"))) {
		f->transport_accept = true;
		return;
	}
	enum sdp_proto p = sdp_proto_find(w);
	if (p != SDP_PROTO_OTHER && p != SDP_PROTO_UDPTL) {
		f->transport = p;
		f->has_transport = true;
	}
}

static void take_media_address(struct flags *f, struct str w)
{
	struct addr a;
	if (addr_parse_ip(w, &a) == OK) {
		f->media_address = a;
	}
}

static void take_received_from(struct flags *f, struct str w)
{
	struct addr a;
	/* The list form begins with "IP4" or "IP6", which is no address. */
	if (addr_parse_ip(w, &a) == OK) {
		f->received_from = a;
	}
}

static void take_family(struct flags *f, struct str w)
{
	if (str_ieq(w, STR("IP4"))) {
		f->family = ADDR_IP4;
	} else if (str_ieq(w, STR("IP6"))) {
		f->family = ADDR_IP6;
	}
}

static void take_latching(struct flags *f, struct str w)
{
	static const struct {
		const char *word;
		enum latch_mode mode;
	} modes[] = {
		{"off", LATCH_OFF},
		{"strict", LATCH_STRICT},
		{"restricted", LATCH_RESTRICTED},
		{"learn", LATCH_LEARN},
		/* endpoint-learning of rtpengine: all three learn from any source for a while. */
		{"heuristic", LATCH_LEARN},
		{"delayed", LATCH_LEARN},
		{"immediate", LATCH_LEARN},
	};
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (str_ieq(w, str_from(modes[i].word))) {
			f->latch = (int)modes[i].mode;
		}
	}
}

/* Ours: is what the parties hear one source of the relay's? */
static void take_continuity(struct flags *f, struct str w)
{
	f->continuity = !is_off(w);
}

static void take_label(struct flags *f, struct str w)
{
	f->label = w;
}

/* It stands in front of a datagram, and a space ends it there. */
static void take_notify(struct flags *f, struct str w)
{
	for (size_t i = 0; i < w.len; i++) {
		if (w.p[i] <= ' ' || w.p[i] > '~') {
			return;
		}
	}
	f->notify = w;
}

static void take_record(struct flags *f, struct str w)
{
	if (is_off(w)) {
		f->record_call = 0;
	} else if (str_ieq(w, STR("yes")) || str_ieq(w, STR("on"))) {
		f->record_call = 1;
	}
}

static void take_dtmf_dest(struct flags *f, struct str w)
{
	struct addr a;
	if (addr_parse(w, &a) == OK && a.port != 0 && addr_is_host(&a)) {
		f->dtmf_dest = a;
	}
}

/* Words in `flags` that stand for a member of another key. */
static const struct {
	struct str prefix;
	void (*take)(struct flags *f, struct str w);
} prefixes[] = {
	{{"SDES-", 5}, take_sdes},
	{{"OSRTP-", 6}, take_osrtp},
	{{"BUNDLE-", 7}, take_bundle},
	{{"extmap-strip-", 13}, take_extmap_strip},
	{{"extmap-mask-", 12}, take_extmap_strip},
	{{"replace-", 8}, take_replace},
	{{"rtcp-mux-", 9}, take_mux},
	{{"codec-strip-", 12}, take_strip},
	{{"codec-except-", 13}, take_except},
	{{"codec-offer-", 12}, take_codec_offer},
	{{"codec-ignore-", 13}, take_ignore},
	{{"endpoint-learning-", 18}, take_latching},
	{{"sdp-attr-add-", 13}, take_edit_add},
	{{"sdp-attr-remove-", 16}, take_edit_remove},
	{{"sdp-attr-substitute-", 20}, take_edit_substitute},
	{{"sdp-media-remove-", 17}, take_media_remove},
	{{"codec-mask-", 11}, take_transcode},
	{{"codec-transcode-", 16}, take_add},
	{{"codec-set-", 10}, take_transcode},
	{{"codec-accept-", 13}, take_accept},
	{{"codec-consume-", 14}, take_consume},
	{{"transcode-", 10}, take_add},
	{{"T38-", 4}, take_transcode},
	{{"T.38-", 5}, take_transcode},
};

static void take_word(struct flags *f, struct str w)
{
	unsigned bit = bit_of(words, ARRAY_LEN(words), w);
	f->words |= bit;
	for (size_t i = 0; bit == 0 && i < ARRAY_LEN(prefixes); i++) {
		if (cut_prefix(&w, prefixes[i].prefix)) {
			prefixes[i].take(f, w);
			return;
		}
	}
}

static const struct {
	struct str key;
	void (*take)(struct flags *f, struct str w);
} keys[] = {
	{{"flags", 5}, take_word},
	{{"replace", 7}, take_replace},
	{{"rtcp-mux", 8}, take_mux},
	{{"SDES", 4}, take_sdes},
	{{"DTLS", 4}, take_dtls},
	{{"DTLS-reverse", 12}, take_dtls},
	{{"DTLS-fingerprint", 16}, take_dtls_hash},
	{{"OSRTP", 5}, take_osrtp},
	{{"ICE", 3}, take_ice},
	{{"bundle", 6}, take_bundle},
	{{"direction", 9}, take_direction},
	{{"from-interface", 14}, take_from_interface},
	{{"to-interface", 12}, take_to_interface},
	{{"T.38", 4}, take_transcode},
	{{"T38", 3}, take_transcode},
	{{"transport-protocol", 18}, take_transport},
	{{"media-address", 13}, take_media_address},
	{{"received-from", 13}, take_received_from},
	{{"address-family", 14}, take_family},
	{{"endpoint-learning", 17}, take_latching},
	{{"latching", 8}, take_latching},
	{{"continuity", 10}, take_continuity},
	{{"label", 5}, take_label},
	{{"set-label", 9}, take_label},
	{{"sdp-media-remove", 16}, take_media_remove},
	{{"notify", 6}, take_notify},
	{{"record-call", 11}, take_record},
	{{"DTMF-log-dest", 13}, take_dtmf_dest},
};

static void take_codecs(struct flags *f, const struct dict *d)
{
	static const struct {
		struct str key;
		void (*take)(struct flags *f, struct str w);
	} lists[] = {
		{{"strip", 5}, take_strip},       {{"except", 6}, take_except},
		{{"offer", 5}, take_codec_offer}, {{"ignore", 6}, take_ignore},
		{{"mask", 4}, take_transcode},    {{"transcode", 9}, take_add},
		{{"set", 3}, take_transcode},     {{"accept", 6}, take_accept},
		{{"consume", 7}, take_consume},
	};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct dict_words walk = dict_words(dict_get(d, lists[i].key));
		struct str w;
		while (dict_words_next(&walk, &w)) {
			lists[i].take(f, w);
		}
	}
}

/* {audio: {add: [line], remove: [line], substitute: [[line, line]]}} */
static void take_edits(struct flags *f, const struct dict *d)
{
	dict_each (section, d) {
		struct dict_words add = dict_words(dict_get(section, STR("add")));
		struct dict_words remove = dict_words(dict_get(section, STR("remove")));
		struct flags_edit e = {.kind = FLAGS_EDIT_ADD, .section = section->key};
		while (dict_words_next(&add, &e.what)) {
			add_edit(f, &e);
		}
		e.kind = FLAGS_EDIT_REMOVE;
		while (dict_words_next(&remove, &e.what)) {
			add_edit(f, &e);
		}
		e.kind = FLAGS_EDIT_SUBSTITUTE;
		dict_each (pair, dict_get(section, STR("substitute"))) {
			struct dict_words two = dict_words(pair);
			if (dict_words_next(&two, &e.what) && dict_words_next(&two, &e.with)) {
				add_edit(f, &e);
			}
		}
	}
}

/* A string; from the flag string it comes as a list of one. */
static struct str text_of(const struct dict *d, struct str key)
{
	struct str s = dict_get_str(d, key);
	struct dict_words walk = dict_words(s.len > 0 ? NULL : dict_get(d, key));
	return s.len > 0 || dict_words_next(&walk, &s) ? s : STR_NONE;
}

static void take_party(struct flags_party *p, const struct dict *d)
{
	p->call_id = text_of(d, STR("call-id"));
	p->tag = text_of(d, STR("tag"));
}

/* What strips an extension from the SDP keeps it out of the packets: who was not offered it does not send it. */
static void take_extmap(struct flags *f, const struct dict *d)
{
	static const struct str lists[] = {{"strip", 5}, {"mask", 4}};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct dict_words walk = dict_words(dict_get(d, lists[i]));
		struct str w;
		while (dict_words_next(&walk, &w)) {
			take_extmap_strip(f, w);
		}
	}
}

/* One word for all that a browser needs (ng-protocol §6.5). What is said beside it counts. */
static void apply_webrtc(struct flags *f)
{
	f->words |= FLAGS_TRICKLE_ICE | FLAGS_NO_RTCP_ATTRIBUTE | FLAGS_GENERATE_MID;
	f->mux |= FLAGS_MUX_OFFER | FLAGS_MUX_REQUIRE;
	f->sdes.off = true;
	f->bundle.offer = !f->bundle.reject;
	if (f->ice == FLAGS_ICE_DEFAULT) {
		f->ice = FLAGS_ICE_FORCE;
	}
	if (!f->has_transport) {
		f->has_transport = true;
		f->transport = SDP_PROTO_DTLS_SAVPF;
	}
}

static void take_number(struct flags *f, const struct dict *v)
{
	int64_t n;
	if (!dict_to_int(v, &n)) {
		return;
	}
	if (dict_key_eq(v->key, STR("TOS"))) {
		f->tos = n >= 0 && n <= 255 ? (int)n : FLAGS_TOS_NONE;
	} else if (dict_key_eq(v->key, STR("delete-delay"))) {
		f->delete_delay_s = n >= 0 && n <= 86400 ? n : -1;
	} else if (dict_key_eq(v->key, STR("media-timeout"))) {
		f->media_timeout_s = n >= 0 && n <= 86400 ? n : -1;
	} else if (dict_key_eq(v->key, STR("unproven-limit"))) {
		f->unproven = n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
	}
}

void flags_parse(const struct dict *d, struct flags *out)
{
	*out = (struct flags){.tos = FLAGS_TOS_NONE,
			      .latch = -1,
			      .continuity = -1,
			      .record_call = -1,
			      .delete_delay_s = -1,
			      .media_timeout_s = -1,
			      .dtls_hash = -1};
	/* In order and not by look-up: keys may repeat, and the later valid one wins. */
	dict_each (v, d) {
		if (dict_key_eq(v->key, STR("codec"))) {
			take_codecs(out, v);
			continue;
		}
		if (dict_key_eq(v->key, STR("sdp-attr"))) {
			take_edits(out, v);
			continue;
		}
		if (dict_key_eq(v->key, STR("from-continues"))) {
			take_party(&out->continues[0], v);
		} else if (dict_key_eq(v->key, STR("to-continues"))) {
			take_party(&out->continues[1], v);
		}
		if (dict_key_eq(v->key, STR("extmap"))) {
			take_extmap(out, v);
			continue;
		}
		take_number(out, v);
		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			if (!dict_key_eq(v->key, keys[i].key)) {
				continue;
			}
			if (keys[i].take == take_direction) {
				out->direction[0] = out->direction[1] = STR_NONE;
			}
			struct dict_words walk = dict_words(v);
			struct str w;
			while (dict_words_next(&walk, &w)) {
				keys[i].take(out, w);
			}
		}
	}
	if (out->words & FLAGS_WEBRTC) {
		apply_webrtc(out);
	}
	if (out->words & FLAGS_PAD_CRYPTO) {
		out->sdes.pad = true;
	}
}

static bool name_is(struct str name, const struct sdp_codec *c)
{
	struct str part;
	uint32_t rate;
	uint16_t channels;
	if (str_ieq(name, STR("all")) || str_ieq(name, STR("full"))) {
		return true;
	}
	if (!str_cut(&name, '/', &part) || !str_ieq(part, c->name)) {
		return false;
	}
	if (str_cut(&name, '/', &part) &&
	    (str_to_u32(part, UINT32_MAX, &rate) != OK || rate != c->rate)) {
		return false;
	}
	return !str_cut(&name, '/', &part) ||
	       (str_to_u16(part, UINT16_MAX, &channels) == OK && channels == c->channels);
}

bool flags_names_have(const struct flags_names *n, const struct sdp_codec *c, size_t *out_index)
{
	for (size_t i = 0; i < n->count; i++) {
		if (name_is(n->at[i], c)) {
			*out_index = i;
			return true;
		}
	}
	return false;
}
