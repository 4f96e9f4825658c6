#include "sbc_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/check.h"
#include "policy/ban_text.h"
#include "policy/subject.h"
#include "sbc/core/cdr.h"
#include "sbc/core/sbc_policy.h"
#include "sbc/shell/clock.h"

enum family {
	M_BUILD,
	M_UPTIME,
	M_GENERATION,
	M_REQUESTS,
	M_RESPONSES,
	M_RETRANSMISSIONS,
	M_DUPLICATES,
	M_DROPPED,
	M_FRAUD,
	M_REFUSED,
	M_POLICY,
	M_INVITES,
	M_INVITES_FINAL,
	M_CALLS_ENDED,
	M_ROUTE_CALLS,
	M_ATTEMPTS_ENDED,
	M_TRANSFERS,
	M_CALLS,
	M_CALLS_LIMIT,
	M_PDD,
	M_SETUP,
	M_DURATION,
	M_TRUNK_UP,
	M_PEER_UP,
	M_PEER_CALLS,
	M_PEER_RESTS,
	M_PEER_ASR,
	M_PEER_RESTED,
	M_TABLE_OK,
	M_TABLE_REFUSED,
	M_ENROLLED,
	M_ENROL_FAILED,
	M_CHALLENGES,
	M_VERIFIED,
	M_SIGNED,
	M_MEDIA_EVENTS,
	M_MEDIA_MOS,
	M_MEDIA_JITTER,
	M_MEDIA_LOSS,
	M_MEDIA_ONE_WAY,
	M_MEDIA_SILENT,
	M_TRANSACTIONS,
	M_SUBSCRIPTIONS,
	M_REGISTRATIONS,
	M_TIMERS,
	M_SHED,
	M_BANS,
	M_BANS_TOTAL,
	M_QUARANTINES,
	M_HANDSHAKES,
	M_CONNECTIONS,
	M_CERTIFICATE,
	M_OPINIONS,
	M_OPINION_UP,
	M_GEO_UP,
	M_GEO_MADE,
	M_RELAY_UP,
	M_RELAY_SESSIONS,
	M_CDR_WRITTEN,
	M_CDR_LOST,
	M_CDR_PENDING,
	M_NEVER,
	M_RSS,
	M_FDS,
	M_CPU,
	M_START,
	M_SHELL, /* the shell's own table follows */
};

/* Milliseconds; printed as seconds. */
static const uint64_t setup_bounds[] = {50,   100,  200,  500,   1000,  2000,
					3000, 5000, 7500, 10000, 20000, 60000};
static const uint64_t duration_bounds[] = {1000,   5000,   10000,   30000,   60000,  120000,
					   300000, 600000, 1800000, 3600000, 7200000};

/* MOS and loss in thousandths, jitter in milliseconds. */
static const uint64_t mos_bounds[] = {1500, 2000, 2500, 3000, 3500, 3700,
				      3900, 4000, 4100, 4200, 4300, 4400};
static const uint64_t jitter_bounds[] = {1, 2, 5, 10, 20, 30, 50, 100, 200, 500};
static const uint64_t loss_bounds[] = {1, 2, 5, 10, 20, 30, 50, 100, 200, 500};

#define HISTOGRAM(bounds_)                                                                         \
	.kind = STATS_HISTOGRAM, .scale = 1000, .bounds = bounds_, .bound_count = ARRAY_LEN(bounds_)

