#include "sbc/core/identity.h"

#include "policy/number.h"
#include "sbc/core/uri.h"

bool identity_is_trusted(const struct settings *s, const struct trunk *t, uint16_t realm)
{
	if (t && t->caller.trusted != CALLER_TRUST_REALM)
		return t->caller.trusted == CALLER_TRUST_YES;
	return realm < s->policy.realm_count && s->policy.realms[realm].trust >= TRUST_MEDIUM;
}

/* ---- what is asked for */

static const struct {
	struct str name;
	uint8_t bit;
} privacy_words[] = {
	{STR("id"), PRIVACY_ID},           {STR("user"), PRIVACY_USER},
	{STR("header"), PRIVACY_HEADER},   {STR("session"), PRIVACY_SESSION},
	{STR("history"), PRIVACY_HISTORY}, {STR("critical"), PRIVACY_CRITICAL},
	{STR("none"), PRIVACY_NONE},
};

static uint8_t privacy_word(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(privacy_words); i++)
		if (str_ieq(word, privacy_words[i].name))
			return privacy_words[i].bit;
	return PRIVACY_UNKNOWN;
}

static bool rpid_is_private(struct str value)
{
	struct name_addr a;
	struct str p;
	if (name_addr_parse(value, &a) != OK || !name_addr_param(&a, STR("privacy"), &p))
		return false;
	if (p.len >= 2 && p.p[0] == '"')
		p = (struct str){p.p + 1, p.len - 2};
	return str_has_iprefix(p, STR("full")) || str_has_iprefix(p, STR("uri")) ||
	       str_has_iprefix(p, STR("name"));
}

uint8_t identity_privacy(const struct msg *m, bool from_trusted)
{
	uint8_t all = 0;
	size_t cursor = 0;
	struct str value, word, item;
	if (msg_has(m, HDR_PRIVACY))
		while (msg_next(m, HDR_PRIVACY, &cursor, &value))
			/* ';' parts the values; some write ','. */
			while (str_cut(&value, ';', &item))
				while (str_cut(&item, ',', &word))
					if (str_trim(word).len > 0)
						all |= privacy_word(str_trim(word));
	if (from_trusted && msg_has(m, HDR_REMOTE_PARTY_ID) &&
	    rpid_is_private(msg_value(m, HDR_REMOTE_PARTY_ID)))
		all |= PRIVACY_ID;
	/* Who asks for both meant the stricter. */
	if (all & ~PRIVACY_NONE)
		all &= (uint8_t)~PRIVACY_NONE;
	return all;
}

bool identity_hides(uint8_t privacy, bool to_trusted)
{
	if (to_trusted) /* the network may know; the user part of the request is for the user to hide */
		return privacy & PRIVACY_USER;
	return privacy & (PRIVACY_ID | PRIVACY_USER | PRIVACY_HEADER);
}

bool identity_is_impossible(uint8_t privacy, bool anchored)
{
	return (privacy & PRIVACY_CRITICAL) &&
	       ((privacy & PRIVACY_UNKNOWN) || ((privacy & PRIVACY_SESSION) && !anchored));
}

/* ---- what is said */

/* One identity, as somebody gave it. Views. */
struct claim {
	struct name_addr addr;
	struct uri uri;
	bool is_tel;
};

static bool read_claim(struct str value, struct claim *out)
{
	if (name_addr_parse(value, &out->addr) != OK || out->addr.star ||
	    uri_parse(out->addr.uri, &out->uri) != OK || out->uri.scheme == URI_OTHER)
		return false;
	out->is_tel = out->uri.scheme == URI_TEL;
	return !str_ieq(out->uri.host, STR("anonymous.invalid"));
}

/* At most one sip: or sips: and one tel: (RFC 3325 §9.1). */
static size_t read_claims(const struct msg *m, enum hdr id, struct claim out[2])
{
	size_t cursor = 0, n = 0;
	struct str value, item;
	while (n < 2 && msg_next(m, id, &cursor, &value))
		while (n < 2 && hdr_list_cut(&value, &item))
			if (read_claim(item, &out[n]) && (n == 0 || out[0].is_tel != out[1].is_tel))
				n++;
	return n;
}

