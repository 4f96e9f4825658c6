#include "rtpproxy/io/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/check.h"
#include "rtpproxy/core/relay.h"

_Static_assert((int)RELAY_BPF_WORKERS == (int)LIMIT_WORKERS &&
		       (int)RELAY_BPF_ADDRESSES == (int)LIMIT_INTERFACES,
	       "the programs know as many as the relay may have");

/* Four calls of bpf(2) need no library. */
static long bpf(int command, union bpf_attr *attr)
{
	return syscall(__NR_bpf, command, attr, sizeof(*attr));
}

static int open_pin(const char *dir, const char *name)
{
	char path[256];
	union bpf_attr a = {0};
	const int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	a.pathname = (uint64_t)(uintptr_t)path;
	const long fd = bpf(BPF_OBJ_GET, &a);
	if (fd >= 0)
		(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return (int)fd;
}

static bool look_up(int map, const void *key, void *value)
{
	union bpf_attr a = {0};
	a.map_fd = (uint32_t)map;
	a.key = (uint64_t)(uintptr_t)key;
	a.value = (uint64_t)(uintptr_t)value;
	return bpf(BPF_MAP_LOOKUP_ELEM, &a) == 0;
}

static bool update(int map, const void *key, const void *value)
{
	union bpf_attr a = {0};
	a.map_fd = (uint32_t)map;
	a.key = (uint64_t)(uintptr_t)key;
	a.value = (uint64_t)(uintptr_t)value;
	return bpf(BPF_MAP_UPDATE_ELEM, &a) == 0;
}

/* "possible: 0-3": values of a map per processor come for each of them. */
static unsigned possible_cpus(void)
{
	unsigned last = 0, n;
	char text[128] = "";
	FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	if (f) {
		if (fgets(text, sizeof(text), f)) {
			const char *p = strrchr(text, '-');
			const char *q = strrchr(text, ',');
			p = p > q ? p : q;
			n = (unsigned)strtoul(p ? p + 1 : text, NULL, 10);
			last = n;
		}
		fclose(f);
	}
	return last + 1;
}

static enum err map_memory(struct pins *p, const char **why)
{
	void *m = mmap(NULL, sizeof(*p->control), PROT_READ | PROT_WRITE, MAP_SHARED, p->control_fd,
		       0);
	if (m == MAP_FAILED) {
		*why = "the map of the controls cannot be mapped";
		return ERR_IO;
	}
	p->control = m;
	if (p->control->layout != RELAY_BPF_LAYOUT || p->control->slot_count == 0) {
		*why = "the programs are of another version: load them anew";
		return ERR_BAD;
	}
	p->slot_count = p->control->slot_count;
	m = mmap(NULL, p->slot_count * sizeof(*p->slots), PROT_READ | PROT_WRITE, MAP_SHARED,
		 p->slots_fd, 0);
	if (m == MAP_FAILED) {
		*why = "the map of the ports cannot be mapped";
		return ERR_IO;
	}
	p->slots = m;
	return OK;
}

static enum err read_range(struct pins *p, int addresses_fd, const struct relay_interface *f)
{
	struct relay_bpf_address key = {.family = f->addr.family == ADDR_IP6 ? 6 : 4};
	struct relay_bpf_ranges r;
	memcpy(key.ip, f->addr.ip, sizeof(key.ip));
	if (!look_up(addresses_fd, &key, &r))
		return ERR_BAD;
	for (unsigned i = 0; i < RELAY_BPF_RANGES; i++) {
		if (r.range[i].min != f->port_min || r.range[i].max != f->port_max ||
		    r.range[i].base + (uint32_t)(f->port_max - f->port_min) >= p->slot_count)
			continue;
		p->ranges[p->range_count++] = (struct pins_range){.addr = f->addr,
								  .min = f->port_min,
								  .max = f->port_max,
								  .base = r.range[i].base};
		return OK;
	}
	return ERR_BAD;
}

enum err pins_open(struct pins *p, const char *dir, const struct relay_config *config,
		   const char **out_why)
{
	enum err e = ERR_IO;
	int addresses_fd = -1;
	*p = (struct pins){.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	p->slots_fd = p->control_fd = p->sockets_fd = p->drops_fd = -1;
	*out_why = errno == EACCES
			   ? "the loader's files are not ours to open"
			   : "the loader has not run: there is nothing in the BPF file system";
	if (p->dir_fd < 0)
		return ERR_IO;
	if (flock(p->dir_fd, LOCK_EX | LOCK_NB) < 0) {
		*out_why = "another relay has the loader's maps";
		e = ERR_EXISTS;
		goto out;
	}
	p->slots_fd = open_pin(dir, "slots");
	p->control_fd = open_pin(dir, "control");
	p->sockets_fd = open_pin(dir, "sockets");
	p->drops_fd = open_pin(dir, "drops");
	addresses_fd = open_pin(dir, "addresses");
	if (p->slots_fd < 0 || p->control_fd < 0 || p->sockets_fd < 0 || p->drops_fd < 0 ||
	    addresses_fd < 0) {
		*out_why = "the loader's maps cannot be opened";
		goto out;
	}
	e = map_memory(p, out_why);
	for (unsigned i = 0; e == OK && i < config->interface_count; i++) {
		e = read_range(p, addresses_fd, &config->interfaces[i]);
		*out_why = "the loader was given other addresses or ports";
	}
	p->cpus = possible_cpus();
out:
	if (addresses_fd >= 0)
		close(addresses_fd);
	if (e != OK)
		pins_release(p);
	return e;
}

void pins_begin(struct pins *p)
{
	p->life = ++p->control->life;
	for (unsigned w = 0; w < RELAY_BPF_WORKERS; w++) {
		p->control->queue[w].limit = 0;
		p->control->queue[w].taken = p->control->queue[w].queued;
	}
	for (uint32_t i = 0; i < p->slot_count; i++)
		if (!(p->slots[i].flags & RELAY_SLOT_FORWARD))
			p->slots[i].flags = 0;
	pins_mark_foreign(p);
}

void pins_release(struct pins *p)
{
	if (p->control)
		munmap(p->control, sizeof(*p->control));
	if (p->slots)
		munmap(p->slots, p->slot_count * sizeof(*p->slots));
	const int fds[] = {p->slots_fd, p->control_fd, p->sockets_fd, p->drops_fd, p->dir_fd};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*p = (struct pins){
		.dir_fd = -1, .slots_fd = -1, .control_fd = -1, .sockets_fd = -1, .drops_fd = -1};
}

enum err pins_set_socket(const struct pins *p, unsigned worker, uint8_t family, int fd)
{
	const uint32_t key = 2 * worker + (family == ADDR_IP6);
	const uint64_t value = (uint64_t)fd;
	return update(p->sockets_fd, &key, &value) ? OK : ERR_IO;
}

bool pins_find(const struct pins *p, const struct addr *local, uint32_t *out_slot)
{
	for (unsigned i = 0; i < p->range_count; i++) {
		const struct pins_range *r = &p->ranges[i];
		if (local->port >= r->min && local->port <= r->max && addr_eq_ip(local, &r->addr)) {
			*out_slot = r->base + local->port - r->min;
			return true;
		}
	}
	return false;
}

const struct pins_range *pins_range_of(const struct pins *p, uint32_t slot)
{
	for (unsigned i = 0; i < p->range_count; i++) {
		const struct pins_range *r = &p->ranges[i];
		if (slot >= r->base && slot <= r->base + (uint32_t)(r->max - r->min))
			return r;
	}
	CHECK(false); /* slots are handed out by pins_find alone */
	return NULL;
}

void pins_read_drops(const struct pins *p, struct relay_bpf_drops *out)
{
	const uint32_t zero = 0;
	struct relay_bpf_drops *all = calloc(p->cpus, sizeof(*all));
	*out = (struct relay_bpf_drops){0};
	if (all && look_up(p->drops_fd, &zero, all))
		for (unsigned c = 0; c < p->cpus; c++)
			for (unsigned i = 0; i < RELAY_BPF_DROPS; i++)
				out->n[i] += all[c].n[i];
	free(all);
}

/* "  12: 0100007F:75D7 00000000:0000 07 …": words of the address as the processor has them, port in hex. */
static bool read_bound(const char *line, uint8_t family, struct addr *out)
{
	const char *p = strchr(line, ':');
	char *end;
	*out = (struct addr){.family = family};
	if (!p)
		return false;
	p += strspn(p, ": ");
	for (unsigned i = 0; i < (family == ADDR_IP6 ? 4u : 1u); i++, p += 8) {
		char word[9] = "";
		memcpy(word, p, strnlen(p, 8));
		const uint32_t w = (uint32_t)strtoul(word, &end, 16);
		if (end != word + 8)
			return false;
		memcpy(out->ip + 4 * (size_t)i, &w, 4);
	}
	if (*p != ':')
		return false;
	out->port = (uint16_t)strtoul(p + 1, &end, 16);
	return out->port != 0;
}

static void mark(struct pins *p, const struct addr *bound)
{
	static const uint8_t any[16];
	for (unsigned i = 0; i < p->range_count; i++) {
		const struct pins_range *r = &p->ranges[i];
		const bool is_any = memcmp(bound->ip, any, sizeof(any)) == 0 &&
				    (bound->family == r->addr.family || bound->family == ADDR_IP6);
		if (bound->port < r->min || bound->port > r->max ||
		    !(is_any || addr_eq_ip(bound, &r->addr)))
			continue;
		struct relay_slot *s = &p->slots[r->base + bound->port - r->min];
		if (s->flags == 0)
			s->flags = RELAY_SLOT_FOREIGN;
	}
}

void pins_mark_foreign(struct pins *p)
{
	static const struct {
		const char *path;
		uint8_t family;
	} tables[] = {{"/proc/self/net/udp", ADDR_IP4}, {"/proc/self/net/udp6", ADDR_IP6}};
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		char line[512];
		struct addr bound;
		FILE *f = fopen(tables[i].path, "re");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f))
			if (read_bound(line, tables[i].family, &bound))
				mark(p, &bound);
		fclose(f);
	}
}
