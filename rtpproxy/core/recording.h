/*
 * A recording of a call as the core sees it: its name, what belongs to it, and whether packets go into it now. The
 * packets go through the ring (record.h); files are the writer's.
 */
#ifndef SALLYPORT_RECORDING_H
#define SALLYPORT_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"
#include "common/list.h"
#include "rtpproxy/core/limits.h"
#include "rtpproxy/core/record.h"

enum { RECORDING_METADATA_MAX = 1024 };

enum recording_state { RECORDING_ON, RECORDING_PAUSED };

struct recording {
	id_t64 id;
	struct list ending; /* its call is over, and waits until the ring has room to say so */
	uint32_t number;    /* in the ring */
	uint8_t state;      /* enum recording_state */
	bool discard;       /* nothing is to be left of it */
	uint64_t started_us, ended_us; /* wall clock */
	uint64_t offset_us;            /* wall clock minus monotonic */
	char call_id[LIMIT_CALL_ID + 1];
	char name[RECORD_NAME_MAX + 1];
	char metadata[RECORDING_METADATA_MAX + 1]; /* key:val|key:val, as it came */
};

#endif
