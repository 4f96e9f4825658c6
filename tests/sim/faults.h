/*
 * What was found wrong in a run: of which invariant, and a sentence. The invariants have their names
 * and their meaning here; docs/invariants.md is made of this table (a test keeps them equal).
 */
#ifndef SALLYPORT_SIM_FAULTS_H
#define SALLYPORT_SIM_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"

/* X(enum, name, what must hold) */
#define INVARIANT_TABLE(X)                                                                         \
	X(REST, "rest",                                                                            \
	  "Everything comes to rest, and nothing that was believed impossible "                    \
	  "(`NEVER`) has happened.")                                                               \
	X(NOTHING_LEFT, "nothing left",                                                            \
	  "No call, leg, transaction, timer or question outlives its call.")                       \
	X(MEMORY, "memory", "All pools and the bytes of texts are back at zero.")                  \
	X(ONE_CDR, "one CDR", "Each attempted call has exactly one CDR.")                          \
	X(CDR_TRUTH, "true CDR",                                                                   \
	  "The CDR has the status that the caller was told, the times at which things happened, "  \
	  "the side that hung up.")                                                                \
	X(COUNTERS, "counters", "Counters equal events: calls begun, answered, ended, attempts.")  \
	X(ONE_FINAL, "one final answer",                                                           \
	  "Every request that reached the core gets exactly one final answer, repeated but never " \
	  "changed; no 408 and no 18x to what is no INVITE (RFC 4320).")                           \
	X(ACK, "ACK",                                                                              \
	  "Each final answer to an INVITE of the core gets its ACK (RFC 3261 "                     \
	  "§13.2.2.4, §17.1.1.3).")                                                                \
	X(LEGS_END, "both legs end",                                                               \
	  "When one party has hung up or gone, nobody is left talking, ringing or waiting.")       \
	X(AGREE, "agreement", "Caller, core and callee know the same end of the call.")            \
	X(OFFER, "offer and answer",                                                               \
	  "No offer without an answer, no answer without an offer, one at a time (RFC 3264, "      \
	  "6337).")                                                                                \
	X(ORIGIN, "o= line",                                                                       \
	  "The session of o= is constant in a dialog; its version rises if and only if "           \
	  "the SDP changes (RFC 3264 §8).")                                                        \
	X(LINES, "m= lines",                                                                       \
	  "An answer has the m= lines of its offer, with a direction that fits; an offer never "   \
	  "has "                                                                                   \
	  "fewer than before.")                                                                    \
	X(MEDIA_PATH, "media path", "SDP that reaches a phone leads to the relay, nowhere else.")  \
	X(HIDDEN, "hidden",                                                                        \
	  "No identifier, address or word of the trusted side is sent outside, nor an address or " \
	  "word of the outside to the inside.")                                                    \
	X(SEPARATE, "separate dialogs",                                                            \
	  "Call-ID, tags and branches of one side are never used on the other.")                   \
	X(ENCRYPTED, "encrypted", "No plaintext media where the policy requires SRTP.")            \
	X(SCHEDULE, "schedule",                                                                    \
	  "The core sends again at the times of RFC 3261 and 3262, each within two ticks, none "   \
	  "left out; sessions are refreshed in time.")                                             \
	X(CSEQ, "CSeq",                                                                            \
	  "CSeq rises strictly in each dialog and direction; ACK and CANCEL have "                 \
	  "their INVITE's.")                                                                       \
	X(HOPS, "Max-Forwards", "A request that is passed on has one hop less.")                   \
	X(RELIABLE, "reliable provisionals",                                                       \
	  "RSeq rises by one, one at a time, repeated until its PRACK; no 2xx overtakes one with " \
	  "SDP (RFC 3262).")                                                                       \
	X(RELAY, "relay sessions",                                                                 \
	  "The relay has a session for each call with media and for no other, and is asked in "    \
	  "order.")                                                                                \
	X(SETTINGS, "settings", "Old settings are let go of when their last call ends.")           \
	X(DIALOG, "dialog rules",                                                                  \
	  "CANCEL only after a provisional, BYE only in a dialog that stands, to the caller only " \
	  "after its ACK or 64*T1 (RFC 3261 §9.1, §15).")                                          \
	X(FORM, "form",                                                                            \
	  "What is sent is SIP with all that its kind must have: tags, Contact, RSeq, refresher.") \
	X(STORE, "store",                                                                          \
	  "Whatever the store of two nodes does, an INVITE or BYE that reaches either is "         \
	  "answered "                                                                              \
	  "within 50 ms, and so is what gets a 503 because of it.")                                \
	X(SCENARIO, "scenario", "What this scenario is about came true.")

enum invariant {
#define X(id, name, text) INV_##id,
	INVARIANT_TABLE(X)
#undef X
		INV_COUNT
};

enum { FAULTS_KEPT = 12, FAULTS_TEXT = 240 };

struct faults {
	size_t count;    /* all, kept or not */
	uint32_t broken; /* one bit for each invariant */
	enum invariant of[FAULTS_KEPT];
	char text[FAULTS_KEPT][FAULTS_TEXT];
};

void faults_reset(struct faults *f);
void faults_add(struct faults *f, enum invariant of, const char *fmt, ...) PRINTF_LIKE(3, 4);
const char *invariant_name(enum invariant i);
const char *invariant_text(enum invariant i);

#endif
