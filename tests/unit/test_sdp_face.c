/*
 * Golden files: what stands in tests/data/face/CASE.in.sdp crosses as CASE.out.sdp; and rows for each attribute. With
 * GOLDEN_WRITE=1 the out files are written instead: look at the difference before committing it.
 */
#include "sbc/core/sdp_face.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sdp.h"
#include "tests/support/check.h"
#include "tests/support/guard.h"

#define FOLDER   "tests/data/face/"
#define HEAD     "v=0\r\no=alice 77 3 IN IP4 10.0.0.7\r\ns=Alice\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
#define OUR_HEAD "v=0\r\no=- 1000 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
#define AUDIO    "m=audio 30000 RTP/AVP 0\r\n"

static char arena_mem[1 << 16], out_mem[1 << 14];

static const struct addr *own(void)
{
	static struct addr a;
	EXPECT_ERR(addr_parse_ip(STR("198.51.100.1"), &a), OK);
	return &a;
}

/* What a side that was told nothing yet gets. */
static enum err face(struct str sdp, struct str *out)
{
	struct arena a;
	struct buf b;
	struct sdp_face f;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	buf_init(&b, out_mem, sizeof(out_mem));
	sdp_face_init(&f, 2001);
	enum err e = sdp_face_write(&b, &f, own(), &a, sdp);
	*out = e == OK ? buf_view(&b) : STR_NONE;
	if (e != OK)
		EXPECT_U64(f.hash, 0);
	return e;
}

static struct str joined(char mem[2048], const char *a, const char *b, const char *c)
{
	struct buf out;
	buf_init(&out, mem, 2048);
	buf_z(&out, a);
	buf_z(&out, b);
	buf_z(&out, c);
	return buf_view(&out);
}

static void test_attributes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		const char *want; /* NULL: as it came; "": nothing */
	} rows[] = {
		{"a codec", "a=rtpmap:111 opus/48000/2\r\n", NULL},
		{"its parameters", "a=fmtp:111 minptime=10;useinbandfec=1\r\n", NULL},
		{"parameters with an octet that is not printable", "a=fmtp:111 x=\xc3\xa4\r\n", ""},
		{"parameters of nothing", "a=fmtp\r\n", ""},
		{"packet time", "a=ptime:20\r\n", NULL},
		{"packet time with a space behind it", "a=ptime:20 \r\n", "a=ptime:20\r\n"},
		{"packet time that is an address", "a=ptime:10.0.0.7\r\n", ""},
		{"packet time that is no number", "a=ptime:alice\r\n", ""},
		{"longest packet time", "a=maxptime:150\r\n", NULL},
		{"a direction", "a=inactive\r\n", NULL},
		{"a direction that says more", "a=sendonly:10.0.0.7\r\n", ""},
		{"the port of RTCP", "a=rtcp:30001\r\n", NULL},
		{"the port of RTCP with the host of c=", "a=rtcp:30001 IN IP4 192.0.2.9\r\n", NULL},
		{"the port of RTCP with another host", "a=rtcp:30001 IN IP4 10.0.0.7\r\n", ""},
		{"a port of RTCP that is none", "a=rtcp:alice\r\n", ""},
		{"a port of RTCP without its host", "a=rtcp:30001 IN IP4\r\n", ""},
		{"a port of RTCP that says more", "a=rtcp:30001 IN IP4 192.0.2.9 alice\r\n", ""},
		{"rtcp-mux", "a=rtcp-mux\r\n", NULL},
		{"rtcp-mux-only", "a=rtcp-mux-only\r\n", NULL},
		{"reduced size", "a=rtcp-rsize\r\n", NULL},
		{"feedback", "a=rtcp-fb:* ccm tmmbr smaxpr=120\r\n", NULL},
		{"feedback with an address", "a=rtcp-fb:96 alice@10.0.0.7\r\n", ""},
		{"extended reports", "a=rtcp-xr:rcvr-rtt=all:10000 voip-metrics\r\n", NULL},
		{"keys", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z|2^20\r\n", NULL},
		{"a name of the line", "a=mid:audio-1\r\n", NULL},
		{"a name of the line that is an address", "a=mid:10.0.0.7\r\n", ""},
		{"a name of the line that is long", "a=mid:123456789012345678901234567890123\r\n",
		 ""},
		{"a group of the session on a line", "a=group:LS 1\r\n", ""},
		{"silence", "a=silenceSupp:off - - - -\r\n", NULL},
		{"a precondition", "a=des:qos mandatory local sendrecv\r\n", NULL},
		{"frames", "a=framerate:29.97\r\n", NULL},
		{"the size of frames", "a=framesize:96 176-144\r\n", NULL},
		{"an image", "a=imageattr:96 send [x=320,y=240] recv *\r\n", NULL},
		{"what is shown", "a=content:slides,main\r\n", NULL},
		{"fax", "a=T38FaxMaxDatagram:176\r\n", NULL},
		{"fax in another spelling", "a=t38faxfillbitremoval\r\n", NULL},
		{"the maker of a fax", "a=T38VendorInfo:0 0 37\r\n", ""},
		{"a tool", "a=tool:baresip 1.0.0\r\n", ""},
		{"a source", "a=ssrc:1 cname:sip:alice@10.0.0.7\r\n", ""},
		{"a source's name alone", "a=cname:sip:alice@10.0.0.7\r\n", ""},
		{"a label", "a=label:10\r\n", ""},
		{"a stream's name", "a=msid:alice track\r\n", ""},
		{"a candidate", "a=candidate:1 1 UDP 2130706431 10.0.0.7 3 typ host\r\n", ""},
		{"ICE", "a=ice-ufrag:abcd\r\n", ""},
		{"a fingerprint", "a=fingerprint:sha-256 00:11\r\n", ""},
		{"DTLS' role", "a=setup:actpass\r\n", ""},
		{"DTLS' name", "a=tls-id:abc\r\n", ""},
		{"a header extension", "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:cname\r\n", ""},
		{"a source filter", "a=source-filter: incl IN IP4 * 10.0.0.7\r\n", ""},
		{"MSRP's path", "a=path:msrp://10.0.0.7:1/x;tcp\r\n", ""},
		{"a language", "a=lang:de\r\n", ""},
		{"capabilities", "a=acap:1 crypto:1 x inline:y\r\n", ""},
		{"an unknown one", "a=X-canary:10.0.0.7\r\n", ""},
		{"an unknown one without a value", "a=canary\r\n", ""},
		{"one whose name begins like a good one", "a=rtpmapx:0 PCMU/8000\r\n", ""},
		{"one whose name ends too soon", "a=rtpma:0 PCMU/8000\r\n", ""},
		{"a title of the line", "i=Alice\r\n", ""},
		{"a key", "k=clear:10.0.0.7\r\n", ""},
		{"bandwidth", "b=TIAS:64000\r\n", NULL},
		{"bandwidth that is no number", "b=AS:10.0.0.7\r\n", ""},
		{"a connection of the line", "c=IN IP4 192.0.2.10\r\n", NULL},
		{"a connection with its scope", "c=IN IP4 192.0.2.10/127\r\n",
		 "c=IN IP4 192.0.2.10\r\n"},
	};
	CHECK_TABLE(row, rows)
	{
		char in[2048], want[2048];
		struct str got;
		EXPECT_ERR(face(joined(in, HEAD, AUDIO, row->in), &got), OK);
		EXPECT_STR(got, joined(want, OUR_HEAD, AUDIO, row->want ? row->want : row->in));
	}
}

