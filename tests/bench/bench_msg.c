/*
 * Reading a SIP message: index, address check, full parse; and libosip2 alone, with malloc, for comparison. The INVITE is
 * 959 octets with 16 headers and a 12-line SDP, the BYE 476.
 */
#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <stdio.h>

#include "sbc/core/dialog.h"
#include "sbc/core/msg.h"
#include "sbc/core/uri.h"
#include "tests/bench/run.h"
#include "tests/bench/sip.h"

struct load {
	struct str bytes;
	struct arena arena;
	struct msg m;
	uint64_t sum;
};

static void index_it(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++) {
		CHECK(msg_index(&l->m, l->bytes, 0) == OK);
		l->sum += l->m.cseq;
	}
}

static void check_it(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++)
		CHECK(msg_check(&l->m) == OK);
}

static void full_it(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++)
		CHECK(msg_full(&l->m, &l->arena) == OK);
}

static void libosip2_it(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++) {
		osip_message_t *sip;
		CHECK(osip_message_init(&sip) == 0);
		CHECK(osip_message_parse(sip, l->bytes.p, l->bytes.len) == 0);
		osip_message_free(sip);
	}
}

static void contact_it(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++) {
		struct name_addr a;
		struct uri u;
		CHECK(name_addr_parse(msg_value(&l->m, HDR_CONTACT), &a) == OK &&
		      uri_parse(a.uri, &u) == OK);
		l->sum += u.port;
	}
}

int main(void)
{
	static char mem[MSG_FULL_ARENA];
	static struct load l;
	parser_init();
	arena_init(&l.arena, mem, sizeof(mem));
	static const struct {
		const char *name;
		const struct str *bytes;
	} messages[] = {{"INVITE", &sip_invite}, {"200 OK", &sip_ok}, {"BYE", &sip_bye}};
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		char name[64];
		l.bytes = *messages[i].bytes;
		snprintf(name, sizeof(name), "msg_index, %s of %zu octets", messages[i].name,
			 l.bytes.len);
		double own = bench(name, index_it, &l);
		snprintf(name, sizeof(name), "  libosip2 with malloc, %s", messages[i].name);
		double theirs = bench(name, libosip2_it, &l);
		printf("  -> libosip2 costs %.1f times the index\n", theirs / own);
	}
	l.bytes = sip_invite;
	index_it(&l, 1);
	bench("msg_check, INVITE (From, To, Contact, Request-URI)", check_it, &l);
	bench("msg_full, INVITE (check and libosip2 in an arena)", full_it, &l);
	bench("Contact: address and URI", contact_it, &l);
	return l.sum == 0;
}
