/* Tells the service manager how we are (sd_notify(3)), if one asked for it: one datagram each. */
#ifndef SALLYPORT_SDNOTIFY_H
#define SALLYPORT_SDNOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "RELOADING=1\nMONOTONIC_USEC=…". Without a manager: nothing. */
void sdnotify(const char *state);
/* How often the manager wants to hear "WATCHDOG=1" at the latest; 0: it does not. */
uint64_t sdnotify_watchdog_ms(void);

#endif