static const struct stats_family families[] = {
	[M_BUILD] = {.name = "sallyport_build_info",
		     .help = "1, with the version as label",
		     .kind = STATS_GAUGE,
		     .labels = {"version"}},
	[M_UPTIME] = {.name = "sallyport_uptime_seconds",
		      .help = "Time since the start",
		      .kind = STATS_GAUGE,
		      .scale = 1000},
	[M_GENERATION] = {.name = "sallyport_config_generation",
			  .help = "Number of the configuration in use; grows with each reload",
			  .kind = STATS_GAUGE},
	[M_REQUESTS] = {.name = "sallyport_requests_total",
			.help = "SIP requests that arrived and were understood",
			.kind = STATS_COUNTER,
			.max_sets = 2048,
			.labels = {"realm", "transport", "method"}},
	[M_RESPONSES] = {.name = "sallyport_responses_total",
			 .help = "Final responses that we sent",
			 .kind = STATS_COUNTER,
			 .max_sets = 4096,
			 .labels = {"realm", "method", "status"}},
	[M_RETRANSMISSIONS] = {.name = "sallyport_retransmissions_total",
			       .help = "Messages that we sent again",
			       .kind = STATS_COUNTER,
			       .max_sets = 1024,
			       .labels = {"realm", "method"}},
	[M_DUPLICATES] = {.name = "sallyport_duplicates_total",
			  .help = "Retransmissions that we absorbed",
			  .kind = STATS_COUNTER,
			  .max_sets = 1024,
			  .labels = {"realm", "method"}},
	[M_DROPPED] = {.name = "sallyport_dropped_total",
		       .help = "What was dropped without an answer",
		       .kind = STATS_COUNTER,
		       .max_sets = 1024,
		       .labels = {"realm", "transport", "reason"}},
	[M_REFUSED] = {.name = "sallyport_refused_total",
		       .help = "Requests that a rule refused",
		       .kind = STATS_COUNTER,
		       .max_sets = 4096,
		       .labels = {"realm", "stage", "rule", "status"}},
	[M_FRAUD] = {.name = "sallyport_fraud_total",
		     .help = "What rules of fraud wanted done beside a refusal: alert, ban, limit, "
			     "end-calls",
		     .kind = STATS_COUNTER,
		     .max_sets = 512,
		     .labels = {"rule", "action"}},
	[M_POLICY] =
		{.name = "sallyport_policy_total",
		 .help = "Questions to the stages of policy and what they said: allow, reject, "
			 "drop; failed, the stage could not tell",
		 .kind = STATS_COUNTER,
		 .max_sets = VERDICT_STAGE_COUNT * (VERDICT_OUTCOME_COUNT + 1),
		 .labels = {"stage", "outcome"}},
	[M_INVITES] = {.name = "sallyport_invites_total",
		       .help = "INVITEs of new calls: in, from a trunk; out, attempts at one",
		       .kind = STATS_COUNTER,
		       .max_sets = 1024,
		       .labels = {"trunk", "direction"}},
	[M_INVITES_FINAL] = {.name = "sallyport_invites_final_total",
			     .help = "Final statuses of those INVITEs",
			     .kind = STATS_COUNTER,
			     .max_sets = 8192,
			     .labels = {"trunk", "direction", "status"}},
	[M_CALLS_ENDED] = {.name = "sallyport_calls_ended_total",
			   .help = "Calls that ended, each once, by the trunk they came from",
			   .kind = STATS_COUNTER,
			   .max_sets = 8192,
			   .labels = {"trunk", "direction", "outcome", "answered"}},
	[M_ROUTE_CALLS] =
		{.name = "sallyport_route_calls_total",
		 .help = "Calls that a route took, each once, as they ended: answered; refused, "
			 "by a rule; failed. Their sum is the calls of the route",
		 .kind = STATS_COUNTER,
		 .max_sets = 3 * 4096,
		 .labels = {"route", "result"}},
	[M_ATTEMPTS_ENDED] =
		{.name = "sallyport_attempts_ended_total",
		 .help = "Attempts at a trunk's peers that ended; a call may make several",
		 .kind = STATS_COUNTER,
		 .max_sets = 8192,
		 .labels = {"trunk", "outcome"}},
	[M_TRANSFERS] = {.name = "sallyport_transfers_total",
			 .help = "Transfers that we carried out ourselves, by what came of them",
			 .kind = STATS_COUNTER,
			 .max_sets = 8192,
			 .labels = {"trunk", "outcome", "status"}},
	[M_CALLS] = {.name = "sallyport_calls",
		     .help = "Calls now",
		     .kind = STATS_GAUGE,
		     .max_sets = 4096,
		     .labels = {"trunk", "direction", "state"}},
	[M_CALLS_LIMIT] = {.name = "sallyport_calls_limit",
			   .help = "Calls that there may be",
			   .kind = STATS_GAUGE},
	[M_PDD] = {.name = "sallyport_post_dial_delay_seconds",
		   .help = "From the INVITE to the first sign that the caller hears",
		   HISTOGRAM(setup_bounds),
		   .max_sets = 512,
		   .labels = {"trunk", "direction"}},
	[M_SETUP] = {.name = "sallyport_call_setup_seconds",
		     .help = "From the INVITE to the answer",
		     HISTOGRAM(setup_bounds),
		     .max_sets = 512,
		     .labels = {"trunk", "direction"}},
	[M_DURATION] = {.name = "sallyport_call_duration_seconds",
			.help = "From the answer to the end",
			HISTOGRAM(duration_bounds),
			.max_sets = 512,
			.labels = {"trunk", "direction"}},
	[M_TRUNK_UP] = {.name = "sallyport_trunk_up",
			.help = "1: at least one peer of the trunk answers",
			.kind = STATS_GAUGE,
			.max_sets = 1024,
			.labels = {"trunk"}},
	[M_PEER_UP] = {.name = "sallyport_peer_up",
		       .help = "1: the peer answers, or is not asked",
		       .kind = STATS_GAUGE,
		       .max_sets = 4096,
		       .labels = {"trunk", "peer"}},
	[M_PEER_CALLS] = {.name = "sallyport_peer_calls",
			  .help = "Calls of ours that the peer has now",
			  .kind = STATS_GAUGE,
			  .max_sets = 4096,
			  .labels = {"trunk", "peer"}},
	[M_PEER_RESTS] = {.name = "sallyport_peer_resting",
			  .help = "1: the peer rests or comes back; only of trunks with `health`",
			  .kind = STATS_GAUGE,
			  .max_sets = 4096,
			  .labels = {"trunk", "peer"}},
	[M_PEER_ASR] = {.name = "sallyport_peer_asr_percent",
			.help = "Calls answered of the latest; only of trunks with `health`",
			.kind = STATS_GAUGE,
			.max_sets = 4096,
			.labels = {"trunk", "peer"}},
	[M_PEER_RESTED] = {.name = "sallyport_peer_rests_total",
			   .help = "Peers that began to rest: asr, ner, failures, retry-after",
			   .kind = STATS_COUNTER,
			   .max_sets = 4096,
			   .labels = {"trunk", "peer", "reason"}},
	[M_TABLE_OK] =
		{.name = "sallyport_table_ok",
		 .help = "0: the file has changed since and is broken; the old table is used",
		 .kind = STATS_GAUGE,
		 .max_sets = 256,
		 .labels = {"table"}},
	[M_TABLE_REFUSED] = {.name = "sallyport_table_refused_total",
			     .help = "Changed files that were not taken up",
			     .kind = STATS_COUNTER,
			     .max_sets = 256,
			     .labels = {"table"}},
	[M_ENROLLED] = {.name = "sallyport_trunk_registered",
			.help = "1: we are registered at the trunk; only of trunks with `register`",
			.kind = STATS_GAUGE,
			.max_sets = 1024,
			.labels = {"trunk"}},
	[M_ENROL_FAILED] = {.name = "sallyport_registrations_failed_total",
			    .help = "Registrations of ours at a trunk that came to nothing, by why",
			    .kind = STATS_COUNTER,
			    .max_sets = 4096,
			    .labels = {"trunk", "reason"}},
	[M_CHALLENGES] =
		{.name = "sallyport_challenges_total",
		 .help = "Challenges (401, 407) by trunks that we have credentials for, by what "
			 "became of them: answered; refused, our answer was not taken; realm, "
			 "not that of the trunk; not_the_peer, not from an address of the "
			 "trunk; unknown, nothing that we can answer; internal",
		 .kind = STATS_COUNTER,
		 .max_sets = 4096,
		 .labels = {"trunk", "result"}},
	[M_VERIFIED] = {.name = "sallyport_identity_verified_total",
			.help = "Calls whose caller's signature was looked at, by what was found: "
				"passed; missing, invalid, stale, info (its certificate cannot be "
				"had), credential (nor believed), error",
			.kind = STATS_COUNTER,
			.max_sets = 4096,
			.labels = {"trunk", "result"}},
	[M_SIGNED] = {.name = "sallyport_identity_signed_total",
		      .help = "INVITEs that we have signed, by what we attest: A, B, C; div; "
			      "failed, it could not be",
		      .kind = STATS_COUNTER,
		      .max_sets = 4096,
		      .labels = {"trunk", "attest"}},
	[M_MEDIA_EVENTS] =
		{.name = "sallyport_media_events_total",
		 .help = "What the relay has said of a party's media while its call lasted: "
			 "lost, back, one_way, ended, key",
		 .kind = STATS_COUNTER,
		 .max_sets = 4096,
		 .labels = {"trunk", "direction", "event"}},
	[M_MEDIA_MOS] = {.name = "sallyport_media_mos",
			 .help = "MOS of what a trunk sent us, of calls that ended, by the E-model",
			 HISTOGRAM(mos_bounds),
			 .max_sets = 512,
			 .labels = {"trunk", "direction"}},
	[M_MEDIA_JITTER] =
		{.name = "sallyport_media_jitter_seconds",
		 .help = "Jitter of what a trunk sent us, of calls that ended (RFC 3550)",
		 HISTOGRAM(jitter_bounds),
		 .max_sets = 512,
		 .labels = {"trunk", "direction"}},
	[M_MEDIA_LOSS] =
		{.name = "sallyport_media_loss_ratio",
		 .help = "Share of what a trunk sent us that did not come, of calls that ended",
		 HISTOGRAM(loss_bounds),
		 .max_sets = 512,
		 .labels = {"trunk", "direction"}},
	[M_MEDIA_ONE_WAY] =
		{.name = "sallyport_media_one_way_total",
		 .help = "Media of ended calls in which this trunk's side, and it alone, "
			 "was never heard",
		 .kind = STATS_COUNTER,
		 .max_sets = 1024,
		 .labels = {"trunk", "direction"}},
	[M_MEDIA_SILENT] =
		{.name = "sallyport_media_silent_total",
		 .help = "Media of ended calls in which this trunk's side was never heard",
		 .kind = STATS_COUNTER,
		 .max_sets = 1024,
		 .labels = {"trunk", "direction"}},
	[M_TRANSACTIONS] = {.name = "sallyport_transactions",
			    .help = "SIP transactions now",
			    .kind = STATS_GAUGE,
			    .labels = {"side"}},
	[M_SUBSCRIPTIONS] = {.name = "sallyport_subscriptions",
			     .help = "Subscriptions through us now",
			     .kind = STATS_GAUGE},
	[M_REGISTRATIONS] = {.name = "sallyport_registrations",
			     .help = "Contacts of users that are registered through us now",
			     .kind = STATS_GAUGE},
	[M_TIMERS] = {.name = "sallyport_timers",
		      .help = "Timers of the signalling core now",
		      .kind = STATS_GAUGE},
	[M_BANS] = {.name = "sallyport_bans",
		    .help = "Subjects that are banned, or slowed, now",
		    .kind = STATS_GAUGE,
		    .max_sets = SUBJECT_KIND_COUNT,
		    .labels = {"kind"}},
	[M_BANS_TOTAL] = {.name = "sallyport_bans_total",
			  .help = "What became of bans: banned; quarantined, no ban yet; longer, "
				  "ended, lifted; proven, a quarantine is over; flood, told to "
				  "the kernel; spared, on the allow-list; unproven, the source "
				  "may be another's; full, no room",
			  .kind = STATS_COUNTER,
			  .max_sets = 2048,
			  .labels = {"rule", "result"}},
	[M_QUARANTINES] = {.name = "sallyport_quarantines",
			   .help = "Addresses that are not heard over UDP now until they prove "
				   "themselves",
			   .kind = STATS_GAUGE},
	[M_SHED] = {.name = "sallyport_overload_shed_ratio",
		    .help = "Of the new requests, this share is refused now because of the load",
		    .kind = STATS_GAUGE,
		    .scale = 1000},
	[M_HANDSHAKES] = {.name = "sallyport_tls_handshakes_total",
			  .help = "TLS handshakes by how they ended",
			  .kind = STATS_COUNTER,
			  .max_sets = 1024,
			  .labels = {"realm", "result"}},
	[M_CONNECTIONS] = {.name = "sallyport_connections",
			   .help = "Stream connections now",
			   .kind = STATS_GAUGE,
			   .max_sets = 256,
			   .labels = {"realm", "transport"}},
	[M_CERTIFICATE] = {.name = "sallyport_certificate_expiry_timestamp_seconds",
			   .help = "When the certificate ends",
			   .kind = STATS_GAUGE,
			   .max_sets = 256,
			   .labels = {"certificate"}},
	[M_OPINIONS] =
		{.name = "sallyport_opinions_total",
		 .help = "Calls that somebody else was asked of, by what came of it: accept, "
			 "reject, route; late, failed, bad (nothing that can be used); full, "
			 "too-long, "
			 "resting (not asked)",
		 .kind = STATS_COUNTER,
		 .labels = {"result"}},
	[M_OPINION_UP] = {.name = "sallyport_opinion_up",
			  .help = "0: the service that is asked of calls failed too often, and is "
				  "left alone for a while",
			  .kind = STATS_GAUGE},
	[M_GEO_UP] = {.name = "sallyport_geo_up",
		      .help = "1: the database of places is in use as its file is now; 0: the "
			      "file is missing or broken, and what was read before it is used",
		      .kind = STATS_GAUGE,
		      .labels = {"database"}},
	[M_GEO_MADE] = {.name = "sallyport_geo_build_timestamp_seconds",
			.help = "When the database of places that is in use was made",
			.kind = STATS_GAUGE,
			.labels = {"database"}},
	[M_RELAY_UP] = {.name = "sallyport_relay_up",
			.help = "1: the media relay answers",
			.kind = STATS_GAUGE,
			.labels = {"relay"}},
	[M_RELAY_SESSIONS] = {.name = "sallyport_relay_sessions",
			      .help = "Sessions, as the media relay says",
			      .kind = STATS_GAUGE,
			      .labels = {"relay"}},
	[M_CDR_WRITTEN] = {.name = "sallyport_cdr_written_total",
			   .help = "CDRs written",
			   .kind = STATS_COUNTER,
			   .labels = {"sink"}},
	[M_CDR_LOST] = {.name = "sallyport_cdr_lost_total",
			.help = "CDRs that could not be written",
			.kind = STATS_COUNTER,
			.labels = {"sink"}},
	[M_CDR_PENDING] = {.name = "sallyport_cdr_pending",
			   .help = "CDRs that wait for the disk",
			   .kind = STATS_GAUGE,
			   .labels = {"sink"}},
	[M_NEVER] = {.name = "sallyport_never_total",
		     .help = "Things that happened and were believed impossible",
		     .kind = STATS_COUNTER},
	[M_RSS] = {.name = "process_resident_memory_bytes",
		   .help = "Resident memory",
		   .kind = STATS_GAUGE},
	[M_FDS] = {.name = "process_open_fds", .help = "Open descriptors", .kind = STATS_GAUGE},
	[M_CPU] = {.name = "process_cpu_seconds_total",
		   .help = "User and system time",
		   .kind = STATS_COUNTER,
		   .scale = 1000},
	[M_START] = {.name = "process_start_time_seconds",
		     .help = "Start, since the epoch",
		     .kind = STATS_GAUGE},
#define X(member, metric, text) {.name = "sallyport_" metric, .help = text, .kind = STATS_COUNTER},
	SHELL_STATS_TABLE(X)
#undef X
};

