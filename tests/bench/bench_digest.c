/* Digest: a challenge answered, and an answer checked, by each algorithm. */
#include <stdio.h>

#include "sbc/core/digest.h"
#include "tests/bench/run.h"

struct load {
	struct digest_challenge challenge;
	struct digest_use use;
	struct digest_secret secret;
	char mem[1024];
	struct buf out;
	struct digest_answer answer;
};

static void answer(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++) {
		buf_init(&l->out, l->mem, sizeof(l->mem));
		CHECK(digest_write(&l->out, &l->use) == OK);
	}
}

static void parse(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		CHECK(digest_answer_parse(buf_view(&l->out), &l->answer) == OK);
}

static void check(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		CHECK(digest_check(&l->answer, l->use.method, &l->secret));
}

int main(void)
{
	static const enum crypto_hash hashes[] = {CRYPTO_MD5, CRYPTO_SHA256, CRYPTO_SHA512_256};
	static struct load l;

	l.use = (struct digest_use){.challenge = &l.challenge,
				    .user = STR("493055512345"),
				    .password = STR("a password of some length"),
				    .method = STR("INVITE"),
				    .uri = STR("sip:+493055512345@carrier.example.org"),
				    .nc = 1,
				    .cnonce = STR("0a4f113b8c1d2e3f")};
	l.secret = (struct digest_secret){.user = l.use.user, .password = l.use.password};
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		char name[64];
		l.challenge = (struct digest_challenge){
			.realm = STR("carrier.example.org"),
			.nonce = STR("dcd98b7102dd2f0e8b11d0f600bfb0c093"),
			.algorithm = hashes[i],
			.qop = true};
		struct str hash = digest_algorithm_name(hashes[i]);
		snprintf(name, sizeof(name), "digest: answer made, %.*s", STR_ARG(hash));
		bench(name, answer, &l);
		snprintf(name, sizeof(name), "digest: answer read, %.*s", STR_ARG(hash));
		bench(name, parse, &l);
		snprintf(name, sizeof(name), "digest: answer checked, %.*s", STR_ARG(hash));
		bench(name, check, &l);
	}
	return 0;
}
