/*
 * What the loader (rtpproxy/loader/) left for the relay in the BPF file system: the maps of
 * rtpproxy/bpf/relay.bpf.c, two of them as memory. Needs no right but to open the files. One relay
 * at a time has them; all its workers share them, each writing to its own ports' slots alone.
 */
#ifndef SALLYPORT_PINS_H
#define SALLYPORT_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"
#include "rtpproxy/bpf/relay_shared.h"
#include "rtpproxy/core/limits.h"

#define PINS_DIR "/sys/fs/bpf/sallyport"

struct relay_config;

/* The ports of one interface: slots base … base + max - min. */
struct pins_range {
	struct addr addr; /* port 0 */
	uint16_t min, max;
	uint32_t base;
};

struct pins {
	struct relay_slot *slots; /* shared with the programs */
	struct relay_bpf_control *control;
	uint32_t slot_count;
	uint64_t life; /* of this relay: slots of other lives are of calls that it does not know */
	struct pins_range ranges[LIMIT_INTERFACES]; /* as the interfaces of the configuration */
	unsigned range_count;
	int dir_fd, slots_fd, control_fd, sockets_fd, drops_fd;
	unsigned cpus;
};

/*
 * Opens what is in `dir`; it must be made for these interfaces and this layout. On failure nothing is
 * left and *out_why says in a few words what is missing (static text): ERR_IO, ERR_BAD, ERR_EXISTS
 * (another relay has it).
 */
enum err pins_open(struct pins *p, const char *dir, const struct relay_config *config,
		   const char **out_why) MUST_USE;
/* Slots of other lives that forward stay: their calls go on. All others are cleared, queues are empty. */
void pins_begin(struct pins *p);
void pins_release(struct pins *p);

/* The UDP socket that takes this worker's datagrams of the family. ERR_IO. */
enum err pins_set_socket(const struct pins *p, unsigned worker, uint8_t family, int fd) MUST_USE;
/* False: no port of ours. */
bool pins_find(const struct pins *p, const struct addr *local, uint32_t *out_slot);
/* The range of a slot. */
const struct pins_range *pins_range_of(const struct pins *p, uint32_t slot);
/* Sums over all processors. */
void pins_read_drops(const struct pins *p, struct relay_bpf_drops *out);
/* Ports of ours that sockets of other programs are bound to, from /proc/self/net/udp: hands off. */
void pins_mark_foreign(struct pins *p);

#endif
