/*
 * REGISTER of users through us, over bind (RFC 3261 §10, RFC 3327, RFC 5626). Towards the registrar the contact is ours,
 * with a token as user; its challenge and the answer to it cross here, and only here. To the user its own contact goes
 * back, for a shorter time: it comes again soon, which keeps its path through NATs open, and while the registrar's
 * registration is fresh we answer by ourselves, over the same flow.
 *
 *   REGISTER ─► refused (403, 423, 439 …)
 *            ─► fresh, same flow: 200 at once
 *            ─► auth: local: 401 until the password is right
 *            ─► to the registrar: 401 passes; 200 makes the binding
 *
 * Nothing is kept of who has not been let in. A flow that closes takes its contacts with it: calls to their tokens then
 * get 430. Timers: `alarm` of a contact is its time as the user was told, and a grace.
 */
#ifndef SALLYPORT_REG_H
#define SALLYPORT_REG_H

#include "policy/facts.h"
#include "sbc/core/bind.h"
#include "sbc/core/errand.h"
#include "sbc/core/uri.h"

enum {
	REG_CONTACTS_MAX = 10, /* of one REGISTER; more is 403 (threats B14) */
	REG_MIN_S = 30,        /* less is refused with 423 */
	REG_GRACE_MS = 10000,
	REG_BODY_MAX = 4096
};

/* The group that a REGISTER is for: by the realm of its flow and the domain of its To. NULL: none. */
const struct users *reg_group_of(const struct settings *s, const struct msg *m,
				 const struct flow *f);
void reg_begin(struct sbc *s, const struct msg *m, const struct flow *f, const struct users *group);

/*
 * Who speaks over this flow: the contact of m's From, or any of the flow for one who wants to be nobody. NULL: who speaks has not
 * registered over it; a user cannot speak as another (threats C12).
 */
struct contact *reg_find_speaker(const struct sbc *s, const struct flow *f, const struct msg *m);
/* The group of an address-of-record as these settings have it; NULL: gone. */
const struct users *reg_group(const struct settings *s, const struct aor *a);

enum reg_token { REG_TOKEN_NONE, REG_TOKEN_GONE, REG_TOKEN_FOUND };
/* A Request-URI user that a trunk sends: is it a contact that its registrations go through? */
enum reg_token reg_find_token(const struct sbc *s, uint16_t trunk, struct str user,
			      struct contact **out);
/* An address-of-record as it is kept: user@domain, the domain in small letters. */
void reg_write_name(struct buf *b, struct str user, struct str domain);
bool reg_has_domain(const struct users *g, struct str domain);
/* With `auth: local`; NULL: no such user. Takes as long either way. */
const struct user_account *reg_find_account(const struct users *g, struct str user);
/* The sip or sips URI of a From or To. */
bool reg_read_party(struct str value, struct uri *out);
/* The user part of an address-of-record. */
struct str reg_user_of(const struct aor *a);
/*
 * The domain that From of these users shows to that trunk; empty: our own address. Their registrar knows them by their
 * address-of-record; to everyone else they are numbers of ours.
 */
struct str reg_shown_domain(const struct settings *s, const struct aor *a, uint16_t to_trunk);
/* The address-of-record of a group that a number at a domain means; NULL: nobody registered. */
struct aor *reg_find_aor(const struct sbc *s, const struct users *group, struct str user,
			 struct str domain);
/* Puts the contacts of that address into a hunt that goes to their group, `at` places after the next. */
void reg_add_targets(const struct aor *a, uint16_t trunk, bool secure, size_t at, struct hunt *h);
/*
 * What a route leads to beside peers: for each group in its `to` the contacts of this number. The first address-of-record
 * found, or NULL.
 */
struct aor *reg_fill_hunt(const struct sbc *s, const struct route_rule *route,
			  const struct facts *facts, bool secure, struct hunt *h);

/* For so many calls more. */
bool reg_session_has_room(const struct sbc *s, const struct aor *a, unsigned more);
/* A call of this address-of-record begins or has ended. False: it has enough. */
bool reg_session_begin(struct sbc *s, struct aor *a);
void reg_session_end(struct sbc *s, id_t64 aor);

/* What concerns an errand of ERRAND_REGISTER. */
void reg_on_response(struct sbc *s, struct errand *e, id_t64 txn, const struct msg *m);
void reg_on_report(struct sbc *s, struct errand *e, id_t64 txn, enum txn_report report,
		   unsigned cause);
void reg_on_resolved(struct sbc *s, struct errand *e, id_t64 ask, const struct event *ev);
void reg_on_alarm(struct sbc *s, struct errand *e);

void reg_on_contact_alarm(struct sbc *s, struct contact *c);
void reg_on_flow_closed(struct sbc *s, id_t64 flow);
/* New settings: groups keep their names; users whose group, domain, account or password has gone are forgotten. */
void reg_apply(struct sbc *s, const struct settings *old, const struct settings *settings);
void reg_free_all(struct sbc *s);

#endif