enum err sbc_metrics_init(struct sbc_metrics *m, struct log *log)
{
	*m = (struct sbc_metrics){.log = log};
	return stats_init(&m->stats, families, ARRAY_LEN(families));
}

void sbc_metrics_release(struct sbc_metrics *m)
{
	stats_release(&m->stats);
}

/* ---- labels ---- */

static struct str realm_name(const struct settings *s, uint16_t i)
{
	return s && i < s->realm_count ? s->realms[i].name : STR("none");
}

static struct str trunk_name(const struct settings *s, uint16_t i)
{
	return s && i < s->trunk_count ? s->trunks[i].name : STR("none");
}

/* A stranger may invent methods: there is one label for all that we do not know. */
static const char *const methods[] = {"OTHER",   "INVITE",    "ACK",    "BYE",     "CANCEL",
				      "OPTIONS", "REGISTER",  "PRACK",  "UPDATE",  "INFO",
				      "REFER",   "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"};

static unsigned method_index(struct str m)
{
	for (unsigned i = 1; i < ARRAY_LEN(methods); i++)
		if (m.len > 0 && m.p[0] == methods[i][0] && str_eq(m, str_from(methods[i])))
			return i;
	return 0;
}

static const char *const drops[NOTICE_DROP_COUNT] = {
#define X(name, text, help) [NOTICE_DROP_##name] = text,
	NOTICE_DROP_TABLE(X)
#undef X
};

static struct str status_text(char mem[8], unsigned status)
{
	struct buf b;
	buf_init(&b, mem, 8);
	buf_u64(&b, status);
	return buf_view(&b);
}

/* ---- counting messages, by numbers ---- */

struct numbers {
	enum family family;
	uint16_t realm;
	unsigned a, b; /* below 4096 */
};

