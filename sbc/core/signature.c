#include "sbc/core/signature.h"

#include "policy/attest.h"

/* A canonical number and its memory. */
struct tn {
	char mem[PASSPORT_NUMBER_MAX + 1];
	struct str s; /* empty: none */
};

bool signature_write_tn(struct buf *b, struct str written, struct str canonical)
{
	struct str plus = STR("+");

	return passport_write_tn(
		b, !str_has_prefix(written, plus) && str_has_prefix(canonical, plus) ? canonical
										     : written);
}

static void set_tn(struct tn *t, struct str written, struct str canonical)
{
	struct buf b;

	buf_init(&b, t->mem, sizeof(t->mem));
	t->s = signature_write_tn(&b, written, canonical) ? buf_view(&b) : STR_NONE;
}

/* ---- those that came */

struct arrived {
	struct str values[PASSPORT_MAX];
	size_t count;
	bool has_base; /* one that is no `div` */
	bool fits;     /* one is for whom it goes to now */
	bool fitted;   /* one was for whom it was for when it came */
};

struct parties {
	struct tn from, to, called;
};

static void look_at(struct arrived *a, struct str value, const struct parties *who)
{
	char mem[PASSPORT_SCRATCH];
	struct buf scratch;
	struct passport p;

	buf_init(&scratch, mem, sizeof(mem));
	if (passport_parse(value, &scratch, &p) != OK || p.compact || p.bad_alg || p.info_differs ||
	    p.claims.kind == PASSPORT_OTHER || !passport_is_from(&p.claims, who->from.s))
		return;
	a->values[a->count++] = value;
	a->has_base = a->has_base || p.claims.kind != PASSPORT_DIV;
	a->fits = a->fits || passport_is_to(&p.claims, who->to.s);
	a->fitted = a->fitted || passport_is_to(&p.claims, who->called.s);
}

static void look(struct arrived *a, const struct msg *m, const struct parties *who)
{
	size_t cursor = 0, seen = 0;
	struct str value;

	while (msg_next(m, HDR_IDENTITY, &cursor, &value)) {
		if (seen++ == PASSPORT_MAX) { /* so many prove nothing to anybody */
			a->count = 0;
			a->has_base = false;
			return;
		}
		look_at(a, value, who);
	}
}

/* ---- what is written */

static struct str cut_text(struct buf *text, size_t at)
{
	return text->overflow ? STR_NONE : (struct str){text->p + at, text->len - at};
}

static bool sign(struct buf *text, const struct passport_claims *c, const struct es256_key *key,
		 struct rules_line *out)
{
	char mem[PASSPORT_VALUE_MAX];
	struct buf input;
	uint8_t signature[ES256_SIGNATURE_LEN];
	size_t at = text->len;

	buf_init(&input, mem, sizeof(mem));
	passport_write_input(&input, c);
	if (input.overflow || es256_sign(key, buf_view(&input), signature) != OK)
		return false;
	passport_write(text, c, buf_view(&input), signature);
	*out = (struct rules_line){
		.name = STR("Identity"), .value = cut_text(text, at), .named = true};
	return !text->overflow;
}

static struct rules_line date_line(struct buf *text, uint64_t wall_s)
{
	size_t at = text->len;

	passport_write_date(text, wall_s);
	return (struct rules_line){.name = STR("Date"), .value = cut_text(text, at), .named = true};
}

/* RFC 8946 §4: whom it was for, whom it is for now, in the same caller's name. */
static struct passport_claims div_claims(const struct signature_params *p,
					 const struct parties *who)
{
	return (struct passport_claims){.kind = PASSPORT_DIV,
					.x5u = p->url,
					.iat_s = p->wall_s,
					.orig_tn = who->from.s,
					.dest_tn = {who->to.s},
					.dest_tn_count = 1,
					.div_tn = who->called.s};
}

static struct passport_claims shaken_claims(const struct signature_params *p,
					    const struct parties *who)
{
	return (struct passport_claims){.kind = PASSPORT_SHAKEN,
					.x5u = p->url,
					.iat_s = p->wall_s,
					.orig_tn = who->from.s,
					.dest_tn = {who->to.s},
					.dest_tn_count = 1,
					.attest = attest_name(p->attest)[0],
					.origid = p->origid};
}

size_t signature_lines(struct buf *text, const struct msg *m, const struct signature_params *p,
		       struct rules_line out[SIGNATURE_LINES_MAX], struct signature_made *made)
{
	CHECK(text && m && p && made);
	struct parties who;
	struct arrived a = {.count = 0};
	size_t n = 0;

	*made = (struct signature_made){.kept = 0};
	set_tn(&who.from, p->from, p->from_canonical);
	set_tn(&who.to, p->to, p->to_canonical);
	set_tn(&who.called, p->dialled, p->called);
	if (!who.from.s.len || !who.to.s.len) { /* a name: `shaken` speaks of numbers alone */
		made->failed = p->key != NULL;
		return 0;
	}
	if (p->may_cross)
		look(&a, m, &who);
	bool led_on = !a.fits && a.fitted && p->key;
	if (a.has_base && (a.fits || led_on)) {
		for (; made->kept < a.count; made->kept++) {
			size_t at = text->len;
			hdr_write_unfolded(text, a.values[made->kept]);
			out[n++] = (struct rules_line){.name = STR("Identity"),
						       .value = cut_text(text, at)};
		}
		if (!led_on)
			return n;
	}
	if (!p->key)
		return n;
	struct passport_claims c = made->kept ? div_claims(p, &who) : shaken_claims(p, &who);
	if (!sign(text, &c, p->key, &out[n])) {
		/* Without its div the old one says what is not so. */
		*made = (struct signature_made){.failed = true};
		return 0;
	}
	n++;
	made->div = made->kept > 0;
	made->signed_as = made->div ? FACTS_ATTEST_UNKNOWN : p->attest;
	out[n++] = date_line(text, p->wall_s);
	return n;
}
