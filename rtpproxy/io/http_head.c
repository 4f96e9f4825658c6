#include "rtpproxy/io/http_head.h"

#include "common/addr.h"

bool http_head_has(struct str list, struct str token)
{
	struct str one;
	while (str_cut(&list, ',', &one)) {
		if (str_eq(str_trim(one), token)) {
			return true;
		}
	}
	return false;
}

static bool has_word(struct str list, struct str word)
{
	struct str one;
	while (str_cut(&list, ',', &one)) {
		if (str_ieq(str_trim(one), word)) {
			return true;
		}
	}
	return false;
}

/* Up to CRLF; control octets make it bad. */
static bool cut_line(struct str *rest, struct str *out)
{
	size_t at = str_find(*rest, STR("\r\n"));
	if (at == rest->len) {
		return false;
	}
	*out = (struct str){rest->p, at};
	*rest = str_from_offset(*rest, at + 2);
	for (size_t i = 0; i < at; i++) {
		unsigned char c = (unsigned char)out->p[i];
		if ((c < ' ' && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

static bool read_start(struct str line, struct http_head *h)
{
	struct str method, target;
	if (!str_cut(&line, ' ', &method) || !str_cut(&line, ' ', &target) || target.len == 0 ||
	    target.p[0] != '/' ||
	    (!str_eq(line, STR("HTTP/1.1")) && !str_eq(line, STR("HTTP/1.0")))) {
		return false;
	}
	h->method = str_eq(method, STR("GET"))    ? HTTP_GET
		    : str_eq(method, STR("HEAD")) ? HTTP_HEAD
		    : str_eq(method, STR("POST")) ? HTTP_POST
						  : HTTP_OTHER;
	h->close = str_eq(line, STR("HTTP/1.0"));
	h->path = (struct str){target.p, str_index(target, '?')};
	return true;
}

/* A header that may stand once. */
static bool set_once(struct str *to, struct str value)
{
	bool fresh = to->p == NULL;
	*to = value;
	return fresh;
}

static bool read_length(struct http_head *h, struct str value)
{
	if (h->has_length) {
		return false;
	}
	h->has_length = true;
	return str_to_u64(value, UINT32_MAX, &h->length) == OK;
}

static bool read_header(struct str line, struct http_head *h)
{
	struct str name, value = line;
	if (!str_cut(&value, ':', &name) || !value.p || name.len == 0 ||
	    str_trim(name).len != name.len) {
		return false;
	}
	value = str_trim(value);
	if (str_ieq(name, STR("Host"))) {
		return set_once(&h->host, value);
	}
	if (str_ieq(name, STR("Origin"))) {
		return set_once(&h->origin, value);
	}
	if (str_ieq(name, STR("Content-Type"))) {
		return set_once(&h->type, value);
	}
	if (str_ieq(name, STR("Content-Length"))) {
		return read_length(h, value);
	}
	if (str_ieq(name, STR("Transfer-Encoding"))) {
		return false;
	}
	if (str_ieq(name, STR("Sec-WebSocket-Key"))) {
		return set_once(&h->ws_key, value);
	}
	if (str_ieq(name, STR("Sec-WebSocket-Version"))) {
		return set_once(&h->ws_version, value);
	}
	if (str_ieq(name, STR("Sec-WebSocket-Protocol"))) {
		return set_once(&h->ws_protocols, value);
	}
	if (str_ieq(name, STR("Upgrade"))) {
		h->upgrade = h->upgrade || has_word(value, STR("websocket"));
	} else if (str_ieq(name, STR("Connection"))) {
		h->close = h->close || has_word(value, STR("close"));
	} else if (str_ieq(name, STR("Expect"))) {
		h->expects = str_ieq(value, STR("100-continue"));
	}
	return true;
}

ptrdiff_t http_head_parse(struct str in, struct http_head *out)
{
	struct str shown = {in.p, in.len < HTTP_HEAD_MAX ? in.len : HTTP_HEAD_MAX}, line;
	size_t end = str_find(shown, STR("\r\n\r\n"));
	struct http_head h = {0};
	if (end == shown.len) {
		return in.len < HTTP_HEAD_MAX ? ERR_MORE : ERR_LIMIT;
	}
	struct str rest = {in.p, end + 2};
	if (!cut_line(&rest, &line) || !read_start(line, &h)) {
		return ERR_BAD;
	}
	for (unsigned i = 0; rest.len > 0; i++) {
		if (i == HTTP_HEADERS_MAX) {
			return ERR_LIMIT;
		}
		if (!cut_line(&rest, &line) || !read_header(line, &h)) {
			return ERR_BAD;
		}
	}
	/* Octets that follow a GET would be read as the next request, or as frames. */
	if (h.method != HTTP_POST && h.length > 0) {
		return ERR_BAD;
	}
	*out = h;
	return (ptrdiff_t)end + 4;
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost" → without the port. */
static struct str without_port(struct str host)
{
	if (host.len > 0 && host.p[0] == '[') {
		size_t end = str_index(host, ']');
		return end < host.len ? str_sub(host.p + 1, host.p + end) : STR_NONE;
	}
	return (struct str){host.p, str_index(host, ':')};
}

bool http_head_may_ask(const struct http_head *h, bool by_name)
{
	struct addr ip;
	if (!h->origin.p) {
		return true;
	}
	struct str origin = h->origin;
	size_t scheme = str_find(origin, STR("://"));
	origin = scheme < origin.len ? str_from_offset(origin, scheme + 3) : origin;
	struct str host = without_port(h->host);
	return str_ieq(without_port(origin), host) &&
	       (by_name || str_ieq(host, STR("localhost")) || addr_parse_ip(host, &ip) == OK);
}

void http_head_write(struct buf *b, unsigned status, const char *type, size_t length, bool close)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{426, "Upgrade Required"},
		{431, "Request Header Fields Too Large"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
	};
	const char *text = "";
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		text = texts[i].status == status ? texts[i].text : text;
	}
	buf_printf(b, "HTTP/1.1 %u %s\r\n", status, text);
	if (type) {
		buf_printf(b, "Content-Type: %s\r\n", type);
	}
	buf_printf(b, "Content-Length: %zu\r\nCache-Control: no-store\r\n", length);
	buf_lit(b, "X-Content-Type-Options: nosniff\r\n");
	if (status == 426) {
		buf_lit(b, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
	}
	if (close) {
		buf_lit(b, "Connection: close\r\n");
	}
	buf_lit(b, "\r\n");
}
