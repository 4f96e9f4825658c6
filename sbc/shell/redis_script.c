#include "sbc/shell/redis_script.h"

#include "common/check.h"
#include "common/crypto.h"

static const char put[] = "local old = tonumber(redis.call('GETRANGE', KEYS[1], 0, 15))\n"
			  "if old and old > tonumber(ARGV[1]) then return 0 end\n"
			  "if ARGV[2] == '' then return 1 + 0 * redis.call('DEL', KEYS[1]) end\n"
			  "redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])\n"
			  "return 1\n";

static const char rate[] =
	"local t = redis.call('TIME')\n"
	"local now = t[1] * 1000000 + t[2]\n"
	"local want = tonumber(ARGV[3])\n"
	"local each = ARGV[2] * 1000 / ARGV[1]\n"
	"local all = each * ARGV[4]\n"
	"local tat = tonumber(redis.call('GET', KEYS[1]) or '')\n"
	"if not tat or not (tat > now) then tat = now end\n"
	"if tat > now + all then tat = now + all end\n"
	"local got = math.min(want, math.floor((all - (tat - now) + 0.5) / each))\n"
	"tat = math.max(now, tat + each * got)\n"
	"local wait = math.max(0, tat - now - (all - each))\n"
	"redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX',\n"
	"  string.format('%.0f', math.ceil((tat - now) / 1000) + 1000))\n"
	"return {got, math.ceil(wait / 1000)}\n";

static const char lease[] =
	"local t = redis.call('TIME')\n"
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
	"local limit, used, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])\n"
	"local all, held, nodes = used, 0, 1\n"
	"local h = redis.call('HGETALL', KEYS[1])\n"
	"for i = 1, #h, 2 do\n"
	"  if h[i] ~= ARGV[1] then\n"
	"    local a, b, c = string.match(h[i + 1], '^(%d+) (%d+) (%d+)$')\n"
	"    a, b, c = tonumber(a), tonumber(b), tonumber(c)\n"
	"    if not c or c <= now or c > now + 86400000 or nodes >= 64 then\n"
	"      redis.call('HDEL', KEYS[1], h[i])\n"
	"    else\n"
	"      all, held, nodes = all + b, held + math.max(a, b), nodes + 1\n"
	"    end\n"
	"  end\n"
	"end\n"
	"local want = used + math.ceil(math.max(0, limit - all) / nodes)\n"
	"local got = math.min(want, math.max(0, limit - held))\n"
	"redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %.0f', got, used, now + "
	"ttl))\n"
	"redis.call('PEXPIRE', KEYS[1], ttl * 2)\n"
	"return {got, all, nodes}\n";

static const struct {
	struct str text, function;
} scripts[REDIS_SCRIPT_COUNT] = {
	[REDIS_SCRIPT_PUT] = {{put, sizeof(put) - 1}, STR("sallyport_put")},
	[REDIS_SCRIPT_RATE] = {{rate, sizeof(rate) - 1}, STR("sallyport_rate")},
	[REDIS_SCRIPT_LEASE] = {{lease, sizeof(lease) - 1}, STR("sallyport_lease")},
};

struct str redis_script_text(enum redis_script s)
{
	return scripts[s].text;
}

struct str redis_script_function(enum redis_script s)
{
	return scripts[s].function;
}

void redis_script_sha(enum redis_script s, struct redis_sha *out)
{
	uint8_t hash[CRYPTO_SHA1_LEN];
	struct buf b;
	crypto_sha1(scripts[s].text.p, scripts[s].text.len, hash);
	buf_init(&b, out->hex, sizeof(out->hex));
	buf_hex(&b, hash, sizeof(hash));
}

void redis_script_library(struct buf *b)
{
	buf_lit(b, "#!lua name=sallyport\n");
	for (size_t i = 0; i < REDIS_SCRIPT_COUNT; i++) {
		struct str rest = scripts[i].text, line;
		buf_printf(b, "redis.register_function('%.*s', function(KEYS, ARGV)\n",
			   STR_ARG(scripts[i].function));
		while (str_cut(&rest, '\n', &line))
			if (line.len > 0)
				buf_printf(b, "  %.*s\n", STR_ARG(line));
		buf_lit(b, "end)\n");
	}
}
