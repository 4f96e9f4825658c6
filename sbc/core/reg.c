#include "sbc/core/reg.h"

#include <stdio.h>

#include "sbc/core/challenge.h"
#include "sbc/core/fraud_watch.h"

/* ---- what a REGISTER asks for */

struct wish {
	struct bind_texts texts; /* views into the message */
	uint32_t expires_s;
	uint16_t q;
	bool outbound;
	struct contact *known;
};

struct reg_ask {
	const struct users *group;
	char mem[BIND_NAME_MAX + 1], user_mem[256];
	struct str name, user; /* alice@example.net, alice (unescaped) */
	struct str domain;
	bool star, path;
	struct wish wish[REG_CONTACTS_MAX];
	size_t count;
	struct aor *aor; /* NULL: none yet */
	uint16_t status; /* why it is refused; 0: it is not */
	struct str rule;
	char line[40]; /* that goes with the status; empty: none */
};

static bool refuse_ask(struct reg_ask *a, uint16_t status, struct str rule)
{
	a->status = status;
	a->rule = rule;
	return false;
}

static uint16_t read_q(struct str text)
{
	uint16_t q = 0, scale = 1000;

	if (text.len == 0 || (text.p[0] != '0' && text.p[0] != '1'))
		return 1000;
	if (text.p[0] == '1')
		return 1000;
	for (size_t i = 2; i < text.len && i < 5 && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
		scale = (uint16_t)(scale / 10);
		q = (uint16_t)(q + (text.p[i] - '0') * scale);
	}
	return q;
}

static bool first_path_is_ob(const struct msg *m)
{
	struct str value = msg_value(m, HDR_PATH);
	struct name_addr a;
	struct uri u;

	return name_addr_cut(&value, &a) == OK && uri_parse(a.uri, &u) == OK &&
	       uri_param(&u, STR("ob"), NULL);
}

static bool read_contact(struct reg_ask *a, const struct msg *m, const struct name_addr *c,
			 uint32_t otherwise)
{
	struct wish *w = &a->wish[a->count];
	struct uri u;
	struct str value, number;

	if (a->count == REG_CONTACTS_MAX)
		return refuse_ask(a, 403, STR("contacts"));
	if (uri_parse(c->uri, &u) != OK || (u.scheme != URI_SIP && u.scheme != URI_SIPS) ||
	    !hdr_is_clean(c->uri) || c->uri.len > BIND_TEXT_MAX)
		return refuse_ask(a, 400, STR("contact"));
	if (uri_param(&u, STR("bnc"), NULL)) /* RFC 6140: numbers in bulk are for trunks */
		return refuse_ask(a, 403, STR("bnc"));
	*w = (struct wish){.texts = {.uri = c->uri}, .expires_s = otherwise, .q = 1000};
	if (name_addr_param(c, STR("expires"), &number) &&
	    hdr_delta_parse(number, &w->expires_s, NULL) != OK)
		w->expires_s = otherwise; /* RFC 3261 §10.2.1.1: as if it were not there */
	if (name_addr_param(c, STR("q"), &value))
		w->q = read_q(value);
	if (name_addr_param(c, STR("+sip.instance"), &value) && value.len <= BIND_TEXT_MAX &&
	    hdr_is_clean(value))
		w->texts.instance = value;
	if (name_addr_param(c, STR("reg-id"), &number) && w->texts.instance.len &&
	    str_to_u32(number, UINT32_MAX, &w->texts.reg_id) != OK)
		w->texts.reg_id = 0;
	w->outbound = w->texts.reg_id && msg_has_token(m, HDR_SUPPORTED, STR("outbound"));
	if (!w->outbound)
		w->texts.reg_id = 0;
	/* RFC 5626 §6: who stands between us and the phone must keep the flow as well. */
	if (w->outbound && (m->via_lines > 1 || m->via.has_more) && !first_path_is_ob(m))
		return refuse_ask(a, 439, STR("outbound"));
	uint32_t least = a->group->from_user_s < REG_MIN_S ? a->group->from_user_s : REG_MIN_S;
	if (w->expires_s && w->expires_s < least) {
		(void)snprintf(a->line, sizeof(a->line), "Min-Expires: %u\r\n", least);
		return refuse_ask(a, 423, STR("expires"));
	}
	w->texts.call_id = m->call_id;
	a->count++;
	return true;
}

