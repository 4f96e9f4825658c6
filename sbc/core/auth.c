#include "sbc/core/auth.h"

#include <stdlib.h>

#include "common/secret.h"
#include "sbc/core/dialog.h"
#include "sbc/core/uri.h"
#include "sbc/core/worker.h"

enum {
	KINDS = 2,
	LINES_MAX = 8 * 1024, /* of the answers to one message */
	/* enum of txn.again: how often, and whether one was stale */
	AGAIN_COUNT = 0x7f,
	AGAIN_STALE = 0x80
};

static const struct {
	enum hdr ask, answer;
	uint16_t status;
} kinds[KINDS] = {
	{HDR_WWW_AUTHENTICATE, HDR_AUTHORIZATION, 401},
	{HDR_PROXY_AUTHENTICATE, HDR_PROXY_AUTHORIZATION, 407},
};

/* ---- the table */

static bool same_credentials(const struct trunk *a, const struct trunk *b)
{
	const struct credentials *x = &a->credentials, *y = &b->credentials;

	return str_eq(a->name, b->name) && y->on && str_eq(x->user, y->user) &&
	       str_eq(x->password, y->password) && str_eq(x->realm, y->realm);
}

/* The views of a kept challenge point into the very struct that it is in. */
static void move_nonce(struct auth_nonce *to, const struct auth_nonce *from)
{
	*to = *from;
	struct str *views[] = {&to->challenge.realm, &to->challenge.nonce, &to->challenge.opaque};
	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		if (views[i]->p)
			views[i]->p = to->mem + (views[i]->p - from->mem);
}

static void take_over(struct auth_trunk *to, const struct trunk *t, const struct auth *before)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct auth_trunk *was = before->list[i];
		if (!was || !same_credentials(&before->settings->trunks[i], t))
			continue;
		*to = *was;
		for (int k = 0; k < KINDS; k++)
			move_nonce(&to->nonce[k], &was->nonce[k]);
		return;
	}
}

enum err auth_apply(struct sbc *s, const struct settings *settings)
{
	struct auth a = {.settings = settings, .count = settings->trunk_count};

	a.list = calloc(a.count ? a.count : 1, sizeof(struct auth_trunk *));
	if (!a.list)
		return ERR_NOMEM;
	for (size_t i = 0; i < a.count; i++) {
		if (!settings->trunks[i].credentials.on)
			continue;
		a.list[i] = calloc(1, sizeof(struct auth_trunk));
		if (!a.list[i]) {
			auth_release(&a);
			return ERR_NOMEM;
		}
		take_over(a.list[i], &settings->trunks[i], &s->auth);
	}
	auth_release(&s->auth);
	s->auth = a;
	return OK;
}

void auth_release(struct auth *a)
{
	for (size_t i = 0; a->list && i < a->count; i++)
		free(a->list[i]);
	free(a->list);
	*a = (struct auth){.settings = NULL};
}

/* Of a call that began under an older generation too: by name then. NULL: nothing is known, or no more. */
static struct auth_trunk *find_trunk(const struct auth *a, const struct settings *settings,
				     uint16_t trunk)
{
	if (trunk >= settings->trunk_count)
		return NULL;
	if (settings == a->settings)
		return a->list[trunk];
	for (size_t i = 0; i < a->count; i++)
		if (a->list[i] &&
		    same_credentials(&a->settings->trunks[i], &settings->trunks[trunk]))
			return a->list[i];
	return NULL;
}

/* ---- whom we answer */

/* Is this the address of a peer that is written as one, or one that a peer's name has come to? */
static bool has_address(const struct auth_trunk *k, const struct trunk *t, const struct addr *a)
{
	struct addr ip;

	for (size_t i = 0; i < t->peer_count; i++)
		if (addr_parse_ip(t->peers[i].host, &ip) == OK && addr_eq_ip(&ip, a))
			return true;
	for (uint8_t i = 0; i < k->known_count; i++)
		if (addr_eq_ip(&k->known[i], a))
			return true;
	return false;
}

static void note_address(struct auth_trunk *k, const struct addr *a)
{
	k->known[k->known_next] = *a;
	k->known_next = (uint8_t)((k->known_next + 1) % AUTH_ADDRS_MAX);
	if (k->known_count < AUTH_ADDRS_MAX)
		k->known_count++;
}

/* Is it addressed to a peer by its name? Then it was sent to where that name led. */
static bool names_peer(const struct trunk *t, const struct msg *m)
{
	struct uri u;

	if (m->to_tag.len > 0 || uri_parse(m->uri, &u) != OK)
		return false;
	if (t->enrol.on && t->enrol.domain.len && str_ieq(u.host, t->enrol.domain))
		return true;
	for (size_t i = 0; i < t->peer_count; i++)
		if (str_ieq(u.host, t->peers[i].host))
			return true;
	return false;
}

