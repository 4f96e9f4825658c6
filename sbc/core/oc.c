#include "sbc/core/oc.h"

#include "sbc/core/hdr.h"

enum { SEQ_DIGITS = 12, FRACTION_DIGITS = 5, FRACTION = 100000, LOSS_MAX = 100 };

bool oc_is_in(struct str params)
{
	/* Every response comes by here. */
	for (size_t at = str_index(params, ';'); at < params.len; at = str_index(params, ';')) {
		params = str_from_offset(params, at + 1);
		if (params.len < 2 || params.p[0] != 'o' || params.p[1] != 'c')
			continue;
		params = str_from_offset(params, 2);
		if (params.len == 0 || params.p[0] == ';' || params.p[0] == '=' ||
		    params.p[0] == ' ')
			return true;
	}
	return false;
}

/* "loss", "\"loss\"", "\"rate,loss\"". */
static bool names_loss(struct str value)
{
	struct str one;
	if (value.len >= 2 && value.p[0] == '"')
		value = (struct str){value.p + 1, value.len - 2};
	while (str_cut(&value, ',', &one))
		if (str_ieq(str_trim(one), STR("loss")))
			return true;
	return false;
}

/* RFC 7339 §9: 1*12DIGIT "." 1*5DIGIT */
static bool read_seq(struct str text, uint64_t *out)
{
	struct str whole, rest = text;
	uint64_t seconds, fraction;
	if (!str_cut(&rest, '.', &whole) || whole.len > SEQ_DIGITS || rest.len > FRACTION_DIGITS ||
	    str_to_u64(whole, UINT64_MAX, &seconds) != OK ||
	    str_to_u64(rest, FRACTION, &fraction) != OK)
		return false;
	for (size_t i = rest.len; i < FRACTION_DIGITS; i++)
		fraction *= 10;
	*out = seconds * FRACTION + fraction;
	return true;
}

enum err oc_parse(struct str params, struct oc *out)
{
	struct oc o = {.validity_ms = OC_VALIDITY_MS};
	struct str name, value;
	bool bad = false, seen = false;
	while (hdr_param_cut(&params, &name, &value, &bad)) {
		if (str_ieq(name, STR("oc"))) {
			if (seen)
				return ERR_BAD;
			seen = true;
			o.asks = value.len == 0;
			o.has_value = value.len > 0;
			if (o.has_value && str_to_u32(value, UINT32_MAX, &o.value) != OK)
				return ERR_BAD;
		} else if (str_ieq(name, STR("oc-algo"))) {
			o.loss = names_loss(value);
		} else if (str_ieq(name, STR("oc-validity"))) {
			if (str_to_u32(value, OC_VALIDITY_MAX_MS, &o.validity_ms) != OK)
				return ERR_BAD;
		} else if (str_ieq(name, STR("oc-seq"))) {
			if (!read_seq(value, &o.seq))
				return ERR_BAD;
		}
	}
	if (bad || (o.has_value && o.loss && o.value > LOSS_MAX))
		return ERR_BAD;
	*out = o;
	return OK;
}

void oc_step(struct oc_peer *p, const struct oc *o, uint64_t now_ms)
{
	if (!o->has_value || !o->loss)
		return;
	/* Responses overtake one another; what was said later counts. A peer that began anew counts from the clock. */
	bool in_force = p->until_ms > now_ms;
	if (in_force && o->seq != 0 && o->seq <= p->seq)
		return;
	p->seq = o->seq;
	p->loss = (uint8_t)(o->validity_ms == 0 ? 0 : o->value);
	p->until_ms = now_ms + o->validity_ms;
}

bool oc_sheds(const struct oc_peer *p, uint64_t now_ms, uint32_t random)
{
	return p->until_ms > now_ms && random % LOSS_MAX < p->loss;
}

void oc_write(struct buf *b, unsigned loss, uint64_t wall_ms)
{
	buf_lit(b, ";oc=");
	buf_u64(b, loss);
	buf_lit(b, ";oc-algo=\"loss\";oc-validity=");
	buf_u64(b, loss ? OC_VALIDITY_MS : 0);
	buf_lit(b, ";oc-seq=");
	buf_u64(b, wall_ms / 1000);
	/* Five digits, so that they compare as numbers. */
	buf_char(b, '.');
	uint64_t f = wall_ms % 1000 * 100;
	for (uint64_t d = FRACTION / 10; d > 0; d /= 10)
		buf_char(b, (char)('0' + f / d % 10));
}