static bool read_contacts(struct reg_ask *a, const struct msg *m)
{
	uint32_t otherwise = a->group->from_user_s;
	struct str value;
	size_t cursor = 0;

	if (msg_has(m, HDR_EXPIRES) &&
	    hdr_delta_parse(msg_value(m, HDR_EXPIRES), &otherwise, NULL) != OK)
		otherwise = a->group->from_user_s;
	while (msg_next(m, HDR_CONTACT, &cursor, &value)) {
		struct name_addr c;
		enum err e;
		while ((e = name_addr_cut(&value, &c)) == OK) {
			if (c.star)
				a->star = true;
			else if (!read_contact(a, m, &c, otherwise))
				return false;
		}
		if (e != ERR_NOTFOUND)
			return refuse_ask(a, 400, STR("contact"));
	}
	/* RFC 3261 §10.3 step 6. */
	if (a->star && (a->count || !msg_has(m, HDR_EXPIRES) || otherwise != 0))
		return refuse_ask(a, 400, STR("star"));
	return true;
}

/* False: a->status says why. `mem`: the Path values as they are kept. */
static bool read_ask(struct sbc *s, const struct users *g, const struct msg *m, struct buf *path,
		     struct reg_ask *a)
{
	struct uri to, from, uri;
	struct buf name, user;
	struct str value;
	size_t cursor = 0;

	*a = (struct reg_ask){.group = g};
	buf_init(&name, a->mem, sizeof(a->mem));
	buf_init(&user, a->user_mem, sizeof(a->user_mem));
	if (!reg_read_party(m->to, &to) || !reg_read_party(m->from, &from) ||
	    uri_parse(m->uri, &uri) != OK)
		return refuse_ask(a, 400, STR("address_of_record"));
	/* Well-formed, and no name of anyone: control octets behind escapes (RFC 4475 §3.1.1.4). */
	if (uri_write_number(&user, &to) != OK)
		return refuse_ask(a, 404, STR("address_of_record"));
	a->user = buf_view(&user);
	a->domain = to.host;
	reg_write_name(&name, a->user, to.host);
	a->name = buf_view(&name);
	if (a->user.len == 0 || a->name.len == 0 || str_has_char(a->user, '@') ||
	    !reg_has_domain(g, to.host) || !reg_has_domain(g, uri.host) || uri.user.len ||
	    m->uri.len > BIND_TEXT_MAX)
		return refuse_ask(a, 403, STR("domain"));
	/* Nobody registers for another (threats C12). */
	if (!str_eq(from.user, to.user) || !str_ieq(from.host, to.host))
		return refuse_ask(a, 403, STR("third_party"));
	if (!read_contacts(a, m))
		return false;
	a->path = msg_has(m, HDR_PATH) && msg_has_token(m, HDR_SUPPORTED, STR("path"));
	while (msg_next(m, HDR_PATH, &cursor, &value)) {
		struct name_addr p;
		while (name_addr_cut(&value, &p) == OK) {
			if (path->len)
				buf_char(path, '\n');
			hdr_write_unfolded(path, p.all);
			hdr_write_unfolded(path, p.params);
		}
	}
	if (path->overflow)
		return refuse_ask(a, 403, STR("path"));
	a->aor = bind_find_aor(&s->binds, a->name);
	for (size_t i = 0; i < a->count; i++) {
		a->wish[i].texts.path = buf_view(path);
		a->wish[i].known = a->aor ? bind_match(a->aor, &a->wish[i].texts) : NULL;
	}
	return true;
}

/* Would it be too much? Asked before anyone is asked for a password, and again when it is done. */
static bool check_caps(struct sbc *s, struct reg_ask *a, const struct flow *f)
{
	const struct limits *l = &s->settings->limits;
	uint32_t more = 0;

	for (size_t i = 0; i < a->count; i++)
		more += a->wish[i].expires_s && !a->wish[i].known;
	if (more == 0)
		return true;
	if ((a->aor ? a->aor->count : 0u) + more > a->group->contacts)
		return refuse_ask(a, 403, STR("contacts"));
	if (l->registrations_per_source &&
	    tally_get(&s->binds.sources, &f->remote) + more > l->registrations_per_source)
		return refuse_ask(a, 403, STR("registrations_per_source"));
	if (s->binds.contacts.used + more > s->binds.contacts.limit) {
		(void)snprintf(a->line, sizeof(a->line), "Retry-After: 60\r\n");
		return refuse_ask(a, 503, STR("registrations"));
	}
	return true;
}

/* RFC 3261 §10.3 step 7: an older REGISTER of the same series changes nothing. */
static bool is_late(const struct reg_ask *a, const struct msg *m)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->wish[i].known && str_eq(a->wish[i].known->call_id, m->call_id) &&
		    m->cseq < a->wish[i].known->cseq)
			return true;
	return false;
}

/* ---- the answer that makes, keeps or ends bindings */