/* Who it is, believed as far as the side is. */
static size_t asserted(const struct msg *m, const struct identity_params *p, struct claim out[2])
{
	size_t n = 0;
	if (!p->from_trusted)
		return 0;
	if (msg_has(m, HDR_P_ASSERTED_IDENTITY))
		n = read_claims(m, HDR_P_ASSERTED_IDENTITY, out);
	if (n == 0 && msg_has(m, HDR_REMOTE_PARTY_ID))
		n = read_claims(m, HDR_REMOTE_PARTY_ID, out) > 0;
	if (n == 0 && p->assert != CALLER_ASSERT_PASS && msg_has(m, HDR_P_PREFERRED_IDENTITY))
		n = read_claims(m, HDR_P_PREFERRED_IDENTITY, out) > 0;
	if (n == 0 && p->assert == CALLER_ASSERT_FROM && m->is_request)
		n = read_claim(m->from, &out[0]);
	return n;
}

void identity_write_uri(struct buf *b, struct str number, const struct addr *host, bool sips)
{
	buf_z(b, sips ? "<sips:" : "<sip:");
	if (number.len) {
		uri_write_user(b, number);
		buf_char(b, '@');
	}
	addr_write_host(b, host);
	buf_char(b, '>');
}

static void write_display(struct buf *b, const struct name_addr *a)
{
	char mem[IDENTITY_DISPLAY_MAX];
	struct buf text;
	buf_init(&text, mem, sizeof(mem));
	name_addr_write_display(&text, a);
	if (text.overflow || text.len == 0)
		return;
	hdr_write_quoted(b, buf_view(&text));
	buf_char(b, ' ');
}

static void insert(struct buf *b, size_t at, struct str what)
{
	size_t behind = b->len - at;

	buf_bytes(b, what.p, what.len);
	if (b->overflow)
		return;
	memmove(b->p + at + what.len, b->p + at, behind);
	memcpy(b->p + at, what.p, what.len);
}

void identity_add_verstat(struct buf *b, size_t at, struct str verstat)
{
	char mem[64];
	struct buf param;

	if (verstat.len == 0 || b->overflow || b->len <= at || b->p[b->len - 1] != '>')
		return;
	size_t open = b->len - 1;
	while (open > at && b->p[open] != '<')
		open--;
	struct str uri = {b->p + open + 1, b->len - open - 2};
	bool tel = str_has_prefix(uri, STR("tel:"));
	size_t end = tel ? uri.len : str_index(uri, '@');
	if (b->p[open] != '<' || (!tel && end == uri.len))
		return;
	buf_init(&param, mem, sizeof(mem));
	buf_lit(&param, ";verstat=");
	buf_str(&param, verstat);
	if (!tel)
		insert(b, b->len - 1, STR(";user=phone"));
	insert(b, open + 1 + end, buf_view(&param));
}

/* The number is theirs, the host is ours. False: nothing can be said of it. */
static bool write_claim(struct buf *b, const struct claim *c, const struct identity_params *p)
{
	char mem[256], in_mem[256], out_mem[256];
	struct buf number, in, out;
	buf_init(&number, mem, sizeof(mem));
	buf_init(&in, in_mem, sizeof(in_mem));
	buf_init(&out, out_mem, sizeof(out_mem));
	if (uri_write_number(&number, &c->uri) != OK || number.overflow)
		return false;
	struct str n = number_of(p->in, NUMBER_ASSERTED, buf_view(&number), &in);
	n = number_of(p->out, NUMBER_ASSERTED, n, &out);
	if (n.len == 0)
		return false;
	write_display(b, &c->addr);
	if (c->is_tel &&
	    n.p[0] == '+') { /* a local number would need its context, which names a place */
		buf_lit(b, "<tel:");
		uri_write_user(b, n);
		buf_char(b, '>');
	} else {
		identity_write_uri(b, n, p->host, p->sips);
	}
	return true;
}

