#include "sbc/core/setup.h"

#include "policy/attest.h"
#include "policy/number.h"
#include "sbc/core/credential.h"
#include "sbc/core/crossing.h"
#include "sbc/core/identity.h"
#include "sbc/core/passport.h"
#include "sbc/core/reg.h"
#include "sbc/core/uri.h"

/*
 * Who says who calls. What comes signed is verified before policy decides: cheap before dear, so the dates and numbers first, then
 * the certificate, then the signature. A call that was led to other numbers on its way is signed once for each of them (RFC 8946): a
 * chain, from the first signer to the last; each link must hold.
 */

/* ---- the key that we sign with */

enum err setup_identity_apply(struct sbc *s, const struct settings *settings)
{
	struct es256_key *k = NULL;

	if (settings->signer.on) {
		enum err e = es256_key_new(&k, settings->signer.key_pem);
		if (e != OK)
			return e;
	}
	es256_key_free(&s->sign_key);
	s->sign_key = k;
	return OK;
}

void setup_identity_release(struct sbc *s)
{
	es256_key_free(&s->sign_key);
}

/* ---- who is meant */

enum { NUMBERS_MAX = 4, URI_MAX = 2 };

/* Numbers that a side of the call goes by, as digits, and its URIs. */
struct names {
	char mem[NUMBERS_MAX][PASSPORT_NUMBER_MAX + 1];
	struct str tn[NUMBERS_MAX];
	struct str uri[URI_MAX];
	size_t tn_count, uri_count;
};

static void add_tn(struct names *n, struct str number)
{
	struct buf b;

	if (n->tn_count == NUMBERS_MAX)
		return;
	buf_init(&b, n->mem[n->tn_count], sizeof(n->mem[0]));
	if (passport_write_tn(&b, number))
		n->tn[n->tn_count++] = buf_view(&b);
}

/* The number of a URI, as it is written and by the trunk's rules. */
static void add_uri(struct names *n, struct str text, const struct number_rules *in,
		    enum number_field field)
{
	char mem[256], in_mem[256];
	struct buf number, canonical;
	struct uri u;

	buf_init(&number, mem, sizeof(mem));
	buf_init(&canonical, in_mem, sizeof(in_mem));
	if (uri_parse(text, &u) != OK)
		return;
	if (n->uri_count < URI_MAX)
		n->uri[n->uri_count++] = text;
	if (uri_write_number(&number, &u) != OK || number.overflow)
		return;
	add_tn(n, buf_view(&number));
	add_tn(n, number_of(in, field, buf_view(&number), &canonical));
}

static void add_address(struct names *n, struct str value, const struct number_rules *in,
			enum number_field field)
{
	struct name_addr a;

	if (name_addr_parse(value, &a) == OK && !a.star)
		add_uri(n, a.uri, in, field);
}

static void add_asserted(struct names *n, const struct msg *m, const struct number_rules *in)
{
	struct str list, item;
	size_t cursor = 0;

	if (msg_has(m, HDR_P_ASSERTED_IDENTITY) &&
	    msg_next(m, HDR_P_ASSERTED_IDENTITY, &cursor, &list) && hdr_list_cut(&list, &item))
		add_address(n, item, in, NUMBER_ASSERTED);
}

struct sides {
	struct names caller, called;
};

/* Of whom an INVITE is, and when it came. */
struct question {
	const struct settings *settings;
	uint16_t trunk;
	struct str called; /* canonical */
	uint64_t wall_ms;
};

static const struct attest_policy *policy_of(const struct settings *set, uint16_t trunk)
{
	return attest_is_asked(&set->policy, trunk) && set->verifier.on
		       ? set->policy.trunks[trunk].attest
		       : NULL;
}

/* P-Asserted-Identity counts from those alone whose word is taken for who calls (RFC 3325 §5): else a signature of one number would
 * vouch for the name of another in From. */