static void write_contacts(struct sbc *s, const struct aor *a)
{
	list_each (n, &a->contacts) {
		const struct contact *c = LIST_OBJECT(n, struct contact, node);
		uint64_t left = c->expires_ms > s->now_ms ? c->expires_ms - s->now_ms : 0;
		buf_lit(&s->lines, "Contact: <");
		buf_str(&s->lines, c->uri);
		buf_lit(&s->lines, ">;expires=");
		buf_u64(&s->lines, (left + 999) / 1000);
		if (c->q < 1000)
			buf_printf(&s->lines, ";q=0.%03u", (unsigned)c->q);
		if (c->instance.len) {
			buf_lit(&s->lines, ";+sip.instance=");
			buf_str(&s->lines, c->instance);
		}
		if (c->reg_id) {
			buf_lit(&s->lines, ";reg-id=");
			buf_u64(&s->lines, c->reg_id);
		}
		buf_lit(&s->lines, "\r\n");
	}
}

static void write_accepted(struct sbc *s, const struct reg_ask *a, const struct msg *m)
{
	struct aor *aor = bind_find_aor(&s->binds, a->name);
	struct str value;
	size_t cursor = 0;
	bool outbound = false;

	if (aor)
		write_contacts(s, aor);
	while (a->path && msg_next(m, HDR_PATH, &cursor, &value)) {
		buf_lit(&s->lines, "Path: ");
		hdr_write_unfolded(&s->lines, value);
		buf_lit(&s->lines, "\r\n");
	}
	for (size_t i = 0; i < a->count; i++)
		outbound = outbound || (a->wish[i].outbound && a->wish[i].expires_s);
	if (outbound)
		buf_lit(&s->lines, "Require: outbound\r\n");
	buf_lit(&s->lines, "Supported: path, outbound\r\n");
}

static void remove_contact(struct sbc *s, struct contact *c)
{
	worker_stop_alarm(s, &c->alarm);
	bind_del(&s->binds, c);
}

/* What one contact line asks for comes true. */
static enum err fulfil(struct sbc *s, const struct reg_ask *a, struct wish *w, const struct msg *m,
		       const struct flow *f, const char *token, uint32_t granted_s)
{
	const struct limits *l = &s->settings->limits;
	struct bind_add p = {.aor = bind_find_aor(&s->binds, a->name),
			     .flow = f,
			     .token = token,
			     .texts = w->texts,
			     .most = a->group->contacts,
			     .source_most = l->registrations_per_source
						    ? l->registrations_per_source
						    : UINT32_MAX};
	struct contact *c = p.aor ? bind_match(p.aor, &w->texts) : NULL;
	uint32_t seconds = w->expires_s < granted_s ? w->expires_s : granted_s;

	if (seconds == 0) {
		if (c)
			remove_contact(s, c);
		return OK;
	}
	if (!p.aor)
		return ERR_NOTFOUND;
	enum err e = c ? bind_renew(&s->binds, c, &p) : bind_add(&s->binds, &p, &c);
	if (e != OK)
		return e;
	c->cseq = m->cseq;
	c->q = w->q;
	c->registrar_ms = s->now_ms + (uint64_t)granted_s * 1000;
	if (seconds > a->group->from_user_s)
		seconds = a->group->from_user_s;
	c->expires_ms = s->now_ms + (uint64_t)seconds * 1000;
	worker_alarm(s, &c->alarm, ALARM_CONTACT, c->expires_ms + REG_GRACE_MS);
	return OK;
}

/* The call_id that new addresses use with the registrar, and a token for each contact. */
enum { NOTE_MAX = (1 + REG_CONTACTS_MAX) * HIDE_TOKEN_LEN };

/* All of it, or as much as there is room for: the status that who asked gets. */
static uint16_t accept(struct sbc *s, const struct reg_ask *a, const struct msg *m,
		       const struct flow *f, struct str note, const uint32_t *granted_s,
		       uint32_t cseq)
{
	struct aor *aor = bind_find_aor(&s->binds, a->name);
	enum err worst = OK;
	bool adds = false;

	CHECK(note.len >= (1 + a->count) * HIDE_TOKEN_LEN);
	if (a->star && aor) {
		while (!list_is_empty(&aor->contacts) && aor->count > 1)
			remove_contact(s, LIST_OBJECT(aor->contacts.next, struct contact, node));
		if (aor->count)
			remove_contact(s, LIST_OBJECT(aor->contacts.next, struct contact, node));
		return 200;
	}
	for (size_t i = 0; i < a->count; i++)
		adds = adds || a->wish[i].expires_s;
	if (adds && !aor) {
		worst = bind_add_aor(&s->binds, a->name, (uint16_t)(a->group - s->settings->users),
				     note.p, &aor);
		if (worst != OK)
			return 503;
		aor->cseq = cseq;
	}
	if (aor)
		aor->sessions++; /* held, should its last contact go before the next comes */
	for (size_t i = 0; i < a->count; i++) {
		struct wish w = a->wish[i];
		enum err e =
			fulfil(s, a, &w, m, f, note.p + (1 + i) * HIDE_TOKEN_LEN, granted_s[i]);
		if (e != OK)
			worst = e;
	}
	if (aor) {
		aor->sessions--;
		bind_settle(&s->binds, aor);
	}
	return worst == OK ? 200 : worst == ERR_LIMIT ? 403 : 503;
}

