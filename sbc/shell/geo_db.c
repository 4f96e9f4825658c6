#include "geo_db.h"

#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "policy/country.h"

/* Between the tree and the data lie so many NULs (MaxMind DB 2.0); a record that points into them points at nothing. */
enum { SEPARATOR = 16 };

struct geo_db {
	MMDB_s mmdb;
	enum geo_kind kind;
};

const char *geo_kind_name(enum geo_kind k)
{
	static const char *const names[GEO_KIND_COUNT] = {
		[GEO_KIND_COUNTRY] = "country", [GEO_KIND_ASN] = "asn"};
	return names[k];
}

/* ---- what an entry says */

static bool get(const MMDB_s *m, uint32_t offset, const char *const *path, uint32_t type,
		MMDB_entry_data_s *out)
{
	MMDB_entry_s entry = {.mmdb = m, .offset = offset};
	return MMDB_aget_value(&entry, out, path) == MMDB_SUCCESS && out->has_data &&
	       out->type == type;
}

static bool read_country(const MMDB_s *m, uint32_t offset, char out[2])
{
	static const char *const nested[] = {"country", "iso_code", NULL};
	static const char *const flat[] = {"country_code", NULL};
	MMDB_entry_data_s d;
	if (!get(m, offset, nested, MMDB_DATA_TYPE_UTF8_STRING, &d) &&
	    !get(m, offset, flat, MMDB_DATA_TYPE_UTF8_STRING, &d))
		return false;
	struct str s = {d.utf8_string, d.data_size};
	if (country_code(s) == COUNTRY_UNKNOWN)
		return false;
	memcpy(out, s.p, 2);
	return true;
}

static uint32_t read_asn(const MMDB_s *m, uint32_t offset)
{
	static const char *const path[] = {"autonomous_system_number", NULL};
	MMDB_entry_data_s d;
	if (get(m, offset, path, MMDB_DATA_TYPE_UINT32, &d))
		return d.uint32;
	return get(m, offset, path, MMDB_DATA_TYPE_UINT16, &d) ? d.uint16 : 0;
}

/* ---- verification */

struct walk {
	const struct geo_db *db;
	uint8_t *seen; /* a bit for each octet of the data: entries are shared by many records */
	size_t found;  /* entries that say what we want to know */
};

/* False: a record that points where nothing is. */
static bool walk_record(struct walk *w, uint64_t value, uint8_t type)
{
	const MMDB_s *m = &w->db->mmdb;
	const uint64_t nodes = m->metadata.node_count;
	if (type == MMDB_RECORD_TYPE_SEARCH_NODE || type == MMDB_RECORD_TYPE_EMPTY)
		return value <= nodes;
	if (type != MMDB_RECORD_TYPE_DATA || value < nodes + SEPARATOR ||
	    value - nodes - SEPARATOR >= m->data_section_size)
		return false;
	uint32_t offset = (uint32_t)(value - nodes - SEPARATOR);
	uint8_t bit = (uint8_t)(1u << offset % 8);
	if (w->seen[offset / 8] & bit)
		return true;
	w->seen[offset / 8] |= bit;
	MMDB_entry_s entry = {.mmdb = m, .offset = offset};
	MMDB_entry_data_s d;
	if (MMDB_aget_value(&entry, &d, (const char *const[]){NULL}) != MMDB_SUCCESS ||
	    !d.has_data || d.type != MMDB_DATA_TYPE_MAP)
		return false;
	char country[2];
	w->found += w->db->kind == GEO_KIND_COUNTRY ? read_country(m, offset, country)
						    : read_asn(m, offset) != 0;
	return true;
}

/* From the first node to the last, whether or not anything leads there: no path of a look-up is left out. */
static enum err walk_all(struct walk *w, struct buf *why)
{
	const MMDB_s *m = &w->db->mmdb;
	for (uint32_t i = 0; i < m->metadata.node_count; i++) {
		MMDB_search_node_s n;
		if (MMDB_read_node(m, i, &n) != MMDB_SUCCESS ||
		    !walk_record(w, n.left_record, n.left_record_type) ||
		    !walk_record(w, n.right_record, n.right_record_type)) {
			buf_printf(
				why,
				"it is damaged: node %u of %u points at nothing that can be read",
				i, m->metadata.node_count);
			return ERR_BAD;
		}
	}
	if (w->found == 0) {
		buf_printf(why, "it holds nothing of the kind \"%s\" (it is a %s)",
			   geo_kind_name(w->db->kind), m->metadata.database_type);
		return ERR_BAD;
	}
	return OK;
}

