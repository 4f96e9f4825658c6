/*
 * Facts for policy, and its questions (policy/policy.h): the core gathers here what a decision may know, with the very same
 * functions for what comes in and for `sallyport explain`. Nothing here answers anyone.
 */
#ifndef SALLYPORT_JUDGE_H
#define SALLYPORT_JUDGE_H

#include "policy/policy.h"

struct flow;
struct msg;
struct sbc;
struct settings;

/* A question of this turn; `facts` get its time. Valid as long as they are. */
struct policy_ask judge_ask(struct sbc *s, const struct settings *settings, struct facts *facts);
/* What keeps a path open, and asks nothing. */
bool judge_is_keep_alive(struct str bytes);
/* Not even a first line: a datagram that is no message at all. */
bool judge_is_shapeless(const struct msg *m);
/* Finds out what m is; one that is longer than the configuration allows is a fault too. As msg_index. */
enum err judge_index(const struct settings *settings, const struct flow *f, struct str bytes,
		     struct msg *m) MUST_USE;
/* Of the source, before a parse. ALLOW, or the refusal; that of an emergency call is looked at twice. */
struct verdict judge_source(const struct policy_ask *a, struct str bytes);
/* Refused for a quarantine: is it one by which its source may prove itself? Then what stands behind the bans is to be asked. */
bool judge_may_prove(struct sbc *s, const struct policy_ask *a, const struct flow *f,
		     struct str bytes);
/* Of whom m is: a.facts->trunk. */
struct verdict judge_who(const struct sbc *s, const struct policy_ask *a, const struct flow *f,
			 const struct msg *m);
/* The user whose flow it came on, if one has registered over it. */
void judge_user(const struct sbc *s, const struct flow *f, const struct msg *m,
		struct facts *facts);
/* May that trunk begin a call, or we one to it? */
struct verdict judge_admission(struct sbc *s, const struct policy_ask *a,
			       const struct settings *settings, uint16_t trunk,
			       enum admit_direction d);
/* Is that Request-URI one of an emergency route's numbers? */
bool judge_is_emergency(const struct policy_config *c, struct str uri);

#endif