static void test_session(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
		{"a direction", "a=sendonly\r\n", "a=sendonly\r\n"},
		{"a tool", "a=tool:baresip\r\n", ""},
		{"a codec belongs to a line", "a=rtpmap:0 PCMU/8000\r\n", ""},
		{"a name belongs to a line", "a=mid:1\r\n", ""},
		{"a group of lines that are there", "a=group:LS 1 2\r\n", "a=group:LS 1\r\n"},
		{"a group of lines that are not there", "a=group:LS alice 10.0.0.7\r\n", ""},
		{"a group of nothing", "a=group:LS\r\n", ""},
		{"a group whose meaning is an address", "a=group:10.0.0.7 1\r\n", ""},
		{"an identity", "a=identity:eyJ\r\n", ""},
	};
	CHECK_TABLE(row, rows)
	{
		char in[2048], want[2048];
		struct str got;
		EXPECT_ERR(face(joined(in, HEAD, row->in, AUDIO "a=mid:1\r\n"), &got), OK);
		EXPECT_STR(got, joined(want, OUR_HEAD, row->want, AUDIO "a=mid:1\r\n"));
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		enum err want;
	} rows[] = {
		{"nothing", "", ERR_BAD},
		{"no origin", "v=0\r\ns=-\r\nt=0 0\r\n", ERR_BAD},
		{"a line of an unknown kind", HEAD "x=canary\r\n", ERR_BAD},
		{"a kind of media that is no word", HEAD "m=au\"dio 1 RTP/AVP 0\r\n", ERR_BAD},
		{"a format that is no word", HEAD "m=audio 1 RTP/AVP alice@10.0.0.7\r\n", ERR_BAD},
		{"a protocol that is no word", HEAD "m=audio 1 RTP//AVP 0\r\n", ERR_BAD},
		{"a control octet", HEAD "m=audio 1 RTP/AVP 0\r\na=fmtp:0 \x01\r\n", ERR_BAD},
		{"a rejected line is fine", HEAD "m=audio 0 RTP/AVP 0\r\n", OK},
	};
	CHECK_TABLE(row, rows)
	{
		struct str got;
		EXPECT_ERR(face(str_from(row->in), &got), row->want);
	}
}

