/* Names of recordings: what the network may say of them; the ring between a worker and the writer. */
#include "rtpproxy/core/record.h"

#include <pthread.h>
#include <string.h>

#include "rtpproxy/core/pcap.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

static void a_name_never_leaves_the_directory(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		bool good;
	} rows[] = {
		{"a file", "call-1", true},
		{"a file in a directory", "2026/11/call_1", true},
		{"signs of a Call-ID", "a+b=c@host.example", true},
		{"nothing", "", false},
		{"the root", "/", false},
		{"absolute", "/etc/passwd", false},
		{"up", "../x", false},
		{"up, later", "a/../../x", false},
		{"up, at the end", "a/..", false},
		{"here", "./x", false},
		{"hidden", ".ssh", false},
		{"hidden below", "a/.ssh", false},
		{"a slash too many", "a//b", false},
		{"a slash at the end", "a/", false},
		{"a space", "a b", false},
		{"a control octet", "a\nb", false},
		{"a backslash", "a\\b", false},
		{"not ASCII", "a\xc3\xa4", false},
		{"a pattern's sign", "a%b", false},
		{"a shell's sign", "a;b", false},
		{"deep", "a/b/c/d", true},
		{"too deep", "a/b/c/d/e", false},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(record_is_name(str_from(row->text)), row->good);
	}
	char longest[RECORD_NAME_MAX + 2];
	memset(longest, 'a', sizeof(longest));
	EXPECT_TRUE(record_is_name((struct str){longest, RECORD_NAME_MAX}));
	EXPECT_TRUE(!record_is_name((struct str){longest, RECORD_NAME_MAX + 1}));
	EXPECT_TRUE(!record_is_name((struct str){"a\0b", 3}));
}

static void patterns_are_filled(void **state)
{
	(void)state;
	static const struct {
		const char *name, *dir, *pattern, *out;
		enum err err;
	} rows[] = {
		{"all", "", "%c-%r", "a_b_c@h-0123456789abcdef", OK},
		{"a per cent sign in the directory", "%c", "a", "", ERR_BAD},
		{"the date", "", "%Y/%m/%d/%H%M%S", "2023/11/14/221320", OK},
		{"in a directory", "calls/x", "%c", "calls/x/a_b_c@h", OK},
		{"a directory outside", "../x", "%c", "", ERR_BAD},
		{"an absolute directory", "/var", "%c", "", ERR_BAD},
		{"a pattern outside", "", "../%c", "", ERR_BAD},
		{"a per cent sign is no name", "", "a%%", "", ERR_BAD},
		{"a sign that is not known", "", "%x", "", ERR_BAD},
		{"a lone per cent sign", "", "a%", "", ERR_BAD},
	};
	const struct record_facts f = {STR("a/b c@h"), 0x0123456789abcdef, 1700000000000000};
	CHECK_TABLE(row, rows)
	{
		char out[RECORD_NAME_MAX + 1] = "";
		EXPECT_ERR(record_make_name(str_from(row->dir), str_from(row->pattern), &f, out,
					    sizeof(out)),
			   row->err);
		EXPECT_Z(str_from(out), row->out);
	}
	char clean[8];
	record_clean(STR("..a/b\nc-long"), clean, sizeof(clean));
	EXPECT_Z(str_from(clean), "_.a_b_c");
}

static void a_full_ring_loses_packets_and_keeps_ends(void **state)
{
	(void)state;
	struct record_ring r;
	const struct record_packet p = {
		.recording = 1, .from = media_addr(1, 1), .to = media_addr(2, 2)};
	uint8_t bytes[200] = {7};
	const uint8_t *data;
	unsigned put = 0, got = 0, begun = 0;
	EXPECT_ERR(record_ring_init(&r, 4096, 1024), OK);
	EXPECT_TRUE(record_first(&r, &data) == NULL);
	while (record_put_packet(&r, &p, bytes, sizeof(bytes)))
		put++;
	EXPECT_INT(put, (4096 - 1024) / (64 + 200));
	while (record_put(&r, RECORD_START, 2, 0, STR("name")))
		begun++;
	EXPECT_TRUE(begun < 4);
	EXPECT_TRUE(record_put(&r, RECORD_FINISH, 1, 0, STR("text")));
	const struct record_entry *e;
	while ((e = record_first(&r, &data)) != NULL) {
		if (e->kind == RECORD_PACKET) {
			EXPECT_BYTES(data, bytes, sizeof(bytes));
			got++;
		} else if (e->kind == RECORD_FINISH) {
			EXPECT_STR(((struct str){(const char *)data, e->len}), STR("text"));
		}
		record_next(&r);
	}
	EXPECT_INT(got, put);
	EXPECT_TRUE(record_put(&r, RECORD_START, 2, 0, STR("name")));
	record_ring_release(&r);
}