/*
 * Not where a Contact, a Record-Route or a 3xx led: only where our configuration did. A new connection under TLS proves the
 * trunk's name before anything is sent.
 */
static bool is_peer(struct auth_trunk *k, const struct trunk *t, const struct dest *d,
		    const struct msg *m)
{
	const struct addr *to = &d->flow.remote;

	if (has_address(k, t, to))
		return true;
	if (d->flow.transport == TRANSPORT_TLS && d->flow.id == ID_NONE && t->tls_verify)
		return true;
	if (!names_peer(t, m))
		return false;
	note_address(k, to);
	return true;
}

static struct str realm_of(const struct auth_trunk *k, const struct trunk *t)
{
	if (t->credentials.realm.len)
		return t->credentials.realm;
	return (struct str){k->realm, k->realm_len};
}

/* The first realm that asks is the trunk's. False: it cannot be kept. */
static bool pin_realm(struct auth_trunk *k, const struct trunk *t, struct str realm)
{
	if (t->credentials.realm.len || k->realm_len)
		return true;
	if (realm.len > AUTH_REALM_MAX || str_has_char(realm, '\\'))
		return false;
	if (realm.len) /* an empty one stays open */
		memcpy(k->realm, realm.p, realm.len);
	k->realm_len = (uint16_t)realm.len;
	return true;
}

/* ---- nonces */

static void keep_nonce(struct auth_nonce *n, const struct digest_challenge *c)
{
	struct buf b;
	const struct str *from[] = {&c->realm, &c->nonce, &c->opaque};

	n->on = false;
	if (!c->qop || c->realm.len + c->nonce.len + c->opaque.len > sizeof(n->mem))
		return;
	n->challenge = *c;
	n->challenge.stale = false;
	struct str *to[] = {&n->challenge.realm, &n->challenge.nonce, &n->challenge.opaque};
	buf_init(&b, n->mem, sizeof(n->mem));
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		if (!from[i]->p)
			continue;
		*to[i] = (struct str){n->mem + b.len, from[i]->len};
		buf_str(&b, *from[i]);
	}
	n->nc = 1;
	n->on = true;
}

/* The count for this challenge: servers may give the same nonce to several requests. */
static uint32_t count_nonce(struct auth_nonce *n, const struct digest_challenge *c)
{
	if (n->on && str_eq(n->challenge.nonce, c->nonce) && str_eq(n->challenge.realm, c->realm) &&
	    n->challenge.algorithm == c->algorithm)
		return ++n->nc;
	keep_nonce(n, c);
	return 1;
}

/* ---- writing */

static enum err write_line(struct sbc *s, struct buf *b, int kind, const struct trunk *t,
			   const struct msg *m, const struct digest_challenge *c, uint32_t nc)
{
	uint8_t random[16];
	char hex[2 * sizeof(random)];
	struct buf cnonce;

	rng_bytes(&s->rng, random, sizeof(random));
	buf_init(&cnonce, hex, sizeof(hex));
	buf_hex(&cnonce, random, sizeof(random));
	struct digest_use u = {.challenge = c,
			       .user = t->credentials.user,
			       .password = t->credentials.password,
			       .method = m->method_text,
			       .uri = m->uri,
			       .nc = nc,
			       .cnonce = buf_view(&cnonce)};
	buf_str(b, hdr_name(kinds[kind].answer));
	buf_lit(b, ": ");
	enum err e = digest_write(b, &u);
	buf_lit(b, "\r\n");
	return e != OK ? e : b->overflow ? ERR_LIMIT : OK;
}

/* What of the request is said anew. */
struct dressing {
	struct str branch; /* empty: as it is */
	uint32_t cseq;     /* 0: as it is */
	struct str lines;  /* to be added */
	struct str
		realms[KINDS]; /* answers of ours for these realms go; p NULL: none of that kind */
};

/* Is this line an answer of that kind, for that realm? */
static bool is_replaced(struct str line, const struct dressing *d)
{
	for (int k = 0; k < KINDS; k++) {
		struct str name = hdr_name(kinds[k].answer);
		struct digest_answer a;
		if (!d->realms[k].p || !str_has_iprefix(line, name) || line.len <= name.len ||
		    line.p[name.len] != ':')
			continue;
		if (digest_answer_parse(str_from_offset(line, name.len + 1), &a) == OK &&
		    str_eq(a.realm, d->realms[k]))
			return true;
	}
	return false;
}

