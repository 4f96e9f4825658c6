#include "common/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_LEN_MAX = 4096 };

static enum err complain(struct buf *why, struct str path, enum err e, const char *what)
{
	buf_printf(why, "%.*s cannot be read: %s", STR_ARG(path), what);
	return e;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* How much there is of it, up to `cap`; -1 with errno. */
static ssize_t read_up_to(int fd, char *p, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t k = read(fd, p + n, cap - n);
		if (k < 0 && errno != EINTR)
			return -1;
		if (k == 0)
			break;
		n += k > 0 ? (size_t)k : 0;
	}
	return (ssize_t)n;
}

static enum err read_open(int fd, struct str path, size_t most, char **out_text, size_t *out_len,
			  struct buf *why)
{
	struct stat before, after;

	if (fstat(fd, &before) != 0)
		return complain(why, path, ERR_IO, strerror(errno));
	if (!S_ISREG(before.st_mode))
		return complain(why, path, ERR_IO, "it is no file");
	if (before.st_size < 0 || (size_t)before.st_size > most) {
		buf_printf(why, "%.*s cannot be read: it is larger than %zu octets", STR_ARG(path),
			   most);
		return ERR_LIMIT;
	}
	const size_t size = (size_t)before.st_size;
	char *text = malloc(size + 1);
	if (!text)
		return ERR_NOMEM;
	ssize_t n = read_up_to(fd, text, size + 1);
	int saved = n < 0 ? errno : 0;
	if (n < 0 || fstat(fd, &after) != 0 || (size_t)n != size || !is_same(&before, &after)) {
		free(text);
		return saved ? complain(why, path, ERR_IO, strerror(saved))
			     : complain(why, path, ERR_BAD, "it was written to meanwhile");
	}
	text[size] = 0;
	*out_text = text;
	*out_len = size;
	return OK;
}

enum err whole_file_read(struct str path, size_t most, char **out_text, size_t *out_len,
			 struct buf *why)
{
	char z[PATH_LEN_MAX];

	CHECK(out_text && out_len && why);
	if (str_copy(path, z, sizeof(z)) != OK)
		return complain(why, path, ERR_IO, "the path is too long");
	/* A FIFO would make us wait for its other end. */
	int fd = open(z, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return complain(why, path, ERR_IO, strerror(errno));
	enum err e = read_open(fd, path, most, out_text, out_len, why);
	(void)close(fd);
	return e;
}