static struct sbc_metrics_slot *slot_of(struct sbc_metrics *m, const struct notice *n,
					struct numbers k)
{
	uint64_t generation = n->settings ? n->settings->generation : 0;
	uint64_t key = 1ull << 63 | (generation & 0x7ff) << 52 | (uint64_t)k.family << 44 |
		       (uint64_t)(k.realm & 0xfff) << 32 | (uint64_t)(k.a & 0xffff) << 16 |
		       (k.b & 0xffff);
	uint64_t h = key * 0x9e3779b97f4a7c15u;
	struct sbc_metrics_slot *s = &m->cache[h >> 52 & (SBC_METRICS_CACHE - 1)];
	if (s->key != key)
		*s = (struct sbc_metrics_slot){key, NULL};
	return s;
}

static void count_request(struct sbc_metrics *m, const struct notice *n)
{
	unsigned method = method_index(n->method);
	struct sbc_metrics_slot *s =
		slot_of(m, n, (struct numbers){M_REQUESTS, n->realm, n->transport, method});
	if (!s->cell) {
		struct str v[] = {realm_name(n->settings, n->realm),
				  str_from(transport_label(n->transport)),
				  str_from(methods[method])};
		s->cell = stats_get(&m->stats, M_REQUESTS, v);
	}
	++*s->cell;
}

static void count_response(struct sbc_metrics *m, const struct notice *n)
{
	unsigned method = method_index(n->method);
	struct sbc_metrics_slot *s =
		slot_of(m, n, (struct numbers){M_RESPONSES, n->realm, n->status, method});
	if (!s->cell) {
		char mem[8];
		struct str v[] = {realm_name(n->settings, n->realm), str_from(methods[method]),
				  status_text(mem, n->status)};
		s->cell = stats_get(&m->stats, M_RESPONSES, v);
	}
	++*s->cell;
}

static void count_again(struct sbc_metrics *m, const struct notice *n, enum family family)
{
	unsigned method = method_index(n->method);
	struct sbc_metrics_slot *s = slot_of(m, n, (struct numbers){family, n->realm, 0, method});
	if (!s->cell) {
		struct str v[] = {realm_name(n->settings, n->realm), str_from(methods[method])};
		s->cell = stats_get(&m->stats, family, v);
	}
	++*s->cell;
}

static void count_drop(struct sbc_metrics *m, const struct notice *n)
{
	struct sbc_metrics_slot *s =
		slot_of(m, n, (struct numbers){M_DROPPED, n->realm, n->transport, n->drop});
	if (!s->cell) {
		struct str v[] = {realm_name(n->settings, n->realm),
				  str_from(transport_label(n->transport)),
				  str_from(drops[n->drop])};
		s->cell = stats_get(&m->stats, M_DROPPED, v);
	}
	++*s->cell;
}

/* ---- counting calls, by text: a handful for each call ---- */

static void count_refused(struct sbc_metrics *m, const struct notice *n)
{
	char mem[8];
	const struct verdict *v = n->verdict;
	struct str labels[] = {realm_name(n->settings, n->realm),
			       str_from(v ? verdict_stage_name(v->stage) : "none"),
			       v && v->rule.len > 0 ? v->rule : STR("none"),
			       status_text(mem, v ? v->status : 0)};
	++*stats_get(&m->stats, M_REFUSED, labels);
	m->refused++;
}

enum direction { IN, OUT };
static const char *const directions[] = {"in", "out"};

static void count_invite(struct sbc_metrics *m, const struct notice *n, enum direction d)
{
	struct sbc_metrics_slot *s = slot_of(m, n, (struct numbers){M_INVITES, n->trunk, d, 0});
	if (!s->cell) {
		struct str v[] = {trunk_name(n->settings, n->trunk), str_from(directions[d])};
		s->cell = stats_get(&m->stats, M_INVITES, v);
	}
	++*s->cell;
}

static void count_final(struct sbc_metrics *m, const struct notice *n, enum direction d,
			unsigned status)
{
	struct sbc_metrics_slot *s =
		slot_of(m, n, (struct numbers){M_INVITES_FINAL, n->trunk, d, status});
	if (!s->cell) {
		char mem[8];
		struct str v[] = {trunk_name(n->settings, n->trunk), str_from(directions[d]),
				  status_text(mem, status)};
		s->cell = stats_get(&m->stats, M_INVITES_FINAL, v);
	}
	++*s->cell;
}

static void observe(struct sbc_metrics *m, const struct notice *n, enum family family, uint64_t ms)
{
	struct sbc_metrics_slot *s = slot_of(m, n, (struct numbers){family, n->trunk, IN, 0});
	if (!s->cell) {
		struct str v[] = {trunk_name(n->settings, n->trunk), STR("in")};
		s->cell = stats_get(&m->stats, family, v);
	}
	stats_observe(&m->stats, family, s->cell, ms);
}

