#include "rtpproxy/control.h"

#include <getopt.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "common/relay_conf.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/io/coalesce.h"

enum {
	DEFAULT_PORT_MIN = 30000,
	DEFAULT_PORT_MAX = 39999,
	DEFAULT_TIMEOUT_S = 60,
	DEFAULT_SILENT_S = 3600,
	DEFAULT_LOST_S = 10,
	DEFAULT_OFFER_S = 3600,
	DEFAULT_DELETE_S = 30,
	/* Ten times what a codec with 10 ms packets sends; video bursts. */
	DEFAULT_RATE_AUDIO = 1000,
	DEFAULT_RATE_OTHER = 10000,
	WORKERS_AUTO_MAX = 8
};

/* Neither an option nor the file has said it. */
#define UNSET UINT32_MAX

/* One option: sets something, or says false. */
struct option_row {
	const char *name;
	char letter; /* 0: none */
	bool has_value;
	bool (*take)(struct control *c, struct str v);
	const char *help; /* NULL: accepted, does nothing */
};

static bool to_ms(struct str v, uint64_t *out)
{
	uint64_t s;
	if (str_to_u64(v, UINT32_MAX, &s) != OK) {
		return false;
	}
	*out = s * 1000;
	return true;
}

/* NAME/ADDRESS!ADVERTISED; name and advertised address may be left out. */
static bool take_interface(struct control *c, struct str v)
{
	struct relay_config *r = &c->relay;
	struct str name = STR("default"), shown;
	size_t slash = str_index(v, '/');
	if (r->interface_count == LIMIT_INTERFACES) {
		return false;
	}
	struct relay_interface *f = &r->interfaces[r->interface_count];
	if (slash < v.len) {
		name = (struct str){v.p, slash};
		v = str_from_offset(v, slash + 1);
	}
	size_t bang = str_index(v, '!');
	shown = bang < v.len ? str_from_offset(v, bang + 1) : v;
	v.len = bang;
	if (name.len == 0 || str_copy(name, f->name, sizeof(f->name)) != OK ||
	    addr_parse_ip(v, &f->addr) != OK || addr_parse_ip(shown, &f->shown) != OK ||
	    f->shown.family != f->addr.family) {
		return false;
	}
	/* In SDP we would invite the world to send to nowhere. */
	if (addr_class(&f->shown) == ADDR_CLASS_UNSPECIFIED) {
		return false;
	}
	f->latch = LATCH_RESTRICTED;
	r->interface_count++;
	return true;
}

/* "unix:PATH", a port of `lone` or ADDRESS:PORT. */
static bool add_listen(struct control *c, enum ctl_kind kind, struct str v, const struct addr *lone)
{
	if (c->listen_count == CTL_SOCKETS_MAX) {
		return false;
	}
	struct ctl_listen *l = &c->listens[c->listen_count];
	uint16_t port;
	*l = (struct ctl_listen){.kind = kind};
	if (str_has_prefix(v, STR("unix:"))) {
		v = str_from_offset(v, 5);
		if (v.len == 0 || str_copy(v, l->path, sizeof(l->path)) != OK) {
			return false;
		}
	} else if (str_to_u16(v, UINT16_MAX, &port) == OK && port > 0) {
		l->addr = *lone;
		l->addr.port = port;
	} else if (addr_parse(v, &l->addr) != OK || l->addr.port == 0) {
		return false;
	}
	c->listen_count++;
	return true;
}

static const struct addr anywhere = {.family = ADDR_IP4};
static const struct addr loopback = {.family = ADDR_IP4, .ip = {127, 0, 0, 1}};

static bool take_listen(struct control *c, struct str v)
{
	static const struct str stream = STR("unix-stream:");
	c->has_ng = true;
	if (str_has_prefix(v, stream)) {
		/* From "unix-stream:PATH" to "unix:PATH". */
		char text[sizeof(c->listens[0].path) + 8];
		struct buf b;
		buf_init(&b, text, sizeof(text));
		buf_lit(&b, "unix:");
		buf_str(&b, str_from_offset(v, stream.len));
		return !b.overflow && add_listen(c, CTL_STREAM, buf_view(&b), &loopback);
	}
	return add_listen(c, CTL_DATAGRAM, v, &anywhere);
}

static bool take_tcp(struct control *c, struct str v)
{
	c->has_ng = true;
	return add_listen(c, CTL_STREAM, v, &loopback);
}

static bool take_http(struct control *c, struct str v)
{
	return add_listen(c, CTL_HTTP, v, &loopback);
}

