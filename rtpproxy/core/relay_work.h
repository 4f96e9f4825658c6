/*
 * What the parts of the relay's root share: one command under way, and the steps that more than one kind of command
 * takes. For relay*.c alone.
 */
#ifndef SALLYPORT_RELAY_WORK_H
#define SALLYPORT_RELAY_WORK_H

#include "rtpproxy/core/relay.h"
#include "rtpproxy/core/sdp_relay.h"

/* What one command works with. */
struct work {
	struct relay *r;
	const struct relay_now *now;
	uint64_t now_ms;
	const struct ng *ng;
	struct str peer;
	struct dict *reply;
	struct call
		*marked; /* by a delete; ends when the reply, which points into it, is written */
};

/* NULL: none. */
struct call *relay_find_call(const struct relay *r, struct str call_id);

/* ---- ICE (relay_ice.c) */

struct sdp_relay;

/* An agent for each media that this offer makes speak ICE. REFUSAL_CALLS: no more of them. */
enum refusal relay_ice_add(struct relay *r, const struct call *c,
			   const struct sdp_relay *x) MUST_USE;
/* Before the media goes. */
void relay_ice_drop(struct relay *r, struct leg_media *m);
/* Tells where consent was lost, and where it is back. */
void relay_ice_tick(struct relay *r, uint64_t now_us);
enum refusal relay_ice_fragment(struct work *w) MUST_USE;

/* ---- media that moves or falls silent (relay_carry.c) */

/* Before the call is touched: its packets and their figures, or these alone, come back from where they were given. */
void relay_recall(struct relay *r, const struct call *c, bool only_figures);
/* Tells who is not heard any more, or again; when to look next, in ms. */
uint64_t relay_look_for_silence(struct relay *r, struct call *c, uint64_t now_us);
/* An offer was taken. */
void relay_carry_announce(struct work *w, const struct dialogue *d);
/* An answer has connected the dialogue. */
void relay_carry(struct work *w, struct call *c, struct dialogue *d);
/* Before the streams of a dialogue go. */
void relay_carry_end(struct relay *r, struct dialogue *d);

/* An answer has connected the dialogue: payload types that a party does not know become those that it does. */
void relay_translate(struct relay *r, struct dialogue *d);
void relay_translate_end(struct relay *r, struct leg_media *m);

/* ---- reports of our own (relay_rtcp.c) */

enum err relay_rtcp_init(struct relay *r, uint64_t now_ms) MUST_USE;
/* An answer has connected the dialogue: reporters for those of its medias that are to have them, and no others. */
void relay_rtcp_dialogue(struct relay *r, struct dialogue *d, uint64_t now_ms);
/* Before the media goes. */
void relay_rtcp_end(struct relay *r, struct leg_media *m);
void relay_rtcp_tick(struct relay *r, const struct relay_now *now);

/* ---- telephone events (relay_tap.c) */

/* An offer or answer was taken: what it says about keys, for its call. */
void relay_tap_signalled(struct work *w, struct call *c);
/* The taps that the medias of these legs need now, with what they need to know. */
void relay_tap_dialogue(struct relay *r, struct call *c, struct dialogue *d);
void relay_tap_call(struct relay *r, struct call *c);
/* Before the streams of a dialogue go. */
void relay_tap_drop(struct relay *r, struct dialogue *d);
/* After packets: tells what was heard, sends what was copied. */
void relay_tap_after(struct relay *r);
enum refusal relay_play_dtmf(struct work *w) MUST_USE;

/* ---- recordings (relay_record.c) */

/* start, stop and pause recording. */
enum refusal relay_record(struct work *w) MUST_USE;
/* What an offer or answer says about recording. */
void relay_record_signalled(struct work *w, struct call *c);
/* The call ends, or its recording. */
void relay_record_end(struct relay *r, struct call *c, uint64_t now_ms);
/* Recordings whose end had no room are ended now. */
void relay_record_tick(struct relay *r);

/* ---- steps of offers and answers (relay.c) */

struct sdp_relay relay_sdp(struct work *w, const struct sdp *sdp, const struct flags *flags,
			   struct leg *const from_to[2], bool answer);
enum refusal relay_parse_sdp(struct work *w, struct sdp *out) MUST_USE;
/* Into the reply. */
enum refusal relay_write_sdp(struct work *w, const struct sdp_relay *x) MUST_USE;
enum refusal relay_add_medias(struct relay *r, struct leg *const legs[2], size_t count) MUST_USE;
enum refusal relay_open_media(struct work *w, const struct leg *l, struct leg_media *m,
			      unsigned want) MUST_USE;
/* The interface of that name in the family of the flags; empty: the default. */
void relay_set_interface(struct work *w, struct leg *l, struct str name);
enum refusal relay_connect(struct work *w, struct leg *const legs[2]) MUST_USE;
/* The keys of all medias of both legs for one command (leg_keys.h), and their end: after each open, also where it failed. */
enum refusal relay_open_keys(struct relay *r, struct leg *const legs[2]) MUST_USE;
enum refusal relay_keep_keys(struct relay *r, struct leg *const legs[2]) MUST_USE;
/* All medias of both legs. */
void relay_free_legs(struct relay *r, struct dialogue *d, uint64_t now_ms);

/* ---- subscriptions (relay_subscribe.c) */

/* An answer was taken: its formats are remembered. */
void relay_keep_formats(struct work *w, const struct call_place *answerer, const struct sdp *sdp);
enum refusal relay_subscribe_request(struct work *w) MUST_USE;
enum refusal relay_subscribe_answer(struct work *w) MUST_USE;
enum refusal relay_unsubscribe(struct work *w) MUST_USE;
/* The call ends. */
void relay_unsubscribe_all(struct relay *r, struct call *c, uint64_t now_ms);
/* That dialogue ends: nothing of it is copied any more. */
void relay_unsubscribe_from(struct call *c, const struct dialogue *d);

#endif
