/* The look at raw bytes before any parse, which every message pays, and the measure of load. */
#include "sbc/core/gate.h"
#include "tests/bench/run.h"
#include "tests/bench/sip.h"

struct load {
	struct str bytes;
	struct gate gate;
	struct overload_limits limits;
};

static void classify(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(gate_classify(l->bytes));
}

static void measure(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++) {
		gate_measure(&l->gate, &l->limits, 0, 1, i / 16);
		bench_keep(gate_sheds(&l->gate, (uint32_t)i));
	}
}

int main(void)
{
	struct load l = {.limits = {.delay_ms = 200, .retry_after_ms = 5000}};

	l.bytes = (struct str){sip_invite_text, sizeof(sip_invite_text) - 1};
	bench("gate: class of an INVITE", classify, &l);
	l.bytes = (struct str){sip_ok_text, sizeof(sip_ok_text) - 1};
	bench("gate: class of a response", classify, &l);
	bench("gate: one message measured, shed or not", measure, &l);
	return 0;
}