static bool take_remote(struct control *c, struct str v)
{
	(void)v;
	c->allow_remote = true;
	return true;
}

static bool take_mode(struct control *c, struct str v)
{
	unsigned mode = 0;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '7' || mode > 077) {
			return false;
		}
		mode = mode * 8 + (unsigned)(v.p[i] - '0');
	}
	c->socket_mode = mode;
	return v.len > 0;
}

static bool take_user(struct control *c, struct str v)
{
	char name[64];
	uint32_t uid;
	if (c->users.count == CTL_USERS_MAX || str_copy(v, name, sizeof(name)) != OK) {
		return false;
	}
	if (str_to_u32(v, UINT32_MAX - 1, &uid) != OK) {
		const struct passwd *p = getpwnam(name);
		if (!p) {
			return false;
		}
		uid = p->pw_uid;
	}
	c->users.at[c->users.count++] = uid;
	return true;
}

/* Kept in the first interface's place until all are known. */
static bool take_port_min(struct control *c, struct str v)
{
	uint16_t port;
	if (str_to_u16(v, UINT16_MAX, &port) != OK) {
		return false;
	}
	for (unsigned i = 0; i < LIMIT_INTERFACES; i++) {
		c->relay.interfaces[i].port_min = port;
	}
	return true;
}

static bool take_port_max(struct control *c, struct str v)
{
	uint16_t port;
	if (str_to_u16(v, UINT16_MAX, &port) != OK) {
		return false;
	}
	for (unsigned i = 0; i < LIMIT_INTERFACES; i++) {
		c->relay.interfaces[i].port_max = port;
	}
	return true;
}

static bool take_foreground(struct control *c, struct str v)
{
	(void)v;
	c->foreground = true;
	return true;
}

static bool take_threads(struct control *c, struct str v)
{
	uint32_t n;
	if (str_to_u32(v, LIMIT_WORKERS, &n) != OK || n == 0) {
		return false;
	}
	c->relay.workers = n;
	return true;
}

static bool take_timeout(struct control *c, struct str v)
{
	return to_ms(v, &c->relay.timeouts.media);
}

static bool take_lost(struct control *c, struct str v)
{
	return to_ms(v, &c->relay.timeouts.lost);
}

static bool take_silent(struct control *c, struct str v)
{
	return to_ms(v, &c->relay.timeouts.held);
}

static bool take_offer(struct control *c, struct str v)
{
	return to_ms(v, &c->relay.timeouts.offer);
}

static bool take_final(struct control *c, struct str v)
{
	return to_ms(v, &c->relay.timeouts.total);
}

static bool take_delete(struct control *c, struct str v)
{
	return to_ms(v, &c->relay.delete_delay_ms);
}

static bool take_tos(struct control *c, struct str v)
{
	uint32_t n;
	if (str_to_u32(v, 255, &n) != OK) {
		return false;
	}
	c->relay.tos = (uint8_t)n;
	return true;
}

static bool take_sessions(struct control *c, struct str v)
{
	return str_to_u32(v, UINT32_MAX, &c->relay.max_sessions) == OK;
}

/* "80", "12.5" */
static bool to_decimal(struct str v, double *out)
{
	struct str whole = {v.p, str_index(v, '.')};
	struct str part = str_from_offset(v, whole.len < v.len ? whole.len + 1 : v.len);
	uint32_t n, tenths = 0;
	if (str_to_u32(whole, 1000000, &n) != OK || part.len > 3 ||
	    (part.len > 0 && str_to_u32(part, 999, &tenths) != OK)) {
		return false;
	}
	*out = tenths;
	for (size_t i = 0; i < part.len; i++) {
		*out /= 10;
	}
	*out += n;
	return true;
}

static bool take_max_cpu(struct control *c, struct str v)
{
	return to_decimal(v, &c->load.cpu) && c->load.cpu <= 100;
}

static bool take_max_load(struct control *c, struct str v)
{
	return to_decimal(v, &c->load.load);
}

static bool take_max_bandwidth(struct control *c, struct str v)
{
	return str_to_u64(v, UINT64_MAX, &c->load.bandwidth) == OK;
}

static bool take_max_packets(struct control *c, struct str v)
{
	return str_to_u64(v, UINT64_MAX, &c->load.packets) == OK;
}

static bool take_rate(struct control *c, struct str v)
{
	return str_to_u32(v, 1000000, &c->relay.rates.audio) == OK;
}

