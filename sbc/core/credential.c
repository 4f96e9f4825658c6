#include "sbc/core/credential.h"

#include "common/check.h"
#include "sbc/core/uri.h"

const char *credential_result_name(enum credential_result r)
{
	static const char *const names[CREDENTIAL_RESULT_COUNT] = {
		[CREDENTIAL_OK] = "ok",
		[CREDENTIAL_REFUSED] = "refused",
		[CREDENTIAL_UNREACHABLE] = "unreachable",
		[CREDENTIAL_BROKEN] = "broken",
		[CREDENTIAL_UNTRUSTED] = "untrusted",
		[CREDENTIAL_BUSY] = "busy"};

	return r < CREDENTIAL_RESULT_COUNT ? names[r] : "unknown";
}

/* ---- TNAuthList: SEQUENCE of [0] IA5String | [1] SEQUENCE {IA5String, INTEGER} | [2] IA5String */

enum {
	TAG_SEQUENCE = 0x30,
	TAG_IA5 = 0x16,
	TAG_INTEGER = 0x02,
	TAG_SPC = 0xa0,
	TAG_RANGE = 0xa1,
	TAG_ONE = 0xa2
};

struct der {
	const uint8_t *p;
	size_t len;
};

/* The next element, whatever its tag; false: none, or broken. */
static bool der_next(struct der *d, uint8_t *tag, struct der *out)
{
	if (d->len < 2)
		return false;
	size_t head = 2, n = d->p[1];
	if (n == 0x81 && d->len >= 3 && d->p[2] >= 0x80) {
		n = d->p[2];
		head = 3;
	} else if (n == 0x82 && d->len >= 4 && d->p[2] != 0) {
		n = (size_t)d->p[2] << 8 | d->p[3];
		head = 4;
	} else if (n >= 0x80) {
		return false;
	}
	if (n > d->len - head)
		return false;
	*tag = d->p[0];
	*out = (struct der){d->p + head, n};
	d->p += head + n;
	d->len -= head + n;
	return true;
}

static bool der_take(struct der *d, uint8_t want, struct der *out)
{
	uint8_t tag;

	return der_next(d, &tag, out) && tag == want;
}

static bool take_number(struct der *d, struct credential_numbers *out)
{
	struct der text;

	if (!der_take(d, TAG_IA5, &text) || text.len == 0 || text.len > CREDENTIAL_DIGITS_MAX)
		return false;
	bool special = false;
	out->digits = (uint8_t)text.len;
	out->first = 0;
	out->count = 1;
	out->text[text.len] = '\0';
	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.p[i];
		if ((c < '0' || c > '9') && c != '*' && c != '#')
			return false;
		out->text[i] = c;
		special = special || c < '0';
		out->first = out->first * 10 + (uint64_t)(c >= '0' ? c - '0' : 0);
	}
	if (special)
		out->count = 0; /* by its text alone */
	else
		out->text[0] = '\0';
	return true;
}

static bool take_count(struct der *d, uint64_t *out)
{
	struct der n;
	uint64_t v = 0;

	if (!der_take(d, TAG_INTEGER, &n) || n.len == 0 || n.len > 8 || (n.p[0] & 0x80))
		return false;
	for (size_t i = 0; i < n.len; i++)
		v = v << 8 | n.p[i];
	*out = v;
	return v >= 2;
}

static bool take_entry(struct der *list, struct credential_list *out)
{
	struct credential_numbers *to = &out->numbers[out->count];
	uint8_t tag;
	struct der in, range;

	if (!der_next(list, &tag, &in))
		return false;
	if (tag == TAG_SPC) {
		struct der text;
		out->spc = true;
		return der_take(&in, TAG_IA5, &text) && text.len > 0 && in.len == 0;
	}
	if (tag == TAG_ONE) {
		out->count++;
		return take_number(&in, to) && in.len == 0;
	}
	if (tag != TAG_RANGE || !der_take(&in, TAG_SEQUENCE, &range) || in.len)
		return false;
	out->count++;
	return take_number(&range, to) && to->count == 1 && take_count(&range, &to->count) &&
	       range.len == 0;
}

enum err credential_read_list(const uint8_t *der, size_t len, struct credential_list *out)
{
	CHECK(der && out);
	struct credential_list l = {.given = true};
	struct der all = {der, len}, list;

	if (!der_take(&all, TAG_SEQUENCE, &list) || all.len || list.len == 0)
		return ERR_BAD;
	while (list.len) {
		if (l.count == CREDENTIAL_NUMBERS_MAX)
			return ERR_LIMIT;
		if (!take_entry(&list, &l))
			return ERR_BAD;
	}
	*out = l;
	return OK;
}

