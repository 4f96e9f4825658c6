#include "sbc/core/octet.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define T  OCTET_TOKEN
#define W  OCTET_WORD
#define H  OCTET_HOST
#define X  OCTET_HEX
#define U  OCTET_USER
#define P  OCTET_PASSWORD
#define M  OCTET_PARAM
#define V  OCTET_HVALUE
#define D  OCTET_DIGIT
#define L  OCTET_LWS
#define N  OCTET_TEL
#define AL (T | W | H | U | P | M | V)

/* '#' may not stand unescaped in a user part, but phones dial "*21#" that way: read, never written. */
const uint16_t octet_class[256] = {
	['\t'] = L,
	['\n'] = L,
	['\r'] = L,
	[' '] = L,
	['!'] = T | W | U | P | M | V,
	['"'] = W,
	['#'] = U | N,
	['$'] = U | P | M | V,
	['%'] = T | W,
	['&'] = U | P | M,
	['\''] = T | W | U | P | M | V,
	['('] = W | U | P | M | V | N,
	[')'] = W | U | P | M | V | N,
	['*'] = T | W | U | P | M | V | N,
	['+'] = T | W | U | P | M | V | N,
	[','] = U | P,
	['-'] = AL | N,
	['.'] = AL | N,
	['/'] = W | U | M | V,
	['0' ... '9'] = AL | X | D | N,
	[':'] = W | M | V,
	[';'] = U,
	['<'] = W,
	['='] = U | P,
	['>'] = W,
	['?'] = W | U | V,
	['A' ... 'F'] = AL | X | N,
	['G' ... 'Z'] = AL,
	['['] = W | M | V,
	['\\'] = W,
	[']'] = W | M | V,
	['_'] = T | W | U | P | M | V,
	['`'] = T | W,
	['a' ... 'f'] = AL | X | N,
	['g' ... 'z'] = AL,
	['{'] = W,
	['}'] = W,
	['~'] = T | W | U | P | M | V,
};

static const char *find_control_slowly(const char *p, const char *end)
{
	for (; p < end; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return p;
	return end;
}

static const char *find_colon_slowly(const char *p, const char *end)
{
	while (p < end && (unsigned char)*p > ' ' && *p != ':')
		p++;
	return p;
}

#if defined(__SSE2__)

const char *octet_find_colon(const char *p, const char *end)
{
	const __m128i colon = _mm_set1_epi8(':'), low = _mm_set1_epi8(' ');
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i stop = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, low), v),
					    _mm_cmpeq_epi8(v, colon));
		int mask = _mm_movemask_epi8(stop);
		if (mask != 0)
			return p + __builtin_ctz((unsigned)mask);
	}
	return find_colon_slowly(p, end);
}

const char *octet_find_control(const char *p, const char *end)
{
	const __m128i tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
	const __m128i low = _mm_set1_epi8(0x1f);
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Unsigned v <= 0x1f where min(v, 0x1f) == v. */
		__m128i bad = _mm_cmpeq_epi8(_mm_min_epu8(v, low), v);
		bad = _mm_andnot_si128(_mm_cmpeq_epi8(v, tab), bad);
		bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, del));
		int mask = _mm_movemask_epi8(bad);
		if (mask != 0)
			return p + __builtin_ctz((unsigned)mask);
	}
	return find_control_slowly(p, end);
}

#else

const char *octet_find_colon(const char *p, const char *end)
{
	return find_colon_slowly(p, end);
}

/* Eight octets at a time; a hit (false ones only below a real one) is looked at slowly. */
const char *octet_find_control(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	for (; end - p >= 8; p += 8) {
		uint64_t v;
		memcpy(&v, p, 8);
		uint64_t del = v ^ ones * 0x7f;
		uint64_t hit = ((v - ones * 0x20) & ~v) | ((del - ones) & ~del);
		if ((hit & high) != 0) {
			const char *at = find_control_slowly(p, p + 8);
			if (at < p + 8)
				return at;
		}
	}
	return find_control_slowly(p, end);
}

#endif

size_t octet_span_escaped(struct str s, unsigned classes)
{
	size_t n = 0;
	while (n < s.len) {
		if (octet_is(s.p[n], classes))
			n++;
		else if (s.p[n] == '%' && s.len - n >= 3 && octet_is(s.p[n + 1], OCTET_HEX) &&
			 octet_is(s.p[n + 2], OCTET_HEX))
			n += 3;
		else
			break;
	}
	return n;
}

size_t octet_quoted(struct str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}
