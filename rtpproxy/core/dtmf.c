#include "dtmf.h"

#include <string.h>

/* A report this much older than the press under way is no late packet: the sender's clock was set anew. */
enum { LATE_S = 10 };

static const char names[DTMF_KEYS + 2] = "0123456789*#ABCD!";

void dtmf_formats_add(struct dtmf_formats *f, uint8_t payload_type, uint32_t rate)
{
	unsigned i = 0;
	while (i < f->count && f->at[i].payload_type != payload_type)
		i++;
	if (i == DTMF_FORMATS || rate == 0)
		return;
	f->at[i].payload_type = payload_type;
	f->at[i].rate = rate;
	if (i == f->count)
		f->count++;
}

uint32_t dtmf_formats_find(const struct dtmf_formats *f, uint8_t payload_type)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->at[i].payload_type == payload_type)
			return f->at[i].rate;
	return 0;
}

enum err dtmf_decode(const uint8_t *p, size_t n, struct dtmf_report *out)
{
	if (n < DTMF_PAYLOAD_LEN)
		return ERR_BAD;
	*out = (struct dtmf_report){.event = p[0],
				    .end = (p[1] & 0x80) != 0,
				    .volume = p[1] & 0x3f,
				    .duration = (uint16_t)(p[2] << 8 | p[3])};
	return OK;
}

void dtmf_encode(const struct dtmf_report *r, uint8_t out[DTMF_PAYLOAD_LEN])
{
	out[0] = r->event;
	out[1] = (uint8_t)((r->end ? 0x80 : 0) | (r->volume & 0x3f));
	out[2] = (uint8_t)(r->duration >> 8);
	out[3] = (uint8_t)r->duration;
}

bool dtmf_find_key(char c, uint8_t *out_event)
{
	if (c >= 'a' && c <= 'd')
		c = (char)(c - 'a' + 'A');
	const char *at = c ? strchr(names, c) : NULL;
	if (!at)
		return false;
	*out_event = (uint8_t)(at - names);
	return true;
}

char dtmf_key_name(uint8_t event)
{
	return event <= DTMF_FLASH ? names[event] : '\0';
}

/* ---- listening */

void dtmf_listen_init(struct dtmf_listen *d)
{
	*d = (struct dtmf_listen){0};
}

static void say(struct dtmf_listen *d, struct dtmf_keys *out)
{
	const uint64_t units = (uint64_t)(d->segment - d->first) + d->duration;
	d->down = false;
	if (out->count < ARRAY_LEN(out->at))
		out->at[out->count++] =
			(struct dtmf_key){.event = d->event,
					  .volume = d->volume,
					  .duration_ms = (uint32_t)(units * 1000 / d->rate)};
}

enum relation { OLD, SAME, LONGER, DRIFTED, NEW };

/*
 * How a report that begins at ts belongs to the press that is known. A new press of the same key has a marker and cannot begin before
 * the last one ended: so what goes on without one is the same key, either its next segment (§2.5.1.3) or from a
 * sender that moves the timestamp on in each packet.
 */
static enum relation relate(const struct dtmf_listen *d, const struct dtmf_heard *h, uint32_t ts,
			    uint8_t event)
{
	if (!d->known || d->ssrc != h->ssrc)
		return NEW;
	const int32_t ahead = (int32_t)(ts - d->segment);
	if (ahead == 0)
		return SAME;
	if (ahead < 0)
		return ahead >= -(int64_t)h->rate * LATE_S ? OLD : NEW;
	if (event != d->event || h->marker)
		return NEW;
	if (d->down && ((uint32_t)ahead == d->duration || ahead == DTMF_SEGMENT))
		return LONGER;
	if ((uint32_t)ahead < d->duration)
		return d->down ? DRIFTED : OLD;
	return NEW;
}

static void hear(struct dtmf_listen *d, const struct dtmf_heard *h, uint32_t ts,
		 const struct dtmf_report *r, struct dtmf_keys *out)
{
	switch (relate(d, h, ts, r->event)) {
	case OLD: return;
	case SAME: break;
	case LONGER:
		d->segment = ts;
		d->duration = 0;
		break;
	case DRIFTED: d->first = d->segment = ts; break;
	case NEW:
		if (d->down)
			say(d, out);
		*d = (struct dtmf_listen){.ssrc = h->ssrc,
					  .rate = h->rate,
					  .first = ts,
					  .segment = ts,
					  .event = r->event,
					  .known = true,
					  .down = true};
		break;
	}
	if (!d->down)
		return;
	d->volume = r->volume;
	if (r->duration > d->duration)
		d->duration = r->duration;
	if (r->end)
		say(d, out);
}