static void read_sides(const struct question *q, const struct msg *m, struct sides *out)
{
	const struct trunk *t = &q->settings->trunks[q->trunk];
	const struct number_rules *in = t->caller.numbers_in;
	const struct attest_policy *p = policy_of(q->settings, q->trunk);

	*out = (struct sides){.caller.tn_count = 0};
	if (p->caller != ATTEST_CALLER_ASSERTED)
		add_address(&out->caller, m->from, in, NUMBER_FROM);
	if ((p->caller != ATTEST_CALLER_FROM || out->caller.tn_count == 0) &&
	    identity_is_trusted(q->settings, t, t->realm))
		add_asserted(&out->caller, m, in);
	if (p->called != ATTEST_CALLED_TO) {
		add_uri(&out->called, m->uri, in, NUMBER_TO);
		/* Of a call to a contact of ours: whom it is for. */
		add_tn(&out->called, q->called);
	}
	if (p->called != ATTEST_CALLED_REQUEST)
		add_address(&out->called, m->to, in, NUMBER_TO);
}

static bool is_uri(const struct names *n, struct str claimed)
{
	struct uri a, b;

	for (size_t i = 0; claimed.len && i < n->uri_count; i++)
		if (uri_parse(claimed, &a) == OK && uri_parse(n->uri[i], &b) == OK &&
		    uri_eq(&a, &b))
			return true;
	return false;
}

static bool is_caller(const struct names *n, const struct passport_claims *p)
{
	for (size_t i = 0; i < n->tn_count; i++)
		if (passport_is_from(p, n->tn[i]))
			return true;
	return is_uri(n, p->orig_uri);
}

static bool is_called(const struct names *n, const struct passport_claims *p)
{
	for (size_t i = 0; i < n->tn_count; i++)
		if (passport_is_to(p, n->tn[i]))
			return true;
	for (size_t i = 0; i < p->dest_uri_count; i++)
		if (is_uri(n, p->dest_uri[i]))
			return true;
	return false;
}

/* ---- the chain: the first signature, and a `div` for each time that the call was led on */

struct chain {
	struct passport *links[PASSPORT_MAX]; /* the last first */
	size_t count;
	enum facts_fault fault;
};

struct read_all {
	struct passport list[PASSPORT_MAX];
	size_t count;
	bool foreign; /* there were others, of kinds that we do not know */
};

/* The compact form leaves out what the request says anyway (RFC 8224 §4.1). */
static enum err expand(struct sbc *s, struct passport *p, const struct msg *m,
		       const struct sides *who)
{
	struct passport_claims c = {.kind = PASSPORT_PLAIN};
	char *mem = arena_alloc(&s->arena, PASSPORT_VALUE_MAX);
	struct buf b;

	if (!mem)
		return ERR_NOMEM;
	if (!who->caller.tn_count || !who->called.tn_count || !msg_has(m, HDR_DATE) ||
	    passport_parse_date(msg_value(m, HDR_DATE), &c.iat_s) != OK)
		return ERR_BAD;
	c.orig_tn = who->caller.tn[0];
	c.dest_tn[c.dest_tn_count++] = who->called.tn[0];
	buf_init(&b, mem, PASSPORT_VALUE_MAX);
	return passport_expand(p, &c, &b);
}

static enum facts_fault read_one(struct sbc *s, struct str value, const struct msg *m,
				 const struct sides *who, struct read_all *all)
{
	struct passport *p = &all->list[all->count];
	char *mem = arena_alloc(&s->arena, PASSPORT_SCRATCH);
	struct buf scratch;

	if (!mem)
		return FACTS_FAULT_OURS;
	buf_init(&scratch, mem, PASSPORT_SCRATCH);
	if (passport_parse(value, &scratch, p) != OK)
		return FACTS_FAULT_INVALID;
	if (p->claims.kind == PASSPORT_OTHER) {
		all->foreign = true;
		return FACTS_FAULT_NONE;
	}
	if (p->info_differs)
		return FACTS_FAULT_INFO;
	if (p->bad_alg)
		return FACTS_FAULT_CREDENTIAL;
	enum err e = p->compact ? expand(s, p, m, who) : OK;
	if (e != OK)
		return e == ERR_NOMEM ? FACTS_FAULT_OURS : FACTS_FAULT_INVALID;
	all->count++;
	return FACTS_FAULT_NONE;
}