/* RFC 3264 §8: the version follows the text, and nothing of theirs follows us. */
static void test_version(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in, *origin;
	} rows[] = {
		{"the first one", HEAD AUDIO, "o=- 1000 1 IN IP4 198.51.100.1"},
		{"the same again", HEAD AUDIO, "o=- 1000 1 IN IP4 198.51.100.1"},
		{"another origin of theirs changes nothing of ours",
		 "v=0\r\no=bob 78 4 IN IP4 10.0.0.8\r\ns=Bob\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
		 "a=tool:x\r\n" AUDIO,
		 "o=- 1000 1 IN IP4 198.51.100.1"},
		{"another text", HEAD AUDIO "a=sendonly\r\n", "o=- 1000 2 IN IP4 198.51.100.1"},
		{"the first one once more", HEAD AUDIO, "o=- 1000 3 IN IP4 198.51.100.1"},
	};
	struct sdp_face f;
	sdp_face_init(&f, 2001);
	CHECK_TABLE(row, rows)
	{
		struct arena a;
		struct buf b;
		arena_init(&a, arena_mem, sizeof(arena_mem));
		buf_init(&b, out_mem, sizeof(out_mem));
		EXPECT_ERR(sdp_face_write(&b, &f, own(), &a, str_from(row->in)), OK);
		struct str got = buf_view(&b), line;
		EXPECT_TRUE(str_cut(&got, '\n', &line) && str_cut(&got, '\n', &line));
		EXPECT_Z(str_trim(line), row->origin);
	}
}

/* At each size of the buffer: whole, or ERR_LIMIT and the face as it was. */
static void test_room(void **state)
{
	(void)state;
	struct str whole;
	EXPECT_ERR(face(STR(HEAD AUDIO "a=sendonly\r\n"), &whole), OK);
	for (size_t cap = 0; cap <= whole.len; cap++) {
		struct arena a;
		struct buf b;
		struct sdp_face f;
		char *mem = malloc(cap + 1);
		arena_init(&a, arena_mem, sizeof(arena_mem));
		buf_init(&b, mem, cap);
		sdp_face_init(&f, 2001);
		enum err e = sdp_face_write(&b, &f, own(), &a, STR(HEAD AUDIO "a=sendonly\r\n"));
		EXPECT_ERR(e, cap == whole.len ? OK : ERR_LIMIT);
		EXPECT_INT(f.hash != 0, e == OK);
		free(mem);
	}
	struct arena a;
	struct buf b;
	struct sdp_face f;
	buf_init(&b, out_mem, sizeof(out_mem));
	sdp_face_init(&f, 2001);
	arena_init(&a, arena_mem, 16);
	EXPECT_ERR(sdp_face_write(&b, &f, own(), &a, STR(HEAD AUDIO)), ERR_NOMEM);
	EXPECT_U64(f.hash, 0);
}

/* ---- golden files */

static size_t read_file(const char *path, char *mem, size_t cap)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	size_t n = fread(mem, 1, cap, f);
	fclose(f);
	return n;
}

static struct str without_cr(char *mem, size_t n)
{
	size_t to = 0;
	for (size_t i = 0; i < n; i++)
		if (mem[i] != '\r')
			mem[to++] = mem[i];
	return (struct str){mem, to};
}

static void golden(const char *in_path)
{
	static char in[8192], want[8192], got_mem[8192];
	char out_path[256];
	struct str got;
	struct guard g;
	size_t base = strlen(in_path) - strlen(".in.sdp");
	snprintf(out_path, sizeof(out_path), "%.*s.out.sdp", (int)base, in_path);
	(void)check_row(in_path);
	struct str text = {in, read_file(in_path, in, sizeof(in))};
	guard_init(&g, sizeof(in));
	EXPECT_ERR(face(guard_put(&g, text), &got), OK);
	memcpy(got_mem, got.p, got.len);
	got = without_cr(got_mem, got.len);
	if (getenv("GOLDEN_WRITE")) {
		FILE *f = fopen(out_path, "wb");
		EXPECT_TRUE(f && fwrite(got.p, 1, got.len, f) == got.len && fclose(f) == 0);
	}
	size_t n = read_file(out_path, want, sizeof(want));
	EXPECT_STR(got, without_cr(want, n));
	EXPECT_TRUE(str_find(got, STR("10.0.0.7")) == got.len);
	/* A face of a face is the same. */
	memcpy(in, got.p, got.len);
	text = (struct str){in, got.len};
	struct str again;
	EXPECT_ERR(face(text, &again), OK);
	memcpy(got_mem, again.p, again.len);
	EXPECT_STR(without_cr(got_mem, again.len), text);
	guard_release(&g);
}

static void test_golden(void **state)
{
	(void)state;
	glob_t g;
	EXPECT_INT(glob(FOLDER "*.in.sdp", 0, NULL, &g), 0);
	EXPECT_TRUE(g.gl_pathc >= 4);
	for (size_t i = 0; i < g.gl_pathc; i++)
		golden(g.gl_pathv[i]);
	globfree(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attributes), cmocka_unit_test(test_session),
		cmocka_unit_test(test_refused),    cmocka_unit_test(test_version),
		cmocka_unit_test(test_room),       cmocka_unit_test(test_golden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