/* ---- to the registrar */

/* So that a challenge and its answer meet the same peer: the order depends on the name alone. */
static bool find_registrar(struct sbc *s, const struct reg_ask *a, struct hunt *hunt)
{
	uint8_t seed[RNG_SEED_LEN] = {0};
	uint64_t h = siphash(&s->reply_key, a->name.p, a->name.len);
	struct rng rng;

	memcpy(seed, &h, sizeof(h));
	rng_init(&rng, seed);
	struct hunt_params p = {.settings = s->settings,
				.route = &s->settings->policy.routes[a->group->route_to_registrar],
				.is_up = peers_is_up,
				.ctx = &s->peers};
	return hunt_init(hunt, &p, &rng) == HUNT_OK;
}

/* False: no room. */
static bool write_note(struct sbc *s, const struct reg_ask *a, struct buf *b)
{
	char token[HIDE_BRANCH_LEN];
	id_t64 mark = id_make((uint8_t)(s->worker << OWNER_BITS | OWNER_BINDING), 1, 0);

	if (a->aor)
		buf_bytes(b, a->aor->call_id, HIDE_TOKEN_LEN);
	else
		buf_str(b, worker_token(s, HIDE_CALL_ID, ID_NONE, token));
	for (size_t i = 0; i < a->count; i++) {
		if (a->wish[i].known)
			buf_bytes(b, a->wish[i].known->token, HIDE_TOKEN_LEN);
		else
			buf_str(b, worker_token(s, HIDE_CONTACT, mark, token));
	}
	return !b->overflow;
}

static void write_credentials(struct sbc *s, const struct msg *m, enum hdr id)
{
	struct str value;
	size_t cursor = 0;

	while (msg_next(m, id, &cursor, &value)) {
		buf_str(&s->lines, hdr_name(id));
		buf_lit(&s->lines, ": ");
		hdr_write_unfolded(&s->lines, value);
		buf_lit(&s->lines, "\r\n");
	}
}

static bool write_wishes(struct sbc *s, const struct errand *e, const struct reg_ask *a,
			 const struct flow *to, uint32_t ask_s)
{
	char mem[512];
	struct buf b;

	if (a->star) {
		buf_lit(&s->lines, "Contact: *\r\nExpires: 0\r\n");
		return true;
	}
	for (size_t i = 0; i < a->count; i++) {
		const struct wish *w = &a->wish[i];
		if (w->expires_s == 0 && !w->known)
			continue;
		struct str token = {e->note.p + (1 + i) * HIDE_TOKEN_LEN, HIDE_TOKEN_LEN};
		buf_init(&b, mem, sizeof(mem));
		build_contact(&b, false, token, &e->settings->listeners[to->listener].local,
			      to->transport);
		buf_lit(&s->lines, "Contact: <");
		buf_str(&s->lines, buf_view(&b));
		buf_lit(&s->lines, ">;expires=");
		buf_u64(&s->lines, w->expires_s ? ask_s : 0);
		if (w->q < 1000)
			buf_printf(&s->lines, ";q=0.%03u", (unsigned)w->q);
		buf_lit(&s->lines, "\r\n");
	}
	return !s->lines.overflow;
}

/* The group as the errand's settings have it. */
static const struct users *group_of(const struct errand *e)
{
	return e->settings->trunks[e->trunk].users;
}

static bool send_register(struct sbc *s, struct errand *e, const struct flow *to)
{
	char path_mem[BIND_TEXT_MAX], party_mem[1024], tag[HIDE_BRANCH_LEN];
	struct buf path, party;
	struct reg_ask a;
	struct msg *m = &s->held;
	struct dest d = errand_dest(e, to);
	const struct users *g = group_of(e);

	buf_init(&path, path_mem, sizeof(path_mem));
	buf_init(&party, party_mem, sizeof(party_mem));
	if (msg_index(m, e->request, 0) != OK || !read_ask(s, g, m, &path, &a) ||
	    e->note.len < (1 + a.count) * HIDE_TOKEN_LEN)
		return false;
	buf_lit(&party, "<sip:");
	uri_write_user(&party, a.user);
	buf_char(&party, '@');
	buf_str(&party, a.domain);
	buf_char(&party, '>');
	buf_reset(&s->lines);
	if (!write_wishes(s, e, &a, to, e->status == 423 ? e->least_s : g->to_registrar_s))
		return false;
	if (!g->local) {
		write_credentials(s, m, HDR_AUTHORIZATION);
		write_credentials(s, m, HDR_PROXY_AUTHORIZATION);
	}
	e->cseq = a.aor ? ++a.aor->cseq : e->cseq + 1;
	struct build_request r = {
		.method = STR("REGISTER"),
		.uri = m->uri, /* digests are over it */
		.from = {buf_view(&party), worker_token(s, HIDE_TAG, ID_NONE, tag)},
		.to = {buf_view(&party), STR_NONE},
		.call_id = {e->note.p, HIDE_TOKEN_LEN},
		.cseq = e->cseq,
		.headers = buf_view(&s->lines)};
	return !s->lines.overflow && errand_send(s, e, &d, &r);
}

