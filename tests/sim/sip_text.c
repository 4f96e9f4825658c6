#include "sip_text.h"

#include <string.h>

static const struct {
	const char *name;
	char compact;
} compacts[] = {{"Via", 'v'},       {"From", 'f'},        {"To", 't'},
		{"Call-ID", 'i'},   {"Contact", 'm'},     {"Content-Length", 'l'},
		{"Supported", 'k'}, {"Content-Type", 'c'}};

static bool is_name(struct str name, const char *wanted)
{
	if (str_ieq(name, str_from(wanted)))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(compacts); i++)
		if (name.len == 1 && (name.p[0] | 32) == compacts[i].compact &&
		    strcmp(compacts[i].name, wanted) == 0)
			return true;
	return false;
}

struct str sip_text_header(const struct sip_text *m, const char *name, unsigned nth)
{
	struct str rest = m->head, line;
	while (str_cut(&rest, '\n', &line)) {
		size_t colon = str_index(line, ':');
		if (colon == line.len || !is_name(str_trim((struct str){line.p, colon}), name))
			continue;
		if (nth-- == 0)
			return str_trim(str_from_offset(line, colon + 1));
	}
	return STR_NONE;
}

struct str sip_text_param(struct str value, const char *name)
{
	/* Parameters of the URI stand inside the brackets. */
	size_t close = str_index(value, '>');
	struct str rest = close < value.len ? str_from_offset(value, close + 1) : value, piece;
	(void)str_cut(&rest, ';', &piece);
	while (str_cut(&rest, ';', &piece)) {
		size_t eq = str_index(piece, '=');
		struct str key = str_trim((struct str){piece.p, eq});
		if (str_ieq(key, str_from(name)))
			return eq < piece.len ? str_trim(str_from_offset(piece, eq + 1)) : STR_NONE;
	}
	return STR_NONE;
}

struct str sip_text_uri(struct str value)
{
	size_t open = str_index(value, '<');
	if (open == value.len) {
		struct str uri = STR_NONE;
		(void)str_cut(&value, ';', &uri);
		return str_trim(uri);
	}
	value = str_from_offset(value, open + 1);
	return (struct str){value.p, str_index(value, '>')};
}

bool sip_text_uri_addr(struct str uri, struct addr *out)
{
	size_t at = str_index(uri, '@');
	struct str host = str_from_offset(uri, at < uri.len ? at + 1 : str_index(uri, ':') + 1);
	host.len = str_index(host, ';');
	if (addr_parse(host, out) != OK)
		return false;
	if (out->port == 0)
		out->port = 5060;
	return true;
}

static bool read_start(struct str line, struct sip_text *m)
{
	struct str a, b;
	if (!str_cut_word(&line, &a) || !str_cut_word(&line, &b))
		return false;
	m->request = !str_eq(a, STR("SIP/2.0"));
	if (m->request) {
		m->method = a;
		m->uri = b;
		return str_eq(str_trim(line), STR("SIP/2.0"));
	}
	uint32_t status;
	if (str_to_u32(b, 699, &status) != OK || status < 100)
		return false;
	m->status = status;
	m->reason = str_trim(line);
	return true;
}

/* The first of each header that every message has, in one walk. */
struct known {
	struct str via, length, contact, cseq;
};

static void read_header(struct str line, struct sip_text *m, struct known *k)
{
	size_t colon = str_index(line, ':');
	if (colon == line.len)
		return;
	struct str name = str_trim((struct str){line.p, colon});
	const struct {
		const char *name;
		struct str *to;
	} rows[] = {{"Via", &k->via},
		    {"From", &m->from},
		    {"To", &m->to},
		    {"Call-ID", &m->call_id},
		    {"CSeq", &k->cseq},
		    {"Contact", &k->contact},
		    {"Content-Length", &k->length}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (name.len && rows[i].to->p == NULL &&
		    (name.len == 1 || ((name.p[0] ^ rows[i].name[0]) & ~32) == 0) &&
		    is_name(name, rows[i].name)) {
			*rows[i].to = str_trim(str_from_offset(line, colon + 1));
			return;
		}
}

static bool read_via(struct str vias, struct sip_text *m)
{
	struct str word;
	if (!str_cut(&vias, ',', &m->via))
		return false;
	m->branch = sip_text_param(m->via, "branch");
	struct str rest = m->via;
	rest.len = str_index(rest, ';');
	if (!str_cut_word(&rest, &word))
		return false;
	m->sent_by = str_trim(rest);
	return true;
}

bool sip_text_read(struct str bytes, struct sip_text *out)
{
	struct sip_text m = {.all = bytes};
	struct known k = {0};
	size_t end = str_find(bytes, STR("\r\n\r\n"));
	if (end == bytes.len)
		return false;
	m.head = (struct str){bytes.p, end + 2};
	m.body = str_from_offset(bytes, end + 4);
	struct str line;
	if (!str_cut(&m.head, '\n', &line) || !read_start(str_trim(line), &m))
		return false;
	struct str rest = m.head;
	while (str_cut(&rest, '\n', &line))
		read_header(line, &m, &k);
	uint32_t n;
	if (k.length.len && (str_to_u32(k.length, 65535, &n) != OK || n != m.body.len))
		return false;
	struct str word;
	if (!str_cut_word(&k.cseq, &word) || str_to_u32(word, UINT32_MAX, &m.cseq) != OK)
		return false;
	m.cseq_method = str_trim(k.cseq);
	if (!read_via(k.via, &m) || !m.from.len || !m.to.len || !m.call_id.len)
		return false;
	m.from_tag = sip_text_param(m.from, "tag");
	m.to_tag = sip_text_param(m.to, "tag");
	m.contact = sip_text_uri(k.contact);
	*out = m;
	return true;
}
