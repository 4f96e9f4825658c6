/* The two clocks and the kernel's random bytes: the only places where the SBC asks for them. */
#ifndef SALLYPORT_CLOCK_H
#define SALLYPORT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds that never jump; 0 is never returned. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
/* Milliseconds since the epoch, for records only. */
uint64_t clock_wall_ms(void);
/* Secret and unpredictable. Aborts if the kernel has none: nothing safe can be done without. */
void clock_random(void *out, size_t n);

#endif
