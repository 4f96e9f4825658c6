#include "relay_model.h"

#include <stdlib.h>
#include <string.h>

#include "common/bencode.h"
#include "common/buf.h"
#include "common/dict.h"

enum { RELAY_TURN = 64 * 1024 };

void relay_model_reset(struct relay_model *r)
{
	struct relay_session *sessions = r->sessions;
	struct lookup index = r->index;
	struct arena turn = r->turn;
	memset(r, 0, sizeof(*r));
	r->sessions = sessions;
	r->index = index;
	r->turn = turn;
	lookup_reset(&r->index);
	if (sessions)
		return;
	r->sessions = calloc(RELAY_SESSIONS_MAX, sizeof(*r->sessions));
	CHECK(r->sessions && arena_init_sized(&r->turn, RELAY_TURN) == OK);
}

void relay_model_release(struct relay_model *r)
{
	lookup_release(&r->index);
	arena_release(&r->turn);
	free(r->sessions);
	r->sessions = NULL;
}

static struct addr addr_of_realm(const struct relay_model *r, struct str name)
{
	for (size_t i = 0; i < RELAY_REALMS; i++)
		if (str_eq(r->realms[i].name, name))
			return r->realms[i].addr;
	return r->realms[0].addr;
}

static struct relay_session *find_session(struct relay_model *r, struct str call_id)
{
	uint32_t i = lookup_get(&r->index, lookup_hash(0, call_id));
	return i == LOOKUP_NONE ? NULL : &r->sessions[i];
}

static struct relay_session *new_session(struct relay_model *r, const struct dict *d)
{
	uint32_t i = 0;
	while (i < r->session_top && r->sessions[i].used)
		i++;
	CHECK(i < RELAY_SESSIONS_MAX); /* else they leak */
	if (i == r->session_top)
		r->session_top++;
	struct relay_session *s = &r->sessions[i];
	*s = (struct relay_session){.used = true, .number = ++r->made};
	s->key = lookup_hash(0, dict_get_str(d, STR("call-id")));
	lookup_put(&r->index, s->key, i);
	r->open++;
	s->from_tag = str_eq(dict_get_str(d, STR("from-tag")), STR("caller")) ? STR("caller")
									      : STR("callee");
	s->addr[0] = s->addr[1] = r->realms[0].addr;
	struct dict_words w = dict_words(dict_get(d, STR("direction")));
	struct str word;
	for (int side = 0; side < 2 && dict_words_next(&w, &word); side++)
		s->addr[side] = addr_of_realm(r, word);
	return s;
}

/* The SDP for the other side: our address and ports, and all that a relay passes which does not know what it is. */
static void write_sdp(const struct relay_session *s, int side, struct str sdp, struct str protocol,
		      struct buf *b)
{
	static const char *const ours[] = {"v=", "o=", "c=", "t=", "a=crypto:"};
	bool secure = str_has_prefix(protocol, STR("RTP/SAVP"));
	struct str line;
	unsigned media = 0;
	buf_printf(b, "v=0\r\no=- %u %u IN IP4 ", 1000 + s->number, s->versions);
	addr_write_ip(b, &s->addr[side]);
	buf_lit(b, "\r\nc=IN IP4 ");
	addr_write_ip(b, &s->addr[side]);
	buf_lit(b, "\r\nt=0 0\r\n");
	while (str_cut(&sdp, '\n', &line)) {
		line = str_trim(line);
		if (str_has_prefix(line, STR("m="))) {
			struct str kind, port, proto;
			(void)str_cut_word(&line, &kind);
			(void)str_cut_word(&line, &port);
			(void)str_cut_word(&line, &proto);
			bool rtp = str_has_prefix(proto, STR("RTP/")), off = str_eq(port, STR("0"));
			buf_printf(b, "%.*s %u %.*s%.*s\r\n", STR_ARG(kind),
				   off ? 0
				       : 20000 + 8 * (s->number % 4000) + 4 * (unsigned)side +
						   2 * media,
				   STR_ARG(rtp && !off ? protocol : proto), STR_ARG(line));
			if (secure && rtp && !off)
				buf_printf(b,
					   "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
					   "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSo%c\r\n",
					   side ? 'j' : 'k');
			media++;
			continue;
		}
		bool is_ours = line.len == 0;
		for (size_t i = 0; i < ARRAY_LEN(ours); i++)
			is_ours |= str_has_prefix(line, str_from(ours[i]));
		if (!is_ours)
			buf_printf(b, "%.*s\r\n", STR_ARG(line));
	}
}

