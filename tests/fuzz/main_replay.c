/*
 * Runs a fuzz target over its corpus without libFuzzer, so that `make test` holds what fuzzing found.
 * Prints TAP: one line for the target. A corpus that is missing or empty fails.
 *
 *	build/asan/tests/fuzz/fuzz_sdp tests/fuzz/corpus/sdp
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The whole file in memory of exactly its size, so that a byte beyond is an error; NULL: unreadable. */
static uint8_t *read_file(const char *path, size_t *out_len)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	uint8_t *p = NULL;
	long len = -1;
	if (fseek(f, 0, SEEK_END) == 0 && (len = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0)
		p = malloc((size_t)len > 0 ? (size_t)len : 1);
	if (p && fread(p, 1, (size_t)len, f) != (size_t)len) {
		free(p);
		p = NULL;
	}
	fclose(f);
	*out_len = (size_t)len;
	return p;
}

static int is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* The number of inputs run, or -1 after saying what could not be read. */
static int replay(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_input, alphasort), done = 0;
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];
		size_t len = 0;
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		free(names[i]);
		/* stderr: when a sanitizer ends the run, this is the input */
		fprintf(stderr, "# %s\n", path);
		uint8_t *p = read_file(path, &len);
		if (!p) {
			fprintf(stderr, "cannot read %s\n", path);
			done = -1;
			continue;
		}
		LLVMFuzzerTestOneInput(p, len);
		free(p);
		done += done >= 0;
	}
	if (n >= 0)
		free(names);
	return n < 0 ? -1 : done;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	int n = argc > 1 ? replay(argv[1]) : -1;
	printf("1..1\n");
	if (n > 0)
		printf("ok 1 - %s: %d inputs\n", name, n);
	else
		printf("not ok 1 - %s: no corpus in %s\n", name,
		       argc > 1 ? argv[1] : "(no argument)");
	return n > 0 ? 0 : 1;
}