static enum facts_fault read_all(struct sbc *s, const struct msg *m, const struct sides *who,
				 struct read_all *all)
{
	enum facts_fault fault = FACTS_FAULT_NONE;
	size_t cursor = 0, seen = 0;
	struct str value;

	while (fault == FACTS_FAULT_NONE && msg_has(m, HDR_IDENTITY) &&
	       msg_next(m, HDR_IDENTITY, &cursor, &value))
		fault = seen++ < PASSPORT_MAX ? read_one(s, value, m, who, all)
					      : FACTS_FAULT_INVALID;
	/* What is of kinds that we do not know is as if it were not there (RFC 8224 §6.2). */
	if (fault == FACTS_FAULT_NONE && all->count == 0)
		fault = FACTS_FAULT_MISSING;
	return fault;
}

/* A link whose called number is one of `n`, that is not in the chain yet. */
static struct passport *find_link(struct read_all *all, const struct chain *ch,
				  const struct names *n)
{
	for (size_t i = 0; i < all->count; i++) {
		bool used = false;
		for (size_t j = 0; j < ch->count; j++)
			used = used || ch->links[j] == &all->list[i];
		if (!used && is_called(n, &all->list[i].claims))
			return &all->list[i];
	}
	return NULL;
}

/* From the number that is called now back to whom the caller had called. */
static enum facts_fault link_up(struct read_all *all, const struct sides *who, struct chain *out)
{
	struct names called = who->called;

	/* The views of a copy point into what it is copied from, which stays. */
	for (;;) {
		struct passport *p = find_link(all, out, &called);
		if (!p || !is_caller(&who->caller, &p->claims))
			return FACTS_FAULT_INVALID;
		out->links[out->count++] = p;
		if (p->claims.kind != PASSPORT_DIV)
			return FACTS_FAULT_NONE;
		called = (struct names){.tn_count = 0};
		add_tn(&called, p->claims.div_tn);
		if (p->claims.div_uri.len)
			called.uri[called.uri_count++] = p->claims.div_uri;
	}
}

/* Made when it came, and just before. */
static bool is_fresh(const struct question *q, const struct passport *p)
{
	uint64_t then = p->claims.iat_s * 1000, age = q->settings->verifier.max_age_ms;
	uint64_t now = q->wall_ms;

	return then + age >= now && then <= now + age;
}

/* The same each time that it is asked of one INVITE. */
static void read_chain(struct sbc *s, const struct question *q, const struct msg *m,
		       struct chain *out)
{
	struct sides *who = arena_zalloc(&s->arena, sizeof(*who));
	struct read_all *all = arena_zalloc(&s->arena, sizeof(*all));

	*out = (struct chain){.fault = FACTS_FAULT_OURS};
	if (!who || !all)
		return;
	read_sides(q, m, who);
	out->fault = read_all(s, m, who, all);
	if (out->fault == FACTS_FAULT_NONE)
		out->fault = link_up(all, who, out);
	for (size_t i = 0; out->fault == FACTS_FAULT_NONE && i < out->count; i++)
		if (!is_fresh(q, out->links[i]))
			out->fault = FACTS_FAULT_STALE;
}

static struct question question_of(const struct call *c)
{
	return (struct question){.settings = c->settings,
				 .trunk = c->leg[0].trunk,
				 .called = call_text(c, CALL_TO_NUMBER),
				 .wall_ms = c->record.start_wall_ms};
}

