/*
 * sallyport-bpf: puts the relay's programs into the kernel and leaves their maps in the BPF file system,
 * for a relay that has no right to. Runs for a moment, before the relay, with the same options: same
 * addresses, same ports. Programs and maps stay until `unload`; a relay that restarts finds its flows.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <relay.skel.h>

#include "common/sockaddr.h"
#include "rtpproxy/control.h"
#include "rtpproxy/bpf/relay_shared.h"

enum {
	EXIT_USAGE = 2,
	HANDLE = 0x5a11, /* ours among the filters of a device */
	PRIORITY = 0x5a11,
	BPF_FS = (int)0xcafe4a11,
	DEVICES = 32,
	PATH_ROOM = 256
};

static const char reserved[] = "/proc/sys/net/ipv4/ip_local_reserved_ports";

struct loader {
	struct control control;
	struct relay_bpf *skel;
	const char *user;
	const char *devices[DEVICES]; /* named by option */
	size_t device_count;
	struct relay_bpf_address keys[LIMIT_INTERFACES];
	struct relay_bpf_ranges ranges[LIMIT_INTERFACES];
	size_t address_count;
	uint32_t slot_count;
};

static bool fail(const char *what)
{
	fprintf(stderr, "sallyport-bpf: %s: %s\n", what, strerror(errno));
	return false;
}

static const char *pin(const struct loader *l, const char *name, char out[PATH_ROOM])
{
	(void)snprintf(out, PATH_ROOM, "%s/%s", l->control.bpf_dir, name);
	return out;
}

/* ---- what the relay is configured for */

static struct relay_bpf_ranges *ranges_of(struct loader *l, const struct addr *a)
{
	struct relay_bpf_address key = {.family = a->family == ADDR_IP6 ? 6 : 4};
	memcpy(key.ip, a->ip, sizeof(key.ip));
	for (size_t i = 0; i < l->address_count; i++)
		if (memcmp(&l->keys[i], &key, sizeof(key)) == 0)
			return &l->ranges[i];
	l->keys[l->address_count] = key;
	return &l->ranges[l->address_count++];
}

/* Interfaces may share an address, and then its ports. */
static bool plan(struct loader *l)
{
	for (unsigned i = 0; i < l->control.relay.interface_count; i++) {
		const struct relay_interface *f = &l->control.relay.interfaces[i];
		struct relay_bpf_ranges *r = ranges_of(l, &f->addr);
		unsigned at = 0;
		while (at < RELAY_BPF_RANGES && r->range[at].max != 0 &&
		       (r->range[at].min != f->port_min || r->range[at].max != f->port_max))
			at++;
		if (at == RELAY_BPF_RANGES) {
			fprintf(stderr, "sallyport-bpf: %s: more than %d port ranges\n", f->name,
				RELAY_BPF_RANGES);
			return false;
		}
		if (r->range[at].max != 0)
			continue;
		r->range[at] = (struct relay_bpf_range){f->port_min, f->port_max, l->slot_count};
		l->slot_count += (uint32_t)(f->port_max - f->port_min) + 1;
	}
	return true;
}

/* ---- the programs' places */

static bool is_named(const struct loader *l, const char *device)
{
	for (size_t i = 0; i < l->device_count; i++)
		if (strcmp(l->devices[i], device) == 0)
			return true;
	return false;
}

static bool is_ethernet(const char *device)
{
	struct ifreq r = {0};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	const bool yes = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0 &&
			 r.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	if (fd >= 0)
		close(fd);
	return yes;
}

/* The devices named, or else those that have an address of the relay's. */
static bool is_wanted(const struct loader *l, const struct ifaddrs *i)
{
	struct addr a;
	if (!is_ethernet(i->ifa_name))
		return false;
	if (l->device_count > 0)
		return is_named(l, i->ifa_name);
	if (!i->ifa_addr)
		return false;
	sockaddr_read(i->ifa_addr, &a);
	for (unsigned n = 0; n < l->control.relay.interface_count; n++)
		if (a.family != ADDR_NONE && addr_eq_ip(&a, &l->control.relay.interfaces[n].addr))
			return true;
	return false;
}

static bool attach_ingress(const struct loader *l, unsigned ifindex)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS};
	struct bpf_tc_opts opts = {.sz = sizeof(opts),
				   .handle = HANDLE,
				   .priority = PRIORITY,
				   .prog_fd = bpf_program__fd(l->skel->progs.relay_ingress),
				   .flags = BPF_TC_F_REPLACE};
	int e = bpf_tc_hook_create(&hook);
	if (e == 0 || e == -EEXIST)
		e = bpf_tc_attach(&hook, &opts);
	errno = -e;
	return e == 0;
}

static void detach_ingress(unsigned ifindex)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS};
	struct bpf_tc_opts opts = {.sz = sizeof(opts), .handle = HANDLE, .priority = PRIORITY};
	(void)bpf_tc_detach(&hook, &opts);
}