enum { COUNT = 200000 };

static void *writer(void *arg)
{
	struct record_ring *r = arg;
	uint8_t bytes[256];
	uint64_t random = 1;
	for (uint32_t i = 0; i < COUNT;) {
		const size_t n = media_random(&random) % sizeof(bytes);
		memset(bytes, (int)(i & 0xff), n);
		const struct record_packet p = {.recording = i, .at_us = n};
		while (!record_put_packet(r, &p, bytes, n)) {
		}
		i++;
	}
	return NULL;
}

static void two_threads_see_the_same(void **state)
{
	(void)state;
	struct record_ring r;
	pthread_t thread;
	const uint8_t *data;
	EXPECT_ERR(record_ring_init(&r, 16384, 1024), OK);
	assert_int_equal(pthread_create(&thread, NULL, writer, &r), 0);
	for (uint32_t i = 0; i < COUNT;) {
		const struct record_entry *e = record_first(&r, &data);
		if (!e)
			continue;
		bool same = e->recording == i && e->at_us == e->len;
		for (uint32_t k = 0; k < e->len; k++)
			same &= data[k] == (i & 0xff);
		EXPECT_TRUE(same);
		record_next(&r);
		i++;
	}
	pthread_join(thread, NULL);
	record_ring_release(&r);
}

/* Of the bytes of an IP packet with UDP: all sums come out as 0. */
static uint16_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void a_capture_is_by_the_book(void **state)
{
	(void)state;
	uint8_t head[PCAP_HEADER_LEN], whole[PCAP_PACKET_MAX + 200], payload[173];
	uint32_t v;
	pcap_write_header(head);
	memcpy(&v, head, 4);
	EXPECT_U64(v, 0xa1b2c3d4);
	memcpy(&v, head + 20, 4);
	EXPECT_U64(v, 101);
	for (size_t len = 0; len <= sizeof(payload); len++) {
		struct addr a = media_addr(1, 5000), b = media_addr(2, 6000);
		memset(payload, (int)len, sizeof(payload));
		size_t n = pcap_write_packet(whole, 1700000000123456, &a, &b, payload, len);
		EXPECT_INT(n, 16 + 20 + 8);
		memcpy(whole + n, payload, len);
		memcpy(&v, whole, 4);
		EXPECT_U64(v, 1700000000);
		memcpy(&v, whole + 4, 4);
		EXPECT_U64(v, 123456);
		memcpy(&v, whole + 8, 4);
		EXPECT_U64(v, 28 + len);
		EXPECT_INT(sum16(whole + 16, 20, 0), 0);
		/* Pseudo header: addresses, protocol, length. */
		EXPECT_INT(sum16(whole + 16 + 12, 8 + 8 + len, (uint32_t)(17 + 8 + len)), 0);
		EXPECT_ERR(addr_parse_ip(STR("2001:db8::1"), &a), OK);
		EXPECT_ERR(addr_parse_ip(STR("2001:db8::2"), &b), OK);
		n = pcap_write_packet(whole, 1, &a, &b, payload, len);
		EXPECT_INT(n, 16 + 40 + 8);
		memcpy(whole + n, payload, len);
		EXPECT_INT(sum16(whole + 16 + 8, 32 + 8 + len, (uint32_t)(17 + 8 + len)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_never_leaves_the_directory),
		cmocka_unit_test(patterns_are_filled),
		cmocka_unit_test(a_full_ring_loses_packets_and_keeps_ends),
		cmocka_unit_test(two_threads_see_the_same),
		cmocka_unit_test(a_capture_is_by_the_book),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
