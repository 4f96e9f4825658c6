/* dns_rr: the first byte says which type is asked for; the rest is the answer to the question that it repeats. */
#include "sbc/shell/dns_rr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const struct dns_name *n)
{
	struct dns_name again;
	/* Empty is "."; all others would be taken as names again. */
	CHECK(n->len == 0 || dns_name_init(&again, dns_name_view(n)) == OK ||
	      n->len == DNS_NAME_MAX || memchr(n->text, '.', n->len) || n->len > 63);
}

/* The name in the question, so that most inputs get past it. */
static enum err asked(const uint8_t *p, size_t n, struct dns_name *out)
{
	char text[DNS_NAME_MAX];
	size_t len = 0, at = 12;
	while (at < n && p[at] > 0 && p[at] < 64 && n - at > p[at] &&
	       len + p[at] + 1 < sizeof(text)) {
		if (len > 0)
			text[len++] = '.';
		memcpy(text + len, p + at + 1, p[at]);
		len += p[at];
		at += 1 + (size_t)p[at];
	}
	return dns_name_init(out, (struct str){text, len});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[4] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR};
	static struct dns_answer a;
	struct dns_name name;
	if (size < 1 || asked(data + 1, size - 1, &name) != OK)
		return 0;
	enum dns_type type = types[data[0] & 3];
	a.count = 0;
	if (dns_answer_decode(data + 1, size - 1, &name, type, &a) != OK)
		return 0;
	CHECK(a.count <= DNS_RECORDS_MAX);
	for (size_t i = 0; i < a.count; i++) {
		if (type == DNS_SRV)
			check_name(&a.records[i].srv.target);
		if (type == DNS_NAPTR)
			check_name(&a.records[i].naptr.replacement);
	}
	return 0;
}