static void go_on(struct sbc *s, struct errand *e)
{
	struct flow to;
	uint16_t status = 500;

	switch (errand_go_on(s, e, &to)) {
	case ERRAND_WAITS: return;
	case ERRAND_SENDS:
		if (send_register(s, e, &to))
			return;
		break;
	case ERRAND_OVER: status = errand_end_status(e); break;
	}
	errand_finish_with(s, &e, status, status == 503 ? STR("Retry-After: 30\r\n") : STR_NONE);
}

/* ---- the beginning */

static void refuse(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t trunk,
		   uint16_t status, struct str rule, struct str lines)
{
	struct verdict v = {.outcome = VERDICT_REJECT,
			    .stage = status == 503 ? VERDICT_STAGE_LIMIT : VERDICT_STAGE_IDENTIFY,
			    .status = status,
			    .rule = rule};

	worker_reply(s, m, f, status, STR_NONE, lines);
	worker_refused(s, s->settings, f, m, trunk, &v);
}

/* All that it asks for is there, over this very flow, and the registrar will not miss it before the next time. */
static bool is_fresh(const struct sbc *s, const struct reg_ask *a, const struct flow *f)
{
	uint64_t need = s->now_ms + 2000 * (uint64_t)a->group->from_user_s;

	for (size_t i = 0; i < a->count; i++) {
		const struct wish *w = &a->wish[i];
		/* A datagram's source is no proof: what would change anything is not taken on its word. */
		if (!w->known || w->expires_s == 0 || w->known->registrar_ms < need ||
		    !bind_same_flow(&w->known->flow, f) || !str_eq(w->known->uri, w->texts.uri) ||
		    !str_eq(w->known->path, w->texts.path) || w->known->q != w->q)
			return false;
	}
	return a->count > 0;
}

static void refresh(struct sbc *s, const struct reg_ask *a, const struct msg *m,
		    const struct flow *f)
{
	for (size_t i = 0; i < a->count; i++) {
		struct contact *c = a->wish[i].known;
		uint64_t registrar_ms = c->registrar_ms;
		struct wish w = a->wish[i];
		if (fulfil(s, a, &w, m, f, c->token, UINT32_MAX) != OK)
			continue; /* as it was */
		c->registrar_ms = registrar_ms;
	}
	buf_reset(&s->lines);
	write_accepted(s, a, m);
	s->unproven = false;
	worker_reply(s, m, f, 200, STR_NONE, buf_view(&s->lines));
}

/* True: the password was right. False: answered. */
static bool is_let_in(struct sbc *s, const struct reg_ask *a, const struct msg *m,
		      const struct flow *f)
{
	char mem[DIGEST_VALUE_MAX];
	struct buf user;
	uint8_t random[CHALLENGE_RANDOM_LEN];
	struct challenge_ask ask = {.m = m,
				    .flow = f,
				    .realm = a->domain,
				    .no_md5 = a->group->no_md5,
				    .no_sha256 = a->group->no_sha256,
				    .now_ms = s->now_ms};
	const struct user_account *account = reg_find_account(a->group, a->user);
	struct digest_secret who = {.user = a->user,
				    .password = account ? account->password : STR("?")};

	buf_init(&user, mem, sizeof(mem));
	bool same = challenge_user(&ask, &user) && str_eq(buf_view(&user), a->user);
	enum challenge_result r = challenge_judge(&s->challenge, &ask, &who, account && same);
	if (r == CHALLENGE_PASSED)
		return true;
	buf_reset(&s->lines);
	if (r == CHALLENGE_GARBLED) {
		refuse(s, m, f, a->group->trunk, 400, STR("authorization"), STR_NONE);
		return false;
	}
	rng_bytes(&s->rng, random, sizeof(random));
	challenge_write(&s->challenge, &ask, r == CHALLENGE_STALE, random, &s->lines);
	if (r == CHALLENGE_WRONG) {
		const bool ours = challenge_is_ours(&s->challenge, &ask);
		s->unproven = s->unproven && !ours; /* it has read what we sent there */
		refuse(s, m, f, a->group->trunk, 401, STR("password"), buf_view(&s->lines));
		keepout_on_wrong_password(s, f, m, a->name, ours);
	} else {
		worker_reply(s, m, f, 401, STR_NONE, buf_view(&s->lines));
	}
	return false;
}

