/*
 * Bans carried out (policy/ban.h has the table): what rules want done to whom, what wrong passwords earn, what the operator
 * says; each is told to the world once (NOTICE_BAN), which logs it, counts it, keeps it, and tells the kernel.
 *
 * Wrong passwords. Each counts for its source, if that was proven: a connection, or a datagram that answers a challenge which
 * was sent to this very address. At the last of `failures` the source is banned. A user is never locked out by what others
 * send: where one user, or one network, has many failures from many sources, a source there is banned at its second one
 * instead, and who knows the password comes in. A repeated datagram counts once.
 */
#ifndef SALLYPORT_KEEPOUT_H
#define SALLYPORT_KEEPOUT_H

#include "common/err.h"
#include "common/siphash.h"
#include "policy/ban.h"
#include "policy/rate.h"

struct flow;
struct msg;
struct sbc;

enum {
	KEEPOUT_FAILURES_MAX = 65536, /* sources, users, networks whose failures are counted */
	KEEPOUT_NONCES_MAX =
		16384, /* challenges of registrars, and wrong answers, that are remembered */
	KEEPOUT_USER_TIMES = 10,   /* so many times `failures` of one user: it is being guessed */
	KEEPOUT_NET_TIMES = 4,     /* the same of one network */
	KEEPOUT_ENDS_AT_ONCE = 64, /* bans that end in one turn */
	KEEPOUT_NONCE_MS = 5 * 60 * 1000
};

struct keepout {
	struct rate_table failures;
	struct rate_table nonces;
};

/* Nothing is taken before the first failure. */
void keepout_release(struct keepout *k);

/* What policy wants done beside its verdict: ban, limit. Alerts and the end of calls are others'. */
void keepout_carry_out(struct sbc *s, const struct consequences *c);
enum ban_result keepout_ban(struct sbc *s, const struct ban_order *o, struct ban *out);
/* What fraud rules have counted of it is forgotten too. */
bool keepout_lift(struct sbc *s, const struct subject *who, struct ban *out);
/* Told from outside: a file of ours, another node. */
enum ban_result keepout_import(struct sbc *s, const struct ban *v);

/* m is over a nonce of our own for its path (`proven`), or over one that we cannot know; user and password are wrong together. */
void keepout_on_wrong_password(struct sbc *s, const struct flow *f, const struct msg *m,
			       struct str user, bool proven);
/* Has such a challenge gone there lately? */
bool keepout_is_marked(struct sbc *s, const struct flow *f, struct str nonce);
/* Has this very text been asked about within the last minutes? From now on it has. */
bool keepout_is_again(struct sbc *s, struct str text);
/* Its quarantine is over: it has proved itself. */
void keepout_end_quarantine(struct sbc *s, const struct addr *source);
/* A registrar's challenge m goes to who is on f; whoever answers it hears us. */
void keepout_on_challenge(struct sbc *s, const struct flow *f, const struct msg *m);
bool keepout_counts_failures(const struct sbc *s, const struct flow *f);
/* The registrar has answered the REGISTER `asked` of that user, which came on f, with m: no 2xx. */
void keepout_on_registrar(struct sbc *s, const struct flow *f, const struct msg *asked,
			  struct str user, const struct msg *m);

/* After a message was judged: has its source just become a flood? */
void keepout_after(struct sbc *s);
/* Is this address-of-record banned? Its REGISTERs get 403. */
struct verdict keepout_user(struct sbc *s, const struct flow *f, struct str aor);
void keepout_tick(struct sbc *s);
uint64_t keepout_next_ms(const struct sbc *s);

#endif
