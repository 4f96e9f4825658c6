/* digest: what is read ends; an answer that can be written to a challenge can be read, and is right. */
#include "common/arena.h"
#include "sbc/core/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct digest_challenge *c)
{
	static char mem[16 * 1024];
	struct digest_use u = {.challenge = c,
			       .user = STR("u\"s\\er"),
			       .password = STR("p"),
			       .method = STR("INVITE"),
			       .uri = STR("sip:a@b"),
			       .nc = 7,
			       .cnonce = STR("c")};
	struct digest_secret who = {.user = u.user, .password = u.password};
	struct digest_answer a;
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	CHECK(digest_write(&b, &u) == OK);
	CHECK(digest_answer_parse(buf_view(&b), &a) == OK);
	CHECK(digest_check(&a, u.method, &who));
	CHECK(!digest_check(&a, STR("BYE"), &who));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = {(const char *)data, size}, rest = s;
	struct digest_challenge c;
	struct digest_answer a;
	struct digest_secret who = {.user = STR("u"), .password = STR("p")};

	while (digest_challenge_cut(&rest, &c) == OK)
		answer(&c);
	if (digest_answer_parse(s, &a) == OK && digest_check(&a, STR("INVITE"), &who))
		CHECK(a.user.len > 0);
	return 0;
}
