#include "tls_names.h"

#include <openssl/x509v3.h>
#include <string.h>

static struct str of_asn1(const ASN1_STRING *s)
{
	return (struct str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

static struct str without_dot(struct str s)
{
	if (s.len > 1 && s.p[s.len - 1] == '.')
		s.len--;
	return s;
}

/* Host characters only: a NUL, a wildcard or a space makes it no name at all. IPv6 in brackets may
 * stand in a URI. */
static bool is_host(struct str s)
{
	if (s.len == 0 || s.len > TLS_NAME_LEN_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.' || c == '_' || c == ':' || c == '[' || c == ']'))
			return false;
	}
	return true;
}

static void add(struct tls_names *n, struct str host)
{
	host = without_dot(host);
	if (!is_host(host) || tls_names_has(n, host) || n->count == TLS_NAMES_MAX)
		return;
	char *to = n->text + n->text_len;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.p[i];
		to[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	n->names[n->count++] = (struct str){to, host.len};
	n->text_len += host.len;
}

/* The host of "sip:example.net" or "sip:example.net:5061;x"; empty: not a SIP domain identity. A
 * user part makes it a person's, not a domain's (§7.1). sips: is not mentioned by the RFC. */
static struct str sip_uri_host(struct str uri)
{
	if (!str_has_iprefix(uri, STR("sip:")))
		return STR_NONE;
	struct str host = str_from_offset(uri, 4);
	if (str_has_char(host, '@'))
		return STR_NONE;
	host.len = str_index(host, ';');
	host.len = str_index(host, '?');
	if (host.len > 0 && host.p[0] == '[') {
		size_t close = str_index(host, ']');
		return close < host.len ? (struct str){host.p, close + 1} : STR_NONE;
	}
	host.len = str_index(host, ':');
	return host;
}

static void add_common_name(struct tls_names *n, X509 *cert)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int last = -1;
	for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
		last = at; /* the most specific one */
	if (last < 0)
		return;
	ASN1_STRING *cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
	unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, cn);
	if (len > 0)
		add(n, (struct str){(const char *)utf8, (size_t)len});
	OPENSSL_free(utf8);
}

void tls_names_init(struct tls_names *n, X509 *cert)
{
	n->count = 0;
	n->text_len = 0;
	int critical = -1;
	GENERAL_NAMES *alt = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
	if (!alt) {
		/* -1: there is no such extension. Anything else (broken, twice): no identity. */
		if (critical == -1)
			add_common_name(n, cert);
		return;
	}
	static const int kinds[2] = {GEN_URI, GEN_DNS};
	for (size_t k = 0; k < ARRAY_LEN(kinds) && n->count == 0; k++) {
		for (int i = 0; i < sk_GENERAL_NAME_num(alt); i++) {
			const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);
			if (g->type != kinds[k])
				continue;
			struct str s = of_asn1(g->d.ia5);
			add(n, kinds[k] == GEN_URI ? sip_uri_host(s) : s);
		}
	}
	GENERAL_NAMES_free(alt);
}

bool tls_names_has(const struct tls_names *n, struct str host)
{
	host = without_dot(host);
	for (size_t i = 0; i < n->count; i++)
		if (str_ieq(n->names[i], host))
			return true;
	return false;
}

static bool has_ip(X509 *cert, const struct addr *a)
{
	return X509_check_ip(cert, a->ip, a->family == ADDR_IP4 ? 4 : 16, 0) == 1;
}

bool tls_names_is_for(X509 *cert, struct str host)
{
	struct tls_names n;
	struct addr a;
	tls_names_init(&n, cert);
	if (tls_names_has(&n, host))
		return true;
	return addr_parse_ip(host, &a) == OK && has_ip(cert, &a);
}

bool tls_names_usage_ok(X509 *cert)
{
	int critical = -1;
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(cert, NID_ext_key_usage, &critical, NULL);
	if (!usage)
		return critical == -1;
	bool ok = false;
	for (int i = 0; i < sk_ASN1_OBJECT_num(usage) && !ok; i++) {
		const ASN1_OBJECT *o = sk_ASN1_OBJECT_value(usage, i);
		char oid[32];
		int nid = OBJ_obj2nid(o);
		ok = nid == NID_client_auth || nid == NID_server_auth ||
		     nid == NID_anyExtendedKeyUsage ||
		     (OBJ_obj2txt(oid, sizeof(oid), o, 1) > 0 &&
		      strcmp(oid, "1.3.6.1.5.5.7.3.20") == 0); /* id-kp-sipDomain */
	}
	EXTENDED_KEY_USAGE_free(usage);
	return ok;
}

bool tls_names_serves(X509 *cert, struct str host)
{
	host = without_dot(host);
	if (tls_names_is_for(cert, host))
		return true;
	GENERAL_NAMES *alt = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool ok = false;
	for (int i = 0; alt && i < sk_GENERAL_NAME_num(alt) && !ok; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);
		if (g->type != GEN_DNS)
			continue;
		struct str s = of_asn1(g->d.ia5);
		size_t dot = str_index(host, '.');
		ok = str_ieq(s, host) ||
		     (str_has_prefix(s, STR("*.")) && dot < host.len &&
		      str_ieq(str_from_offset(s, 1), str_from_offset(host, dot)));
	}
	GENERAL_NAMES_free(alt);
	return ok;
}
