#include "sbc/shell/shared_calls.h"

/* X(member, metric without its prefix, help) */
#define COUNTERS(X)                                                                                \
	X(written, "calls_stored_total", "Snapshots of calls given to the store")                  \
	X(failed, "calls_stored_failed_total",                                                     \
	  "Snapshots that could not be made, or of others not be read or used")                    \
	X(adopted, "calls_adopted_total",                                                          \
	  "Calls of other nodes, or of an earlier run, that were "                                 \
	  "taken over")                                                                            \
	X(let_go, "calls_let_go_total", "Calls of ours that another node had taken over")          \
	X(handed_on, "messages_handed_on_total", "Requests handed on to the node of their call")   \
	X(handed_in, "messages_handed_in_total", "Requests that other nodes have handed on to us") \
	X(late, "handover_late_total",                                                             \
	  "Requests of other nodes' calls with 503: the store had no answer in time")              \
	X(lost, "messages_handed_lost_total", "Messages lost on their way between nodes")

void shared_calls_write_metrics(const struct sbc *sbc, struct buf *b)
{
	struct sbc_counts all;

	sbc_count(sbc, &all);
	const struct sbc_shared_counts *c = &all.shared;
	if (c->nodes == 0)
		return;
	buf_printf(b,
		   "# HELP sallyport_nodes Nodes behind the store that live, this one included\n"
		   "# TYPE sallyport_nodes gauge\nsallyport_nodes %u\n",
		   c->nodes);
#define X(member, name, help)                                                                      \
	buf_printf(b,                                                                              \
		   "# HELP sallyport_" name " " help "\n# TYPE sallyport_" name                    \
		   " counter\nsallyport_" name " %llu\n",                                          \
		   (unsigned long long)c->member);
	COUNTERS(X)
#undef X
}

void shared_calls_write_status(const struct sbc *sbc, struct buf *b)
{
	struct sbc_counts all;

	sbc_count(sbc, &all);
	const struct sbc_shared_counts *c = &all.shared;
	buf_char(b, '[');
	if (c->nodes)
		buf_printf(b,
			   "{\"nodes\":%u,\"adopted\":%llu,\"let_go\":%llu,\"handed_on\":%llu,"
			   "\"handed_in\":%llu,\"late\":%llu,\"lost\":%llu}",
			   c->nodes, (unsigned long long)c->adopted, (unsigned long long)c->let_go,
			   (unsigned long long)c->handed_on, (unsigned long long)c->handed_in,
			   (unsigned long long)c->late, (unsigned long long)c->lost);
	buf_char(b, ']');
}