static void write_totals(struct buf *b)
{
	/* What a relay says of a call in which nothing was heard. */
	buf_lit(b, "6:totalsd3:RTPd7:packetsi0e5:bytesi0e6:errorsi0ee"
		   "4:RTCPd7:packetsi0e5:bytesi0e6:errorsi0eee");
}

static void write_error(struct buf *b, const char *why)
{
	buf_printf(b, "d6:result5:error12:error-reason%zu:%se", strlen(why), why);
}

/* Not by way of the network of the phones; but what is said may come twice, and late. */
static void tell(struct relay_model *r, struct relay_session *s, const char *event,
		 const char *party, int key, uint64_t after_ms)
{
	char mem[512];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%s d4:datad6:callid%zu:%s8:durationi100e", s->word, strlen(s->name),
		   s->name);
	if (key >= 0)
		buf_printf(&b, "5:eventi%de", key);
	buf_printf(&b, "3:seqi%ue10:source_tag%zu:%se6:notify%zu:%se", ++s->told, strlen(party),
		   party, strlen(event), event);
	CHECK(!b.overflow);
	for (unsigned copies = dice_range(r->dice, 0, 2) ? 1 : 2; copies > 0; copies--) {
		struct happening h = {.kind = HAPPEN_TOLD, .bytes = happening_bytes(buf_view(&b))};
		clock_plan(r->clock, &h,
			   r->clock->now_ms + after_ms + dice_range(r->dice, 0, 10) +
				   50 * (copies - 1));
	}
}

static int key_number(char c)
{
	static const char keys[] = "0123456789*#ABCD";
	const char *at = strchr(keys, c);
	CHECK(at);
	return (int)(at - keys);
}

static void say_all(struct relay_model *r, struct relay_session *s)
{
	const struct relay_say *y = &r->say;
	const char *party = y->caller_lost ? "caller" : "callee";
	if (!s->word[0] || s->told)
		return;
	for (size_t i = 0; y->keys && y->keys[i]; i++)
		tell(r, s, "onDTMF", "caller", key_number(y->keys[i]),
		     y->first_ms + i * (uint64_t)y->gap_ms);
	if (y->lost_ms)
		tell(r, s, "onMediaLost", party, -1, y->lost_ms);
	if (y->lost_ms && y->back_ms)
		tell(r, s, "onMediaBack", party, -1, y->lost_ms + y->back_ms);
}

static void offer_or_answer(struct relay_model *r, const struct dict *d, bool is_offer,
			    struct buf *b)
{
	struct str call_id = dict_get_str(d, STR("call-id"));
	struct str from_tag = dict_get_str(d, STR("from-tag"));
	struct str sdp = dict_get_str(d, STR("sdp"));
	if (!call_id.len || !from_tag.len || !sdp.len) {
		faults_add(r->faults, INV_RELAY,
			   "the relay got a command without call-id, from-tag or sdp");
		write_error(b, "Incomplete");
		return;
	}
	struct relay_session *s = find_session(r, call_id);
	if (!s && !is_offer) {
		if (!r->turn_count)
			faults_add(r->faults, INV_RELAY, "the relay got an answer to no offer");
		write_error(b, "Unknown call-id");
		return;
	}
	if (!s)
		s = new_session(r, d);
	s->versions++;
	/* An answer goes back to who offered, an offer to the other one. */
	bool by_first = str_eq(s->from_tag, from_tag);
	int side = is_offer == by_first ? 1 : 0;
	struct str protocol = dict_get_str(d, STR("transport-protocol"));
	char mem[3072];
	struct buf text;
	buf_init(&text, mem, sizeof(mem));
	s->secure[1 - side] = str_find(sdp, STR(" RTP/SAVP")) < sdp.len;
	if (!protocol.len) /* as that side described itself */
		protocol = s->secure[side] ? STR("RTP/SAVP") : STR("RTP/AVP");
	s->secure[side] = str_has_prefix(protocol, STR("RTP/SAVP"));
	write_sdp(s, side, sdp, protocol, &text);
	struct str word = dict_get_str(d, STR("notify"));
	if (word.len && (str_copy(word, s->word, sizeof(s->word)) != OK ||
			 str_copy(call_id, s->name, sizeof(s->name)) != OK))
		faults_add(r->faults, INV_RELAY, "a word or a name is too long");
	if (!is_offer)
		say_all(r, s);
	struct str out = buf_view(&text);
	buf_printf(b, "d6:result2:ok3:sdp%zu:%.*se", out.len, STR_ARG(out));
}

