#include "rtpproxy/io/io_choice.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"

static const char *const names[IO_TIER_COUNT] = {[IO_TIER_AUTO] = "auto",
						 [IO_TIER_SOCKETS] = "sockets",
						 [IO_TIER_STEERED] = "steered",
						 [IO_TIER_KERNEL] = "kernel"};

const char *io_tier_name(enum io_tier t)
{
	CHECK((unsigned)t < IO_TIER_COUNT);
	return names[t];
}

bool io_tier_find(struct str name, enum io_tier *out)
{
	for (unsigned i = 0; i < IO_TIER_COUNT; i++) {
		if (str_eq(name, str_from(names[i]))) {
			*out = (enum io_tier)i;
			return true;
		}
	}
	return false;
}

static bool has_raw(void)
{
	const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

enum err io_choice_make(struct io_choice *c, enum io_tier wanted, const char *dir,
			const struct relay_config *config)
{
	*c = (struct io_choice){.tier = IO_TIER_SOCKETS};
	if (wanted == IO_TIER_SOCKETS)
		return OK;
	if (pins_open(&c->pins, dir, config, &c->why) != OK)
		return wanted == IO_TIER_AUTO ? OK : ERR_IO;
	if (!has_raw()) {
		c->why = "no right to raw sockets (CAP_NET_RAW)";
	} else if (c->pins.control->is_early) {
		c->tier = wanted == IO_TIER_STEERED ? IO_TIER_STEERED : IO_TIER_KERNEL;
		c->why = NULL;
	} else {
		c->tier = IO_TIER_STEERED;
		c->why = "the loader found no Ethernet device with these addresses";
	}
	const bool enough = wanted == IO_TIER_AUTO || c->tier >= wanted;
	if (c->tier == IO_TIER_SOCKETS || !enough)
		pins_release(&c->pins);
	if (c->tier != IO_TIER_SOCKETS && enough)
		pins_begin(&c->pins);
	return enough ? OK : ERR_IO;
}

void io_choice_release(struct io_choice *c)
{
	if (c->tier == IO_TIER_STEERED || c->tier == IO_TIER_KERNEL)
		pins_release(&c->pins);
	c->tier = IO_TIER_SOCKETS;
}
