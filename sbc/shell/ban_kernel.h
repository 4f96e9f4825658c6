/*
 * Tells sallyport-ban, which has the right to tell the kernel, of banned sources that come as a flood. Where it is not there
 * everything goes on without it; that is said once, and it is looked for again.
 */
#ifndef SALLYPORT_BAN_KERNEL_H
#define SALLYPORT_BAN_KERNEL_H

#include "common/log.h"
#include "sbc/core/notice.h"
#include "sbc/core/sbc.h"
#include "sbc/core/settings.h"

enum {
	BAN_KERNEL_RETRY_MS = 5000,
	BAN_KERNEL_AT_ONCE = 200 /* bans that are looked at in a turn */
};

struct ban_kernel {
	bool wanted;
	int fd;       /* -1: not connected */
	bool said;    /* that it is not there, since it last was */
	bool telling; /* all from `cursor` on are still to be told */
	uint32_t cursor;
	uint64_t retry_ms;
	uint64_t told; /* bans */
};

void ban_kernel_init(struct ban_kernel *k, const struct settings *s);
void ban_kernel_release(struct ban_kernel *k);
/* NOTICE_BAN. */
void ban_kernel_notice(struct ban_kernel *k, const struct notice *n);
/* About once a second: connects, and tells what is still to be told. True: there is more. */
bool ban_kernel_tick(struct ban_kernel *k, const struct settings *s, const struct sbc *sbc,
		     struct ban_time t, struct log *log);

#endif
