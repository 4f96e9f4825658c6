/* The relay keeps no right that it has used up: raw sockets and large buffers are made at the start. */
#ifndef SALLYPORT_CAPS_H
#define SALLYPORT_CAPS_H

#include "common/check.h"
#include "common/err.h"

/*
 * Gives up every capability of this thread and of those that it starts, for good, and the way back
 * (bounding and ambient sets, set-uid programs). ERR_IO: some are left.
 */
enum err caps_drop(void) MUST_USE;

#endif
