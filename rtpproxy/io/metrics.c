#include "rtpproxy/io/metrics.h"

#include <stddef.h>

#include "rtpproxy/io/ctl.h"
#include "rtpproxy/io/recorder.h"

static uint64_t sum(const struct ctl *c, unsigned counter)
{
	return ctl_sum(c->published, c->loop_count, counter);
}

enum kind { COUNTER, GAUGE };

static void head(struct buf *b, const char *name, enum kind kind, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		   kind == GAUGE ? "gauge" : "counter");
}

static void one(struct buf *b, const char *name, enum kind kind, const char *help, uint64_t v)
{
	head(b, name, kind, help);
	buf_printf(b, "%s %llu\n", name, (unsigned long long)v);
}

static void labelled(struct buf *b, const char *name, const char *label, const char *value,
		     uint64_t v)
{
	buf_printf(b, "%s{%s=\"%s\"} %llu\n", name, label, value, (unsigned long long)v);
}

/* Of all workers: what an offset within struct loop counts. */
static uint64_t sum_loops(const struct ctl *c, size_t offset)
{
	uint64_t n = 0;
	for (unsigned w = 0; w < c->loop_count; w++) {
		const char *loop = (const char *)&c->loops[w];
		n += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(loop + offset),
					  memory_order_relaxed);
	}
	return n;
}

static void write_kernel(struct buf *b, const struct ctl *c)
{
	static const char *const reasons[IO_EARLY] = {"unknown", "source", "rate", "busy"};
	head(b, "sallyport_relay_early_drops_total", COUNTER,
	     "datagrams dropped by the program in front of the relay, by reason");
	for (size_t i = 0; i < IO_EARLY; i++) {
		labelled(b, "sallyport_relay_early_drops_total", "reason", reasons[i],
			 sum_loops(c, offsetof(struct loop, early) + i * sizeof(_Atomic uint64_t)));
	}
	one(b, "sallyport_relay_kernel_flows", GAUGE, "directions that the kernel forwards now",
	    sum_loops(c, offsetof(struct loop, kernel_flows)));
	one(b, "sallyport_relay_kernel_packets_total", COUNTER, "packets that the kernel forwarded",
	    sum_loops(c, offsetof(struct loop, kernel_packets)));
}

