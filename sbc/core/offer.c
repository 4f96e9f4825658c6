#include "sbc/core/offer.h"

#include "common/check.h"

enum offer_mean offer_in_request(const struct offer *o, unsigned side, bool may_answer)
{
	CHECK(o && side < 2);
	if (o->state == OFFER_IDLE)
		return OFFER_NEW;
	if (o->side == side)
		return OFFER_TOO_SOON;
	return may_answer ? OFFER_ANSWER : OFFER_GLARE;
}

enum offer_mean offer_in_response(const struct offer *o, unsigned side, bool final)
{
	CHECK(o && side < 2);
	if (o->state == OFFER_IDLE)
		return OFFER_NEW;
	if (o->side == side)
		return OFFER_TOO_SOON;
	return final ? OFFER_ANSWER : OFFER_PREVIEW;
}

void offer_step(struct offer *o, enum offer_mean m, unsigned side)
{
	CHECK(o && side < 2);
	switch (m) {
	case OFFER_NEW:
		o->state = OFFER_OFFERED;
		o->side = (uint8_t)side;
		break;
	case OFFER_ANSWER:
		o->state = OFFER_IDLE;
		o->ever = true;
		break;
	case OFFER_PREVIEW:
	case OFFER_GLARE:
	case OFFER_TOO_SOON:
	case OFFER_MEAN_COUNT: break;
	}
}

void offer_drop(struct offer *o, unsigned side)
{
	CHECK(o && side < 2);
	if (o->state == OFFER_OFFERED && o->side == side)
		o->state = OFFER_IDLE;
}
