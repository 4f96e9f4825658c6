/*
 * The configuration file of the SBC → struct settings. Three steps that do not mix: text → tree
 * (common/conf_tree), tree → struct by tables (config_tables, config_build), cross-checks (config_check). Nothing
 * live is touched: a reload loads anew and swaps pointers when this returned OK.
 */
#ifndef SALLYPORT_CONFIG_H
#define SALLYPORT_CONFIG_H

#include "common/conf.h"
#include "common/err.h"
#include "sbc/core/settings.h"

/*
 * Every mistake and warning goes to *report (made by conf_report_init, sorted on return).
 * OK: *out is whole, in memory of its own, until config_free; its generation is the caller's to set.
 * ERR_BAD: there were mistakes; ERR_NOMEM. *out is untouched then.
 */
enum err config_load(const char *path, struct conf_report *report, struct settings **out) MUST_USE;
/* The same of a text; `include` is not followed. */
enum err config_load_text(struct str name, struct str text, struct conf_report *report,
			  struct settings **out) MUST_USE;
/* Wipes what it frees: a key may have come from the environment. NULL is fine. */
void config_free(struct settings *s);

/* The page docs/settings.md, from the tables. */
void config_write_docs(struct buf *b);

#endif
