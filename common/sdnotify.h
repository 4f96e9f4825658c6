/* The service manager's notification protocol (sd_notify(3)) without its library: one datagram. */
#ifndef SALLYPORT_SDNOTIFY_H
#define SALLYPORT_SDNOTIFY_H

#include <stdint.h>

/* Sends `state` ("READY=1", "STOPPING=1", "WATCHDOG=1", …) where NOTIFY_SOCKET says; else nothing.
 */
void sdnotify(const char *state);
/* Half of WATCHDOG_USEC in milliseconds; 0: no watchdog is wanted of this process. */
uint64_t sdnotify_watchdog_ms(void);

#endif
