#include "dice.h"

#include "common/check.h"

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t dice_u64(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void dice_init(struct dice *d, uint64_t seed, uint64_t salt)
{
	d->state = salt * 0xd1342543de82ef95u + seed;
	(void)dice_u64(d);
}

uint32_t dice_range(struct dice *d, uint32_t least, uint32_t most)
{
	CHECK(least <= most);
	return least + (uint32_t)(dice_u64(d) % ((uint64_t)most - least + 1));
}

bool dice_percent(struct dice *d, uint32_t percent)
{
	return dice_range(d, 0, 99) < percent;
}
