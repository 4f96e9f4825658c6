/*
 * From one record to everything that people read: a notice of the core or a report of a connection
 * becomes the counter and the log line here, and nowhere else, so that they cannot disagree.
 */
#ifndef SALLYPORT_SBC_METRICS_H
#define SALLYPORT_SBC_METRICS_H

#include "common/log.h"
#include "common/stats.h"
#include "sbc/core/notice.h"
#include "sbc/core/sbc.h"
#include "sbc/shell/cdr_file.h"
#include "sbc/shell/flow.h"
#include "sbc/shell/geo.h"
#include "sbc/shell/relay_client.h"
#include "sbc/shell/sheets.h"
#include "sbc/shell/shell_stats.h"
#include "sbc/shell/store.h"
#include "sbc/shell/tls.h"

enum { SBC_METRICS_CACHE = 4096, SBC_METRICS_CDRS_MAX = 8 };

/* A cell by small numbers, so that counting a message takes no text. */
struct sbc_metrics_slot {
	uint64_t key; /* 0: empty */
	uint64_t *cell;
};

struct sbc_metrics {
	struct stats stats;
	struct log *log;
	uint64_t invites, refused; /* of `sallyport status` */
	uint64_t second;           /* since the start, of the window of cps */
	uint32_t in_second, cps;   /* new calls in this second, in the last one */
	struct sbc_metrics_slot cache[SBC_METRICS_CACHE];
};

/* What is read when somebody asks for the numbers. */
struct sbc_facts {
	const struct settings *settings;
	const struct sbc *sbc;
	const struct flow_table *flows;
	const struct relay_client *relays;
	const struct tls_set *tls;
	const struct geo *geo;
	const struct shell_stats *shell;
	const struct store *store; /* NULL: not shown */
	struct cdr_file *const *cdrs;
	size_t cdr_count;
	uint64_t uptime_ms, wall_ms;
};

/* ERR_NOMEM. `log` outlives it. */
enum err sbc_metrics_init(struct sbc_metrics *m, struct log *log) MUST_USE;
void sbc_metrics_release(struct sbc_metrics *m);
void sbc_metrics_notice(struct sbc_metrics *m, const struct notice *n);
void sbc_metrics_flow(struct sbc_metrics *m, const struct flow_report *r, const struct settings *s,
		      uint64_t wall_ms);
void sbc_metrics_relay(struct sbc_metrics *m, const struct relay *r, uint64_t wall_ms);
void sbc_metrics_sheet(struct sbc_metrics *m, const struct sheet_report *r, uint64_t wall_ms);
void sbc_metrics_geo(struct sbc_metrics *m, const struct geo_report *r, uint64_t wall_ms);
/* New calls in the last full second. */
uint32_t sbc_metrics_cps(const struct sbc_metrics *m, uint64_t now_ms);
/* Prometheus text 0.0.4. */
void sbc_metrics_write(struct sbc_metrics *m, struct buf *b, const struct sbc_facts *f);
/* Resident memory of this process; 0: not known. */
uint64_t sbc_metrics_memory_bytes(void);

#endif