static bool take_engine(struct control *c, struct str v)
{
	char name[sizeof(c->engine)];
	return str_copy(v, name, sizeof(name)) == OK && srtp_engine_is_name(name) &&
	       str_copy(v, c->engine, sizeof(c->engine)) == OK;
}

static bool take_certificate_days(struct control *c, struct str v)
{
	uint32_t days;
	if (str_to_u32(v, 3650, &days) != OK || days == 0) {
		return false;
	}
	c->relay.dtls_lifetime_s = days * UINT64_C(86400);
	return true;
}

static bool take_dtls_sha1(struct control *c, struct str v)
{
	(void)v;
	c->relay.dtls_sha1 = true;
	return true;
}

static bool take_coalesce(struct control *c, struct str v)
{
	return str_to_u32(v, COALESCE_MAX_US, &c->coalesce_us) == OK;
}

static bool take_level(struct control *c, struct str v)
{
	/* Words, or syslog's numbers as rtpengine has them. */
	static const enum log_level numbers[] = {LOG_LEVEL_ERROR, LOG_LEVEL_ERROR, LOG_LEVEL_ERROR,
						 LOG_LEVEL_ERROR, LOG_LEVEL_WARN,  LOG_LEVEL_INFO,
						 LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG};
	uint32_t n;
	if (str_to_u32(v, ARRAY_LEN(numbers) - 1, &n) == OK) {
		c->log_level = numbers[n];
		return true;
	}
	return log_level_find(v, &c->log_level);
}

static bool take_recording_dir(struct control *c, struct str v)
{
	return v.len > 0 && str_copy(v, c->recording_dir, sizeof(c->recording_dir)) == OK;
}

static bool take_recording_dtmf(struct control *c, struct str v)
{
	(void)v;
	c->relay.record_dtmf = true;
	return true;
}

static bool take_dtmf_dest(struct control *c, struct str v)
{
	c->relay.dtmf_detect = true;
	return addr_parse(v, &c->dtmf_dest) == OK && c->dtmf_dest.port != 0;
}

static bool take_pidfile(struct control *c, struct str v)
{
	return str_copy(v, c->pidfile, sizeof(c->pidfile)) == OK;
}

static bool take_config(struct control *c, struct str v)
{
	return v.len > 0 && str_copy(v, c->config_path, sizeof(c->config_path)) == OK;
}

static bool take_name(struct control *c, struct str v)
{
	return str_copy(v, c->relay_name, sizeof(c->relay_name)) == OK;
}

static bool take_io(struct control *c, struct str v)
{
	return io_tier_find(v, &c->io);
}

static bool take_bpf_dir(struct control *c, struct str v)
{
	return v.len > 0 && v.p[0] == '/' && str_copy(v, c->bpf_dir, sizeof(c->bpf_dir)) == OK;
}

static bool take_help(struct control *c, struct str v)
{
	(void)v;
	c->show_help = true;
	return true;
}

static bool take_version(struct control *c, struct str v)
{
	(void)v;
	c->show_version = true;
	return true;
}

