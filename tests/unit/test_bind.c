#include "sbc/core/bind.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

static struct binds b;
static struct block_pool texts;
static const char call_id[] = "cccccccccccccccccccccccccccccccc";

static void start(uint32_t contacts)
{
	static const uint8_t kinds[2] = {11, 0};
	static const struct siphash_key keys[4];

	block_init(&texts, (size_t)1 << 20);
	EXPECT_ERR(bind_init(&b, contacts, kinds, keys, &texts), OK);
}

static void finish(void)
{
	EXPECT_INT(b.contacts.used, 0);
	EXPECT_INT(b.aors.used, 0);
	EXPECT_INT(texts.used, 0);
	bind_release(&b);
	block_release(&texts);
}

static struct flow stream(id_t64 id, const char *ip)
{
	struct flow f = {.id = id, .listener = 1, .transport = TRANSPORT_TLS};

	CHECK(addr_parse(str_from(ip), &f.remote) == OK);
	return f;
}

static struct aor *aor_of(const char *name)
{
	struct aor *a = bind_find_aor(&b, str_from(name));

	if (!a)
		EXPECT_ERR(bind_add_aor(&b, str_from(name), 0, call_id, &a), OK);
	return a;
}

/* A token of the number alone. */
static const char *token(unsigned n)
{
	static char out[HIDE_TOKEN_LEN + 1];

	snprintf(out, sizeof(out), "t%031u", n);
	return out;
}

static enum err add(const char *name, const struct flow *f, unsigned n, const char *uri,
		    const char *instance, uint32_t reg_id, struct contact **out)
{
	struct bind_add p = {.aor = aor_of(name),
			     .flow = f,
			     .token = token(n),
			     .texts = {.uri = str_from(uri),
				       .instance = str_from(instance),
				       .reg_id = reg_id,
				       .call_id = STR("x")},
			     .most = 3,
			     .source_most = 5};
	struct contact *c = NULL;
	enum err e = bind_add(&b, &p, &c);

	if (out)
		*out = c;
	return e;
}

static void a_contact_is_found_by_token_flow_and_address(void **state)
{
	(void)state;
	struct flow f = stream(7, "192.0.2.1:1"), g = stream(8, "192.0.2.1:2");
	struct contact *one, *two, *cursor = NULL;

	start(8);
	EXPECT_ERR(add("a@x", &f, 1, "sip:1@h", "", 0, &one), OK);
	EXPECT_ERR(add("a@x", &f, 2, "sip:2@h", "", 0, &two), OK);
	EXPECT_ERR(add("b@x", &g, 3, "sip:1@h", "", 0, NULL), OK);
	EXPECT_TRUE(bind_find_token(&b, str_from(token(1))) == one);
	EXPECT_TRUE(bind_find_token(&b, STR("T0000000000000000000000000000002")) == two);
	EXPECT_TRUE(bind_find_token(&b, str_from(token(9))) == NULL);
	EXPECT_TRUE(bind_find_token(&b, STR("t1")) == NULL);
	int found = 0;
	while (bind_next_of_flow(&b, &f, &cursor))
		found++;
	EXPECT_INT(found, 2);
	/* The last registered first. */
	EXPECT_TRUE(LIST_OBJECT(aor_of("a@x")->contacts.next, struct contact, node) == two);
	id_t64 id = one->id;
	bind_del(&b, one);
	EXPECT_TRUE(bind_get(&b, id) == NULL && bind_find_token(&b, str_from(token(1))) == NULL);
	bind_del(&b, two);
	EXPECT_TRUE(bind_find_aor(&b, STR("a@x")) == NULL);
	bind_del(&b, bind_find_token(&b, str_from(token(3))));
	finish();
}

static void udp_is_known_by_address_and_port_of_one_listener(void **state)
{
	(void)state;
	struct flow f = stream(0, "192.0.2.1:5060"), g = f, h = f;
	struct contact *c, *cursor = NULL;

	f.transport = g.transport = h.transport = TRANSPORT_UDP;
	g.remote.port = 5061;
	h.listener = 2;
	start(8);
	EXPECT_ERR(add("a@x", &f, 1, "sip:1@h", "", 0, &c), OK);
	EXPECT_TRUE(bind_next_of_flow(&b, &f, &cursor) == c);
	cursor = NULL;
	EXPECT_TRUE(bind_next_of_flow(&b, &g, &cursor) == NULL);
	cursor = NULL;
	EXPECT_TRUE(bind_next_of_flow(&b, &h, &cursor) == NULL);
	bind_del(&b, c);
	finish();
}

