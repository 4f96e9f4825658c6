/* What the stages of policy have said so far, for /metrics. */
#ifndef SALLYPORT_SBC_POLICY_H
#define SALLYPORT_SBC_POLICY_H

#include "policy/policy.h"

struct sbc;

/* Valid as long as the sbc is. */
const struct policy_counts *sbc_policy_counts(const struct sbc *sbc);

#endif