static void delete_session(struct relay_model *r, const struct dict *d, struct buf *b)
{
	struct relay_session *s = find_session(r, dict_get_str(d, STR("call-id")));
	if (!s) {
		static const char warning[] = "Call-ID not found or tags didn't match";
		buf_printf(b, "d6:result2:ok7:warning%zu:%se", strlen(warning), warning);
		return;
	}
	s->used = false;
	lookup_put(&r->index, s->key, LOOKUP_NONE);
	r->open--;
	buf_lit(b, "d6:result2:ok");
	write_totals(b);
	buf_lit(b, "e");
}

static enum relay_mood mood_of(const struct relay_model *r, struct str command, unsigned nth)
{
	enum relay_mood mood = RELAY_WELL;
	for (size_t i = 0; i < r->turn_count; i++)
		if (str_eq(command, str_from(r->turns[i].command)) && nth >= r->turns[i].from)
			mood = r->turns[i].mood;
	return mood;
}

static unsigned count_command(struct relay_model *r, struct str command)
{
	if (str_eq(command, STR("offer")))
		return r->offers++;
	if (str_eq(command, STR("answer")))
		return r->answers++;
	if (str_eq(command, STR("delete")))
		return r->deletes++;
	return r->queries++;
}

static void obey(struct relay_model *r, struct str command, const struct dict *d, struct buf *b)
{
	if (str_eq(command, STR("offer")))
		offer_or_answer(r, d, true, b);
	else if (str_eq(command, STR("answer")))
		offer_or_answer(r, d, false, b);
	else if (str_eq(command, STR("delete")))
		delete_session(r, d, b);
	else if (str_eq(command, STR("play DTMF"))) {
		r->played++;
		buf_lit(b, "d6:result2:oke");
	} else if (str_eq(command, STR("query"))) {
		buf_lit(b, "d6:result2:ok");
		write_totals(b);
		buf_lit(b, "e");
	} else {
		buf_lit(b, "d6:result2:oke");
	}
}

void relay_model_ask(struct relay_model *r, const struct relay_query *q, id_t64 id)
{
	struct dict *d;
	char mem[4096];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	arena_reset(&r->turn);
	enum relay_mood mood = mood_of(r, q->command, count_command(r, q->command));
	uint64_t wait = dice_range(r->dice, 1, 10);
	struct happening h = {
		.kind = HAPPEN_RELAY, .id = id, .to = RELAY_RESULT_OK, .conn = r->asker};
	if (bencode_parse(q->bencode, &r->turn, &d) < 0 ||
	    !str_eq(dict_get_str(d, STR("command")), q->command)) {
		faults_add(r->faults, INV_RELAY, "the relay got what is no command: %.*s",
			   STR_ARG(q->bencode));
		return;
	}
	switch (mood) {
	case RELAY_SLOW: wait = dice_range(r->dice, 100, 2000); break;
	case RELAY_FAILING: h.to = RELAY_RESULT_ERROR; break;
	case RELAY_DEAD:
		h.to = RELAY_RESULT_TIMEOUT;
		wait = RELAY_TIMEOUT_MS;
		break;
	case RELAY_WELL:
	case RELAY_MOOD_COUNT: break;
	}
	ladder_say(r->ladder, r->clock->now_ms, "core     → relay    %.*s%s", STR_ARG(q->command),
		   mood == RELAY_WELL      ? ""
		   : mood == RELAY_SLOW    ? " (slow)"
		   : mood == RELAY_FAILING ? " (fails)"
					   : " (dead)");
	/* A command without an answer was not carried out either: then nothing is left behind. */
	if (mood == RELAY_WELL || mood == RELAY_SLOW)
		obey(r, q->command, d, &b);
	if (mood == RELAY_FAILING)
		write_error(&b, "out of ports");
	CHECK(!b.overflow);
	h.bytes = happening_bytes(buf_view(&b));
	clock_plan(r->clock, &h, r->clock->now_ms + wait);
}

unsigned relay_model_sessions(const struct relay_model *r)
{
	return r->open;
}