static void what_one_may_have_is_bounded(void **state)
{
	(void)state;
	struct flow f = stream(7, "192.0.2.1:1"), g = stream(8, "192.0.2.2:1");

	start(7);
	for (unsigned i = 0; i < 3; i++)
		EXPECT_ERR(add("a@x", &f, i,
			       i == 0   ? "sip:0@h"
			       : i == 1 ? "sip:1@h"
					: "sip:2@h",
			       "", 0, NULL),
			   OK);
	EXPECT_ERR(add("a@x", &g, 3, "sip:3@h", "", 0, NULL), ERR_LIMIT); /* of one address */
	EXPECT_ERR(add("b@x", &f, 4, "sip:3@h", "", 0, NULL), OK);
	EXPECT_ERR(add("b@x", &f, 5, "sip:4@h", "", 0, NULL), OK);
	EXPECT_ERR(add("b@x", &f, 6, "sip:5@h", "", 0, NULL), ERR_LIMIT); /* of one source */
	EXPECT_ERR(add("c@x", &g, 7, "sip:3@h", "", 0, NULL), OK);
	EXPECT_ERR(add("c@x", &g, 8, "sip:4@h", "", 0, NULL), OK);
	EXPECT_ERR(add("d@x", &g, 9, "sip:4@h", "", 0, NULL), ERR_FULL); /* of all */
	bind_settle(&b, aor_of("d@x"));
	uint32_t cursor = 0;
	id_t64 id;
	struct contact *c;
	while ((c = pool_next(&b.contacts, &cursor, &id)) != NULL)
		bind_del(&b, c);
	finish();
}

static void an_instance_keeps_its_place_when_its_address_changes(void **state)
{
	(void)state;
	struct flow f = stream(7, "192.0.2.1:1"), g = stream(8, "192.0.2.2:1");
	struct contact *c, *cursor = NULL;

	start(8);
	EXPECT_ERR(add("a@x", &f, 1, "sip:1@h", "\"<urn:uuid:1>\"", 1, &c), OK);
	struct bind_texts same = {.uri = STR("sip:2@h"),
				  .instance = STR("\"<urn:uuid:1>\""),
				  .reg_id = 1,
				  .call_id = STR("y")},
			  other = same;
	other.reg_id = 2;
	EXPECT_TRUE(bind_match(c->aor, &same) == c);
	EXPECT_TRUE(bind_match(c->aor, &other) == NULL);
	struct bind_add p = {.aor = c->aor, .flow = &g, .texts = same, .most = 3, .source_most = 1};
	EXPECT_ERR(bind_renew(&b, c, &p), OK);
	EXPECT_STR(c->uri, STR("sip:2@h"));
	EXPECT_TRUE(bind_next_of_flow(&b, &f, &cursor) == NULL);
	cursor = NULL;
	EXPECT_TRUE(bind_next_of_flow(&b, &g, &cursor) == c);
	EXPECT_INT(tally_get(&b.sources, &f.remote), 0);
	EXPECT_INT(tally_get(&b.sources, &g.remote), 1);
	bind_del(&b, c);
	finish();
}

static void an_address_with_a_session_stays_until_that_ends(void **state)
{
	(void)state;
	struct flow f = stream(7, "192.0.2.1:1");
	struct contact *c;

	start(8);
	EXPECT_ERR(add("a@x", &f, 1, "sip:1@h", "", 0, &c), OK);
	struct aor *a = c->aor;
	id_t64 id = a->id;
	a->sessions++;
	bind_del(&b, c);
	EXPECT_TRUE(bind_get_aor(&b, id) == a);
	a->sessions--;
	bind_settle(&b, a);
	EXPECT_TRUE(bind_get_aor(&b, id) == NULL);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_contact_is_found_by_token_flow_and_address),
		cmocka_unit_test(udp_is_known_by_address_and_port_of_one_listener),
		cmocka_unit_test(what_one_may_have_is_bounded),
		cmocka_unit_test(an_instance_keeps_its_place_when_its_address_changes),
		cmocka_unit_test(an_address_with_a_session_stays_until_that_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
