/*
 * A registration of ours at a trunk (`trunks.X.register`; RFC 3261 §10.2; RFC 6140 with `gin`): made at the start, kept up, and
 * taken back at drain and stop, so that no call is sent to who does not answer.
 *
 *            peer by peer                       200
 *   WAITING ─────────────► RESOLVING ─► TRYING ─────► WAITING, registered, until before it ends
 *      ▲                                  │ refused, silent, unreachable: the next peer; after the last
 *      └────────── a while ───────────────┘ one, or a refusal that is meant for us, a while
 *   drain, stop: ─► LEAVING (Expires: 0) ─► OFF
 *
 * The while is that of RFC 5626 §4.5: 30 s, twice as long after each failure, half an hour at most, and of that between half and
 * all of it; Retry-After of the trunk if it is longer. A 3xx is a failure: we follow no one (threats C15).
 *
 * A Contact of ours has the registered user: a request from this trunk to that user is for the number in P-Called-Party-ID, else in
 * To. With GIN it has none, and the trunk names the number itself (RFC 6140 §5.3). Service-Route of the 200 is the preloaded
 * Route of calls to the trunk (RFC 3608).
 */
#ifndef SALLYPORT_ENROL_H
#define SALLYPORT_ENROL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"
#include "sbc/core/alarm.h"
#include "sbc/core/event.h"
#include "sbc/core/hide.h"
#include "sbc/core/sbc.h"

struct msg;

enum {
	ENROL_ROUTES_MAX = 1024,
	ENROL_BASE_S = 30,
	ENROL_MOST_S = 1800,
	ENROL_EXPIRES_MOST_S = 86400 /* Min-Expires above that is a refusal */
};

enum enrol_state {
	ENROL_WAITING,
	ENROL_RESOLVING,
	ENROL_TRYING,
	ENROL_LEAVING,
	ENROL_OFF,
	ENROL_STATE_COUNT
};

struct enrol {
	uint16_t trunk, peer; /* peer: that is being tried, or that we are registered at */
	uint8_t state;        /* enum enrol_state */
	bool held;            /* the registrar holds our Contact until until_ms */
	bool raised;          /* a 423 has been obeyed in this attempt */
	bool leave;           /* as soon as what is under way has ended */
	uint16_t tried;       /* peers, in this round */
	uint16_t status;      /* of the last failure */
	struct str why;       /* of it; static */
	uint32_t failures;    /* rounds in a row */
	uint32_t cseq, asked_s;
	uint32_t retry_s;           /* the longest Retry-After of this round */
	uint64_t until_ms, next_ms; /* next_ms: when the next round begins */
	struct alarm alarm;         /* the next round, or refresh */
	id_t64 ask, txn;
	struct candidate candidates[CANDIDATES_MAX];
	uint8_t candidate_count, candidate_next;
	struct flow flow; /* that the REGISTER under way, or the last good one, took */
	char call_id[HIDE_BRANCH_LEN], tag[HIDE_BRANCH_LEN];
	uint8_t call_id_len, tag_len;
	uint16_t routes_len;
	char routes[ENROL_ROUTES_MAX]; /* Service-Route, parted by '\n' */
};

/* Owner: the worker. One entry for each trunk that has `register`. */
struct enrols {
	const struct settings *settings;
	struct enrol *list;
	size_t count;
};

/*
 * Goes on with registrations that the new settings want as the old did; begins new ones; takes back those that are gone.
 * ERR_NOMEM: all as it was.
 */
enum err enrol_apply(struct sbc *s, const struct settings *settings) MUST_USE;
void enrol_release(struct enrols *e);
/* Drain and stop: takes them all back. */
void enrol_leave(struct sbc *s);

/* Route values of a call to this trunk, parted by '\n'; mostly empty. */
struct str enrol_routes(const struct sbc *s, const struct settings *settings, uint16_t trunk);
/* The URI that says whom a request of this trunk is for: mostly its Request-URI. View into m. */
struct str enrol_called(const struct settings *settings, uint16_t trunk, const struct msg *m);
/* False: no registration is wanted there. */
bool enrol_view(const struct sbc *s, uint16_t trunk, struct sbc_enrol_view *out);

void enrol_on_alarm(struct sbc *s, struct alarm *a);
void enrol_on_resolved(struct sbc *s, id_t64 ask, const struct event *e);
void enrol_on_response(struct sbc *s, id_t64 txn, const struct msg *m);
/* No answer came, or it could not be sent (a ROUTE_CAUSE_*). */
void enrol_on_silence(struct sbc *s, id_t64 txn, unsigned cause);

#endif