/* Nobody behind us is asked. */
static void accept_alone(struct sbc *s, const struct reg_ask *a, const struct msg *m,
			 const struct flow *f)
{
	char mem[NOTE_MAX];
	struct buf note;
	uint32_t granted_s[REG_CONTACTS_MAX];

	buf_init(&note, mem, sizeof(mem));
	for (size_t i = 0; i < REG_CONTACTS_MAX; i++)
		granted_s[i] = a->group->to_registrar_s;
	uint16_t status =
		write_note(s, a, &note) ? accept(s, a, m, f, buf_view(&note), granted_s, 0) : 500;
	buf_reset(&s->lines);
	if (status == 200) {
		fraud_watch_registered(s, f, a->group->trunk, a->name, false);
		quarantine_spare(s, f);
		write_accepted(s, a, m);
		s->unproven = false;
		worker_reply(s, m, f, 200, STR_NONE, buf_view(&s->lines));
	} else {
		refuse(s, m, f, a->group->trunk, status, STR("contacts"), STR_NONE);
	}
}

void reg_begin(struct sbc *s, const struct msg *m, const struct flow *f, const struct users *group)
{
	char path_mem[BIND_TEXT_MAX], note_mem[NOTE_MAX];
	struct buf path, note;
	struct reg_ask a;
	struct hunt hunt;

	buf_init(&path, path_mem, sizeof(path_mem));
	buf_init(&note, note_mem, sizeof(note_mem));
	/* Its body goes nowhere, and a long one would only be kept. */
	if (m->body.len > REG_BODY_MAX) {
		refuse(s, m, f, group->trunk, 413, STR("body_size"), STR_NONE);
		return;
	}
	if (!read_ask(s, group, m, &path, &a) || !check_caps(s, &a, f)) {
		refuse(s, m, f, group->trunk, a.status, a.rule, str_from(a.line));
		return;
	}
	struct verdict v = keepout_user(s, f, a.name);
	if (v.outcome != VERDICT_ALLOW) {
		worker_reply(s, m, f, v.status, v.reason, STR_NONE);
		worker_refused(s, s->settings, f, m, group->trunk, &v);
		return;
	}
	if (is_late(&a, m)) {
		refuse(s, m, f, group->trunk, 500, STR("cseq"), STR_NONE);
		return;
	}
	if (is_fresh(s, &a, f)) {
		refresh(s, &a, m, f);
		return;
	}
	if (group->local && !is_let_in(s, &a, m, f))
		return;
	if (group->registrar == SETTINGS_NO_INDEX) {
		accept_alone(s, &a, m, f);
		return;
	}
	struct errand_params p = {.settings = s->settings,
				  .m = m,
				  .flow = f,
				  .trunk = group->trunk,
				  .use = ERRAND_REGISTER};
	struct errand *e =
		find_registrar(s, &a, &hunt) && write_note(s, &a, &note) ? errand_new(s, &p) : NULL;
	if (e)
		e->note = block_str(&s->outside_blocks, buf_view(&note));
	if (!e || e->note.len == 0) {
		if (e)
			errand_finish_with(s, &e, 503, STR("Retry-After: 30\r\n"));
		else
			refuse(s, m, f, group->trunk, 503, STR("registrar"),
			       STR("Retry-After: 30\r\n"));
		return;
	}
	e->route = group->route_to_registrar;
	e->hunt = hunt;
	go_on(s, e);
}

/* ---- the registrar's word */

/* What of a challenge is needed to answer it: its `domain` may name the inside. */
static void write_challenge(struct buf *b, enum hdr id, struct str value)
{
	static const struct str keep[] = {
		{"realm", 5}, {"nonce", 5},     {"opaque", 6},   {"stale", 5},
		{"qop", 3},   {"algorithm", 9}, {"userhash", 8}, {"charset", 7},
	};
	struct str item;
	bool open = false, first = true;

	while (hdr_list_cut(&value, &item)) {
		if (str_has_iprefix(item, STR("Digest ")) ||
		    str_has_iprefix(item, STR("Digest\t"))) {
			if (open)
				buf_lit(b, "\r\n");
			buf_str(b, hdr_name(id));
			buf_lit(b, ": Digest ");
			open = first = true;
			item = str_trim(str_from_offset(item, 7));
		}
		if (!open)
			continue; /* another scheme */
		struct str name = str_trim((struct str){item.p, str_index(item, '=')});
		for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
			if (!str_ieq(name, keep[i]))
				continue;
			if (!first)
				buf_lit(b, ", ");
			first = false;
			hdr_write_unfolded(b, item);
		}
	}
	if (open)
		buf_lit(b, "\r\n");
}

