#include "rtpproxy/io/statistics.h"

#include <math.h>

#include "rtpproxy/io/ctl.h"

static uint64_t sum(const struct ctl *c, unsigned counter)
{
	return ctl_sum(c->published, c->loop_count, counter);
}

static void add(struct arena *a, struct dict *d, const char *key, uint64_t v)
{
	dict_add_int(a, d, str_from(key), v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static struct str text_of(struct arena *a, const char *fmt, double v)
{
	char text[48];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	/* Only the two formats below come here. */
	if (str_eq(str_from(fmt), STR("s"))) {
		buf_u64(&b, (uint64_t)v);
	} else {
		buf_printf(&b, "%.6f", v);
	}
	return arena_str(a, buf_view(&b));
}

static uint64_t errors(const struct ctl *c)
{
	uint64_t n = 0;
	for (unsigned f = FATE_OURS + 1; f < FATE_COUNT; f++) {
		n += sum(c, RELAY_FATES + f);
	}
	return n;
}

/* Each of these comes threefold in rtpengine's reply; all our media is in user space. */
static void add_three(struct arena *a, struct dict *d, const char *const keys[3], uint64_t v)
{
	add(a, d, keys[0], v);
	add(a, d, keys[1], v);
	add(a, d, keys[2], 0);
}

void statistics_tick(struct ctl *c, uint64_t now_ms)
{
	struct ctl_rates *r = &c->rates;
	const struct ctl_rates was = *r;
	uint64_t ms = now_ms - was.at_ms;
	*r = (struct ctl_rates){.at_ms = now_ms,
				.packets = sum(c, RELAY_FATES + FATE_SENT),
				.bytes = sum(c, RELAY_BYTES_OUT),
				.errors = errors(c)};
	if (was.at_ms > 0 && ms > 0) {
		r->packets_s = (r->packets - was.packets) * 1000 / ms;
		r->bytes_s = (r->bytes - was.bytes) * 1000 / ms;
		r->errors_s = (r->errors - was.errors) * 1000 / ms;
	}
}

static void add_rates(struct arena *a, struct dict *d, const struct ctl_rates *r)
{
	static const char *const packets[] = {"packetrate", "packetrate_user", "packetrate_kernel"};
	static const char *const bytes[] = {"byterate", "byterate_user", "byterate_kernel"};
	static const char *const wrong[] = {"errorrate", "errorrate_user", "errorrate_kernel"};
	add_three(a, d, packets, r->packets_s);
	add_three(a, d, bytes, r->bytes_s);
	add_three(a, d, wrong, r->errors_s);
}

static void add_current(struct arena *a, struct dict *s, const struct ctl *c)
{
	struct dict *d = dict_add_dict(a, s, STR("currentstatistics"));
	uint64_t calls = sum(c, RELAY_CALLS);
	uint64_t plain = sum(c, RELAY_MEDIAS_PLAIN), srtp = sum(c, RELAY_MEDIAS_SRTP);
	add(a, d, "sessionsown", calls);
	add(a, d, "sessionsforeign", 0);
	add(a, d, "sessionstotal", calls);
	add(a, d, "transcodedmedia", 0);
	add_rates(a, d, &c->rates);
	add(a, d, "media_userspace", plain + srtp);
	add(a, d, "media_kernel", 0);
	add(a, d, "media_mixed", 0);
	add(a, d, "media_srtp", srtp);
}

static void add_total(struct arena *a, struct dict *s, const struct ctl *c, uint64_t now_s)
{
	static const char *const packets[] = {"relayedpackets", "relayedpackets_user",
					      "relayedpackets_kernel"};
	static const char *const bytes[] = {"relayedbytes", "relayedbytes_user",
					    "relayedbytes_kernel"};
	static const char *const wrong[] = {"relayedpacketerrors", "relayedpacketerrors_user",
					    "relayedpacketerrors_kernel"};
	struct dict *d = dict_add_dict(a, s, STR("totalstatistics"));
	uint64_t ended = sum(c, RELAY_ENDED_DELETE) + sum(c, RELAY_ENDED_TIMEOUT) +
			 sum(c, RELAY_ENDED_SILENT) + sum(c, RELAY_ENDED_OFFER) +
			 sum(c, RELAY_ENDED_FINAL);
	double seconds = (double)sum(c, RELAY_DURATION_MS) / 1000;
	/* Text, as the reference writes it. */
	dict_add_str(a, d, STR("uptime"), text_of(a, "s", (double)(now_s - c->started_s)));
	add(a, d, "managedsessions", sum(c, RELAY_CALLS_TOTAL));
	add(a, d, "rejectedsessions", sum(c, RELAY_REJECTED));
	add(a, d, "timeoutsessions", sum(c, RELAY_ENDED_TIMEOUT));
	add(a, d, "silenttimeoutsessions", sum(c, RELAY_ENDED_SILENT));
	add(a, d, "finaltimeoutsessions", sum(c, RELAY_ENDED_FINAL));
	add(a, d, "offertimeoutsessions", sum(c, RELAY_ENDED_OFFER));
	add(a, d, "regularterminatedsessions", sum(c, RELAY_ENDED_DELETE));
	add(a, d, "forcedterminatedsessions", 0);
	add_three(a, d, packets, sum(c, RELAY_FATES + FATE_SENT));
	add_three(a, d, bytes, sum(c, RELAY_BYTES_OUT));
	add_three(a, d, wrong, errors(c));
	add(a, d, "zerowaystreams", sum(c, RELAY_SILENT_MEDIAS));
	add(a, d, "onewaystreams", sum(c, RELAY_ONE_WAY));
	dict_add_str(a, d, STR("avgcallduration"),
		     text_of(a, "f", ended ? seconds / (double)ended : 0));
	dict_add_str(a, d, STR("totalcallsduration"), text_of(a, "f", seconds));
	double squares = (double)sum(c, RELAY_DURATION2_S2), n = (double)ended;
	double variance = ended ? squares / n - seconds / n * (seconds / n) : 0;
	dict_add_str(a, d, STR("totalcallsduration2"), text_of(a, "f", squares));
	dict_add_str(a, d, STR("totalcallsduration_stddev"),
		     text_of(a, "f", variance > 0 ? sqrt(variance) : 0));
}

static void add_quality(struct arena *a, struct dict *s, const struct ctl *c)
{
	struct dict *mos = dict_add_dict(a, s, STR("mos"));
	uint64_t n = sum(c, RELAY_QUALITY_SAMPLES);
	double total = (double)sum(c, RELAY_MOS_X1000) / 1000;
	dict_add_str(a, mos, STR("mos_total"), text_of(a, "f", total));
	add(a, mos, "mos_samples_total", n);
	dict_add_str(a, mos, STR("mos_average"), text_of(a, "f", n ? total / (double)n : 0));
	struct dict *voip = dict_add_dict(a, s, STR("voip_metrics"));
	dict_add_str(a, voip, STR("jitter_total"),
		     text_of(a, "f", (double)sum(c, RELAY_JITTER_US) / 1000));
	add(a, voip, "jitter_samples_total", n);
	add(a, voip, "packets_lost", sum(c, RELAY_LOST));
}

/* "offercount", "totaloffercount" */
static void add_op(struct arena *a, struct dict *d, const char *before, const char *op, uint64_t v)
{
	char text[48];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	buf_printf(&b, "%s%scount", before, op);
	dict_add_int(a, d, arena_str(a, buf_view(&b)), v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static void add_control(struct arena *a, struct dict *s, const struct ctl *c)
{
	struct dict *d = dict_add_dict(a, s, STR("controlstatistics"));
	struct dict *list = dict_add_list(a, d, STR("proxies"));
	for (size_t p = 0; p < c->proxy_count; p++) {
		char text[64];
		struct buf b;
		struct dict *one = dict_add_dict(a, list, STR_NONE);
		buf_init(&b, text, sizeof(text));
		if (c->proxies[p].addr.family == ADDR_NONE) {
			buf_lit(&b, "unix");
		} else {
			addr_write_ip(&b, &c->proxies[p].addr);
		}
		dict_add_str(a, one, STR("proxy"), arena_str(a, buf_view(&b)));
		for (int k = 0; k < NG_COMMAND_COUNT; k++) {
			add_op(a, one, "", ng_command_counters((enum ng_command)k),
			       c->proxies[p].requests[k]);
		}
		add(a, one, "errorcount", c->proxies[p].errors);
	}
	for (int k = 0; k < NG_COMMAND_COUNT; k++) {
		uint64_t n = 0;
		for (size_t p = 0; p < c->proxy_count; p++) {
			n += c->proxies[p].requests[k];
		}
		add_op(a, d, "total", ng_command_counters((enum ng_command)k), n);
	}
}

static void add_interfaces(struct arena *a, struct dict *s, const struct ctl *c)
{
	struct dict *list = dict_add_list(a, s, STR("interfaces"));
	for (unsigned i = 0; i < c->config->interface_count; i++) {
		const struct relay_interface *f = &c->config->interfaces[i];
		char text[64];
		struct buf b;
		struct dict *d = dict_add_dict(a, list, STR_NONE);
		dict_add_str(a, d, STR("name"), str_from(f->name));
		buf_init(&b, text, sizeof(text));
		addr_write_ip(&b, &f->addr);
		dict_add_str(a, d, STR("address"), arena_str(a, buf_view(&b)));
		struct dict *ports = dict_add_dict(a, d, STR("ports"));
		uint64_t all = (uint64_t)(f->port_max - f->port_min + 1) & ~UINT64_C(1);
		uint64_t used = 2 * sum(c, RELAY_PORTS + i);
		add(a, ports, "min", f->port_min);
		add(a, ports, "max", f->port_max);
		add(a, ports, "used", used);
		add(a, ports, "used_pct", all ? used * 100 / all : 0);
		add(a, ports, "free", all > used ? all - used : 0);
		add(a, ports, "totals", all);
	}
}

void statistics_add(struct arena *a, struct dict *reply, const struct ctl *c, uint64_t now_s)
{
	struct dict *s = dict_add_dict(a, reply, STR("statistics"));
	add_current(a, s, c);
	add_total(a, s, c, now_s);
	add_quality(a, s, c);
	add_control(a, s, c);
	add_interfaces(a, s, c);
	(void)dict_add_list(a, s, STR("transcoders")); /* there are none */
}
