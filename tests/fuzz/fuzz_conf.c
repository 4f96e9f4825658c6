/* conf: any text is either refused with at least one message, or makes settings that are whole. */
#include "sbc/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_over(const struct settings *s)
{
	CHECK(s->realm_count > 0 && s->realm_count == s->policy.realm_count);
	for (size_t i = 0; i < s->realm_count; i++)
		CHECK(s->policy.realms[i].media_policy < s->policy.media_count);
	for (size_t i = 0; i < s->listener_count; i++) {
		const struct listener *l = &s->listeners[i];
		CHECK(l->realm < s->realm_count && l->transport < TRANSPORT_COUNT &&
		      l->local.port != 0);
		CHECK(!transport_is_secure(l->transport) || l->certificate < s->certificate_count);
		for (size_t k = 0; k < l->client_anchor_count; k++)
			CHECK(l->client_anchors[k] < s->anchor_count);
	}
	for (size_t i = 0; i < s->trunk_count; i++) {
		CHECK(s->trunks[i].realm < s->realm_count && s->trunks[i].peer_count > 0);
		for (size_t k = 1; k < s->trunks[i].peer_count; k++)
			CHECK(s->trunks[i].peers[k - 1].priority <= s->trunks[i].peers[k].priority);
	}
	for (size_t i = 0; i < s->policy.route_count; i++) {
		const struct route_rule *r = &s->policy.routes[i];
		CHECK((r->to_count > 0) != (r->reject_status != 0));
		for (size_t k = 0; k < r->to_count; k++)
			CHECK(r->to[k] < s->trunk_count);
	}
	CHECK(s->relay_count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_report report;
	struct settings *s = NULL;
	if (conf_report_init(&report) != OK)
		return 0;
	enum err e = config_load_text(STR("fuzz.yaml"), (struct str){(const char *)data, size},
				      &report, &s);
	CHECK((e == OK) == (report.errors == 0) || e == ERR_NOMEM);
	CHECK((e == OK) == (s != NULL));
	for (size_t i = 0; i < report.count; i++) {
		struct str line = report.messages[i].text;
		for (size_t k = 0; k < line.len; k++)
			CHECK((unsigned char)line.p[k] >= 0x20);
	}
	if (s)
		look_over(s);
	config_free(s);
	conf_report_release(&report);
	return 0;
}
