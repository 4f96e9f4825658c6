/* What the files of the loop share: loop (the turn and the ports), loop_start (making and ending), loop_operator (what people ask
 * of it), loop_reload (the configuration anew). */
#ifndef SALLYPORT_LOOP_IMPL_H
#define SALLYPORT_LOOP_IMPL_H

#include "common/log.h"
#include "common/rng.h"
#include "sbc/core/sbc.h"
#include "sbc/shell/ban_file.h"
#include "sbc/shell/ban_kernel.h"
#include "sbc/shell/cdr_file.h"
#include "sbc/shell/cert_fetch.h"
#include "sbc/shell/control.h"
#include "sbc/shell/flow.h"
#include "sbc/shell/geo.h"
#include "sbc/shell/http.h"
#include "sbc/shell/log_out.h"
#include "sbc/shell/loop.h"
#include "sbc/shell/opinion.h"
#include "sbc/shell/relay_client.h"
#include "sbc/shell/resolve.h"
#include "sbc/shell/sbc_metrics.h"
#include "sbc/shell/destinations_watch.h"
#include "sbc/shell/sheets.h"
#include "sbc/shell/store.h"
#include "sbc/shell/trace.h"
#include "sbc/shell/udp.h"

enum { LOOP_HTTP_MAX = 8, LOOP_SECOND_MS = 1000, LOOP_BANS_MS = 10 };

/* Configurations: the one in use, and those that calls may still use. */
struct loop_settings {
	struct loop_source source;
	struct settings *now;
	struct settings *old[LOOP_GENERATIONS_MAX];
	size_t old_count;
	struct tls_set *tls, *old_tls; /* old: handshakes may be under way with it */
	uint64_t old_tls_until_ms;
};

struct reload_work;

/* A configuration that is being read. */
struct loop_reload {
	struct reload_work *work; /* NULL: none */
	bool again;               /* asked for once more since it began */
	struct control_asker askers[CONTROL_CLIENTS_MAX];
	size_t asker_count, of_work; /* the first `of_work` of them wait for this reading */
};

/* What people and programs ask. */
struct loop_pages {
	struct http *https[LOOP_HTTP_MAX];
	size_t http_count;
	struct control *control;
	struct watch *signals[3];
};

/* What is told. */
struct loop_words {
	struct log_out out;
	struct log log;
	struct trace trace;
	struct sbc_metrics metrics;
	struct cdr_file *cdrs[SBC_METRICS_CDRS_MAX];
	size_t cdr_count;
	char *cdr_line;
};

/* Where bans go beside the core. */
struct loop_bans {
	struct ban_file file;
	struct ban_kernel kernel;
};

struct loop {
	struct turn turn;
	struct sbc *sbc;
	struct rng rng;
	struct loop_settings settings;
	struct loop_reload reload;
	struct dgram_in in;
	struct udp *udps; /* by listener; those that are streams are empty */
	struct flow_table flows;
	struct resolver resolver;
	struct relay_client relays;
	struct store store;
	struct geo *geo;
	struct sheets sheets;
	struct destinations_watch destinations;
	struct cert_fetch *certs;
	struct opinion_client opinion;
	struct loop_pages pages;
	struct loop_words words;
	struct loop_bans bans;
	struct turn_timer second, watchdog, bans_more;
	uint64_t watchdog_ms; /* how often the service manager hears of us; 0: never */
	uint64_t began_ms;
	uint64_t stop_ms; /* 0, or when it ends at the latest */
	bool has_turn, has_in, has_flows, has_resolver, has_relays, has_store, has_metrics;
};

/* loop.c: the entries from the parts. */
struct ports loop_ports(struct loop *l);
void loop_core_step(void *loop, const struct event *e);
void loop_on_flow(void *loop, const struct flow_report *r);
void loop_on_relay(void *loop, const struct relay *r);
void loop_on_store(void *loop, const struct store_view *v);
void loop_on_second(void *loop);
void loop_on_bans(void *loop);
void loop_on_watchdog(void *loop);

/* loop_sheets.c: tables of dialling codes. */
void loop_apply_sheets(struct loop *l);

/* loop_geo.c: where peers are. */
void loop_on_geo(void *loop, const struct geo_report *r);
/* The settings say who wants to know. */
void loop_apply_geo(struct loop *l);

/* loop_operator.c: pages, commands, signals. */
void loop_page_metrics(void *loop, struct buf *b);
bool loop_page_health(void *loop, struct buf *b);
struct str loop_on_command(void *loop, struct str command, const struct dict *request);
void loop_on_signal(void *loop, unsigned signal);

/* loop_reload.c: the configuration anew. */
/* Reads it, beside the calls, and takes it into use if it is good; then the asker is told. */
void loop_reload_ask(struct loop *l, struct control_asker asker);
/* Ends what is under way; waits for the thread that reads. */
void loop_reload_release(struct loop *l);
/* Gives back what no call uses any more. */
void loop_free_old_settings(struct loop *l);

#endif
