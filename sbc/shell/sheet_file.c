#include "sbc/shell/sheet_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "common/whole_file.h"

enum { PATH_LEN_MAX = 4096 };

enum err sheet_file_read(struct sheet *s, struct buf *why)
{
	char *text;
	size_t n;
	enum err e = whole_file_read(s->path, SHEET_BYTES_MAX, &text, &n, why);

	if (e)
		return e;
	e = sheet_parse(s, (struct str){text, n}, why);
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