static void write_via(struct buf *b, struct str line, struct str branch)
{
	static const struct str mark = STR(";branch=");
	size_t at = str_find(line, mark);

	if (branch.len == 0 || at == line.len) {
		buf_str(b, line);
		return;
	}
	struct str rest = str_from_offset(line, at + mark.len);
	size_t old = 0;
	while (old < rest.len && rest.p[old] != ';' && rest.p[old] != ',' && rest.p[old] != ' ')
		old++;
	buf_bytes(b, line.p, at + mark.len);
	buf_str(b, branch);
	buf_str(b, str_from_offset(rest, old));
}

/* Line by line: the request is one that we have written, with one Via of ours on top and nothing folded that matters. */
static void dress(struct buf *b, struct str request, const struct msg *m, const struct dressing *d)
{
	bool via = false;

	while (request.len) {
		size_t n = str_find(request, STR("\r\n"));
		struct str line = {request.p, n};
		if (n == 0 || n == request.len)
			break;
		request = str_from_offset(request, n + 2);
		if (is_replaced(line, d))
			continue;
		if (!via && str_has_iprefix(line, STR("Via:"))) {
			via = true;
			write_via(b, line, d->branch);
		} else if (str_has_iprefix(line, STR("CSeq:"))) {
			buf_lit(b, "CSeq: ");
			buf_u64(b, d->cseq ? d->cseq : m->cseq);
			buf_char(b, ' ');
			buf_str(b, m->method_text);
			buf_lit(b, "\r\n");
			buf_str(b, d->lines);
			continue;
		} else {
			buf_str(b, line);
		}
		buf_lit(b, "\r\n");
	}
	buf_str(b, request); /* the empty line and the body */
}

/* ---- once more */

/* The answer of this kind for this realm that the request carried already. */
static bool find_said(const struct msg *m, int kind, struct str realm, struct digest_answer *out)
{
	struct str value;
	size_t cursor = 0;

	while (msg_next(m, kinds[kind].answer, &cursor, &value))
		if (digest_answer_parse(value, out) == OK && str_eq(out->realm, realm))
			return true;
	return false;
}

/* May this challenge be answered, after what has been said already? */
static bool is_worth_it(struct auth_trunk *k, int kind, const struct msg *m,
			const struct digest_challenge *c, uint8_t *again)
{
	struct digest_answer said;
	uint8_t count = *again & AGAIN_COUNT;

	if (!find_said(m, kind, c->realm, &said))
		return true;
	bool same = str_eq(said.nonce, c->nonce);
	if (!same && c->stale && !(*again & AGAIN_STALE)) {
		*again |= AGAIN_STALE;
		return true;
	}
	/* What went out ahead of a challenge may be out of date without a word of it. */
	if (!same && count == 0)
		return true;
	k->nonce[kind].on = false;
	return false;
}

struct retry {
	struct auth_trunk *known;
	const struct trunk *trunk;
	const struct msg *request, *answer;
	struct dressing dressing;
	uint8_t again;
};

/* The lines with our answers. ERR_AUTH: there is none to what was asked. */
static enum err answer_all(struct sbc *s, struct retry *r, struct buf *lines)
{
	bool done = false;

	for (int k = 0; k < KINDS; k++) {
		struct digest_challenge c;
		bool asked = kinds[k].status == r->answer->status;
		if (!digest_choose(r->answer, kinds[k].ask, realm_of(r->known, r->trunk), &c)) {
			if (asked)
				return ERR_AUTH;
			continue;
		}
		if (!is_worth_it(r->known, k, r->request, &c, &r->again) ||
		    !pin_realm(r->known, r->trunk, c.realm))
			return ERR_AUTH;
		uint32_t nc = count_nonce(&r->known->nonce[k], &c);
		enum err e = write_line(s, lines, k, r->trunk, r->request, &c, nc);
		if (e != OK)
			return e;
		r->dressing.realms[k] = c.realm;
		done = done || asked;
	}
	return done ? OK : ERR_AUTH;
}

static void tell(struct sbc *s, const struct txn_challenged *ch, const struct msg *m,
		 struct str why)
{
	struct notice n = worker_notice(s, NOTICE_CHALLENGED);

	n.settings = ch->settings;
	n.realm = worker_realm_of(ch->settings, &ch->dest.flow);
	n.trunk = ch->dest.trunk;
	n.transport = ch->dest.flow.transport;
	n.source = ch->dest.flow.remote;
	n.method = m->method_text;
	n.status = m->status;
	n.why = why;
	worker_publish(s, &n);
}

