/* The operator's commands bans, ban and unban: a request's members in, a reply's JSON out. */
#ifndef SALLYPORT_BAN_COMMAND_H
#define SALLYPORT_BAN_COMMAND_H

#include "common/dict.h"
#include "sbc/core/sbc.h"

enum { BAN_COMMAND_BYTES = 1024 }; /* of the reply, for each ban */

/* False: the command is none of these. */
bool ban_command(struct buf *b, struct sbc *sbc, struct str command, const struct dict *request,
		 struct ban_time t);

#endif
