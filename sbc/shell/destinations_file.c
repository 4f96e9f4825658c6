#include "sbc/shell/destinations_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_LEN_MAX = 4096 };

/* All of it, to be freed; NULL with errno, or with 0: it is no file, or too large a one. */
static char *read_all(const char *path, size_t *out_len)
{
	struct stat st;
	char *text = NULL;
	FILE *f = fopen(path, "rbe");

	errno = f ? 0 : errno;
	if (f && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 &&
	    st.st_size <= DESTINATION_BYTES_MAX)
		text = malloc((size_t)st.st_size + 1);
	if (text)
		*out_len = fread(text, 1, (size_t)st.st_size, f);
	if (text && ferror(f)) {
		errno = EIO;
		free(text);
		text = NULL;
	}
	if (f)
		(void)fclose(f);
	return text;
}

enum err destinations_file_read(struct destinations *t, struct buf *why)
{
	CHECK(t && why);
	struct destinations_fault fault;
	char path[PATH_LEN_MAX];
	size_t n = 0;
	const bool fits = str_copy(t->path, path, sizeof(path)) == OK;
	char *text = fits ? read_all(path, &n) : NULL;

	if (!text) {
		buf_printf(why, "%.*s cannot be read: %s", STR_ARG(t->path),
			   fits && errno ? strerror(errno)
					 : "no file, or above 32 MiB, or too long a path");
		return ERR_IO;
	}
	enum err e = destinations_parse(t, (struct str){text, n}, &fault);
	free(text);
	if (e != OK && e != ERR_NOMEM)
		buf_printf(why, "%.*s:%u: %s", STR_ARG(t->path), fault.line, fault.why);
	return e;
}