static id_t64 send_again(struct sbc *s, const struct auth_again *p, struct txn_challenged *ch,
			 struct retry *r)
{
	char branch[HIDE_BRANCH_LEN];
	id_t64 txn = ID_NONE;

	r->dressing.branch = worker_token(s, HIDE_BRANCH, p->owner, branch);
	r->dressing.cseq = p->dialog ? dialog_next_cseq(p->dialog) : r->request->cseq + 1;
	buf_reset(&s->out);
	dress(&s->out, ch->request, r->request, &r->dressing);
	if (s->out.overflow)
		return ID_NONE;
	struct txn_start_params start = {.method = r->request->method_text,
					 .branch = r->dressing.branch,
					 .dest = &ch->dest,
					 .bytes = buf_view(&s->out),
					 .settings = ch->settings,
					 .owner = p->owner,
					 .now_ms = s->now_ms,
					 .again = r->again};
	struct txn_effects fx = {.count = 0};
	if (txn_start(&s->txns, &start, &txn, &fx) != OK)
		return ID_NONE;
	worker_emit(s, &fx);
	if (p->cseq)
		*p->cseq = r->dressing.cseq;
	return txn;
}

/* Empty: sent. Else why not. */
static struct str try_again(struct sbc *s, const struct auth_again *p, struct txn_challenged *ch,
			    id_t64 *out_txn)
{
	struct msg request;
	struct retry r = {.request = &request, .answer = p->answer, .again = ch->again};
	char *mem = arena_alloc(&s->arena, LINES_MAX);
	struct buf lines;

	r.known = find_trunk(&s->auth, ch->settings, ch->dest.trunk);
	if (!r.known || !mem || msg_index(&request, ch->request, 0) != OK)
		return STR("internal");
	r.trunk = &ch->settings->trunks[ch->dest.trunk];
	if ((r.again & AGAIN_COUNT) >= AUTH_AGAIN_MAX)
		return STR("refused");
	if (!is_peer(r.known, r.trunk, &ch->dest, &request))
		return STR("not_the_peer");
	buf_init(&lines, mem, LINES_MAX);
	if (answer_all(s, &r, &lines) != OK) {
		struct digest_challenge c;
		enum hdr ask = kinds[p->answer->status == 407].ask;
		bool ours = digest_choose(p->answer, ask, realm_of(r.known, r.trunk), &c);
		if (ours)
			return STR("refused");
		return digest_choose(p->answer, ask, STR_NONE, &c) ? STR("realm") : STR("unknown");
	}
	r.dressing.lines = buf_view(&lines);
	r.again++;
	*out_txn = send_again(s, p, ch, &r);
	return *out_txn == ID_NONE ? STR("internal") : STR_NONE;
}

id_t64 auth_again(struct sbc *s, const struct auth_again *p)
{
	CHECK(s && p && p->answer);
	const struct txn_challenged *kept = txn_find_challenged(&s->txns, p->txn);
	id_t64 txn = ID_NONE;

	/* No credentials for where it went: the common case says nothing, it is an answer like another. */
	if (!kept || kept->dest.trunk != p->trunk ||
	    (p->answer->status != 401 && p->answer->status != 407))
		return ID_NONE;
	struct txn_challenged ch = *kept;
	struct str why = try_again(s, p, &ch, &txn);
	tell(s, &ch, p->answer, why.len ? why : STR("answered"));
	return txn;
}

/* ---- ahead */

struct str auth_ahead(struct sbc *s, const struct settings *settings, const struct dest *d,
		      struct str bytes)
{
	struct auth_trunk *k = find_trunk(&s->auth, settings, d->trunk);
	struct msg m;

	if (!k || (!k->nonce[0].on && !k->nonce[1].on) || msg_index(&m, bytes, 0) != OK)
		return bytes;
	const struct trunk *t = &settings->trunks[d->trunk];
	if (!is_peer(k, t, d, &m))
		return bytes;
	char *mem = arena_alloc(&s->arena, LINES_MAX), *copy;
	struct buf lines, b;
	if (!mem)
		return bytes;
	buf_init(&lines, mem, LINES_MAX);
	for (int i = 0; i < KINDS; i++) {
		struct auth_nonce *n = &k->nonce[i];
		if (n->on && write_line(s, &lines, i, t, &m, &n->challenge, ++n->nc) != OK)
			return bytes;
	}
	copy = arena_alloc(&s->arena, bytes.len + lines.len + 64);
	if (!copy)
		return bytes;
	struct dressing dressing = {.lines = buf_view(&lines)};
	buf_init(&b, copy, bytes.len + lines.len + 64);
	dress(&b, bytes, &m, &dressing);
	return b.overflow ? bytes : buf_view(&b);
}