/* How many devices have the program now; -1: one that should not. */
static int attach_all(const struct loader *l)
{
	struct ifaddrs *all;
	unsigned done[DEVICES];
	int n = 0;
	bool good = true;
	if (getifaddrs(&all) < 0)
		return -1;
	for (struct ifaddrs *i = all; i && good && n < DEVICES; i = i->ifa_next) {
		const unsigned index = if_nametoindex(i->ifa_name);
		bool again = index == 0 || !is_wanted(l, i);
		for (int d = 0; d < n; d++)
			again |= done[d] == index;
		if (again)
			continue;
		if (!attach_ingress(l, index)) {
			good = fail(i->ifa_name);
			break;
		}
		printf("ingress of %s\n", i->ifa_name);
		done[n++] = index;
	}
	freeifaddrs(all);
	return good ? n : -1;
}

static void detach_all(void)
{
	struct if_nameindex *all = if_nameindex();
	const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (struct if_nameindex *i = all; i && i->if_index != 0; i++)
		detach_ingress(i->if_index);
	if (all)
		if_freenameindex(all);
	if (null >= 0)
		close(null);
}

static bool attach_lookup(const struct loader *l)
{
	char path[PATH_ROOM];
	struct bpf_link *link = bpf_link__open(pin(l, "steer", path));
	if (link) {
		const int e = bpf_link__update_program(link, l->skel->progs.relay_steer);
		bpf_link__destroy(link);
		errno = -e;
		return e == 0 || fail("steer");
	}
	const int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	link = ns >= 0 ? bpf_program__attach_netns(l->skel->progs.relay_steer, ns) : NULL;
	if (ns >= 0)
		close(ns);
	const bool good = link && bpf_link__pin(link, path) == 0;
	if (!good)
		fail("steer");
	bpf_link__destroy(link);
	return good;
}

/* ---- the maps */

struct named_map {
	const char *name;
	struct bpf_map *map;
};

enum { MAPS = 5 };

static void maps_of(const struct loader *l, struct named_map out[MAPS])
{
	const struct named_map all[MAPS] = {{"addresses", l->skel->maps.addresses},
					    {"slots", l->skel->maps.slots},
					    {"control", l->skel->maps.control},
					    {"sockets", l->skel->maps.sockets},
					    {"drops", l->skel->maps.drops}};
	memcpy(out, all, sizeof(all));
}

