#include "sbc/shell/sheet_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_LEN_MAX = 4096 };

static enum err complain(const struct sheet *s, struct buf *why, const char *what)
{
	buf_printf(why, "%.*s cannot be read: %s", STR_ARG(s->path), what);
	return ERR_IO;
}

/* All of it, to be freed; NULL with errno, or with 0: it is no file, or too large a one. */
static char *read_all(const char *path, size_t *out_len)
{
	struct stat st;
	char *text = NULL;
	size_t n = 0;
	FILE *f = fopen(path, "rbe");

	errno = f ? 0 : errno;
	if (f && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 &&
	    st.st_size <= SHEET_BYTES_MAX)
		text = malloc((size_t)st.st_size + 1);
	if (text)
		n = fread(text, 1, (size_t)st.st_size, f);
	if (text && ferror(f)) {
		errno = EIO;
		free(text);
		text = NULL;
	}
	if (f)
		(void)fclose(f);
	*out_len = n;
	return text;
}

enum err sheet_file_read(struct sheet *s, struct buf *why)
{
	char path[PATH_LEN_MAX];
	size_t n;

	if (str_copy(s->path, path, sizeof(path)) != OK)
		return complain(s, why, "the path is too long");
	char *text = read_all(path, &n);
	if (!text)
		return complain(s, why, errno ? strerror(errno) : "no file, or above 256 MB");
	enum err e = sheet_parse(s, (struct str){text, n}, why);
	free(text);
	return e;
}

struct sheet_stamp sheet_file_stamp(struct str path)
{
	char z[PATH_LEN_MAX];
	struct stat st;

	if (str_copy(path, z, sizeof(z)) != OK || stat(z, &st) != 0)
		return (struct sheet_stamp){.size = 0};
	return (struct sheet_stamp){.device = (uint64_t)st.st_dev,
				    .inode = (uint64_t)st.st_ino,
				    .size = (uint64_t)st.st_size,
				    .changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 +
						  st.st_mtim.tv_nsec};
}

bool sheet_stamp_eq(const struct sheet_stamp *a, const struct sheet_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed_ns == b->changed_ns;
}