static enum facts_verstat verstat_of(enum facts_fault fault)
{
	switch (fault) {
	case FACTS_FAULT_NONE: return FACTS_VERSTAT_PASSED;
	case FACTS_FAULT_MISSING: return FACTS_VERSTAT_NONE;
	case FACTS_FAULT_INVALID:
	case FACTS_FAULT_STALE:
	case FACTS_FAULT_INFO:
	case FACTS_FAULT_CREDENTIAL: return FACTS_VERSTAT_FAILED;
	case FACTS_FAULT_OURS:
	case FACTS_FAULT_COUNT: break;
	}
	return FACTS_VERSTAT_UNKNOWN;
}

void setup_identity_guess(struct sbc *s, const struct settings *set, const struct msg *m,
			  struct facts *facts)
{
	const struct question q = {set, facts->trunk, facts->number, s->wall_ms};
	struct chain ch;

	if (!policy_of(set, facts->trunk) || facts->emergency)
		return;
	read_chain(s, &q, m, &ch);
	facts->fault = ch.fault;
	facts->verstat = verstat_of(ch.fault);
	if (ch.fault == FACTS_FAULT_NONE)
		facts->attest = attest_of(ch.links[ch.count - 1]->claims.attest);
}

/* ---- the verification */

static void tell(struct sbc *s, const struct call *c, enum notice_type type, uint16_t trunk,
		 const char *why)
{
	char mem[320];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, type, &name);
	n.trunk = trunk;
	n.why = str_from(why);
	worker_publish(s, &n);
}

static void conclude(struct sbc *s, struct call *c, enum facts_fault fault)
{
	struct call_identity *i = &c->identity;

	i->fault = (uint8_t)fault;
	i->verstat = (uint8_t)verstat_of(fault);
	tell(s, c, NOTICE_IDENTITY, c->leg[0].trunk,
	     fault == FACTS_FAULT_NONE ? attest_verstat_name(FACTS_VERSTAT_PASSED)
				       : attest_fault_name(fault));
}

/* The whole chain holds. */
static void note_attested(struct sbc *s, struct call *c, const struct passport *first)
{
	enum { ORIGID_MAX = 64 };
	struct str origid = first->claims.origid;

	c->identity.attest = (uint8_t)attest_of(first->claims.attest);
	origid.len = origid.len < ORIGID_MAX ? origid.len : ORIGID_MAX;
	if (origid.len)
		c->identity.origid = block_str(&s->blocks, origid);
}

/* The first signer speaks for who calls, one of a `div` for whom it was for. */
static bool is_covered(const struct passport *p, const struct credential *k)
{
	char mem[PASSPORT_NUMBER_MAX + 1];
	struct buf b;
	struct str tn = p->claims.kind == PASSPORT_DIV ? p->claims.div_tn : p->claims.orig_tn;

	buf_init(&b, mem, sizeof(mem));
	if (!k->list->given || k->list->spc)
		return true;
	return passport_write_tn(&b, tn) && credential_covers(k->list, buf_view(&b));
}

static enum facts_fault check_link(const struct sbc *s, const struct passport *p,
				   const struct event *e)
{
	const struct credential *k = e->credential.credential;

	switch (e->credential.result) {
	case CREDENTIAL_OK: break;
	case CREDENTIAL_REFUSED:
	case CREDENTIAL_UNREACHABLE: return FACTS_FAULT_INFO;
	case CREDENTIAL_BROKEN:
	case CREDENTIAL_UNTRUSTED: return FACTS_FAULT_CREDENTIAL;
	case CREDENTIAL_BUSY:
	case CREDENTIAL_RESULT_COUNT: return FACTS_FAULT_OURS;
	}
	/* It may have been kept for a while. */
	if (s->wall_ms / 1000 < k->from_s || s->wall_ms / 1000 > k->to_s || !is_covered(p, k))
		return FACTS_FAULT_CREDENTIAL;
	return es256_verify(k->key, p->input, p->signature) ? FACTS_FAULT_NONE
							    : FACTS_FAULT_INVALID;
}