static struct relay_bpf_control *map_control(int fd)
{
	void *m = mmap(NULL, sizeof(struct relay_bpf_control), PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	return m == MAP_FAILED ? NULL : m;
}

/* Are the maps of the last time still right? Then flows that the kernel forwards go on through this. */
static bool is_same(const struct loader *l, int control_fd, int addresses_fd)
{
	struct relay_bpf_control *c = map_control(control_fd);
	bool same = c && c->layout == RELAY_BPF_LAYOUT && c->slot_count == l->slot_count;
	if (c)
		munmap(c, sizeof(*c));
	for (size_t i = 0; same && i < l->address_count; i++) {
		struct relay_bpf_ranges r;
		same = bpf_map_lookup_elem(addresses_fd, &l->keys[i], &r) == 0 &&
		       memcmp(&r, &l->ranges[i], sizeof(r)) == 0;
	}
	return same;
}

static void remove_pins(const struct loader *l)
{
	static const char *const names[] = {"steer",   "addresses", "slots",
					    "control", "sockets",   "drops"};
	char path[PATH_ROOM];
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(pin(l, names[i], path));
	rmdir(l->control.bpf_dir);
}

/* True: the maps were taken over, nothing is to be filled. */
static bool reuse(struct loader *l)
{
	struct named_map maps[MAPS];
	char path[PATH_ROOM];
	int fds[MAPS];
	bool good = true;
	maps_of(l, maps);
	for (int i = 0; i < MAPS; i++) {
		fds[i] = bpf_obj_get(pin(l, maps[i].name, path));
		good &= fds[i] >= 0;
	}
	good = good && is_same(l, fds[2], fds[0]);
	for (int i = 0; i < MAPS; i++) {
		if (good && bpf_map__reuse_fd(maps[i].map, fds[i]) < 0)
			good = fail(maps[i].name);
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return good;
}

static bool fill(const struct loader *l)
{
	for (size_t i = 0; i < l->address_count; i++)
		if (bpf_map_update_elem(bpf_map__fd(l->skel->maps.addresses), &l->keys[i],
					&l->ranges[i], BPF_ANY) < 0)
			return fail("addresses");
	return true;
}

static bool pin_maps(const struct loader *l)
{
	struct named_map maps[MAPS];
	char path[PATH_ROOM];
	maps_of(l, maps);
	for (int i = 0; i < MAPS; i++)
		if (access(pin(l, maps[i].name, path), F_OK) != 0 &&
		    bpf_map__pin(maps[i].map, path) < 0)
			return fail(path);
	return true;
}

/* The relay's user gets the maps, nobody else. Not the link, and not the folder: it cannot take the program away. */
static bool give(const struct loader *l)
{
	struct named_map maps[MAPS];
	char path[PATH_ROOM];
	const struct passwd *pw = l->user ? getpwnam(l->user) : NULL;
	if (l->user && !pw) {
		fprintf(stderr, "sallyport-bpf: no user %s\n", l->user);
		return false;
	}
	if (!pw)
		return true;
	maps_of(l, maps);
	for (int i = 0; i < MAPS; i++)
		if (chown(pin(l, maps[i].name, path), pw->pw_uid, pw->pw_gid) < 0)
			return fail(path);
	return true;
}

/* ---- ports that no program gets by chance */

static bool reserve(const struct loader *l)
{
	char list[8192] = "";
	FILE *f = fopen(reserved, "re");
	if (!f || !fgets(list, sizeof(list), f))
		list[0] = '\0';
	if (f)
		fclose(f);
	list[strcspn(list, "\n")] = '\0';
	f = fopen(reserved, "we");
	if (!f)
		return false;
	fputs(list, f);
	for (unsigned i = 0; i < l->control.relay.interface_count; i++) {
		const struct relay_interface *r = &l->control.relay.interfaces[i];
		fprintf(f, "%s%u-%u", i > 0 || list[0] ? "," : "", r->port_min, r->port_max);
	}
	return fclose(f) == 0;
}

/* ---- commands */

static bool make_dir(const struct loader *l)
{
	char parent[PATH_ROOM];
	struct statfs fs;
	(void)snprintf(parent, sizeof(parent), "%s", l->control.bpf_dir);
	char *slash = strrchr(parent, '/');
	*slash = '\0';
	if (statfs(parent, &fs) < 0 || (int)fs.f_type != BPF_FS) {
		fprintf(stderr,
			"sallyport-bpf: %s is no BPF file system (mount -t bpf bpf /sys/fs/bpf)\n",
			parent);
		return false;
	}
	return mkdir(l->control.bpf_dir, 0755) == 0 || errno == EEXIST || fail(l->control.bpf_dir);
}

static bool load(struct loader *l)
{
	if (!plan(l) || !make_dir(l))
		return false;
	l->skel = relay_bpf__open();
	if (!l->skel || bpf_map__set_max_entries(l->skel->maps.slots, l->slot_count) < 0)
		return fail("programs");
	const bool same = reuse(l);
	if (!same) {
		detach_all();
		remove_pins(l);
	}
	if (!make_dir(l))
		return false;
	if (relay_bpf__load(l->skel) < 0)
		return fail("the kernel refused the programs");
	struct relay_bpf_control *c = map_control(bpf_map__fd(l->skel->maps.control));
	if (!c)
		return fail("control");
	c->layout = RELAY_BPF_LAYOUT;
	c->slot_count = l->slot_count;
	c->is_reserved = reserve(l);
	if (!c->is_reserved)
		fail(reserved);
	bool good = (same || fill(l)) && pin_maps(l) && attach_lookup(l);
	const int devices = good ? attach_all(l) : -1;
	c->is_early = devices > 0;
	munmap(c, sizeof(*c));
	good = good && devices >= 0 && give(l);
	if (good)
		printf("%u ports, %d devices, maps in %s%s\n", l->slot_count, devices,
		       l->control.bpf_dir, same ? " (kept)" : "");
	return good;
}

static bool unload(const struct loader *l)
{
	detach_all();
	remove_pins(l);
	return true;
}

static int no_words(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void usage(void)
{
	puts("usage: sallyport-bpf load|unload [--user=NAME] [--device=NAME …] [the relay's "
	     "options]\n\n"
	     "  --user    who runs the relay: gets the maps\n"
	     "  --device  where the ingress program goes (default: Ethernet devices with the "
	     "relay's addresses)\n");
}

/* Takes out what is ours; the rest is the relay's. */
static int take_options(struct loader *l, int argc, char **argv)
{
	int kept = 1;
	for (int i = 2; i < argc; i++) {
		if (strncmp(argv[i], "--user=", 7) == 0)
			l->user = argv[i] + 7;
		else if (strncmp(argv[i], "--device=", 9) == 0 && l->device_count < DEVICES)
			l->devices[l->device_count++] = argv[i] + 9;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	return kept;
}

int main(int argc, char **argv)
{
	static struct loader l;
	const char *command = argc > 1 ? argv[1] : "";
	const bool is_load = strcmp(command, "load") == 0;
	if (!is_load && strcmp(command, "unload") != 0) {
		usage();
		return EXIT_USAGE;
	}
	argc = take_options(&l, argc, argv);
	if (control_parse(&l.control, argc, argv, stderr) != OK)
		return EXIT_USAGE;
	if (!getenv("SALLYPORT_BPF_VERBOSE"))
		libbpf_set_print(no_words);
	const bool good = is_load ? load(&l) : unload(&l);
	relay_bpf__destroy(l.skel);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
