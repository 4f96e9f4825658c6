/*
 * What the relay says of its own accord about a call's media (docs/ng.md, events): the dictionary of the datagram → one
 * struct. It comes from another process, over a socket: nothing of it is believed that is not checked.
 */
#ifndef SALLYPORT_MEDIA_EVENT_H
#define SALLYPORT_MEDIA_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/dict.h"
#include "common/err.h"
#include "common/str.h"

enum media_event_type {
	MEDIA_EVENT_ENDED,   /* the relay has ended its session: nothing was heard for too long */
	MEDIA_EVENT_KEY,     /* a party has pressed a key */
	MEDIA_EVENT_LOST,    /* a party is not heard any more */
	MEDIA_EVENT_BACK,    /* it is heard again */
	MEDIA_EVENT_ONE_WAY, /* a party was never heard, the other is */
	MEDIA_EVENT_TYPE_COUNT
};

/* Keys of RFC 4733 that are one: 0 to 9, star, hash, A to D; and flash. */
enum { MEDIA_KEY_FLASH = 16, MEDIA_KEY_COUNT = 17, MEDIA_KEY_MS_MAX = 60000 };
/* `side` where no party is meant. */
enum { MEDIA_EVENT_NO_SIDE = 2 };

struct media_event {
	enum media_event_type type;
	struct str session; /* the relay's name of the call */
	uint32_t number;    /* each has its own, within a session */
	unsigned side;      /* of whom; MEDIA_EVENT_NO_SIDE: of nobody in particular */
	uint8_t key;        /* KEY */
	bool other_kind;    /* of an m= line that is no audio */
	uint32_t ms;        /* KEY: how long it was held. LOST: silence so far */
	struct str reason;  /* ENDED; from the wire: for the log */
};

/* ERR_BAD: an event that is not known, or that lacks what it must have; *out is as it was. */
enum err media_event_read(const struct dict *d, struct media_event *out) MUST_USE;
/* "lost", "back", … for counters and the log. */
struct str media_event_name(enum media_event_type t);

#endif
