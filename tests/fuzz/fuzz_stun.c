/*
 * STUN into the lite agent. Input: one byte of how it comes (source, component, whether it is signed anew), then the
 * datagram. Whatever comes: an answer is no longer than what asked, is whole, and only who knows the password gets one.
 */
#include "rtpproxy/core/stun.h"

#include <string.h>

#include "common/crypto.h"
#include "rtpproxy/core/ice.h"
#include "tests/support/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ice_local ours = {"ourufrag", "ourpasswordourpasswordou12"};
static struct ice agent;
static uint64_t now_us = 1000000000;
static unsigned inputs;

static void make_agent(void)
{
	ice_init(&agent, &ours);
	ice_signal(&agent, STR("peer"), STR("peerpasswordpeerpassword"), NULL);
	(void)ice_commit(&agent, now_us);
}

/* The fuzzer cannot guess a tag: with a right one at the end it comes further. */
static size_t sign(uint8_t *p, size_t n, size_t cap)
{
	uint8_t tag[CRYPTO_SHA1_LEN];
	if (n < STUN_HEADER_LEN || n % 4 != 0 || n + 24 > cap)
		return n;
	p[n] = 0;
	p[n + 1] = STUN_INTEGRITY;
	p[n + 2] = 0;
	p[n + 3] = sizeof(tag);
	const size_t len = n + 24 - STUN_HEADER_LEN;
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	const struct str piece = {(const char *)p, n};
	crypto_hmac_sha1(ours.pwd, sizeof(ours.pwd), &piece, 1, tag);
	memcpy(p + n + 4, tag, sizeof(tag));
	return n + 24;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t mem[STUN_LEN_MAX + 64], before[STUN_LEN_MAX + 64];
	struct stun s;
	if (size < 1 || size > STUN_LEN_MAX)
		return 0;
	if (inputs++ % 64 == 0)
		make_agent();
	const unsigned how = data[0];
	size_t n = size - 1;
	memcpy(mem, data + 1, n);
	if (how & 0x80)
		n = sign(mem, n, sizeof(mem));
	memcpy(before, mem, n);
	const struct addr from = media_addr(how & 15, 4000);
	now_us += 20000;
	const struct ice_out out = ice_step(&agent, how >> 4 & 1, mem, n, &from, now_us);
	CHECK(out.verdict < ICE_VERDICT_COUNT);
	if (out.verdict != ICE_ANSWER) {
		CHECK(out.verdict == ICE_SIZE || memcmp(mem, before, n) == 0);
		CHECK(!out.selected);
		return 0;
	}
	CHECK(out.len <= n && stun_decode(before, n, &s) == OK);
	CHECK(stun_check_integrity(&s, ours.pwd, ICE_PWD_LEN));
	CHECK(stun_decode(mem, out.len, &s) == OK && s.error == out.error);
	CHECK(stun_check_integrity(&s, ours.pwd, ICE_PWD_LEN));
	CHECK(!out.selected || addr_eq(ice_selected(&agent, how >> 4 & 1), &from));
	CHECK(ice_has_consent(&agent, how >> 4 & 1, 0, now_us) || out.error != 0);
	return 0;
}