static const struct option_row rows[] = {
	{"interface", 'i', true, take_interface,
	 "NAME/ADDRESS[!ADVERTISED]: where media arrives; may repeat; the first is the default"},
	{"listen-ng", 'n', true, take_listen,
	 "ADDRESS:PORT, unix:PATH or unix-stream:PATH for commands; may repeat"},
	{"listen-tcp-ng", 0, true, take_tcp, "ADDRESS:PORT for commands over TCP; may repeat"},
	{"listen-http", 0, true, take_http,
	 "ADDRESS:PORT or unix:PATH for HTTP and WebSocket: commands, /metrics, /ping; may repeat"},
	{"allow-remote-control", 0, false, take_remote,
	 "TCP, HTTP and WebSocket may take commands on other addresses than loopback"},
	{"ng-socket-mode", 0, true, take_mode,
	 "mode of Unix sockets, in octal (0600; 0660 for those of the file)"},
	{"allow-user", 0, true, take_user,
	 "a user who may ask over Unix sockets, beside root, our own and our group's; may repeat"},
	{"port-min", 'm', true, take_port_min, "first media port (30000)"},
	{"port-max", 'M', true, take_port_max, "last media port (39999)"},
	{"foreground", 'f', false, take_foreground, "do not go into the background"},
	{"num-threads", 0, true, take_threads, "workers (one for each processor, at most 8)"},
	{"timeout", 'o', true, take_timeout, "seconds without media until a call ends (60)"},
	{"media-lost", 0, true, take_lost,
	 "seconds until a party that is not heard is told as lost (10; 0: never)"},
	{"silent-timeout", 's', true, take_silent, "the same while it is on hold (3600)"},
	{"offer-timeout", 0, true, take_offer, "seconds until an offer without answer ends (3600)"},
	{"final-timeout", 'a', true, take_final, "longest duration of a call in seconds (0: any)"},
	{"delete-delay", 0, true, take_delete, "seconds from delete to the end of media (30)"},
	{"tos", 'T', true, take_tos, "IP TOS of media (0)"},
	{"max-sessions", 0, true, take_sessions, "calls at once (0: as memory allows)"},
	{"max-cpu", 0, true, take_max_cpu,
	 "no new calls at so many per cent of all processors (0: any)"},
	{"max-load", 0, true, take_max_load, "no new calls at this load average (0: any)"},
	{"max-bandwidth", 0, true, take_max_bandwidth,
	 "no new calls at so many bytes of media a second (0: any)"},
	{"max-packets", 0, true, take_max_packets,
	 "no new calls at so many media packets a second (0: any)"},
	{"max-packet-rate", 0, true, take_rate,
	 "packets a second of one audio stream (1000; 0: any)"},
	{"srtp-engine", 0, true, take_engine,
	 "auto (default: ipsec-mb where it works, else openssl), openssl, ipsec-mb or libsrtp2"},
	{"dtls-certificate-days", 0, true, take_certificate_days,
	 "lifetime of the certificate for DTLS-SRTP, renewed after half of it (30)"},
	{"dtls-sha1", 0, false, take_dtls_sha1,
	 "accept DTLS fingerprints of SHA-1 where SDP names nothing better"},
	{"io", 0, true, take_io,
	 "how packets come and go: auto (default), sockets, steered or kernel (docs/packet-io.md)"},
	{"bpf-dir", 0, true, take_bpf_dir, "where sallyport-bpf left its maps (" PINS_DIR ")"},
	{"coalesce", 0, true, take_coalesce,
	 "longest sleep of a busy worker between two looks for packets, µs (500; 0: none)"},
	{"log-level", 'L', true, take_level, "error, warn, info, debug, or 0 to 7"},
	{"recording-dir", 0, true, take_recording_dir,
	 "directory for recordings (none: recording is refused)"},
	{"recording-dtmf", 0, false, take_recording_dtmf,
	 "record telephone-event packets too: what callers type may be a secret"},
	{"dtmf-log-dest", 0, true, take_dtmf_dest,
	 "ADDRESS:PORT for a JSON datagram about each telephone key"},
	{"pidfile", 'p', true, take_pidfile, "where to write the process id"},
	{"config", 0, true, take_config, "the common configuration file (sallyport.yaml)"},
	{"name", 0, true, take_name, "which of the file's media_relays this is"},
	{"help", 'h', false, take_help, "this text"},
	{"version", 'v', false, take_version, "the version"},
	/* Known to users of rtpengine, and without meaning here. */
	{"table", 't', true, NULL, NULL},
	{"no-fallback", 'F', false, NULL, NULL},
	{"log-stderr", 'E', false, NULL, NULL},
	{"log-facility", 0, true, NULL, NULL},
	{"log-facility-cdr", 0, true, NULL, NULL},
	{"log-facility-rtcp", 0, true, NULL, NULL},
	{"config-file", 0, true, NULL, NULL},
	{"config-section", 0, true, NULL, NULL},
	{"listen-cli", 'c', true, NULL, NULL},
	{"xmlrpc-format", 'x', true, NULL, NULL},
	{"recording-method", 0, true, NULL, NULL},
	{"recording-format", 0, true, NULL, NULL},
	{"dtmf-log-prefix", 0, true, NULL, NULL},
	{"port-latching", 0, false, NULL, NULL},
	{"sip-source", 0, false, NULL, NULL},
};

void control_usage(FILE *out)
{
	fputs("usage: sallyport-rtpproxy [options]\n\n", out);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].help) {
			fprintf(out, "  --%s%s\n        %s\n", rows[i].name,
				rows[i].has_value ? "=…" : "", rows[i].help);
		}
	}
}

static unsigned processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > WORKERS_AUTO_MAX ? WORKERS_AUTO_MAX : (unsigned)n;
}