void dtmf_listen_step(struct dtmf_listen *d, const struct dtmf_heard *h, const uint8_t *p, size_t n,
		      uint64_t now_us, struct dtmf_keys *out)
{
	struct dtmf_report r;
	struct dtmf_heard one = *h;
	CHECK(h->rate > 0);
	out->count = 0;
	/* Short keys may follow one another in one packet, each from where the last one ended (§2.5.2.3). */
	for (unsigned i = 0; i < DTMF_REPORTS_MAX && dtmf_decode(p, n, &r) == OK; i++) {
		hear(d, &one, one.timestamp, &r, out);
		d->last_us = now_us;
		one.timestamp += r.duration;
		one.marker = true;
		p += DTMF_PAYLOAD_LEN;
		n -= DTMF_PAYLOAD_LEN;
	}
}

void dtmf_listen_tick(struct dtmf_listen *d, uint64_t now_us, struct dtmf_keys *out)
{
	out->count = 0;
	if (d->down && now_us >= d->last_us + DTMF_SILENT_US)
		say(d, out);
}

/* ---- playing */

static void begin(struct dtmf_play *p, uint64_t at_us)
{
	p->state = DTMF_PLAY_TONE;
	p->next_us = at_us;
	p->steps = 0;
	p->segment = 0;
	p->ends = 0;
	p->first = true;
}

enum err dtmf_play_add(struct dtmf_play *p, const struct dtmf_press *k, uint64_t now_us)
{
	CHECK(k->event <= DTMF_FLASH && k->volume <= DTMF_VOLUME_MAX);
	CHECK(k->duration_ms >= DTMF_DURATION_MIN && k->duration_ms <= DTMF_DURATION_MAX);
	if (p->count == DTMF_QUEUE)
		return ERR_FULL;
	p->queue[p->count++] = *k;
	if (p->state == DTMF_PLAY_IDLE)
		begin(p, now_us);
	return OK;
}

bool dtmf_play_is_down(const struct dtmf_play *p)
{
	return p->state == DTMF_PLAY_TONE || p->state == DTMF_PLAY_END;
}

/* Units of the press at the end of packet number `steps`, at most its whole length. */
static uint32_t units_at(const struct dtmf_press *k, uint32_t steps, uint32_t rate)
{
	const uint64_t whole_us = (uint64_t)k->duration_ms * 1000;
	const uint64_t us = (uint64_t)steps * DTMF_STEP_US;
	return (uint32_t)((us < whole_us ? us : whole_us) * rate / 1000000);
}

static void next_press(struct dtmf_play *p)
{
	p->count--;
	memmove(&p->queue[0], &p->queue[1], p->count * sizeof(p->queue[0]));
	if (p->count > 0)
		begin(p, p->next_us);
	else
		p->state = DTMF_PLAY_IDLE;
}

static void make_tone(struct dtmf_play *p, uint32_t rate, struct dtmf_play_out *out)
{
	const struct dtmf_press *k = &p->queue[0];
	uint32_t units = units_at(k, ++p->steps, rate) - p->segment;
	const bool full = units > DTMF_SEGMENT;
	out->offset = p->segment;
	out->begins = out->marker = p->first;
	p->first = false;
	if (full) {
		/* The whole of this part; what is left is told by the next packet, from its end on. */
		p->segment += DTMF_SEGMENT;
		p->steps--;
		units = DTMF_SEGMENT;
	}
	out->report.duration = (uint16_t)units;
	if (!full && (uint64_t)p->steps * DTMF_STEP_US >= (uint64_t)k->duration_ms * 1000) {
		out->report.end = true;
		p->state = DTMF_PLAY_END;
		p->ends = 1;
	}
}

static void make_end(struct dtmf_play *p, uint32_t rate, struct dtmf_play_out *out)
{
	out->offset = p->segment;
	out->report.end = true;
	out->report.duration = (uint16_t)(units_at(&p->queue[0], p->steps, rate) - p->segment);
	p->ends++;
}

bool dtmf_play_step(struct dtmf_play *p, uint32_t rate, uint64_t now_us, struct dtmf_play_out *out)
{
	if (p->state == DTMF_PLAY_PAUSE && p->next_us <= now_us)
		next_press(p);
	if (!dtmf_play_is_down(p) || p->next_us > now_us)
		return false;
	const struct dtmf_press *k = &p->queue[0];
	*out = (struct dtmf_play_out){.report = {.event = k->event, .volume = k->volume}};
	if (p->state == DTMF_PLAY_TONE)
		make_tone(p, rate, out);
	else
		make_end(p, rate, out);
	/* Late by more than some packets: the missed ones are not sent in a burst. */
	const uint64_t late_us = now_us - p->next_us;
	p->next_us = (late_us > 5 * DTMF_STEP_US ? now_us : p->next_us) + DTMF_STEP_US;
	if (p->state == DTMF_PLAY_END && p->ends == DTMF_ENDS) {
		p->state = DTMF_PLAY_PAUSE;
		p->next_us += (uint64_t)k->pause_ms * 1000;
	}
	return true;
}