static bool ask(struct sbc *s, struct call *c, const struct chain *ch)
{
	struct setup *u = c->setup;

	u->stage = SETUP_IDENTIFYING;
	u->ask = worker_ask_credential(s, c->id, ch->links[u->proven]->claims.x5u);
	return u->ask != ID_NONE;
}

/* ---- the wait */

/* Between the turns. The texts that facts view are gone with theirs; the rules in a decision stay with the settings. */
struct setup_wait {
	struct facts facts;
	struct decision decision;
};

static bool keep_wait(struct sbc *s, struct setup *u, const struct facts *facts)
{
	u->wait = block_new(&s->blocks, sizeof(*u->wait));
	if (!u->wait)
		return false;
	u->wait->facts = *facts;
	u->wait->decision = s->decision;
	u->wait->decision.todo.count = 0;
	return true;
}

bool setup_take_wait(struct sbc *s, struct setup *u, struct facts *facts)
{
	if (!u->wait)
		return false;
	*facts = u->wait->facts;
	s->decision = u->wait->decision;
	facts->peer_name_count = 0;
	facts->method = facts->user = facts->caller = facts->number = facts->domain = STR_NONE;
	setup_drop_wait(s, u);
	return true;
}

void setup_drop_wait(struct sbc *s, struct setup *u)
{
	struct setup_wait *w = u->wait;

	u->wait = NULL;
	block_free(&s->blocks, w, sizeof(*w));
}

bool setup_identify(struct sbc *s, struct call *c, const struct msg *m, const struct facts *facts)
{
	struct setup *u = c->setup;
	struct chain ch;

	if (!policy_of(c->settings, c->leg[0].trunk) || facts->emergency)
		return false;
	const struct question q = question_of(c);
	read_chain(s, &q, m, &ch);
	u->proven = 0;
	if (ch.fault == FACTS_FAULT_NONE && keep_wait(s, u, facts) && ask(s, c, &ch)) {
		worker_alarm(s, &u->alarm, ALARM_SETUP,
			     s->now_ms + c->settings->verifier.fetch_timeout_ms);
		return true;
	}
	conclude(s, c, ch.fault == FACTS_FAULT_NONE ? FACTS_FAULT_OURS : ch.fault);
	return false;
}

static void go_on(struct sbc *s, struct call *c, enum facts_fault fault)
{
	worker_stop_alarm(s, &c->setup->alarm);
	c->setup->ask = ID_NONE;
	conclude(s, c, fault);
	setup_identified(s, c);
}

void setup_on_credential(struct sbc *s, struct call *c, id_t64 id, const struct event *e)
{
	struct setup *u = c->setup;
	struct chain ch;

	if (u->ask != id || u->stage != SETUP_IDENTIFYING)
		return;
	enum err err = msg_index(&s->held, u->invite, 0);
	if (NEVER(err != OK)) {
		go_on(s, c, FACTS_FAULT_OURS);
		return;
	}
	const struct question q = question_of(c);
	read_chain(s, &q, &s->held, &ch);
	if (ch.fault == FACTS_FAULT_NONE)
		ch.fault = check_link(s, ch.links[u->proven], e);
	if (ch.fault == FACTS_FAULT_NONE && ++u->proven < ch.count) {
		if (ask(s, c, &ch))
			return;
		ch.fault = FACTS_FAULT_OURS;
	}
	if (ch.fault == FACTS_FAULT_NONE)
		note_attested(s, c, ch.links[ch.count - 1]);
	go_on(s, c, ch.fault);
}

void setup_identity_late(struct sbc *s, struct call *c)
{
	go_on(s, c, FACTS_FAULT_INFO);
}

