#include "check.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/buf.h"

static const char *row_name = "(no row)";

bool check_row(const char *name)
{
	row_name = name;
	return true;
}

static void give_up(const char *what, const char *file, int line)
{
	print_error("%s:%d: row \"%s\": %s\n", file, line, row_name, what);
	_fail(file, line);
}

void check_true(bool x, const char *what, const char *file, int line)
{
	if (!x)
		give_up(what, file, line);
}

void check_int(int64_t got, int64_t want, const char *what, const char *file, int line)
{
	if (got == want)
		return;
	print_error("got %" PRId64 ", want %" PRId64 "\n", got, want);
	give_up(what, file, line);
}

void check_u64(uint64_t got, uint64_t want, const char *what, const char *file, int line)
{
	if (got == want)
		return;
	print_error("got %" PRIu64 " (%" PRIx64 "), want %" PRIu64 " (%" PRIx64 ")\n", got, got,
		    want, want);
	give_up(what, file, line);
}

static void print_str(const char *label, struct str s)
{
	static char mem[65536];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_json_str(&b, s);
	print_error("%s %.*s\n", label, STR_ARG(buf_view(&b)));
}

void check_str(struct str got, struct str want, const char *what, const char *file, int line)
{
	if (str_eq(got, want))
		return;
	print_str("got ", got);
	print_str("want", want);
	give_up(what, file, line);
}

void check_err(int64_t got, int64_t want, const char *what, const char *file, int line)
{
	if (got == want)
		return;
	print_error("got %" PRId64 " (%s), want %" PRId64 " (%s)\n", got, err_name((int)got), want,
		    err_name((int)want));
	give_up(what, file, line);
}