static void set_defaults(struct control *c)
{
	*c = (struct control){
		.relay = {.workers = processors(),
			  .timeouts = {.media = DEFAULT_TIMEOUT_S * 1000,
				       .held = DEFAULT_SILENT_S * 1000,
				       .offer = DEFAULT_OFFER_S * 1000,
				       .lost = DEFAULT_LOST_S * 1000},
			  .delete_delay_ms = DEFAULT_DELETE_S * 1000,
			  .rates = {DEFAULT_RATE_AUDIO, DEFAULT_RATE_OTHER}},
		.log_level = LOG_LEVEL_INFO,
		.coalesce_us = UNSET,
		.socket_mode = 0600,
		.io = IO_TIER_AUTO,
		.bpf_dir = PINS_DIR,
	};
	for (unsigned i = 0; i < LIMIT_INTERFACES; i++) {
		c->relay.interfaces[i].port_min = DEFAULT_PORT_MIN;
		c->relay.interfaces[i].port_max = DEFAULT_PORT_MAX;
	}
}

_Static_assert((int)RELAY_LATCHING_OFF == (int)LATCH_OFF &&
		       (int)RELAY_LATCHING_STRICT == (int)LATCH_STRICT &&
		       (int)RELAY_LATCHING_RESTRICTED == (int)LATCH_RESTRICTED &&
		       (int)RELAY_LATCHING_LEARN == (int)LATCH_LEARN,
	       "the file's words are the latch's modes");

static bool add_realm(struct control *c, const struct relay_conf_realm *realm)
{
	struct relay_config *r = &c->relay;
	if (r->interface_count == LIMIT_INTERFACES) {
		return false;
	}
	struct relay_interface *f = &r->interfaces[r->interface_count];
	if (str_copy(realm->name, f->name, sizeof(f->name)) != OK) {
		return false;
	}
	f->addr = f->shown = realm->address;
	f->port_min = realm->port_min;
	f->port_max = realm->port_max;
	f->latch = (uint8_t)realm->latching;
	f->tos = (uint8_t)(realm->dscp << 2);
	r->interface_count++;
	return true;
}

static bool add_control(struct control *c, const struct relay_conf_control *one)
{
	if (c->relay_name[0] != '\0' && !str_eq(one->name, str_from(c->relay_name))) {
		return true;
	}
	if (c->listen_count == CTL_SOCKETS_MAX) {
		return false;
	}
	struct ctl_listen *l = &c->listens[c->listen_count];
	/* The group may ask: the signalling process runs as another user of the same one. */
	*l = (struct ctl_listen){.kind = CTL_DATAGRAM, .mode = 0660};
	if (one->url.kind == RELAY_URL_UDP) {
		l->addr = one->url.addr;
	} else if (str_copy(one->url.path, l->path, sizeof(l->path)) != OK) {
		return false;
	}
	c->listen_count++;
	if (c->io == IO_TIER_AUTO) {
		c->io = (enum io_tier)one->io;
	}
	if (c->engine[0] == '\0') {
		const enum err e = str_copy(str_from(relay_conf_engine_words[one->engine]),
					    c->engine, sizeof(c->engine));
		CHECK(e == OK);
	}
	if (c->coalesce_us == UNSET) {
		c->coalesce_us = one->coalesce_us;
	}
	return true;
}

_Static_assert((int)RELAY_IO_AUTO == (int)IO_TIER_AUTO &&
		       (int)RELAY_IO_SOCKETS == (int)IO_TIER_SOCKETS &&
		       (int)RELAY_IO_STEERED == (int)IO_TIER_STEERED &&
		       (int)RELAY_IO_KERNEL == (int)IO_TIER_KERNEL,
	       "the file's words are the tiers'");

/* What options said stands; the file fills what they left open. */
static enum err read_file(struct control *c, FILE *errors)
{
	struct conf_report report;
	struct relay_conf *conf = NULL;
	bool interfaces = c->relay.interface_count == 0, listens = !c->has_ng;
	enum err e = conf_report_init(&report);
	if (e != OK) {
		return e;
	}
	e = relay_conf_load(c->config_path, &report, &conf);
	for (size_t i = 0; i < report.count; i++) {
		fprintf(errors, "%.*s\n", STR_ARG(report.messages[i].text));
	}
	for (size_t i = 0; e == OK && interfaces && i < conf->realm_count; i++) {
		if (!add_realm(c, &conf->realms[i])) {
			fprintf(errors, "%s: more realms than the relay has interfaces (%d)\n",
				c->config_path, LIMIT_INTERFACES);
			e = ERR_BAD;
		}
	}
	for (size_t i = 0; e == OK && listens && i < conf->control_count; i++) {
		c->listens_optional = c->has_ng = true;
		if (!add_control(c, &conf->controls[i])) {
			fprintf(errors, "%s: media_relays: too many, or a path is too long\n",
				c->config_path);
			e = ERR_BAD;
		}
	}
	relay_conf_free(conf);
	conf_report_release(&report);
	return e;
}