static uint64_t read_count(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void write_recorder(struct buf *b, const struct recorder *r)
{
	if (!r) {
		return;
	}
	one(b, "sallyport_relay_recordings_finished_total", COUNTER,
	    "recordings that are files now", read_count(&r->finished));
	one(b, "sallyport_relay_recordings_discarded_total", COUNTER,
	    "recordings removed by command", read_count(&r->discarded));
	one(b, "sallyport_relay_recordings_failed_total", COUNTER,
	    "recordings cut short: disk, limit or name", read_count(&r->failed));
	one(b, "sallyport_relay_recording_bytes_total", COUNTER, "bytes written into recordings",
	    read_count(&r->bytes));
	one(b, "sallyport_relay_recording_packets_total", COUNTER,
	    "packets written into recordings", read_count(&r->packets));
	one(b, "sallyport_relay_recording_lost_total", COUNTER,
	    "packets that the writer could not write", read_count(&r->lost));
}

static void write_own(struct buf *b, const struct ctl *c)
{
	static const struct {
		const char *name, *help;
		enum kind kind;
	} counters[] = {
#define X(name, metric, kind, help) {"sallyport_relay_" metric, help, kind},
		RELAY_COUNTER_TABLE(X)
#undef X
	};
	for (unsigned i = 0; i < ARRAY_LEN(counters); i++) {
		one(b, counters[i].name, counters[i].kind, counters[i].help, sum(c, i));
	}
	head(b, "sallyport_relay_packets_total", COUNTER, "packets on media ports by their fate");
	for (unsigned f = 0; f < FATE_COUNT; f++) {
		labelled(b, "sallyport_relay_packets_total", "fate",
			 pkt_fate_name((enum pkt_fate)f), sum(c, RELAY_FATES + f));
	}
	head(b, "sallyport_relay_refusals_total", COUNTER, "NG commands refused, by reason");
	for (unsigned r = REFUSAL_NONE + 1; r < REFUSAL_COUNT; r++) {
		labelled(b, "sallyport_relay_refusals_total", "reason",
			 refusal_label((enum refusal)r),
			 sum(c, RELAY_REFUSALS + r) + c->refused[r]);
	}
	uint64_t wakeups = 0, send_errors = 0, reply_errors = 0;
	uint64_t notified = 0, notify_errors = 0, keys_told = 0, key_errors = 0;
	for (unsigned w = 0; w < c->loop_count; w++) {
		wakeups += atomic_load_explicit(&c->loops[w].wakeups, memory_order_relaxed);
		send_errors += atomic_load_explicit(&c->loops[w].send_errors, memory_order_relaxed);
		reply_errors +=
			atomic_load_explicit(&c->loops[w].reply_errors, memory_order_relaxed);
		keys_told += atomic_load_explicit(&c->loops[w].keys_told, memory_order_relaxed);
		key_errors += atomic_load_explicit(&c->loops[w].key_errors, memory_order_relaxed);
		notified += atomic_load_explicit(&c->loops[w].notified, memory_order_relaxed);
		notify_errors +=
			atomic_load_explicit(&c->loops[w].notify_errors, memory_order_relaxed);
	}
	one(b, "sallyport_relay_wakeups_total", COUNTER, "times a worker woke up for packets",
	    wakeups);
	one(b, "sallyport_relay_send_errors_total", COUNTER, "media packets the kernel refused",
	    send_errors);
	write_kernel(b, c);
	one(b, "sallyport_relay_ng_reply_errors_total", COUNTER, "NG replies the kernel refused",
	    reply_errors);
	one(b, "sallyport_relay_events_total", COUNTER, "events of calls told to their client",
	    notified);
	one(b, "sallyport_relay_event_errors_total", COUNTER,
	    "events of calls that their client's socket did not take", notify_errors);
	one(b, "sallyport_relay_keys_told_total", COUNTER, "JSON datagrams about telephone keys",
	    keys_told);
	one(b, "sallyport_relay_key_errors_total", COUNTER,
	    "JSON datagrams about telephone keys that the kernel refused", key_errors);
	write_recorder(b, c->recorder);
	one(b, "sallyport_relay_ng_dropped_total", COUNTER,
	    "NG datagrams dropped: no cookie, or too many waiting", c->dropped);
	one(b, "sallyport_relay_control_connections", GAUGE, "NG, HTTP and WebSocket connections",
	    c->conns.used);
	one(b, "sallyport_relay_control_connections_refused_total", COUNTER,
	    "connections closed at once: too many, or another user", c->conns_refused);
	one(b, "sallyport_relay_control_connections_broken_total", COUNTER,
	    "connections closed for what they sent", c->conns_broken);
	one(b, "sallyport_relay_control_connections_late_total", COUNTER,
	    "connections closed for being slow or idle", c->conns_timed_out);
	one(b, "sallyport_relay_never_total", COUNTER, "things believed impossible that happened",
	    check_never_count());
}

static void write_ports(struct buf *b, const struct ctl *c, const char *name, const char *help,
			int what)
{
	head(b, name, GAUGE, help);
	for (unsigned i = 0; i < c->config->interface_count; i++) {
		const struct relay_interface *f = &c->config->interfaces[i];
		uint64_t all = (uint64_t)(f->port_max - f->port_min + 1) & ~UINT64_C(1);
		uint64_t used = 2 * sum(c, RELAY_PORTS + i);
		buf_printf(b, "%s{name=\"%s\",address=\"", name, f->name);
		addr_write_ip(b, &f->addr);
		buf_printf(b, "\"} %llu\n",
			   (unsigned long long)(what == 0   ? all
						: what == 1 ? used
							    : all - used));
	}
}

static void write_proxy(struct buf *b, const struct ctl_proxy *p)
{
	buf_lit(b, "proxy=\"");
	if (p->addr.family == ADDR_NONE) {
		buf_lit(b, "unix");
	} else {
		addr_write_ip(b, &p->addr);
	}
	buf_char(b, '"');
}

static void write_requests(struct buf *b, const struct ctl *c)
{
	head(b, "rtpengine_requests_total", COUNTER, "NG requests");
	for (size_t p = 0; p < c->proxy_count; p++) {
		for (int k = 0; k < NG_COMMAND_COUNT; k++) {
			buf_lit(b, "rtpengine_requests_total{");
			write_proxy(b, &c->proxies[p]);
			buf_printf(b, ",request=\"%s\"} %llu\n",
				   ng_command_name((enum ng_command)k),
				   (unsigned long long)c->proxies[p].requests[k]);
		}
	}
	head(b, "rtpengine_errors_total", COUNTER, "NG requests that no worker has seen");
	for (size_t p = 0; p < c->proxy_count; p++) {
		buf_lit(b, "rtpengine_errors_total{");
		write_proxy(b, &c->proxies[p]);
		buf_printf(b, "} %llu\n", (unsigned long long)c->proxies[p].errors);
	}
}

/* Counters of the workers are read one after the other: never below zero. */
static uint64_t less(uint64_t all, uint64_t part)
{
	return all > part ? all - part : 0;
}

static void write_rtpengine(struct buf *b, const struct ctl *c, uint64_t now_s)
{
	static const struct {
		const char *reason;
		enum relay_counter counter;
	} closed[] = {
		{"rejected", RELAY_REJECTED},           {"timeout", RELAY_ENDED_TIMEOUT},
		{"silent_timeout", RELAY_ENDED_SILENT}, {"final_timeout", RELAY_ENDED_FINAL},
		{"offer_timeout", RELAY_ENDED_OFFER},   {"terminated", RELAY_ENDED_DELETE},
	};
	uint64_t errors = 0;
	for (unsigned f = FATE_OURS + 1; f < FATE_COUNT; f++) {
		errors += sum(c, RELAY_FATES + f);
	}
	head(b, "rtpengine_sessions", GAUGE, "calls that live now");
	labelled(b, "rtpengine_sessions", "type", "own", sum(c, RELAY_CALLS));
	labelled(b, "rtpengine_sessions", "type", "foreign", 0);
	one(b, "rtpengine_sessions_total", COUNTER, "calls begun", sum(c, RELAY_CALLS_TOTAL));
	head(b, "rtpengine_closed_sessions_total", COUNTER, "calls ended");
	for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
		labelled(b, "rtpengine_closed_sessions_total", "reason", closed[i].reason,
			 sum(c, closed[i].counter));
	}
	/* Nothing here ends calls by force. */
	labelled(b, "rtpengine_closed_sessions_total", "reason", "force_terminated", 0);
	head(b, "rtpengine_mediastreams", GAUGE, "media in force");
	labelled(b, "rtpengine_mediastreams", "type", "userspace",
		 sum(c, RELAY_MEDIAS_PLAIN) + sum(c, RELAY_MEDIAS_SRTP));
	labelled(b, "rtpengine_mediastreams", "type", "mixed", 0);
	labelled(b, "rtpengine_mediastreams", "type", "kernel", 0);
	one(b, "rtpengine_transcoded_media", GAUGE, "always 0: nothing is transcoded", 0);
	head(b, "rtpengine_packets_total", COUNTER, "packets relayed");
	const uint64_t packets = sum_loops(c, offsetof(struct loop, kernel_packets));
	const uint64_t bytes = sum_loops(c, offsetof(struct loop, kernel_bytes));
	labelled(b, "rtpengine_packets_total", "type", "userspace",
		 less(sum(c, RELAY_FATES + FATE_SENT), packets));
	labelled(b, "rtpengine_packets_total", "type", "kernel", packets);
	head(b, "rtpengine_bytes_total", COUNTER, "bytes relayed");
	labelled(b, "rtpengine_bytes_total", "type", "userspace",
		 less(sum(c, RELAY_BYTES_OUT), bytes));
	labelled(b, "rtpengine_bytes_total", "type", "kernel", bytes);
	head(b, "rtpengine_packet_errors_total", COUNTER, "packets dropped");
	labelled(b, "rtpengine_packet_errors_total", "type", "userspace", errors);
	labelled(b, "rtpengine_packet_errors_total", "type", "kernel", 0);
	one(b, "rtpengine_zero_packet_streams_total", COUNTER, "media of a party that never sent",
	    sum(c, RELAY_SILENT_MEDIAS));
	one(b, "rtpengine_one_way_sessions_total", COUNTER, "dialogues with media one way only",
	    sum(c, RELAY_ONE_WAY));
	head(b, "rtpengine_call_duration_total", COUNTER, "seconds of all ended calls");
	buf_printf(b, "rtpengine_call_duration_total %.3f\n",
		   (double)sum(c, RELAY_DURATION_MS) / 1000);
	uint64_t ended = 0;
	for (size_t i = 1; i < ARRAY_LEN(closed); i++) {
		ended += sum(c, closed[i].counter);
	}
	head(b, "rtpengine_call_duration_avg", GAUGE, "seconds of an ended call, on average");
	buf_printf(b, "rtpengine_call_duration_avg %.6f\n",
		   ended > 0 ? (double)sum(c, RELAY_DURATION_MS) / 1000 / (double)ended : 0);
	one(b, "rtpengine_call_duration2_total", COUNTER, "sum of squares of the same",
	    sum(c, RELAY_DURATION2_S2));
	head(b, "rtpengine_mos_total", COUNTER, "sum of MOS");
	buf_printf(b, "rtpengine_mos_total %.3f\n", (double)sum(c, RELAY_MOS_X1000) / 1000);
	one(b, "rtpengine_mos_samples_total", COUNTER, "values in it",
	    sum(c, RELAY_QUALITY_SAMPLES));
	head(b, "rtpengine_jitter_total", COUNTER, "sum of jitter in ms");
	buf_printf(b, "rtpengine_jitter_total %.3f\n", (double)sum(c, RELAY_JITTER_US) / 1000);
	one(b, "rtpengine_jitter_samples_total", COUNTER, "values in it",
	    sum(c, RELAY_QUALITY_SAMPLES));
	one(b, "rtpengine_packets_lost", COUNTER, "RTP packets lost before us", sum(c, RELAY_LOST));
	write_ports(b, c, "rtpengine_ports", "media ports", 0);
	write_ports(b, c, "rtpengine_ports_used", "media ports in use", 1);
	write_ports(b, c, "rtpengine_ports_free", "media ports free or resting", 2);
	write_requests(b, c);
	one(b, "rtpengine_uptime_seconds", GAUGE, "since the start", now_s - c->started_s);
}

void metrics_write(struct buf *b, const struct ctl *c, uint64_t now_s)
{
	write_own(b, c);
	write_rtpengine(b, c, now_s);
}