static void pass_challenges(struct sbc *s, const struct msg *m, enum hdr id)
{
	struct str value;
	size_t cursor = 0;

	while (msg_next(m, id, &cursor, &value))
		write_challenge(&s->lines, id, value);
}

/* How long the registrar keeps the contact that has this token. */
static uint32_t granted_of(const struct msg *m, struct str token, uint32_t otherwise)
{
	struct str value, number;
	size_t cursor = 0;
	uint32_t seconds;

	if (hdr_delta_parse(msg_value(m, HDR_EXPIRES), &seconds, NULL) == OK)
		otherwise = seconds;
	while (msg_next(m, HDR_CONTACT, &cursor, &value)) {
		struct name_addr c;
		struct uri u;
		while (name_addr_cut(&value, &c) == OK)
			if (uri_parse(c.uri, &u) == OK && str_ieq(u.user, token))
				return name_addr_param(&c, STR("expires"), &number) &&
						       hdr_delta_parse(number, &seconds, NULL) == OK
					       ? seconds
					       : otherwise;
	}
	return otherwise;
}

static void on_accepted(struct sbc *s, struct errand *e, const struct msg *answer)
{
	char path_mem[BIND_TEXT_MAX];
	struct buf path;
	struct reg_ask a;
	struct msg *m = &s->held;
	const struct users *g = group_of(e);
	uint32_t granted_s[REG_CONTACTS_MAX];
	uint16_t status = 500;

	buf_init(&path, path_mem, sizeof(path_mem));
	if (e->closing) { /* its connection has gone: it would be registered where it is not */
		errand_finish_with(s, &e, 500, STR_NONE);
		return;
	}
	/* Groups are those of the present settings: a binding outlives a reload. */
	const struct users *now = NULL;
	for (size_t i = 0; i < s->settings->users_count; i++)
		if (str_eq(s->settings->users[i].name, g->name))
			now = &s->settings->users[i];
	buf_reset(&s->lines);
	if (now && msg_index(m, e->request, 0) == OK && read_ask(s, now, m, &path, &a) &&
	    e->note.len >= (1 + a.count) * HIDE_TOKEN_LEN &&
	    (!now->local || reg_find_account(now, a.user))) {
		for (size_t i = 0; i < a.count; i++)
			granted_s[i] = granted_of(
				answer,
				(struct str){e->note.p + (1 + i) * HIDE_TOKEN_LEN, HIDE_TOKEN_LEN},
				now->to_registrar_s);
		status = accept(s, &a, m, &e->flow, e->note, granted_s, e->cseq);
		if (status == 200) {
			fraud_watch_registered(s, &e->flow, now->trunk, a.name, false);
			quarantine_spare(s, &e->flow);
			write_accepted(s, &a, m);
		}
	}
	if (status == 200 && !g->local) {
		struct str info = msg_value(answer, HDR_AUTHENTICATION_INFO);
		errand_write_once(&s->lines, STR("Authentication-Info"), info);
	}
	errand_finish_with(s, &e, status, status == 200 ? buf_view(&s->lines) : STR_NONE);
}

/* Who guesses at the registrar's passwords guesses through us. */
static void note_refusal(struct sbc *s, const struct errand *e, const struct msg *m)
{
	char mem[BIND_NAME_MAX + 1], user_mem[256];
	struct msg *asked = &s->held;
	struct buf name, user;
	struct uri to;

	buf_init(&name, mem, sizeof(mem));
	buf_init(&user, user_mem, sizeof(user_mem));
	if (msg_index(asked, e->request, 0) != OK || !reg_read_party(asked->to, &to) ||
	    uri_write_number(&user, &to) != OK)
		return;
	reg_write_name(&name, buf_view(&user), to.host);
	keepout_on_registrar(s, &e->flow, asked, buf_view(&name), m);
	keepout_on_challenge(s, &e->flow, m);
}

