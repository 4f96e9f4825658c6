/*
 * What would become of a message that came in now, by the very functions that decide it, with all that they remember; nothing
 * is changed, counted or sent. What needs someone else is said, not done: a password that would be asked for counts as known, a
 * dialog that an INVITE would replace is not looked for.
 */
#ifndef SALLYPORT_SBC_EXPLAIN_H
#define SALLYPORT_SBC_EXPLAIN_H

#include "policy/policy.h"
#include "sbc/core/event.h"
#include "sbc/core/outside.h"
#include "sbc/core/setup_judge.h"

struct sbc;

enum explanation_kind {
	EXPLANATION_NOTHING,  /* no request that would be judged: why says it */
	EXPLANATION_OURS,     /* we answer it ourselves */
	EXPLANATION_CALL,     /* an INVITE: it would become a call, or was refused as one */
	EXPLANATION_REGISTER, /* its registrar, or we, would ask for the password */
	EXPLANATION_REQUEST,  /* outside of calls: it would go on */
	EXPLANATION_KIND_COUNT
};

/* Views into the message, the settings and itself: valid until the sbc steps, and not to be copied. */
struct explanation {
	enum explanation_kind kind;
	struct str why; /* NOTHING; static */
	struct decision decision;
	struct facts facts;
	const struct settings *settings;
	bool asked_password; /* the trunk must prove who it is first (401); from there on as if it had */
	bool asked_opinion; /* somebody else would be asked, and may say otherwise: from there on as if he let it pass */
	bool replaces; /* INVITE with Replaces: where it goes is not known before */
	bool offer;    /* it has a session description */
	union {
		struct setup_asked call;
		struct outside_asked request;
	};
	struct hunt hunt; /* where it would go, in order of preference; chance is left out */
};

struct explain_params {
	struct event event; /* EVENT_MESSAGE, with its times */
	struct str user;    /* taken for registered on that flow, if nobody else is; user@domain */
};

void sbc_explain(struct sbc *s, const struct explain_params *p, struct explanation *out);
/* As one JSON object and a newline. */
void sbc_explain_write(struct buf *b, struct sbc *s, struct explanation *x);

#endif
