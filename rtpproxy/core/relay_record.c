#include "rtpproxy/core/relay_work.h"

#include "rtpproxy/core/recording.h"

#define DEFAULT_PATTERN "%c-%r"

/* ---- what is written beside it */

static void add_text(struct buf *b, const char *key, struct str v)
{
	buf_printf(b, "\"%s\":", key);
	buf_json_str(b, v);
	buf_char(b, ',');
}

static void add_time(struct buf *b, const char *key, uint64_t wall_us)
{
	buf_printf(b, "\"%s\":\"", key);
	buf_time(b, wall_us / 1000);
	buf_lit(b, "\",");
}

static void drop_comma(struct buf *b)
{
	if (b->len > 0 && b->p[b->len - 1] == ',') {
		b->len--;
	}
}

static void add_metadata(struct buf *b, struct str text)
{
	struct str pair;
	buf_lit(b, "\"metadata\":{");
	while (str_cut(&text, '|', &pair)) {
		size_t colon = str_index(pair, ':');
		if (pair.len == 0) {
			continue;
		}
		buf_json_str(b, (struct str){pair.p, colon});
		buf_char(b, ':');
		buf_json_str(b, str_from_offset(pair, colon < pair.len ? colon + 1 : pair.len));
		buf_char(b, ',');
	}
	drop_comma(b);
	buf_lit(b, "},");
}

static void add_address(struct buf *b, const char *key, const struct addr *a)
{
	char mem[64];
	struct buf t;
	buf_init(&t, mem, sizeof(mem));
	if (a->family != ADDR_NONE) {
		addr_write(&t, a);
	}
	add_text(b, key, buf_view(&t));
}

static void add_party(struct buf *b, const struct leg *l)
{
	buf_char(b, '{');
	add_text(b, "tag", str_from(l->tag));
	add_text(b, "label", str_from(l->label));
	buf_lit(b, "\"medias\":[");
	for (unsigned i = 0; i < l->media_count; i++) {
		const struct leg_media *m = l->media[i];
		struct addr local = l->local;
		local.port = m->port;
		buf_char(b, '{');
		add_text(b, "type", str_from(m->kind));
		add_text(b, "codec", str_from(m->codec));
		add_address(b, "address", &m->streams[LEG_RTP].latch.target);
		add_address(b, "local", &local);
		drop_comma(b);
		buf_lit(b, "},");
	}
	drop_comma(b);
	buf_lit(b, "]},");
}

/* An object without its end: the writer adds its own figures. c NULL: the call has gone. */
static void write_text(struct buf *b, const struct recording *x, const struct call *c)
{
	buf_char(b, '{');
	add_text(b, "call_id", str_from(x->call_id));
	add_time(b, "started", x->started_us);
	add_time(b, "ended", x->ended_us);
	add_metadata(b, str_from(x->metadata));
	buf_lit(b, "\"parties\":[");
	for (unsigned i = 0; c && i < c->dialogue_count; i++) {
		add_party(b, &c->dialogues[i]->legs[0]);
		add_party(b, &c->dialogues[i]->legs[1]);
	}
	drop_comma(b);
	buf_char(b, ']');
}

/* ---- its life */