void setup_identity_facts(const struct call *c, struct facts *facts)
{
	facts->verstat = (enum facts_verstat)c->identity.verstat;
	facts->fault = (enum facts_fault)c->identity.fault;
	facts->attest = (enum facts_attest)c->identity.attest;
}

/* ---- what the callee's side hears of it */

struct str setup_verstat(const struct call *c)
{
	switch ((enum facts_verstat)c->identity.verstat) {
	case FACTS_VERSTAT_NONE: return STR("No-TN-Validation");
	case FACTS_VERSTAT_PASSED: return STR("TN-Validation-Passed");
	case FACTS_VERSTAT_FAILED: return STR("TN-Validation-Failed");
	case FACTS_VERSTAT_UNKNOWN:
	case FACTS_VERSTAT_COUNT: break;
	}
	return STR_NONE;
}

bool setup_shows_verstat(const struct call *c, enum verstat_shown where)
{
	uint16_t trunk = c->leg[1].trunk;

	if (c->identity.verstat == FACTS_VERSTAT_UNKNOWN || trunk >= c->settings->trunk_count)
		return false;
	const struct trunk *t = &c->settings->trunks[trunk];
	return identity_is_trusted(c->settings, t, call_realm(c, 1)) &&
	       (t->identity.shown == where || t->identity.shown == VERSTAT_SHOWN_BOTH);
}

/* A user who gives its own number is its owner, whatever the list says. */
static bool is_own_number(struct sbc *s, const struct call *c)
{
	const struct aor *user =
		c->leg[0].user != ID_NONE ? bind_get_aor(&s->binds, c->leg[0].user) : NULL;

	return user && str_eq(reg_user_of(user), call_text(c, CALL_FROM_NUMBER));
}

static enum facts_attest attest_caller(struct sbc *s, const struct call *c)
{
	char mem[PASSPORT_NUMBER_MAX + 1];
	struct buf b;
	uint16_t trunk = c->leg[0].trunk;

	/* A signature that did not hold: we know where it came from, and nothing else. */
	if (trunk >= c->settings->trunk_count || c->identity.verstat == FACTS_VERSTAT_FAILED)
		return FACTS_ATTEST_C;
	const struct attest_origin *o = &c->settings->trunks[trunk].identity.origin;
	buf_init(&b, mem, sizeof(mem));
	if (!passport_write_tn(&b, call_text(c, CALL_FROM_NUMBER)))
		return FACTS_ATTEST_C;
	return is_own_number(s, c) ? o->own : attest_level(o, buf_view(&b));
}

enum err setup_carry_signed(struct sbc *s, struct call *c, const struct msg *m)
{
	const struct trunk *to = setup_trunk(c);
	uint16_t from = c->leg[0].trunk;
	struct crossing_signature g = {
		.dialled = call_text(c, CALL_DIALLED).len ? call_text(c, CALL_DIALLED)
							  : call_text(c, CALL_TO_NUMBER),
		.called = call_text(c, CALL_TO_NUMBER),
		.wall_s = s->wall_ms / 1000,
	};

	/* The key is that of the settings in force, so its certificate must be too. */
	if (to->identity.sign && s->sign_key && s->settings->signer.on) {
		g.key = s->sign_key;
		g.url = s->settings->signer.certificate_url;
		g.attest = attest_caller(s, c);
		g.origid = to->identity.origid;
		if (from < c->settings->trunk_count)
			g.origid = c->settings->trunks[from].identity.origid;
	}
	enum err e = call_carry_signed(s, c, m, &g);
	if (e != OK || !g.key)
		return e;
	c->identity.signed_as = (uint8_t)g.made.signed_as;
	c->identity.diverted = g.made.div;
	if (g.made.failed || g.made.div || g.made.signed_as != FACTS_ATTEST_UNKNOWN)
		tell(s, c, NOTICE_SIGNED, c->setup->target.trunk,
		     g.made.failed ? "failed"
		     : g.made.div  ? "div"
				   : attest_name(g.made.signed_as));
	return e;
}
