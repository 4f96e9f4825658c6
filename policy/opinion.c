#include "policy/opinion.h"

#include "common/json.h"
#include "policy/pattern.h"

bool opinion_is_wanted(const struct policy_config *c, const struct facts *f)
{
	const struct opinion_rule *r = c->opinion;
	bool from = r && r->from_realm_count + r->from_trunk_count == 0;
	bool number = r && r->number_count == 0;

	if (!r || f->emergency)
		return false;
	for (size_t i = 0; i < r->from_realm_count; i++)
		from = from || r->from_realms[i] == f->realm;
	for (size_t i = 0; i < r->from_trunk_count; i++)
		from = from || r->from_trunks[i] == f->trunk;
	for (size_t i = 0; from && !number && i < r->number_count; i++)
		number = pattern_may_match(r->numbers[i], f->number);
	return from && number;
}

/* ---- the question */

static void text(struct buf *b, const char *key, struct str v)
{
	if (v.len == 0)
		return;
	buf_printf(b, ",\"%s\":", key);
	buf_json_str(b, v);
}

void opinion_write(struct buf *b, const struct policy_config *c, const struct facts *f,
		   struct str call)
{
	static const char *const causes[FACTS_CAUSE_COUNT] = {[FACTS_DIALLED] = "dialled",
							      [FACTS_REDIRECTED] = "redirected",
							      [FACTS_TRANSFERRED] = "transferred"};
	static const char *const attests[FACTS_ATTEST_COUNT] = {
		[FACTS_ATTEST_A] = "A", [FACTS_ATTEST_B] = "B", [FACTS_ATTEST_C] = "C"};

	buf_lit(b, "{\"version\":1");
	text(b, "call", call);
	text(b, "cause", str_from(causes[f->cause]));
	if (f->realm < c->realm_count)
		text(b, "realm", c->realms[f->realm].name);
	if (f->trunk < c->trunk_count)
		text(b, "trunk", c->trunks[f->trunk].name);
	if (f->source.family != ADDR_NONE) {
		buf_lit(b, ",\"source\":\"");
		addr_write_ip(b, &f->source);
		buf_char(b, '"');
	}
	text(b, "country", str_from(f->country));
	if (f->asn)
		buf_printf(b, ",\"asn\":%u", f->asn);
	buf_printf(b, ",\"tls\":%s", f->tls ? "true" : "false");
	text(b, "user", f->user);
	text(b, "caller", f->caller);
	text(b, "number", f->number);
	text(b, "domain", f->domain);
	if (attests[f->attest])
		text(b, "attest", str_from(attests[f->attest]));
	buf_lit(b, ",\"time\":\"");
	buf_time(b, f->wall_ms);
	buf_lit(b, "\"}");
}

/* ---- the answer */

static enum err read_word(struct str s, enum opinion_word *out)
{
	static const struct str words[OPINION_WORD_COUNT] = {[OPINION_ACCEPT] = STR("accept"),
							     [OPINION_REJECT] = STR("reject"),
							     [OPINION_ROUTE] = STR("route")};
	for (unsigned i = 0; i < OPINION_WORD_COUNT; i++)
		if (str_eq(s, words[i])) {
			*out = (enum opinion_word)i;
			return OK;
		}
	return ERR_BAD;
}

/* A refusal that a caller can do nothing about: no challenge, and nothing that asks for another form of the same. */
static bool is_refusal(int64_t status)
{
	switch (status) {
	case 401:
	case 407:
	case 415:
	case 420:
	case 421:
	case 422:
	case 423:
	case 487:
	case 491:
	case 494: return false;
	default: return status >= 400 && status <= 699;
	}
}

static bool is_line(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return s.len <= OPINION_REASON_MAX;
}

enum err opinion_read(struct str s, struct arena *a, struct opinion_answer *out)
{
	struct opinion_answer x = {.status = 403};
	struct dict *d;

	if (s.len > OPINION_ANSWER_MAX)
		return ERR_LIMIT;
	ptrdiff_t n = json_parse(s, a, &d);
	if (n < 0 || d->type != DICT_DICT)
		return n == ERR_NOMEM ? ERR_NOMEM : ERR_BAD;
	if (read_word(dict_get_str(d, STR("verdict")), &x.word) != OK)
		return ERR_BAD;
	int64_t status = dict_get_int(d, STR("status"), dict_get(d, STR("status")) ? -1 : 403);
	x.reason = dict_get_str(d, STR("reason"));
	x.trunk = dict_get_str(d, STR("trunk"));
	if (x.word == OPINION_REJECT && (!is_refusal(status) || !is_line(x.reason)))
		return ERR_BAD;
	if (x.word == OPINION_ROUTE && x.trunk.len == 0)
		return ERR_BAD;
	x.status = x.word == OPINION_REJECT ? (uint16_t)status : 0;
	*out = x;
	return OK;
}

/* ---- what it comes to */

static struct verdict verdict_of(const struct opinion_rule *r, enum verdict_outcome o)
{
	return (struct verdict){.outcome = o,
				.stage = VERDICT_STAGE_OPINION,
				.rule = r->name,
				.file = r->place.file,
				.line = r->place.line};
}

/* Nobody said anything that counts: what the rule says for that. */
static struct verdict failed(const struct opinion_rule *r)
{
	struct verdict v = verdict_of(r, r->accept_on_error ? VERDICT_ALLOW : VERDICT_REJECT);

	v.status = r->accept_on_error ? 0 : 503;
	v.failed = true;
	return v;
}

static uint16_t find_trunk(const struct policy_config *c, const struct opinion_rule *r,
			   struct str name)
{
	for (size_t i = 0; i < r->to_count; i++)
		if (r->to[i] < c->trunk_count && str_eq(c->trunks[r->to[i]].name, name))
			return r->to[i];
	return POLICY_NO_INDEX;
}

struct verdict opinion_judge(const struct policy_config *c, const struct opinion_answer *a,
			     uint16_t *out_trunk)
{
	const struct opinion_rule *r = c->opinion;
	struct verdict v;

	CHECK(r && out_trunk);
	*out_trunk = POLICY_NO_INDEX;
	if (!a)
		return failed(r);
	switch (a->word) {
	case OPINION_ACCEPT: return verdict_of(r, VERDICT_ALLOW);
	case OPINION_REJECT:
		v = verdict_of(r, VERDICT_REJECT);
		v.status = a->status;
		v.reason = a->reason;
		return v;
	case OPINION_ROUTE:
		*out_trunk = find_trunk(c, r, a->trunk);
		return *out_trunk != POLICY_NO_INDEX ? verdict_of(r, VERDICT_ALLOW) : failed(r);
	case OPINION_WORD_COUNT: break;
	}
	return failed(r);
}

struct verdict opinion_judge_too_long(const struct policy_config *c)
{
	CHECK(c->opinion);
	struct verdict v = verdict_of(c->opinion, VERDICT_REJECT);

	v.status = 414;
	return v;
}

struct verdict opinion_judge_status(const struct policy_config *c, uint16_t status)
{
	const struct opinion_rule *r = c->opinion;
	struct verdict v;

	CHECK(r);
	if (status == 404 || status == 503 || (status >= 300 && status < 400))
		return verdict_of(r, VERDICT_ALLOW);
	if (status != 403 && (status < 600 || status > 699))
		return failed(r);
	v = verdict_of(r, VERDICT_REJECT);
	v.status = status;
	return v;
}