void reg_on_response(struct sbc *s, struct errand *e, id_t64 txn, const struct msg *m)
{
	uint32_t least;

	if (e->txn != txn)
		return;
	if (m->status < 200) {
		errand_on_heard(s, e);
		return;
	}
	e->txn = ID_NONE;
	if (m->status < 300) {
		on_accepted(s, e, m);
		return;
	}
	if (m->status == 423 && e->least_s == 0 &&
	    hdr_delta_parse(msg_value(m, HDR_MIN_EXPIRES), &least, NULL) == OK && least <= 86400 &&
	    least > group_of(e)->to_registrar_s) {
		/* Its least time is more than we are told to ask for: once more, to the same address. */
		e->least_s = least;
		e->status = 423;
		if (e->candidate_next > 0) {
			e->candidate_next--;
			go_on(s, e);
			return;
		}
	}
	if (errand_failed(s, e, m->status, 0)) {
		go_on(s, e);
		return;
	}
	uint16_t status = errand_map_status(m->status);
	if (!group_of(e)->local && keepout_counts_failures(s, &e->flow))
		note_refusal(s, e, m);
	buf_reset(&s->lines);
	if ((m->status == 401 || m->status == 407) && !group_of(e)->local) {
		pass_challenges(s, m, HDR_WWW_AUTHENTICATE);
		pass_challenges(s, m, HDR_PROXY_AUTHENTICATE);
		if (s->lines.overflow) /* a line that is cut would take the next one with it */
			buf_reset(&s->lines);
		if (s->lines.len)
			status = m->status;
	} else if (m->status == 404 || m->status == 410 || m->status == 604) {
		status = 403; /* who is there and who is not is nobody's business (threats C10) */
	}
	errand_finish_with(s, &e, status, buf_view(&s->lines));
}

void reg_on_report(struct sbc *s, struct errand *e, id_t64 txn, enum txn_report report,
		   unsigned cause)
{
	if (report == TXN_REPORT_SLOW) {
		asker_answer(s, &e->asker, 100, STR_NONE, STR_NONE);
		return;
	}
	if (e->txn != txn || (report != TXN_REPORT_TIMEOUT && report != TXN_REPORT_FAILED))
		return;
	e->txn = ID_NONE;
	if (report == TXN_REPORT_TIMEOUT)
		cause = ROUTE_CAUSE_TIMEOUT;
	if (errand_failed(s, e, 0, cause ? cause : ROUTE_CAUSE_CONNECT))
		go_on(s, e);
	else
		errand_finish_with(s, &e, errand_end_status(e), STR_NONE);
}

void reg_on_resolved(struct sbc *s, struct errand *e, id_t64 ask, const struct event *ev)
{
	if (errand_on_resolved(e, ask, ev))
		go_on(s, e);
}

void reg_on_alarm(struct sbc *s, struct errand *e)
{
	enum errand_alarm a = errand_on_alarm(s, e);

	if (a == ERRAND_ALARM_EARLY)
		return;
	if (a == ERRAND_ALARM_SILENT && errand_failed(s, e, 0, ROUTE_CAUSE_TIMEOUT))
		go_on(s, e);
	else
		errand_finish_with(s, &e, 504, STR_NONE);
}

/* ---- the end of contacts */

void reg_on_contact_alarm(struct sbc *s, struct contact *c)
{
	remove_contact(s, c);
}

void reg_on_flow_closed(struct sbc *s, id_t64 flow)
{
	struct flow f = {.id = flow};
	struct contact *cursor = NULL, *c;
	struct errand *e;
	uint32_t at = 0;
	id_t64 id;

	if (s->settings->users_count == 0 || flow == ID_NONE)
		return;
	while (s->errands.used && (e = pool_next(&s->errands, &at, &id)) != NULL)
		if (e->use == ERRAND_REGISTER && e->flow.id == flow)
			e->closing = true;
	while ((c = bind_next_of_flow(&s->binds, &f, &cursor)) != NULL) {
		remove_contact(s, c);
		cursor = NULL;
	}
}

/* May who is registered under this name stay so? Its domain is still the group's, and its password the one that it has proved. */
static bool is_kept(const struct users *was, const struct users *g, const struct aor *a)
{
	struct str user = reg_user_of(a);

	if (!reg_has_domain(g, str_from_offset(a->name, user.len + 1)))
		return false;
	if (!g->local)
		return true;
	const struct user_account *old = reg_find_account(was, user),
				  *now = reg_find_account(g, user);
	return was->local && old && now && str_eq(old->password, now->password);
}

void reg_apply(struct sbc *s, const struct settings *old, const struct settings *settings)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct aor *a;

	while ((a = pool_next(&s->binds.aors, &cursor, &id)) != NULL) {
		const struct users *was = reg_group(old, a);
		uint16_t group = SETTINGS_NO_INDEX;
		for (size_t i = 0; was && i < settings->users_count; i++)
			if (str_eq(settings->users[i].name, was->name) &&
			    is_kept(was, &settings->users[i], a))
				group = (uint16_t)i;
		a->group = group;
		for (uint16_t left = group == SETTINGS_NO_INDEX ? a->count : 0; left > 0; left--)
			remove_contact(s, LIST_OBJECT(a->contacts.next, struct contact, node));
	}
}

void reg_free_all(struct sbc *s)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct contact *c;

	while ((c = pool_next(&s->binds.contacts, &cursor, &id)) != NULL) {
		c->aor->sessions = 0;
		remove_contact(s, c);
	}
}