bool credential_covers(const struct credential_list *l, struct str tn)
{
	CHECK(l);
	uint64_t v = 0;
	bool plain = str_to_u64(tn, UINT64_MAX, &v) == OK;

	if (!l->given || l->spc)
		return true;
	for (size_t i = 0; i < l->count; i++) {
		const struct credential_numbers *n = &l->numbers[i];
		if (n->digits != tn.len)
			continue;
		if (n->count == 0 ? str_eq(tn, str_from(n->text))
				  : plain && v >= n->first && v - n->first < n->count)
			return true;
	}
	return false;
}

static bool has_numbers(const struct credential_list *l, const struct credential_numbers *n)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct credential_numbers *a = &l->numbers[i];
		if (a->digits != n->digits || (a->count == 0) != (n->count == 0))
			continue;
		if (n->count == 0 ? str_eq(str_from(a->text), str_from(n->text))
				  : n->first >= a->first && n->count <= a->count &&
					    n->first - a->first <= a->count - n->count)
			return true;
	}
	return false;
}

bool credential_encompasses(const struct credential_list *above,
			    const struct credential_list *below)
{
	CHECK(above && below);
	if (!above->given || above->spc)
		return true;
	if (!below->given || below->spc)
		return false;
	for (size_t i = 0; i < below->count; i++)
		if (!has_numbers(above, &below->numbers[i]))
			return false;
	return true;
}

/* ---- where it is */

/* Cuts ":PORT" off the end; false: what stands there is none. */
static bool cut_port(struct str *host, uint16_t *port)
{
	size_t at = host->len;

	while (at > 0 && host->p[at - 1] >= '0' && host->p[at - 1] <= '9')
		at--;
	if (at == host->len || at == 0 || host->p[at - 1] != ':')
		return !str_has_suffix(*host, STR(":"));
	if (str_to_u16(str_from_offset(*host, at), 65535, port) != OK || *port == 0)
		return false;
	host->len = at - 1;
	return true;
}

enum err credential_read_url(struct str s, struct credential_url *out)
{
	CHECK(out);
	struct credential_url u = {.port = CREDENTIAL_PORT};

	if (!str_has_iprefix(s, STR("https://")))
		return ERR_BAD;
	s = str_from_offset(s, 8);
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '#' || s.p[i] == '"' ||
		    s.p[i] == '<' || s.p[i] == '>' || s.p[i] == '\\')
			return ERR_BAD;
	size_t end = str_index(s, '/'), query = str_index(s, '?');
	if (query < end) /* nothing but a path may follow a host here */
		return ERR_BAD;
	u.host = (struct str){s.p, end};
	u.path = str_from_offset(s, end);
	bool bracketed = u.host.len && u.host.p[0] == '[' && str_has_suffix(u.host, STR("]"));
	if (!bracketed && !cut_port(&u.host, &u.port))
		return ERR_BAD;
	if (!uri_is_host(u.host))
		return ERR_BAD;
	if (u.host.p[0] == '[')
		u.host = (struct str){u.host.p + 1, u.host.len - 2};
	*out = u;
	return OK;
}

bool credential_is_host(struct str host)
{
	uint16_t port = 0;

	if (!cut_port(&host, &port))
		return false;
	if (str_eq(host, STR("*")))
		return true;
	if (str_has_prefix(host, STR("*.")))
		host = str_from_offset(host, 2);
	return uri_is_host(host);
}

static bool is_named(const struct credential_url *u, struct str pattern)
{
	uint16_t port = 0;

	if (!cut_port(&pattern, &port))
		return false;
	if (port ? u->port != port : u->port != 443 && u->port != 8443)
		return false;
	if (str_eq(pattern, STR("*")))
		return true;
	if (str_has_prefix(pattern, STR("*.")))
		return u->host.len > pattern.len - 1 &&
		       str_has_isuffix(u->host, str_from_offset(pattern, 1));
	if (str_has_prefix(pattern, STR("["))) /* as uri_is_host has seen it: with its end */
		pattern = (struct str){pattern.p + 1, pattern.len - 2};
	return str_ieq(u->host, pattern);
}

bool credential_is_allowed(const struct credential_url *u, const struct str *hosts, size_t count)
{
	CHECK(u);
	for (size_t i = 0; i < count; i++)
		if (is_named(u, hosts[i]))
			return true;
	return false;
}
