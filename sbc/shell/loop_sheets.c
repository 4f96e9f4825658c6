/* Tables of dialling codes that change while we run, and what is told of it. */
#include "loop_impl.h"

static void on_report(void *loop, const struct sheet_report *r)
{
	struct loop *l = loop;
	sbc_metrics_sheet(&l->words.metrics, r, l->turn.wall_ms);
}

void loop_apply_sheets(struct loop *l)
{
	l->sheets.report = on_report;
	l->sheets.ctx = l;
	l->destinations.report = on_report;
	l->destinations.ctx = l;
	destinations_watch_apply(&l->destinations, l->settings.now->destinations);
	if (sheets_apply(&l->sheets, l->settings.now) == OK)
		return;
	log_start(&l->words.log, LOG_LEVEL_ERROR, "tables_not_watched", STR_NONE, l->turn.wall_ms);
	log_str(&l->words.log, "why", str_from(err_text(ERR_NOMEM)));
	log_end(&l->words.log);
}