static struct str cut_text(struct buf *text, size_t at)
{
	return text->overflow ? STR_NONE : (struct str){text->p + at, text->len - at};
}

/* What we have not done, and the next one may still have to do. */
static uint8_t left_to_do(uint8_t privacy, bool to_trusted)
{
	uint8_t left = privacy & (uint8_t) ~(PRIVACY_USER | PRIVACY_HEADER | PRIVACY_SESSION |
					     PRIVACY_UNKNOWN);
	if (!to_trusted)
		left &= (uint8_t) ~(PRIVACY_ID | PRIVACY_HISTORY);
	return left == PRIVACY_CRITICAL ? 0 : left;
}

static void write_privacy(struct buf *b, uint8_t privacy)
{
	bool first = true;
	for (size_t i = 0; i < ARRAY_LEN(privacy_words); i++) {
		if (!(privacy & privacy_words[i].bit))
			continue;
		if (!first)
			buf_char(b, ';');
		first = false;
		buf_str(b, privacy_words[i].name);
	}
}

size_t identity_lines(struct buf *text, const struct msg *m, uint8_t privacy,
		      const struct identity_params *p, struct rules_line out[IDENTITY_LINES_MAX])
{
	struct claim claims[2];
	bool named = p->assert != CALLER_ASSERT_PASS;
	size_t n = 0, count = p->to_trusted ? asserted(m, p, claims) : 0;
	uint8_t left = left_to_do(privacy, p->to_trusted);
	bool rpid = p->form == CALLER_FORM_RPID;

	for (size_t i = 0; i < count && !(rpid && i > 0); i++) {
		size_t at = text->len;
		if (!write_claim(text, &claims[i], p))
			continue;
		identity_add_verstat(text, at, p->verstat);
		if (rpid)
			buf_z(text, privacy & PRIVACY_ID ? ";party=calling;screen=yes;privacy=full"
							 : ";party=calling;screen=yes;privacy=off");
		out[n++] = (struct rules_line){.name = rpid ? STR("Remote-Party-ID")
							    : STR("P-Asserted-Identity"),
					       .value = cut_text(text, at),
					       .named = named};
	}
	if (left) {
		size_t at = text->len;
		write_privacy(text, left);
		/* Where an identity goes, the wish goes with it, whatever a list says. */
		out[n] = (struct rules_line){
			.name = STR("Privacy"), .value = cut_text(text, at), .named = true};
		n++;
	}
	return text->overflow ? 0 : n;
}

/* The name that goes before the address; false: all is written, for who is nobody. */
static bool write_from_name(struct buf *b, struct str from, bool hidden)
{
	struct name_addr a;
	struct uri u;
	bool good = name_addr_parse(from, &a) == OK;
	bool was_anonymous =
		good && uri_parse(a.uri, &u) == OK && str_ieq(u.host, STR("anonymous.invalid"));
	if (hidden || was_anonymous) {
		buf_lit(b, "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
		return false;
	}
	if (good && a.display.len > 0 && a.display.len <= IDENTITY_DISPLAY_MAX) {
		hdr_write_unfolded(b, a.display);
		buf_char(b, ' ');
	}
	return true;
}

void identity_write_from(struct buf *b, struct str from, struct str number, const struct addr *host,
			 bool sips, bool hidden)
{
	if (write_from_name(b, from, hidden))
		identity_write_uri(b, number, host, sips);
}

void identity_write_from_at(struct buf *b, struct str from, struct str number, struct str domain,
			    bool sips, bool hidden)
{
	if (!write_from_name(b, from, hidden))
		return;
	buf_z(b, sips ? "<sips:" : "<sip:");
	uri_write_user(b, number);
	buf_char(b, '@');
	buf_str(b, domain);
	buf_char(b, '>');
}
