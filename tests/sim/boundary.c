#include "boundary.h"

#include "common/check.h"

static struct str keep(struct boundary *b, struct str s)
{
	struct str copy = arena_str(b->arena, s);
	CHECK(copy.len == s.len);
	return copy;
}

static struct boundary_request *find(struct boundary *b, const struct sip_text *m)
{
	for (unsigned i = 0; i < b->request_count; i++) {
		struct boundary_request *r = &b->requests[i];
		if (str_eq(r->branch, m->branch) && str_eq(r->method, m->cseq_method) &&
		    str_eq(r->sent_by, m->sent_by))
			return r;
	}
	return NULL;
}

static void add_token(struct boundary *b, struct str s)
{
	if (s.len < 4)
		return;
	for (unsigned i = 0; i < b->token_count; i++)
		if (str_eq(b->tokens[i], s))
			return;
	if (b->token_count == BOUNDARY_TOKENS)
		return;
	b->tokens[b->token_count++] = keep(b, s);
}

/* What names the trusted dialog, whoever made it. */
static void learn(struct boundary *b, const struct sip_text *m)
{
	add_token(b, m->call_id);
	add_token(b, m->from_tag);
	add_token(b, m->to_tag);
	add_token(b, m->branch);
}

void boundary_in(struct boundary *b, bool trusted, struct str bytes, uint64_t now_ms)
{
	struct sip_text m;
	b->in++;
	if (!sip_text_read(bytes, &m))
		return;
	if (trusted)
		learn(b, &m);
	if (!m.request || str_eq(m.method, STR("ACK")))
		return;
	if (str_eq(m.method, STR("BYE")) && !b->bye_ms[trusted])
		b->bye_ms[trusted] = now_ms;
	struct boundary_request *r = find(b, &m);
	if (!r) {
		if (b->request_count == BOUNDARY_REQUESTS)
			return;
		r = &b->requests[b->request_count++];
		*r = (struct boundary_request){.method = keep(b, m.method),
					       .branch = keep(b, m.branch),
					       .sent_by = keep(b, m.sent_by),
					       .call_id = keep(b, m.call_id),
					       .from_tag = keep(b, m.from_tag),
					       .cseq = m.cseq,
					       .initial = str_eq(m.method, STR("INVITE")) &&
							  m.to_tag.len == 0 &&
							  !boundary_find_call(b, m.call_id),
					       .trusted = trusted};
	}
	r->copies++;
}

static void check_response(struct boundary *b, const struct sip_text *m)
{
	struct boundary_request *r = find(b, m);
	if (!r) {
		faults_add(b->faults, "the core answers %u to a %.*s that nobody sent", m->status,
			   STR_ARG(m->cseq_method));
		return;
	}
	r->sent++;
	bool invite = str_eq(r->method, STR("INVITE"));
	if (m->status < 200) {
		if (r->final)
			faults_add(b->faults, "the core says %u after %u to %.*s", m->status,
				   r->final, STR_ARG(r->method));
		if (!invite && m->status != 100)
			faults_add(b->faults, "the core says %u to %.*s (RFC 4320)", m->status,
				   STR_ARG(r->method));
		return;
	}
	if (r->final && r->final != m->status)
		faults_add(b->faults, "the core says %u after %u to %.*s", m->status, r->final,
			   STR_ARG(r->method));
	if (!invite && m->status == 408)
		faults_add(b->faults, "the core says 408 to %.*s (RFC 4320)", STR_ARG(r->method));
	r->final = (uint16_t)m->status;
}

static bool contains(struct str hay, struct str needle)
{
	return str_find(hay, needle) < hay.len;
}

/* Letters of either case. */
static bool contains_word(struct str hay, struct str word)
{
	while (hay.len >= word.len) {
		if (str_ieq((struct str){hay.p, word.len}, word))
			return true;
		hay = str_from_offset(hay, 1);
	}
	return false;
}

/* Headers and bodies alike: SDP has room for all of it too. What a phone wrote itself may come back to it. */
static void check_marks(struct boundary *b, bool trusted, struct str bytes)
{
	static const struct {
		struct str net, mark; /* of those on the other side */
		const char *text;
	} other[2] = {{{"10.77.", 6}, {"canary", 6}, "the trusted side shows outside"},
		      {{"198.51.100.", 11}, {"beacon", 6}, "the untrusted side shows inside"}};
	if (contains(bytes, other[trusted].net) || contains_word(bytes, other[trusted].mark))
		faults_add(b->faults, "%s in %.*s", other[trusted].text,
			   STR_ARG(((struct str){bytes.p, str_index(bytes, '\r')})));
}

static void check_tokens(struct boundary *b, struct str bytes, const struct sip_text *m)
{
	for (unsigned i = 0; i < b->token_count; i++)
		if (contains(bytes, b->tokens[i]))
			faults_add(b->faults, "%.*s of the trusted side shows outside in a %.*s",
				   STR_ARG(b->tokens[i]), STR_ARG(m->cseq_method));
}

void boundary_out(struct boundary *b, bool trusted, struct str bytes)
{
	struct sip_text m;
	b->out++;
	if (!sip_text_read(bytes, &m)) {
		faults_add(b->faults, "the core sends what is not SIP: %.*s",
			   (int)(bytes.len < 80 ? bytes.len : 80), bytes.p);
		return;
	}
	if (!m.request)
		check_response(b, &m);
	check_marks(b, trusted, bytes);
	if (trusted)
		learn(b, &m);
	else
		check_tokens(b, bytes, &m);
}

void boundary_check(const struct boundary *b, bool silent_ok)
{
	for (unsigned i = 0; i < b->request_count; i++) {
		const struct boundary_request *r = &b->requests[i];
		bool invite = str_eq(r->method, STR("INVITE"));
		if (!r->final && (invite || !silent_ok))
			faults_add(b->faults, "the core never answered a %.*s (%u copies arrived)",
				   STR_ARG(r->method), r->copies);
	}
}

const struct boundary_request *boundary_find_call(const struct boundary *b, struct str call_id)
{
	for (unsigned i = 0; i < b->request_count; i++)
		if (b->requests[i].initial && str_eq(b->requests[i].call_id, call_id))
			return &b->requests[i];
	return NULL;
}
