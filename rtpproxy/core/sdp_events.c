#include "rtpproxy/core/sdp_events.h"

#include <stdio.h>

enum { FIRST_DYNAMIC = 96, LAST_DYNAMIC = 127, USUAL = 101, USUAL_RATE = 8000 };

static bool is_event(const struct sdp_media *m, struct str format)
{
	struct sdp_codec c;
	return sdp_find_codec(m, format, &c) == OK && str_ieq(c.name, STR("telephone-event"));
}

static bool has_event(const struct sdp_media *m, const struct codecs *formats)
{
	for (size_t i = 0; i < formats->count; i++) {
		if (is_event(m, formats->at[i])) {
			return true;
		}
	}
	return false;
}

static bool is_taken(const struct sdp_media *m, unsigned type)
{
	uint16_t n;
	for (size_t i = 0; i < m->format_count; i++) {
		if (str_to_u16(m->formats[i], LAST_DYNAMIC, &n) == OK && n == type) {
			return true;
		}
	}
	return false;
}

static void add(struct codecs *formats, struct sdp_events *out, unsigned type, uint32_t rate)
{
	if (out->count == DTMF_FORMATS || formats->count == SDP_FORMATS_MAX) {
		return;
	}
	snprintf(out->at[out->count].text, sizeof(out->at[0].text), "%u", type);
	out->at[out->count].rate = rate;
	formats->at[formats->count++] = str_from(out->at[out->count].text);
	out->count++;
}

/* At the clock of the first codec, as RFC 4733 §2.1 asks of a media stream with one. */
static void offer_events(const struct sdp_relay *x, size_t i, struct codecs *formats,
			 struct sdp_events *out)
{
	const struct sdp_media *m = &x->sdp->media[i];
	uint32_t rate = x->from->media[i]->clock_rate;
	unsigned type = USUAL;
	if (has_event(m, formats)) {
		return;
	}
	if (is_taken(m, type)) {
		type = FIRST_DYNAMIC;
		while (type <= LAST_DYNAMIC && is_taken(m, type)) {
			type++;
		}
	}
	if (type <= LAST_DYNAMIC) {
		add(formats, out, type, rate > 0 ? rate : USUAL_RATE);
	}
}

static void drop_events(const struct sdp_media *m, struct codecs *formats)
{
	size_t kept = 0;
	for (size_t i = 0; i < formats->count; i++) {
		if (!is_event(m, formats->at[i])) {
			formats->at[kept++] = formats->at[i];
		}
	}
	formats->count = kept;
}

/* The offerer gets those that it has offered, under its numbers; with the clock of the codec if there are several. */
static void answer_events(const struct sdp_relay *x, size_t i, struct codecs *formats,
			  struct sdp_events *out)
{
	const struct sdp_media *m = &x->sdp->media[i];
	const struct leg_media *to = x->to->media[i];
	uint32_t rate = x->from->media[i]->clock_rate;
	bool same_clock = false;
	if (to->events.count == 0) {
		drop_events(m, formats);
		return;
	}
	if (!to->accept_events || has_event(m, formats)) {
		return;
	}
	for (unsigned k = 0; k < to->events.count; k++) {
		same_clock |= to->events.at[k].rate == rate;
	}
	for (unsigned k = 0; k < to->events.count; k++) {
		if (!same_clock || to->events.at[k].rate == rate) {
			add(formats, out, to->events.at[k].payload_type, to->events.at[k].rate);
		}
	}
}

void sdp_events_choose(const struct sdp_relay *x, size_t i, struct codecs *formats,
		       struct sdp_events *out)
{
	out->count = 0;
	if (formats->count == 0 || !leg_is_rtp(x->sdp->media[i].proto) ||
	    !str_ieq(x->sdp->media[i].kind, STR("audio"))) {
		return;
	}
	if (x->answer) {
		answer_events(x, i, formats, out);
	} else if (x->flags->codecs.add_events) {
		offer_events(x, i, formats, out);
	}
}

bool sdp_events_write(struct buf *b, const struct sdp_events *e, struct str format)
{
	for (unsigned i = 0; i < e->count; i++) {
		if (e->at[i].text == format.p) {
			buf_printf(b, "a=rtpmap:%s telephone-event/%u\r\na=fmtp:%s 0-15\r\n",
				   e->at[i].text, e->at[i].rate, e->at[i].text);
			return true;
		}
	}
	return false;
}