/* False: the ring has no room for its end now. */
static bool put_end(struct relay *r, struct recording *x, const struct call *c)
{
	char mem[RECORD_TEXT_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	write_text(&b, x, c);
	if (b.overflow) {
		buf_init(&b, mem, sizeof(mem));
		write_text(&b, x, NULL);
	}
	if (!record_put(r->taps.ring, x->discard ? RECORD_DISCARD : RECORD_FINISH, x->number, 0,
			x->discard ? STR_NONE : buf_view(&b))) {
		return false;
	}
	r->counters[RELAY_RECORDINGS]--;
	list_del(&x->ending);
	pool_free(&r->recordings, x->id);
	return true;
}

void relay_record_end(struct relay *r, struct call *c, uint64_t now_ms)
{
	struct recording *x = c->recording;
	if (!x) {
		return;
	}
	c->recording = NULL;
	x->ended_us = x->offset_us + now_ms * 1000;
	relay_tap_call(r, c);
	if (!put_end(r, x, c)) {
		list_add_tail(&r->recordings_ending, &x->ending);
	}
}

void relay_record_tick(struct relay *r)
{
	list_each_safe (n, &r->recordings_ending) {
		if (!put_end(r, LIST_OBJECT(n, struct recording, ending), NULL)) {
			return;
		}
	}
}

static struct str key_of(const struct work *w, const char *key)
{
	return dict_get_str(w->ng->root, str_from(key));
}

static enum refusal make_name(struct work *w, const struct call *c, char *out, size_t cap)
{
	const struct record_facts f = {.call_id = str_from(c->call_id),
				       .random = (uint64_t)rng_u32(&w->r->rng) << 32 |
						 rng_u32(&w->r->rng),
				       .wall_us = w->now->wall_us};
	struct str file = key_of(w, "output-destination");
	file = file.len > 0 ? file : key_of(w, "recording-file");
	file = file.len > 0 ? file : key_of(w, "recording-pattern");
	file = file.len > 0 ? file : STR(DEFAULT_PATTERN);
	if (str_has_suffix(file, STR(".pcap"))) {
		file.len -= 5;
	}
	return record_make_name(key_of(w, "recording-dir"), file, &f, out, cap) == OK
		       ? REFUSAL_NONE
		       : REFUSAL_RECORDING_NAME;
}

static enum refusal begin(struct work *w, struct call *c)
{
	struct relay *r = w->r;
	char name[RECORD_NAME_MAX + 1];
	id_t64 id;
	enum refusal refused = make_name(w, c, name, sizeof(name));
	if (refused != REFUSAL_NONE) {
		return refused;
	}
	struct recording *x = pool_new(&r->recordings, &id);
	if (!x) {
		return REFUSAL_RECORDINGS;
	}
	x->id = id;
	x->number = r->recording_next++;
	x->started_us = w->now->wall_us;
	x->offset_us = w->now->wall_us - w->now->mono_us;
	list_init(&x->ending);
	memcpy(x->name, name, sizeof(x->name));
	memcpy(x->call_id, c->call_id, sizeof(x->call_id));
	if (!record_put(r->taps.ring, RECORD_START, x->number, x->offset_us, str_from(x->name))) {
		pool_free(&r->recordings, id);
		return REFUSAL_RECORDINGS;
	}
	r->counters[RELAY_RECORDINGS]++;
	r->counters[RELAY_RECORDINGS_TOTAL]++;
	c->recording = x;
	return REFUSAL_NONE;
}

static void take_metadata(struct work *w, struct recording *x)
{
	struct str text = key_of(w, "metadata");
	if (text.len > 0 && text.len <= RECORDING_METADATA_MAX) {
		enum err e = str_copy(text, x->metadata, sizeof(x->metadata));
		CHECK(e == OK);
	}
}

static void say_recording(struct work *w, const struct recording *x)
{
	struct dict *d = dict_add_dict(&w->r->arena, w->reply, STR("recording"));
	dict_add_str(&w->r->arena, d, STR("file"), arena_str(&w->r->arena, str_from(x->name)));
	dict_add_str(&w->r->arena, d, STR("state"),
		     x->state == RECORDING_ON ? STR("recording") : STR("paused"));
}

static enum refusal start(struct work *w, struct call *c, enum recording_state state)
{
	if (!w->r->taps.ring) {
		return REFUSAL_RECORDING_OFF;
	}
	enum refusal refused = c->recording ? REFUSAL_NONE : begin(w, c);
	if (refused != REFUSAL_NONE) {
		return refused;
	}
	c->recording->state = (uint8_t)state;
	take_metadata(w, c->recording);
	say_recording(w, c->recording);
	relay_tap_call(w->r, c);
	return REFUSAL_NONE;
}

static void stop(struct work *w, struct call *c)
{
	if (c->recording) {
		c->recording->discard |= (w->ng->flags.words & FLAGS_DISCARD_RECORDING) != 0;
		relay_record_end(w->r, c, w->now_ms);
	}
}

enum refusal relay_record(struct work *w)
{
	struct call *c = relay_find_call(w->r, w->ng->call_id);
	bool pause = w->ng->command == NG_PAUSE_RECORDING || w->ng->flags.words & FLAGS_PAUSE;
	if (!c) {
		return REFUSAL_UNKNOWN_CALL;
	}
	if (w->ng->command == NG_START_RECORDING) {
		return start(w, c, pause ? RECORDING_PAUSED : RECORDING_ON);
	}
	if (!w->r->taps.ring) {
		return REFUSAL_RECORDING_OFF;
	}
	if (!pause) {
		stop(w, c);
	} else if (c->recording) {
		return start(w, c, RECORDING_PAUSED);
	}
	return REFUSAL_NONE;
}

void relay_record_signalled(struct work *w, struct call *c)
{
	if (w->ng->flags.record_call == 0) {
		stop(w, c);
		return;
	}
	if (w->ng->flags.record_call < 0) {
		return;
	}
	/* A call goes on without its recording: whoever asked is told. */
	enum refusal refused = start(w, c, RECORDING_ON);
	if (refused != REFUSAL_NONE && dict_get_str(w->reply, STR("warning")).len == 0) {
		dict_add_str(&w->r->arena, w->reply, STR("warning"),
			     str_from(refusal_text(refused)));
	}
}
