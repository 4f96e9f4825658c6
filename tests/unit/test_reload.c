#include "sbc/shell/reload.h"
#include "tests/support/check.h"

struct site {
	struct realm realms[2];
	struct listener listeners[2];
	struct media_relay relays[1];
	struct cdr_sink cdrs[1];
	struct http_listener https[1];
	struct trunk trunks[1];
	struct settings s;
};

static void make(struct site *x)
{
	*x = (struct site){
		.realms = {{.name = STR("outside")}, {.name = STR("inside")}},
		.listeners = {{.realm = 0, .transport = TRANSPORT_TLS},
			      {.realm = 1, .transport = TRANSPORT_UDP}},
		.relays = {{STR("local"), STR("ng+udp:127.0.0.1:2223"), 100}},
		.cdrs = {{STR("/var/log/cdr.jsonl"), 0}},
		.https = {{.metrics = true}},
	};
	x->listeners[0].local = (struct addr){{127, 0, 0, 1}, 5061, ADDR_IP4};
	x->listeners[1].local = (struct addr){{127, 0, 0, 1}, 5060, ADDR_IP4};
	x->s = (struct settings){.node = STR("a"),
				 .realms = x->realms,
				 .realm_count = 2,
				 .listeners = x->listeners,
				 .listener_count = 2,
				 .relays = x->relays,
				 .relay_count = 1,
				 .cdrs = x->cdrs,
				 .cdr_count = 1,
				 .https = x->https,
				 .http_count = 1,
				 .trunks = x->trunks,
				 .trunk_count = 1,
				 .control_path = STR("/run/a.sock"),
				 .limits = {.calls = 10, .transactions = 20, .connections = 30}};
}

static void what_needs_a_restart(void **state)
{
	struct site from, to;
	char mem[512];
	struct buf why;
	(void)state;
#define ROW(text, change, wanted)                                                                  \
	make(&from);                                                                               \
	make(&to);                                                                                 \
	change;                                                                                    \
	buf_init(&why, mem, sizeof(mem));                                                          \
	check_row(text);                                                                           \
	EXPECT_ERR(reload_check(&from.s, &to.s, &why), (wanted) ? ERR_UNSUPPORTED : OK);           \
	EXPECT_INT(why.len > 0, wanted)
	ROW("nothing", (void)0, false);
	ROW("a certificate of a listener", to.listeners[0].certificate = 3, false);
	ROW("client certificates", to.listeners[0].client_certificate = CLIENT_CERT_REQUIRED,
	    false);
	ROW("one trunk less", to.s.trunk_count = 0, false);
	ROW("idle time", to.s.limits.idle_ms = 5, false);
	ROW("log level", to.s.log.level = 3, false);
	ROW("the node's name", to.s.node = STR("b"), true);
	ROW("the resolver", to.s.resolver = STR("127.0.0.1:53"), true);
	ROW("a realm's name", to.realms[1].name = STR("x"), true);
	ROW("a realm less", to.s.realm_count = 1, true);
	ROW("a listener's port", to.listeners[1].local.port = 5070, true);
	ROW("a listener's transport", to.listeners[1].transport = TRANSPORT_TCP, true);
	ROW("a listener less", to.s.listener_count = 1, true);
	ROW("a relay's url", to.relays[0].url = STR("ng+udp:127.0.0.1:2224"), true);
	ROW("a relay less", to.s.relay_count = 0, true);
	ROW("where CDRs go", to.cdrs[0].path = STR("/x"), true);
	ROW("rotation", to.cdrs[0].rotate_ms = 5, true);
	ROW("pages", to.https[0].metrics = false, true);
	ROW("the control socket", to.s.control_path = STR("/x"), true);
	ROW("the file of bans", to.s.bans.file = STR("/x"), true);
	ROW("the socket of the helper", to.s.bans.kernel_path = STR("/x"), true);
	ROW("how long bans last", to.s.policy.bans.first_s = 7, false);
	ROW("the limit of calls", to.s.limits.calls = 11, true);
#undef ROW
}

static void each_reason_has_a_line(void **state)
{
	struct site from, to;
	char mem[512];
	struct buf why;
	(void)state;
	make(&from);
	make(&to);
	to.s.node = STR("b");
	to.s.cdr_count = 0;
	buf_init(&why, mem, sizeof(mem));
	EXPECT_ERR(reload_check(&from.s, &to.s, &why), ERR_UNSUPPORTED);
	EXPECT_Z(buf_view(&why),
		 "a change of node.name needs a restart\na change of cdr needs a restart\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_needs_a_restart),
		cmocka_unit_test(each_reason_has_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