static uint64_t first_of(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

/* Those of noc.md §1, and what a rule refused. */
static const char *const outcomes[] = {"other",       "answered",     "busy",       "no_answer",
				       "rejected",    "wrong_number", "cancelled",  "refused",
				       "congestion",  "timeout",      "redirected", "policy",
				       "transferred", "media_timeout"};

static unsigned outcome_index(struct str s)
{
	/* "policy:RULE" is one outcome: the rules are labels of refused_total. */
	s.len = str_index(s, ':');
	for (unsigned i = 1; i < ARRAY_LEN(outcomes); i++)
		if (str_eq(s, str_from(outcomes[i])))
			return i;
	return 0;
}

static void count_attempts(struct sbc_metrics *m, const struct cdr *c)
{
	for (size_t i = 0; i < c->attempt_count; i++) {
		const struct cdr_attempt *a = &c->attempts[i];
		struct str v[] = {a->trunk, cdr_outcome(a->status, c->ring != 0, a->cause.len > 0)};
		++*stats_get(&m->stats, M_ATTEMPTS_ENDED, v);
	}
}

static void count_transfer(struct sbc_metrics *m, const struct notice *n)
{
	char mem[8];
	struct str v[] = {trunk_name(n->settings, n->trunk),
			  n->status < 300 ? STR("done") : STR("failed"),
			  status_text(mem, n->status)};
	++*stats_get(&m->stats, M_TRANSFERS, v);
}

static void observe_media(struct sbc_metrics *m, enum family family, const struct str v[2],
			  double value)
{
	if (value >= 0 && value < 1e9)
		stats_observe(&m->stats, family, stats_get(&m->stats, family, v),
			      (uint64_t)(value + 0.5));
}

/* By the side that sent it: what is bad there is bad on the way from that trunk to us. */
static void count_media(struct sbc_metrics *m, const struct cdr *c)
{
	for (size_t i = 0; i < c->media_count; i++) {
		const struct cdr_media *d = &c->media[i];
		bool in = str_eq(d->leg, STR("ingress"));
		struct str trunk = in ? c->ingress_trunk : c->egress_trunk;
		struct str v[] = {trunk.len > 0 ? trunk : STR("none"),
				  str_from(directions[in ? IN : OUT])};
		if (d->has_mos)
			observe_media(m, M_MEDIA_MOS, v, d->mos_cq * 1000);
		if (d->has_jitter)
			observe_media(m, M_MEDIA_JITTER, v, d->jitter_ms);
		if (d->has_loss)
			observe_media(m, M_MEDIA_LOSS, v, d->loss_pct * 10);
		if (d->packets == 0 && c->answer) {
			++*stats_get(&m->stats, M_MEDIA_SILENT, v);
			if (d->one_way)
				++*stats_get(&m->stats, M_MEDIA_ONE_WAY, v);
		}
	}
}

/* Routes are those of the configuration: so many series, and no more. */
static void count_route(struct sbc_metrics *m, const struct cdr *c)
{
	const struct str v[] = {c->route, c->answer ? STR("answered")
					  : str_has_prefix(c->cause, STR("policy:"))
						  ? STR("refused")
						  : STR("failed")};

	if (c->route.len)
		++*stats_get(&m->stats, M_ROUTE_CALLS, v);
}

static void count_ended(struct sbc_metrics *m, const struct notice *n)
{
	const struct cdr *c = n->cdr;
	if (!c)
		return;
	unsigned outcome = outcome_index(c->cause);
	struct sbc_metrics_slot *s =
		slot_of(m, n, (struct numbers){M_CALLS_ENDED, n->trunk, outcome, c->answer != 0});
	if (!s->cell) {
		struct str v[] = {trunk_name(n->settings, n->trunk), STR("in"),
				  str_from(outcomes[outcome]), c->answer ? STR("yes") : STR("no")};
		s->cell = stats_get(&m->stats, M_CALLS_ENDED, v);
	}
	++*s->cell;
	count_final(m, n, IN, c->status);
	count_route(m, c);
	uint64_t heard = first_of(first_of(c->ring, c->early_media), c->answer);
	if (!heard)
		heard = c->end;
	if (heard >= c->start)
		observe(m, n, M_PDD, heard - c->start);
	if (c->answer >= c->start && c->answer)
		observe(m, n, M_SETUP, c->answer - c->start);
	if (c->answer)
		observe(m, n, M_DURATION, c->duration_ms);
	count_attempts(m, c);
	count_media(m, c);
}

static void count_started(struct sbc_metrics *m, const struct notice *n)
{
	uint64_t second = n->now_ms / 1000;
	if (second != m->second) {
		m->cps = second == m->second + 1 ? m->in_second : 0;
		m->second = second;
		m->in_second = 0;
	}
	m->in_second++;
	m->invites++;
	count_invite(m, n, IN);
}

uint32_t sbc_metrics_cps(const struct sbc_metrics *m, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000;
	return second == m->second ? m->cps : second == m->second + 1 ? m->in_second : 0;
}

/* ---- log lines ---- */

static void log_refused(struct log *l, const struct notice *n)
{
	const struct verdict *v = n->verdict;
	log_start(l, LOG_LEVEL_INFO, "refused", n->call, n->wall_ms);
	log_str(l, "realm", realm_name(n->settings, n->realm));
	log_addr(l, "source", &n->source);
	if (n->country[0])
		log_str(l, "country", (struct str){n->country, sizeof(n->country)});
	if (n->asn)
		log_u64(l, "asn", n->asn);
	log_str(l, "method", n->method);
	if (v) {
		log_z(l, "stage", verdict_stage_name(v->stage));
		log_u64(l, "status", v->status);
		log_str(l, "reason", v->warn_text.len > 0 ? v->warn_text : v->reason);
		log_str(l, "rule", v->rule);
		if (v->file.len > 0)
			log_printf(l, "place", "%.*s:%u", STR_ARG(v->file), v->line);
	}
	log_end(l);
}

static void log_call(struct log *l, const struct notice *n, const char *event)
{
	log_start(l, LOG_LEVEL_INFO, event, n->call, n->wall_ms);
	if (n->trunk != SETTINGS_NO_INDEX)
		log_str(l, "trunk", trunk_name(n->settings, n->trunk));
	if (n->from.len > 0)
		log_str(l, "from", n->from);
	if (n->to.len > 0)
		log_str(l, "to", n->to);
	if (n->status)
		log_u64(l, "status", n->status);
	log_end(l);
}

static void log_ended(struct log *l, const struct notice *n)
{
	const struct cdr *c = n->cdr;
	log_start(l, LOG_LEVEL_INFO, "call_ended", n->call, n->wall_ms);
	if (c) {
		log_u64(l, "status", c->status);
		log_str(l, "cause", c->cause);
		log_str(l, "from", c->from_number);
		log_str(l, "to", c->to_number);
		log_str(l, "ingress", c->ingress_trunk);
		if (c->egress_trunk.len > 0)
			log_str(l, "egress", c->egress_trunk);
		log_u64(l, "duration_ms", c->duration_ms);
		log_z(l, "ended_by",
		      c->ended_by == CDR_CALLER   ? "caller"
		      : c->ended_by == CDR_CALLEE ? "callee"
						  : "us");
	}
	log_end(l);
}

static void log_peer(struct log *l, const struct notice *n, bool up)
{
	const struct settings *s = n->settings;
	log_start(l, up ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, up ? "peer_up" : "peer_down", STR_NONE,
		  n->wall_ms);
	log_str(l, "trunk", trunk_name(s, n->trunk));
	if (s && n->trunk < s->trunk_count && n->peer < s->trunks[n->trunk].peer_count)
		log_str(l, "peer", s->trunks[n->trunk].peers[n->peer].uri);
	if (!up)
		log_u64(l, "status", n->status);
	log_end(l);
}

static struct str peer_name(const struct notice *n)
{
	const struct settings *s = n->settings;
	return s && n->trunk < s->trunk_count && n->peer < s->trunks[n->trunk].peer_count
		       ? s->trunks[n->trunk].peers[n->peer].uri
		       : STR_NONE;
}

static void note_health(struct sbc_metrics *m, const struct notice *n, const char *event)
{
	struct log *l = m->log;
	const bool rests = n->type == NOTICE_PEER_RESTING;
	struct str v[] = {trunk_name(n->settings, n->trunk), peer_name(n), n->why};
	if (rests)
		++*stats_get(&m->stats, M_PEER_RESTED, v);
	log_start(l, rests ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, event, STR_NONE, n->wall_ms);
	log_str(l, "trunk", v[0]);
	log_str(l, "peer", v[1]);
	log_str(l, "why", n->why);
	if (n->seconds)
		log_u64(l, "for_s", n->seconds);
	log_end(l);
}

static void log_enrol(struct log *l, const struct notice *n, const char *event, bool bad)
{
	const struct settings *s = n->settings;
	log_start(l, bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, event, STR_NONE, n->wall_ms);
	log_str(l, "trunk", trunk_name(s, n->trunk));
	if (s && n->trunk < s->trunk_count && n->peer < s->trunks[n->trunk].peer_count)
		log_str(l, "peer", s->trunks[n->trunk].peers[n->peer].uri);
	if (n->status)
		log_u64(l, "status", n->status);
	if (n->why.len > 0)
		log_str(l, "reason", n->why);
	if (n->seconds)
		log_u64(l, bad ? "again_s" : "expires_s", n->seconds);
	log_end(l);
}

/* Never what was asked or answered: the trunk, the request and what became of it. */
static void note_challenge(struct sbc_metrics *m, const struct notice *n)
{
	struct str v[] = {trunk_name(n->settings, n->trunk), n->why};
	bool answered = str_eq(n->why, STR("answered"));
	++*stats_get(&m->stats, M_CHALLENGES, v);
	log_start(m->log, answered ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "challenged", n->call,
		  n->wall_ms);
	log_str(m->log, "trunk", v[0]);
	log_addr(m->log, "peer", &n->source);
	log_str(m->log, "method", n->method);
	log_u64(m->log, "status", n->status);
	log_str(m->log, "result", n->why);
	log_end(m->log);
}

static void note_identity(struct sbc_metrics *m, const struct notice *n, bool signing)
{
	struct str v[] = {trunk_name(n->settings, n->trunk), n->why};
	bool good = signing ? !str_eq(n->why, STR("failed")) : str_eq(n->why, STR("passed"));
	++*stats_get(&m->stats, signing ? M_SIGNED : M_VERIFIED, v);
	log_start(m->log, good ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, signing ? "signed" : "verified",
		  n->call, n->wall_ms);
	log_str(m->log, "trunk", v[0]);
	log_str(m->log, signing ? "attest" : "result", n->why);
	log_end(m->log);
}

static void note_enrol_failed(struct sbc_metrics *m, const struct notice *n)
{
	struct str v[] = {trunk_name(n->settings, n->trunk), n->why};
	++*stats_get(&m->stats, M_ENROL_FAILED, v);
	log_enrol(m->log, n, "registration_failed", true);
}

/* That a key was pressed is a number; which one, nobody hears (threats D15), and when, no log. */
static void note_media(struct sbc_metrics *m, const struct notice *n)
{
	struct str v[] = {trunk_name(n->settings, n->trunk),
			  str_from(directions[n->side ? OUT : IN]), n->why};
	++*stats_get(&m->stats, M_MEDIA_EVENTS, v);
	if (str_eq(n->why, STR("key")))
		return;
	log_start(m->log, LOG_LEVEL_INFO, "media", n->call, n->wall_ms);
	log_str(m->log, "what", n->why);
	log_z(m->log, "from", n->side ? "callee" : "caller");
	log_str(m->log, "trunk", v[0]);
	log_end(m->log);
}

static void log_drop(struct log *l, const struct notice *n)
{
	log_start(l, LOG_LEVEL_INFO, "dropped", n->call, n->wall_ms);
	log_str(l, "realm", realm_name(n->settings, n->realm));
	log_z(l, "transport", transport_label(n->transport));
	log_addr(l, "source", &n->source);
	log_z(l, "reason", drops[n->drop]);
	log_end(l);
}

static void note_ban(struct sbc_metrics *m, const struct notice *n)
{
	char mem[BAN_NAME_MAX + 64];
	struct buf subject;
	const struct ban *v = n->ban;
	struct str labels[] = {v->rule[0] ? str_from(v->rule) : STR("none"), n->why};
	const bool bad = str_eq(n->why, STR("banned")) || str_eq(n->why, STR("quarantined")) ||
			 str_eq(n->why, STR("full")) || str_eq(n->why, STR("unproven"));

	++*stats_get(&m->stats, M_BANS_TOTAL, labels);
	buf_init(&subject, mem, sizeof(mem));
	ban_write_subject(&subject, v);
	log_start(m->log, bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "ban", STR_NONE, n->wall_ms);
	log_str(m->log, "result", n->why);
	log_z(m->log, "kind", ban_kind_name(v->kind));
	log_str(m->log, "subject", buf_view(&subject));
	log_z(m->log, "mode", ban_mode_name(v->mode));
	log_z(m->log, "by", ban_by_name(v->by));
	if (v->node[0])
		log_str(m->log, "node", str_from(v->node));
	log_str(m->log, "rule", str_from(v->rule));
	log_str(m->log, "why", str_from(v->why));
	if (v->file[0])
		log_printf(m->log, "place", "%s:%u", v->file, v->line);
	log_u64(m->log, "strikes", v->strikes);
	log_u64(m->log, "seconds", n->seconds);
	log_end(m->log);
}

static void note_fraud(struct sbc_metrics *m, const struct notice *n)
{
	static const char *const actions[CONSEQUENCE_TYPE_COUNT] = {[CONSEQUENCE_ALERT] = "alert",
								    [CONSEQUENCE_BAN] = "ban",
								    [CONSEQUENCE_LIMIT] = "limit",
								    [CONSEQUENCE_END_CALLS] =
									    "end-calls"};
	static const char *const kinds[SUBJECT_KIND_COUNT] = {
#define X(name, word) [SUBJECT_##name] = word,
		SUBJECT_TABLE(X)
#undef X
	};
	const struct consequence *x = n->todo;
	struct str labels[] = {x->rule, str_from(actions[x->type])};
	char mem[64];
	struct buf b;

	++*stats_get(&m->stats, M_FRAUD, labels);
	buf_init(&b, mem, sizeof(mem));
	if (x->subject.kind == SUBJECT_SOURCE)
		prefix_write(&b, &x->subject.source);
	log_start(m->log, LOG_LEVEL_WARN, "fraud", n->call, n->wall_ms);
	log_str(m->log, "rule", x->rule);
	log_z(m->log, "action", actions[x->type]);
	log_z(m->log, "by", kinds[x->subject.kind]);
	log_str(m->log, "subject", b.len ? buf_view(&b) : x->subject.name);
	if (x->seconds)
		log_u64(m->log, "seconds", x->seconds);
	if (x->place.file.len)
		log_printf(m->log, "place", "%.*s:%u", STR_ARG(x->place.file), x->place.line);
	log_end(m->log);
}

static void count_opinion(struct sbc_metrics *m, const struct notice *n)
{
	++*stats_get(&m->stats, M_OPINIONS, &n->why);
	log_start(m->log, LOG_LEVEL_INFO, "opinion", n->call, n->wall_ms);
	log_str(m->log, "result", n->why);
	log_end(m->log);
}

static void log_opinion(struct log *l, const struct notice *n)
{
	log_start(l, n->seconds ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		  n->seconds ? "opinion_rests" : "opinion_back", STR_NONE, n->wall_ms);
	if (n->seconds)
		log_u64(l, "seconds", n->seconds);
	log_end(l);
}

void sbc_metrics_notice(struct sbc_metrics *m, const struct notice *n)
{
	switch (n->type) {
	case NOTICE_REQUEST: count_request(m, n); break;
	case NOTICE_RESPONSE: count_response(m, n); break;
	case NOTICE_RETRANSMIT: count_again(m, n, M_RETRANSMISSIONS); break;
	case NOTICE_DUPLICATE: count_again(m, n, M_DUPLICATES); break;
	case NOTICE_DROPPED:
		count_drop(m, n);
		log_drop(m->log, n);
		break;
	case NOTICE_REFUSED:
		count_refused(m, n);
		log_refused(m->log, n);
		break;
	case NOTICE_CALL_STARTED:
		count_started(m, n);
		log_call(m->log, n, "call_started");
		break;
	case NOTICE_CALL_ATTEMPT:
		count_invite(m, n, OUT);
		log_call(m->log, n, "call_attempt");
		break;
	case NOTICE_ATTEMPT_ENDED:
		count_final(m, n, OUT, n->status);
		log_call(m->log, n, "attempt_ended");
		break;
	case NOTICE_CALL_ANSWERED: log_call(m->log, n, "call_answered"); break;
	case NOTICE_CALL_ENDED:
		count_ended(m, n);
		log_ended(m->log, n);
		break;
	case NOTICE_TRANSFER_STARTED: log_call(m->log, n, "transfer_started"); break;
	case NOTICE_TRANSFER_ENDED:
		count_transfer(m, n);
		log_call(m->log, n, n->status < 300 ? "transfer_done" : "transfer_failed");
		break;
	case NOTICE_CALL_ADOPTED: log_call(m->log, n, "call_adopted"); break;
	case NOTICE_CALL_LET_GO: log_call(m->log, n, "call_let_go"); break;
	case NOTICE_PEER_UP: log_peer(m->log, n, true); break;
	case NOTICE_PEER_DOWN: log_peer(m->log, n, false); break;
	case NOTICE_PEER_RESTING: note_health(m, n, "peer_resting"); break;
	case NOTICE_PEER_RETURNING: note_health(m, n, "peer_returning"); break;
	case NOTICE_PEER_GOOD: note_health(m, n, "peer_good"); break;
	case NOTICE_CHALLENGED: note_challenge(m, n); break;
	case NOTICE_MEDIA: note_media(m, n); break;
	case NOTICE_IDENTITY: note_identity(m, n, false); break;
	case NOTICE_SIGNED: note_identity(m, n, true); break;
	case NOTICE_ENROLLED: log_enrol(m->log, n, "registered", false); break;
	case NOTICE_ENROL_FAILED: note_enrol_failed(m, n); break;
	case NOTICE_ENROL_ENDED: log_enrol(m->log, n, "unregistered", false); break;
	case NOTICE_BAN: note_ban(m, n); break;
	case NOTICE_FRAUD: note_fraud(m, n); break;
	case NOTICE_OPINION: count_opinion(m, n); break;
	case NOTICE_OPINION_RESTS: log_opinion(m->log, n); break;
	case NOTICE_COUNT: break;
	}
}

/* What the framing of a stream threw away: the core has not seen it. */
static void count_unframed(struct sbc_metrics *m, const struct flow_report *r, struct str realm)
{
	enum notice_drop why;
	if (r->end == FLOW_END_NOT_SIP)
		why = NOTICE_DROP_NOT_SIP;
	else if (r->end == FLOW_END_LIMIT && r->unseen)
		why = NOTICE_DROP_TOO_BIG;
	else
		return;
	struct str v[] = {realm, str_from(transport_label(r->flow->transport)),
			  str_from(drops[why])};
	++*stats_get(&m->stats, M_DROPPED, v);
}

void sbc_metrics_flow(struct sbc_metrics *m, const struct flow_report *r, const struct settings *s,
		      uint64_t wall_ms)
{
	uint16_t listener = r->flow->listener;
	struct str realm = listener < s->listener_count
				   ? realm_name(s, s->listeners[listener].realm)
				   : STR("none");
	struct log *l = m->log;
	bool failed = r->type == FLOW_REPORT_HANDSHAKE && r->tls != TLS_RESULT_OK;
	static const char *const events[] = {"tls_handshake", "connection_up", "connection_end"};
	if (r->type == FLOW_REPORT_HANDSHAKE) {
		struct str v[] = {realm, str_from(tls_result_label(r->tls))};
		++*stats_get(&m->stats, M_HANDSHAKES, v);
	}
	if (r->type == FLOW_REPORT_END)
		count_unframed(m, r, realm);
	log_start(l, failed ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, events[r->type], STR_NONE, wall_ms);
	log_str(l, "realm", realm);
	log_z(l, "transport", transport_label(r->flow->transport));
	log_addr(l, "peer", &r->flow->remote);
	log_z(l, "direction", r->outbound ? "out" : "in");
	if (r->type == FLOW_REPORT_HANDSHAKE)
		log_z(l, "result", tls_result_label(r->tls));
	if (failed)
		log_str(l, "why", r->why);
	if (r->facts) {
		log_str(l, "version", r->facts->version);
		log_str(l, "cipher", r->facts->cipher);
		if (r->facts->name_count > 0)
			log_str(l, "name", r->facts->names[0]);
	}
	if (r->type == FLOW_REPORT_END)
		log_z(l, "end", flow_end_label(r->end));
	log_end(l);
}

void sbc_metrics_relay(struct sbc_metrics *m, const struct relay *r, uint64_t wall_ms)
{
	log_start(m->log, r->is_up ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
		  r->is_up ? "relay_up" : "relay_down", STR_NONE, wall_ms);
	log_str(m->log, "relay", (struct str){r->name, r->name_len});
	log_end(m->log);
}

void sbc_metrics_geo(struct sbc_metrics *m, const struct geo_report *r, uint64_t wall_ms)
{
	struct log *l = m->log;
	log_start(l, r->good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
		  r->good ? "geo_loaded" : "geo_failed", STR_NONE, wall_ms);
	log_z(l, "database", geo_kind_name(r->kind));
	log_z(l, "path", r->path);
	if (r->good) {
		log_u64(l, "made", r->made_s);
	} else {
		log_str(l, "why", r->why);
		log_z(l, "goes_on",
		      r->has_old ? "with the one before it" : "without: all is unknown");
	}
	log_end(l);
}

void sbc_metrics_sheet(struct sbc_metrics *m, const struct sheet_report *r, uint64_t wall_ms)
{
	struct log *l = m->log;
	*stats_get(&m->stats, M_TABLE_OK, &r->path) = r->good;
	if (!r->good)
		++*stats_get(&m->stats, M_TABLE_REFUSED, &r->path);
	log_start(l, r->good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
		  r->good ? "table_loaded" : "table_refused", STR_NONE, wall_ms);
	log_str(l, "table", r->path);
	if (r->good)
		log_u64(l, "rows", r->rows);
	else
		log_str(l, "why", r->why);
	log_end(l);
}

/* ---- what is read on demand ---- */

static void set(struct sbc_metrics *m, enum family family, const struct str *labels, uint64_t v)
{
	*stats_get(&m->stats, family, labels) = v;
}

static void zero_calls(struct sbc_metrics *m, const struct settings *s)
{
	static const char *const states[] = {"setup", "confirmed"};
	for (size_t i = 0; i < s->trunk_count; i++)
		for (size_t d = 0; d < 2; d++)
			for (size_t k = 0; k < 2; k++) {
				struct str v[] = {s->trunks[i].name, str_from(directions[d]),
						  str_from(states[k])};
				set(m, M_CALLS, v, 0);
			}
}

/* A route that no call has taken yet is told of too: a graph wants a beginning. */
static void show_routes(struct sbc_metrics *m, const struct settings *s)
{
	static const char *const results[] = {"answered", "refused", "failed"};

	for (size_t i = 0; i < s->policy.route_count; i++)
		for (size_t k = 0; k < ARRAY_LEN(results) && s->policy.routes[i].name.len; k++) {
			struct str v[] = {s->policy.routes[i].name, str_from(results[k])};
			(void)stats_get(&m->stats, M_ROUTE_CALLS, v);
		}
}

static void add_call(void *ctx, const struct sbc_call_view *c)
{
	struct sbc_metrics *m = ctx;
	struct str state = c->answered_ms ? STR("confirmed") : STR("setup");
	struct str in[] = {trunk_name(c->settings, c->ingress), STR("in"), state};
	struct str out[] = {trunk_name(c->settings, c->egress), STR("out"), state};
	++*stats_get(&m->stats, M_CALLS, in);
	if (c->egress != SETTINGS_NO_INDEX)
		++*stats_get(&m->stats, M_CALLS, out);
}

static void read_peer(struct sbc_metrics *m, const struct sbc_facts *f, uint16_t trunk,
		      uint16_t peer, const struct str *labels)
{
	struct sbc_peer_view v;
	if (!sbc_peer_look(f->sbc, trunk, peer, &v))
		return;
	set(m, M_PEER_CALLS, labels, v.calls);
	if (v.watched)
		set(m, M_PEER_RESTS, labels, !v.is_good);
	if (v.watched && v.ended)
		set(m, M_PEER_ASR, labels, v.asr);
}

static void read_trunks(struct sbc_metrics *m, const struct sbc_facts *f)
{
	for (size_t i = 0; i < f->settings->trunk_count; i++) {
		const struct trunk *t = &f->settings->trunks[i];
		bool any = t->users != NULL; /* a group of users has no peers that could be down */
		for (size_t p = 0; p < t->peer_count; p++) {
			bool up = sbc_peer_is_up(f->sbc, (uint16_t)i, (uint16_t)p);
			struct str v[] = {t->name, t->peers[p].uri};
			set(m, M_PEER_UP, v, up);
			read_peer(m, f, (uint16_t)i, (uint16_t)p, v);
			any |= up;
		}
		set(m, M_TRUNK_UP, &t->name, any);
		struct sbc_enrol_view v;
		if (sbc_enrolment(f->sbc, (uint16_t)i, &v))
			set(m, M_ENROLLED, &t->name, v.registered);
	}
}

static void read_policy(struct sbc_metrics *m, const struct policy_counts *p)
{
	for (unsigned s = 0; s < VERDICT_STAGE_COUNT; s++) {
		struct str labels[] = {str_from(verdict_stage_name((enum verdict_stage)s)),
				       STR("failed")};
		if (p->failed[s])
			set(m, M_POLICY, labels, p->failed[s]);
		for (unsigned o = 0; o < VERDICT_OUTCOME_COUNT; o++) {
			labels[1] = str_from(verdict_outcome_name((enum verdict_outcome)o));
			if (p->of[s][o])
				set(m, M_POLICY, labels, p->of[s][o]);
		}
	}
}

static void read_core(struct sbc_metrics *m, const struct sbc_facts *f)
{
	struct sbc_counts c;
	struct str client = STR("client"), server = STR("server");
	sbc_count(f->sbc, &c);
	set(m, M_TRANSACTIONS, &client, c.client_transactions);
	set(m, M_TRANSACTIONS, &server, c.server_transactions);
	set(m, M_SUBSCRIPTIONS, NULL, c.subscriptions);
	set(m, M_REGISTRATIONS, NULL, c.registrations);
	set(m, M_TIMERS, NULL, c.timers);
	set(m, M_SHED, NULL, c.shed);
	for (unsigned k = 0; k < SUBJECT_KIND_COUNT; k++) {
		struct str label[] = {str_from(ban_kind_name((enum subject_kind)k))};
		set(m, M_BANS, label, c.bans[k]);
	}
	set(m, M_QUARANTINES, NULL, c.quarantines);
	if (f->settings->opinion.server.family != ADDR_NONE)
		set(m, M_OPINION_UP, NULL, !c.opinion_rests);
	read_policy(m, sbc_policy_counts(f->sbc));
	set(m, M_CALLS_LIMIT, NULL, f->settings->limits.calls);
	zero_calls(m, f->settings);
	show_routes(m, f->settings);
	sbc_each_call(f->sbc, add_call, m);
}

static void read_shell(struct sbc_metrics *m, const struct sbc_facts *f)
{
	/* Listeners of one realm and transport share a label set. */
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < f->flows->listener_count; i++) {
			const struct flow_listener *l = &f->flows->listeners[i];
			if (l->listener.transport == TRANSPORT_UDP)
				continue;
			struct str v[] = {realm_name(f->settings, l->listener.realm),
					  str_from(transport_label(l->listener.transport))};
			uint64_t *cell = stats_get(&m->stats, M_CONNECTIONS, v);
			*cell = pass == 0 ? 0 : *cell + l->connections;
		}
	}
	for (size_t i = 0; i < f->settings->certificate_count; i++)
		set(m, M_CERTIFICATE, &f->settings->certificates[i].name,
		    (uint64_t)tls_certificate_end(f->tls, i));
	for (unsigned k = 0; f->geo && k < GEO_KIND_COUNT; k++) {
		const struct geo_view v = geo_look(f->geo, (enum geo_kind)k);
		struct str name = str_from(geo_kind_name((enum geo_kind)k));
		if (!v.on)
			continue;
		set(m, M_GEO_UP, &name, v.up);
		set(m, M_GEO_MADE, &name, v.made_s);
	}
	for (size_t i = 0; i < f->relays->count; i++) {
		const struct relay *r = &f->relays->relays[i];
		struct str name = {r->name, r->name_len};
		set(m, M_RELAY_UP, &name, r->is_up);
		set(m, M_RELAY_SESSIONS, &name, r->sessions);
	}
	for (size_t i = 0; i < f->cdr_count; i++) {
		struct cdr_file_counts c;
		struct str path =
			i < f->settings->cdr_count ? f->settings->cdrs[i].path : STR("old");
		cdr_file_count(f->cdrs[i], &c);
		set(m, M_CDR_WRITTEN, &path, c.written);
		set(m, M_CDR_LOST, &path, c.lost);
		set(m, M_CDR_PENDING, &path, c.pending);
	}
	size_t at = M_SHELL;