static enum err verify(const struct geo_db *db, struct buf *why)
{
	const MMDB_s *m = &db->mmdb;
	struct walk w = {.db = db};
	if (m->metadata.node_count == 0 || m->metadata.binary_format_major_version != 2 ||
	    (m->metadata.ip_version != 4 && m->metadata.ip_version != 6)) {
		buf_lit(why, "it is no database of addresses that we know how to read");
		return ERR_BAD;
	}
	w.seen = calloc(m->data_section_size / 8 + 1, 1);
	if (!w.seen) {
		buf_z(why, err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	enum err e = walk_all(&w, why);
	free(w.seen);
	return e;
}

/* ---- the copy */

static enum err fail_io(struct buf *why)
{
	buf_z(why, strerror(errno));
	return ERR_IO;
}

/* What is written there now stays so: no one can write, cut or lengthen it. */
static enum err seal(int fd, struct buf *why)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0
		       ? OK
		       : fail_io(why);
}

static enum err put(int fd, const char *p, size_t n, struct buf *why)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);
		if (k < 0)
			return fail_io(why);
		p += k;
		n -= (size_t)k;
	}
	return OK;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum err copy(int to, int from, struct buf *why)
{
	char part[64 * 1024];
	struct stat before, after;
	size_t total = 0;
	if (fstat(from, &before) != 0)
		return fail_io(why);
	if (!S_ISREG(before.st_mode)) {
		buf_lit(why, "it is not a file");
		return ERR_IO;
	}
	for (ssize_t n; (n = read(from, part, sizeof(part))) != 0;) {
		if (n < 0)
			return fail_io(why);
		total += (size_t)n;
		if (total > GEO_DB_BYTES_MAX) {
			buf_lit(why, "it is larger than 512 MiB");
			return ERR_LIMIT;
		}
		enum err e = put(to, part, (size_t)n, why);
		if (e)
			return e;
	}
	if (fstat(from, &after) != 0)
		return fail_io(why);
	if (!is_same(&before, &after) || total != (size_t)after.st_size) {
		buf_lit(why, "it was written to while it was read");
		return ERR_BAD;
	}
	return OK;
}

/* The library opens by a path only: that of our descriptor. */
static enum err map(struct geo_db *db, int fd, struct buf *why)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = MMDB_open(path, MMDB_MODE_MMAP, &db->mmdb);
	if (r == MMDB_SUCCESS)
		return OK;
	buf_z(why, r == MMDB_IO_ERROR && errno ? strerror(errno) : MMDB_strerror(r));
	return r == MMDB_OUT_OF_MEMORY_ERROR ? ERR_NOMEM : ERR_BAD;
}

/* Takes the descriptor. */
static enum err open_copy(struct geo_db **out, enum geo_kind kind, int fd, struct buf *why)
{
	struct geo_db *db = calloc(1, sizeof(*db));
	enum err e = db ? seal(fd, why) : ERR_NOMEM;
	if (e == OK)
		e = map(db, fd, why);
	(void)close(fd);
	if (e != OK) {
		free(db);
		return e;
	}
	db->kind = kind;
	e = verify(db, why);
	if (e == OK)
		*out = db;
	else
		geo_db_free(&db);
	return e;
}

static int new_memory(struct buf *why)
{
	int fd = memfd_create("geo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		(void)fail_io(why);
	return fd;
}

enum err geo_db_open(struct geo_db **out, enum geo_kind kind, const char *path, struct buf *why)
{
	CHECK(out && path && why && kind < GEO_KIND_COUNT);
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (from < 0)
		return fail_io(why);
	int fd = new_memory(why);
	enum err e = fd < 0 ? ERR_IO : copy(fd, from, why);
	(void)close(from);
	if (e == OK)
		return open_copy(out, kind, fd, why);
	if (fd >= 0)
		(void)close(fd);
	return e;
}

enum err geo_db_open_bytes(struct geo_db **out, enum geo_kind kind, struct str bytes,
			   struct buf *why)
{
	CHECK(out && why && kind < GEO_KIND_COUNT);
	int fd = new_memory(why);
	enum err e = fd < 0 ? ERR_IO : put(fd, bytes.p, bytes.len, why);
	if (e == OK)
		return open_copy(out, kind, fd, why);
	if (fd >= 0)
		(void)close(fd);
	return e;
}

void geo_db_free(struct geo_db **at)
{
	CHECK(at);
	struct geo_db *db = *at;
	if (!db)
		return;
	MMDB_close(&db->mmdb);
	free(db);
	*at = NULL;
}

/* ---- look-up */

/* False: nothing is known of the address. */
static bool find(const struct geo_db *db, const struct addr *a, uint32_t *out_offset)
{
	struct sockaddr_storage sa;
	int error = MMDB_SUCCESS;
	if (a->family != ADDR_IP4 && a->family != ADDR_IP6)
		return false;
	(void)sockaddr_write(a, &sa);
	MMDB_lookup_result_s r =
		MMDB_lookup_sockaddr(&db->mmdb, (const struct sockaddr *)&sa, &error);
	*out_offset = r.entry.offset;
	return error == MMDB_SUCCESS && r.found_entry;
}

bool geo_db_country(const struct geo_db *db, const struct addr *a, char out[2])
{
	uint32_t offset;
	out[0] = out[1] = '\0';
	return db->kind == GEO_KIND_COUNTRY && find(db, a, &offset) &&
	       read_country(&db->mmdb, offset, out);
}

uint32_t geo_db_asn(const struct geo_db *db, const struct addr *a)
{
	uint32_t offset;
	return db->kind == GEO_KIND_ASN && find(db, a, &offset) ? read_asn(&db->mmdb, offset) : 0;
}

uint64_t geo_db_made_s(const struct geo_db *db)
{
	return db->mmdb.metadata.build_epoch;
}
