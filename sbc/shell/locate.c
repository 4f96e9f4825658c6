#include "locate.h"

#include <string.h>

enum { PORT_SIP = 5060, PORT_SIPS = 5061, SERVICES_MAX = 3 };

/* The services of RFC 3263 that we speak. */
static const struct service {
	enum transport transport;
	struct str naptr; /* lower case */
	struct str srv;
} services[SERVICES_MAX] = {
	{TRANSPORT_TLS, {"sips+d2t", 8}, {"_sips._tcp.", 11}},
	{TRANSPORT_UDP, {"sip+d2u", 7}, {"_sip._udp.", 10}},
	{TRANSPORT_TCP, {"sip+d2t", 7}, {"_sip._tcp.", 10}},
};

struct work {
	const struct locate_params *p;
	struct locate_result *out;
	uint64_t random;
};

/* xorshift64*: chance for load sharing, not secrecy. */
static uint32_t next_random(uint64_t *state)
{
	uint64_t x = *state ? *state : 0x9e3779b97f4a7c15u;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (uint32_t)((x * 0x2545f4914f6cdd1du) >> 32);
}

static void swap(struct dns_srv *a, struct dns_srv *b)
{
	struct dns_srv t = *a;
	*a = *b;
	*b = t;
}

/* By priority; within one, weight 0 first (RFC 2782 puts those at the beginning of the list). */
static bool is_before(const struct dns_srv *a, const struct dns_srv *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->weight == 0 && b->weight != 0;
}

void locate_order_srv(struct dns_srv *srv, size_t count, uint64_t random)
{
	for (size_t i = 1; i < count; i++)
		for (size_t j = i; j > 0 && is_before(&srv[j], &srv[j - 1]); j--)
			swap(&srv[j], &srv[j - 1]);
	for (size_t i = 0; i < count; i++) {
		uint32_t sum = 0;
		size_t end = i;
		for (; end < count && srv[end].priority == srv[i].priority; end++)
			sum += srv[end].weight;
		uint32_t pick =
			(uint32_t)(((uint64_t)next_random(&random) * ((uint64_t)sum + 1)) >> 32);
		size_t chosen = i;
		for (uint32_t running = srv[i].weight; running < pick;
		     running += srv[chosen].weight)
			chosen++;
		/* Shift, so that the others keep their order and weight 0 stays in front. */
		for (; chosen > i; chosen--)
			swap(&srv[chosen], &srv[chosen - 1]);
	}
}

/* The answer, or NULL after noting that it is needed. */
static const struct dns_answer *find(struct work *w, const struct dns_name *name,
				     enum dns_type type)
{
	const struct dns_answer *a = w->p->find(w->p->ctx, name, type);
	if (!a && w->out->need_count < LOCATE_NEEDS_MAX)
		w->out->needs[w->out->need_count++] = (struct locate_need){*name, type};
	return a;
}

static void add_addresses(struct work *w, const struct dns_name *host, uint16_t port,
			  enum transport transport)
{
	static const enum dns_type types[2] = {DNS_AAAA, DNS_A};
	const struct resolve_query *q = w->p->query;
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		if (types[t] == DNS_A ? !q->ip4 : !q->ip6)
			continue;
		const struct dns_answer *a = find(w, host, types[t]);
		for (size_t i = 0; a && i < a->count && w->out->count < CANDIDATES_MAX; i++) {
			struct addr addr = a->records[i].addr;
			addr.port = port;
			w->out->candidates[w->out->count++] = (struct candidate){transport, addr};
		}
	}
}

static void add_srv_answer(struct work *w, const struct dns_answer *a, enum transport transport)
{
	struct dns_srv srv[DNS_RECORDS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < a->count; i++)
		if (a->records[i].srv.target.len > 0 && a->records[i].srv.port > 0)
			srv[count++] = a->records[i].srv;
	locate_order_srv(srv, count, w->random + (uint64_t)transport);
	/* Not more targets than can become candidates: an answer of a thousand costs no more. */
	for (size_t i = 0; i < count && i < CANDIDATES_MAX; i++)
		add_addresses(w, &srv[i].target, srv[i].port, transport);
}

/* SRV records of `name`: true if there are any, or if it is not known yet. */
static bool add_srv(struct work *w, const struct dns_name *name, enum transport transport)
{
	const struct dns_answer *a = find(w, name, DNS_SRV);
	if (a && a->count > 0)
		add_srv_answer(w, a, transport);
	return !a || a->count > 0;
}

static bool is_wanted(const struct resolve_query *q, enum transport t)
{
	if (q->transport_given)
		return t == q->transport && (!q->secure || t == TRANSPORT_TLS);
	return !q->secure || t == TRANSPORT_TLS;
}

static const struct service *service_of(const struct dns_naptr *n)
{
	if (n->flag != 's' || n->has_regexp || n->replacement.len == 0)
		return NULL;
	for (size_t i = 0; i < SERVICES_MAX; i++)
		if (str_eq((struct str){n->service, n->service_len}, services[i].naptr))
			return &services[i];
	return NULL;
}

/* RFC 3263 §4.1: by order, then preference. True if NAPTR records decided, or are not known yet. */
static bool add_naptr(struct work *w, const struct dns_name *domain)
{
	const struct dns_answer *a = find(w, domain, DNS_NAPTR);
	if (!a)
		return true;
	const struct dns_naptr *use[DNS_RECORDS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < a->count; i++) {
		const struct dns_naptr *n = &a->records[i].naptr;
		const struct service *s = service_of(n);
		if (!s || !is_wanted(w->p->query, s->transport))
			continue;
		size_t at = count++;
		for (; at > 0 &&
		       (use[at - 1]->order > n->order || (use[at - 1]->order == n->order &&
							  use[at - 1]->preference > n->preference));
		     at--)
			use[at] = use[at - 1];
		use[at] = n;
	}
	for (size_t i = 0; i < count; i++)
		(void)add_srv(w, &use[i]->replacement, service_of(use[i])->transport);
	return count > 0;
}

/* SRV of each transport that may be used. True if any has records, or is not known yet. */
static bool add_all_srv(struct work *w, const struct dns_name *domain)
{
	const struct resolve_query *q = w->p->query;
	bool any = false;
	for (size_t i = 0; i < SERVICES_MAX; i++) {
		struct dns_name name;
		/* A domain that asks for TLS says so by NAPTR; without it plain sip: stays plain. */
		if (!is_wanted(q, services[i].transport) ||
		    (services[i].transport == TRANSPORT_TLS && !q->secure && !q->transport_given))
			continue;
		if (dns_name_join(&name, services[i].srv, dns_name_view(domain)) == OK)
			any |= add_srv(w, &name, services[i].transport);
	}
	return any;
}

void locate(const struct locate_params *p, struct locate_result *out)
{
	struct work w = {p, out, p->random};
	const struct resolve_query *q = p->query;
	struct dns_name domain;
	out->need_count = 0;
	out->count = 0;
	if (dns_name_init(&domain, q->host) != OK ||
	    (q->secure && q->transport_given && q->transport != TRANSPORT_TLS))
		return;
	enum transport transport = q->transport_given ? q->transport
				   : q->secure        ? TRANSPORT_TLS
						      : TRANSPORT_UDP;
	if (q->port != 0) {
		add_addresses(&w, &domain, q->port, transport);
		return;
	}
	if (!q->transport_given && add_naptr(&w, &domain))
		return;
	if (add_all_srv(&w, &domain))
		return;
	add_addresses(&w, &domain, transport == TRANSPORT_TLS ? PORT_SIPS : PORT_SIP, transport);
}