#define X(member, metric, help) set(m, (enum family)at++, NULL, f->shell->member);
	SHELL_STATS_TABLE(X)
#undef X
}

uint64_t sbc_metrics_memory_bytes(void)
{
	unsigned long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	if (!file)
		return 0;
	char text[128];
	size_t n = fread(text, 1, sizeof(text), file);
	fclose(file);
	struct str s = {text, n}, word;
	if (str_cut_word(&s, &word) && str_cut_word(&s, &word)) {
		uint64_t v;
		if (str_to_u64(word, UINT64_MAX / 65536, &v) == OK)
			pages = v;
	}
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_fds(void)
{
	uint64_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static void read_process(struct sbc_metrics *m, const struct sbc_facts *f)
{
	struct rusage u;
	struct str version = STR(SALLYPORT_VERSION);
	set(m, M_BUILD, &version, 1);
	set(m, M_UPTIME, NULL, f->uptime_ms);
	set(m, M_GENERATION, NULL, f->settings->generation);
	set(m, M_NEVER, NULL, check_never_count());
	set(m, M_RSS, NULL, sbc_metrics_memory_bytes());
	set(m, M_FDS, NULL, count_fds());
	set(m, M_START, NULL, (f->wall_ms - f->uptime_ms) / 1000);
	if (getrusage(RUSAGE_SELF, &u) == 0)
		set(m, M_CPU, NULL,
		    (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
			    (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
}

void sbc_metrics_write(struct sbc_metrics *m, struct buf *b, const struct sbc_facts *f)
{
	const struct stats *all[] = {&m->stats};
	read_process(m, f);
	read_core(m, f);
	read_trunks(m, f);
	read_shell(m, f);
	stats_write(b, all, 1);
}
