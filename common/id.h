/*
 * The name of a pooled object: worker, slot and generation in 64 bits. Pointers live for one turn,
 * ids live longer: an id whose object has gone finds nothing. 0 is no id.
 */
#ifndef SALLYPORT_ID_H
#define SALLYPORT_ID_H

#include <stdint.h>

typedef uint64_t id_t64;

#define ID_NONE ((id_t64)0)
/* worker 8 bits | generation 24 bits, never 0 | slot 32 bits */
static inline id_t64 id_make(uint8_t worker, uint32_t generation, uint32_t slot)
{
	return (id_t64)worker << 56 | (id_t64)(generation & 0xffffff) << 32 | slot;
}
static inline uint8_t id_worker(id_t64 id)
{
	return (uint8_t)(id >> 56);
}
static inline uint32_t id_generation(id_t64 id)
{
	return (uint32_t)(id >> 32) & 0xffffff;
}
static inline uint32_t id_slot(id_t64 id)
{
	return (uint32_t)id;
}

#endif