static const struct option_row *find_row(int at)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if ((rows[i].letter != 0 && rows[i].letter == at) || at == 1000 + (int)i) {
			return &rows[i];
		}
	}
	return NULL;
}

static void build_options(struct option *longs, char *shorts, size_t cap)
{
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		longs[i] = (struct option){rows[i].name,
					   rows[i].has_value ? required_argument : no_argument,
					   NULL, 1000 + (int)i};
		if (rows[i].letter != 0 && n + 3 < cap) {
			shorts[n++] = rows[i].letter;
			if (rows[i].has_value) {
				shorts[n++] = ':';
			}
		}
	}
	longs[ARRAY_LEN(rows)] = (struct option){0};
	shorts[n] = '\0';
}

static enum err parse_options(struct control *c, int argc, char **argv, FILE *errors)
{
	struct option longs[ARRAY_LEN(rows) + 1];
	char shorts[2 * ARRAY_LEN(rows) + 4];
	enum err e = OK;
	int at;
	build_options(longs, shorts, sizeof(shorts));
	optind = 1;
	opterr = 0;
	while ((at = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = find_row(at);
		if (!row) {
			fprintf(errors, "unknown option or missing value: %s\n", argv[optind - 1]);
			e = ERR_BAD;
		} else if (!row->take) {
			fprintf(errors, "note: --%s has no meaning here and is ignored\n",
				row->name);
		} else if (!row->take(c, str_from(optarg))) {
			fprintf(errors, "--%s=%s: not understood; wanted is %s\n", row->name,
				optarg ? optarg : "", row->help);
			e = ERR_BAD;
		}
	}
	if (optind < argc) {
		fprintf(errors, "not an option: %s\n", argv[optind]);
		e = ERR_BAD;
	}
	return e;
}

/*
 * Whoever reaches these may end every call: without being told, nobody but this machine does. Metrics are
 * for all who may reach them.
 */
static enum err check_listens(struct control *c, FILE *errors)
{
	enum err e = OK;
	for (size_t i = 0; i < c->listen_count; i++) {
		struct ctl_listen *l = &c->listens[i];
		l->mode = l->mode != 0 ? l->mode : c->socket_mode;
		l->by_name = c->allow_remote;
		if (l->addr.family == ADDR_NONE || c->allow_remote || l->kind == CTL_DATAGRAM ||
		    addr_class(&l->addr) == ADDR_CLASS_LOOPBACK) {
			continue;
		}
		l->look_only = l->kind == CTL_HTTP;
		if (l->look_only) {
			fputs("note: --listen-http is not on loopback: /metrics and /ping alone, "
			      "without "
			      "--allow-remote-control\n",
			      errors);
		} else {
			fputs("--listen-tcp-ng: not on loopback; that needs "
			      "--allow-remote-control\n",
			      errors);
			e = ERR_BAD;
		}
	}
	return e;
}

/* What neither options nor the file said. */
static void fill_defaults(struct control *c)
{
	if (c->engine[0] == '\0') {
		const enum err e = str_copy(STR("auto"), c->engine, sizeof(c->engine));
		CHECK(e == OK);
	}
	if (c->coalesce_us == UNSET) {
		c->coalesce_us = COALESCE_DEFAULT_US;
	}
}

enum err control_parse(struct control *c, int argc, char **argv, FILE *errors)
{
	set_defaults(c);
	enum err e = parse_options(c, argc, argv, errors);
	c->relay.srtp_engine = c->engine;
	if (c->show_help || c->show_version || e != OK) {
		return e;
	}
	if (c->config_path[0] != '\0') {
		e = read_file(c, errors);
		if (e != OK) {
			return e;
		}
	}
	fill_defaults(c);
	if (c->relay.interface_count == 0) {
		fputs("no --interface and no --config: where shall media arrive?\n", errors);
		return ERR_BAD;
	}
	if (!c->has_ng) {
		fputs("no --listen-ng and no --config: where shall commands arrive?\n", errors);
		return ERR_BAD;
	}
	return check_listens(c, errors);
}
