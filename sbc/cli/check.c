/* check and settings: what needs no running daemon. */
#include <stdlib.h>

#include "sbc/cli/cli.h"
#include "sbc/config.h"

#define DEFAULT_CONFIG "/etc/sallyport/sallyport.yaml"

enum { DOCS_BYTES = 512 * 1024 };

static void print_report(FILE *out, const struct conf_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		fprintf(out, "%.*s\n", STR_ARG(r->messages[i].text));
	if (r->unsaid > 0)
		fprintf(out, "and %u more\n", (unsigned)r->unsaid);
}

int cli_check(const struct cli_options *o)
{
	struct conf_report report;
	struct settings *s = NULL;
	const char *path = o->config ? o->config : DEFAULT_CONFIG;
	if (conf_report_init(&report) != OK)
		return CLI_FAILED;
	enum err e = config_load(path, &report, &s);
	print_report(stdout, &report);
	if (e == OK && !o->quiet)
		printf("%s: well, with %u realms, %u trunks, %u routes and %u warnings\n", path,
		       (unsigned)s->realm_count, (unsigned)(s->trunk_count - s->users_count),
		       (unsigned)s->policy.route_count, (unsigned)report.warnings);
	else if (e == ERR_BAD)
		printf("%s: %u mistakes, %u warnings\n", path, (unsigned)report.errors,
		       (unsigned)report.warnings);
	else if (e != OK)
		fprintf(stderr, "sallyport: %s\n", err_text(e));
	const bool report_warnings = report.warnings > 0;
	config_free(s);
	conf_report_release(&report);
	if (e == OK && report_warnings && cli_argument(o, "strict"))
		return CLI_WRONG;
	return e == OK ? CLI_OK : e == ERR_BAD ? CLI_WRONG : CLI_FAILED;
}

int cli_settings(const struct cli_options *o)
{
	(void)o;
	char *text = malloc(DOCS_BYTES);
	struct buf b;
	if (!text)
		return CLI_FAILED;
	buf_init(&b, text, DOCS_BYTES);
	config_write_docs(&b);
	struct str page = buf_view(&b);
	size_t written = fwrite(page.p, 1, page.len, stdout);
	free(text);
	return page.len > 0 && written == page.len ? CLI_OK : CLI_FAILED;
}
