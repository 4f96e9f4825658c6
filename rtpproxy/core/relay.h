/*
 * The root of the relay's core: owns calls, ports and counters of one worker. Command in, batch in,
 * tick in; sockets and time come as arguments. One thread uses it. Other threads may only read what
 * relay_publish left in `published`.
 */
#ifndef SALLYPORT_RELAY_H
#define SALLYPORT_RELAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/arena.h"
#include "common/block.h"
#include "common/pool.h"
#include "common/rng.h"
#include "common/table.h"
#include "common/wheel.h"
#include "rtpproxy/core/call.h"
#include "rtpproxy/core/carry.h"
#include "rtpproxy/core/forward.h"
#include "rtpproxy/core/handshake.h"
#include "rtpproxy/core/limits.h"
#include "rtpproxy/core/ng.h"
#include "rtpproxy/core/ng_cache.h"
#include "rtpproxy/core/owner.h"
#include "rtpproxy/core/portset.h"
#include "rtpproxy/core/refusal.h"
#include "rtpproxy/core/tap.h"

/* X(name, metric's name behind "sallyport_relay_", kind, help) */
#define RELAY_COUNTER_TABLE(X)                                                                     \
	X(CALLS, "calls", GAUGE, "calls that live now")                                            \
	X(CALLS_DYING, "calls_dying", GAUGE, "calls that were deleted and end soon")               \
	X(MEDIAS_PLAIN, "medias_plain", GAUGE, "m= lines in force as RTP, of one party each")      \
	X(MEDIAS_SRTP, "medias_srtp", GAUGE, "m= lines in force as SRTP, of one party each")       \
	X(CALLS_TOTAL, "calls_total", COUNTER, "calls begun")                                      \
	X(CALLS_ANSWERED, "calls_answered_total", COUNTER, "dialogues answered")                   \
	X(ENDED_DELETE, "calls_ended_delete_total", COUNTER, "calls ended by a delete")            \
	X(ENDED_TIMEOUT, "calls_ended_timeout_total", COUNTER,                                     \
	  "calls ended: no media for too long")                                                    \
	X(ENDED_SILENT, "calls_ended_silent_total", COUNTER, "calls ended: on hold for too long")  \
	X(ENDED_OFFER, "calls_ended_offer_total", COUNTER, "calls ended: never answered")          \
	X(ENDED_FINAL, "calls_ended_final_total", COUNTER, "calls ended: longest duration")        \
	X(REJECTED, "calls_rejected_total", COUNTER, "calls refused at a limit")                   \
	X(DURATION_MS, "call_duration_ms_total", COUNTER, "duration of ended calls")               \
	X(DURATION2_S2, "call_duration_s2_total", COUNTER, "sum of squares of durations in s")     \
	X(ONE_WAY, "one_way_total", COUNTER, "ended dialogues in which one party never sent")      \
	X(SILENT_MEDIAS, "silent_medias_total", COUNTER, "m= lines of a party that never sent")    \
	X(LOST_MEDIAS, "media_lost_total", COUNTER, "m= lines of a party that fell silent")        \
	X(LOST, "lost_total", COUNTER, "RTP packets lost before us, of ended calls")               \
	X(EXPECTED, "expected_total", COUNTER, "RTP packets expected, of ended calls")             \
	X(MOS_X1000, "mos_x1000_total", COUNTER, "sum of MOS times 1000 of ended directions")      \
	X(JITTER_US, "jitter_us_total", COUNTER, "sum of jitter of ended directions")              \
	X(QUALITY_SAMPLES, "quality_samples_total", COUNTER, "directions in the two sums above")   \
	X(BYTES_IN, "bytes_in_total", COUNTER, "UDP payload received on media ports")              \
	X(BYTES_OUT, "bytes_out_total", COUNTER, "UDP payload sent from media ports")              \
	X(REPEATED, "ng_repeated_total", COUNTER, "commands answered from the reply cache")        \
	X(KEYS, "keys_total", COUNTER, "telephone keys heard, each once")                          \
	X(KEYS_PLAYED, "keys_played_total", COUNTER, "telephone keys played")                      \
	X(KEYS_LOST, "keys_lost_total", COUNTER, "telephone keys not told: too many at once")      \
	X(EVENTS_UNKNOWN, "events_unknown_total", COUNTER,                                         \
	  "telephone events that are no keys, not told")                                           \
	X(SUBSCRIPTIONS, "subscriptions", GAUGE, "subscribers of media")                           \
	X(COPIES, "copies_total", COUNTER, "packets copied to subscribers")                        \
	X(COPIES_LOST, "copies_lost_total", COUNTER,                                               \
	  "packets not copied: too many at once, or the subscriber has no address or key yet")     \
	X(RECORDINGS, "recordings", GAUGE, "recordings under way")                                 \
	X(RECORDINGS_TOTAL, "recordings_total", COUNTER, "recordings begun")                       \
	X(RECORDED, "recorded_packets_total", COUNTER, "packets handed to the writer")             \
	X(RECORDED_LOST, "recorded_lost_total", COUNTER,                                           \
	  "packets not recorded: the writer was behind")                                           \
	X(TAPS_REFUSED, "taps_refused_total", COUNTER,                                             \
	  "medias whose keys could not be heard for want of memory")                               \
	X(SHORTENED, "ng_shortened_total", COUNTER,                                                \
	  "replies without all that was asked for: too long")                                      \
	X(DTLS_HANDSHAKES, "dtls_handshakes", GAUGE, "DTLS handshakes that go on now")             \
	X(DTLS_UP, "dtls_up_total", COUNTER, "DTLS associations whose keys came into use")         \
	/* in the order of DTLS_FAILURE_TABLE */                                                   \
	X(DTLS_FINGERPRINT, "dtls_failed_fingerprint_total", COUNTER,                              \
	  "DTLS: the certificate is not the one that SDP names")                                   \
	X(DTLS_PROFILE, "dtls_failed_profile_total", COUNTER,                                      \
	  "DTLS: no SRTP profile in common, or DTLS without SRTP")                                 \
	X(DTLS_PROTOCOL, "dtls_failed_protocol_total", COUNTER,                                    \
	  "DTLS: no cipher or version in common")                                                  \
	X(DTLS_TIMEOUT, "dtls_failed_timeout_total", COUNTER,                                      \
	  "DTLS: handshakes that did not come to an end in time")                                  \
	X(DTLS_MEMORY, "dtls_failed_memory_total", COUNTER,                                        \
	  "DTLS: the library refused, or a pool is full")                                          \
	X(ICE_AGENTS, "ice_agents", GAUGE, "m= lines of a party that have an ICE agent")           \
	X(ICE_ANSWERS, "ice_answers_total", COUNTER, "ICE checks answered")                        \
	X(ICE_ERRORS, "ice_errors_total", COUNTER, "ICE checks answered with an error, of these")  \
	X(ICE_SELECTIONS, "ice_selections_total", COUNTER, "paths that a party nominated")         \
	X(CONSENT_LOSSES, "consent_lost_total", COUNTER,                                           \
	  "parties that were not sent to any more for want of consent")                            \
	X(OPEN_RETRIES, "open_retries_total", COUNTER, "ports that another program had")

enum relay_counter {
#define X(name, metric, kind, help) RELAY_##name,
	RELAY_COUNTER_TABLE(X)
#undef X
	/* one for each fate, refusal and command; ports in use for each interface */
	RELAY_FATES,
	RELAY_REFUSALS = RELAY_FATES + FATE_COUNT,
	RELAY_COMMANDS = RELAY_REFUSALS + REFUSAL_COUNT,
	RELAY_PORTS = RELAY_COMMANDS + NG_COMMAND_COUNT,
	RELAY_COUNTER_COUNT = RELAY_PORTS + LIMIT_INTERFACES
};

struct relay_interface {
	char name[32];
	struct addr addr;  /* bound; port 0 */
	struct addr shown; /* in SDP: addr, or what is advertised */
	uint16_t port_min, port_max;
	uint8_t latch; /* enum latch_mode */
	uint8_t tos;   /* of what leaves here; 0: as the relay's */
};

enum { RELAY_INSTANCE_LEN = 16 };

/* The same for all workers; constant while they run. */
struct relay_config {
	struct relay_interface interfaces[LIMIT_INTERFACES]; /* [0] is the default */
	unsigned interface_count;
	unsigned workers;
	uint32_t max_sessions; /* of all workers; 0: as many as LIMIT_CALLS a worker */
	struct call_timeouts timeouts;
	uint64_t delete_delay_ms; /* unless a delete says another */
	uint8_t tos;
	struct leg_rates rates;
	const char *srtp_engine;
	uint64_t dtls_lifetime_s; /* of our certificate; 0: LIMIT_DTLS_CERT_S */
	bool dtls_sha1;           /* accept fingerprints of SHA-1 where nothing better is named */
	bool dtmf_detect;         /* keys of all calls are told */
	char instance[RELAY_INSTANCE_LEN +
		      1]; /* of this process, for loop protect; empty: each worker makes one */
	bool record_dtmf; /* telephone events are recorded too (threats D15) */
};

/* What happened, for the log and for clients (notify.h); counters are counted in the core. */
enum relay_event {
	RELAY_CALL_STARTED,
	RELAY_CALL_ENDED,
	RELAY_REFUSED,
	RELAY_DTMF,          /* a key of a party, once; not for the log (threats D15) */
	RELAY_MEDIA_LOST,    /* a party has sent before, and is not heard any more */
	RELAY_MEDIA_BACK,    /* it is heard again */
	RELAY_MEDIA_ONE_WAY, /* a party was never heard, the other is */
	RELAY_CONSENT_LOST,  /* a party of ICE is not sent to any more (RFC 7675) */
	RELAY_CONSENT_BACK,
	RELAY_EVENT_COUNT
};

/* Strings are valid during the call of the port. */
struct relay_notice {
	enum relay_event event;
	struct str call_id;
	const char *detail;   /* why it ended, or what was refused and why; static text */
	const char *command;  /* REFUSED */
	uint64_t duration_ms; /* ENDED */
	/* DTMF, MEDIA_…: of which party and m= line. */
	struct str tag, label, other_tag;
	struct str kind;       /* "audio"; may be empty */
	struct addr source;    /* where its packets come from; family ADDR_NONE: not known */
	uint8_t digit, volume; /* DTMF: RFC 4733 event, -dBm0 */
	uint32_t ms;           /* DTMF: how long it was held; MEDIA_…: silence so far */
	struct addr
		dtmf_dest; /* DTMF: where the call wants it told as JSON; ADDR_NONE: nowhere of its own */
	/* Filled by relay_tell: who is to hear of it (the bytes that named the peer of the command),
	 * with which word in front, and the number of the event in its call. Empty: nobody. */
	struct str owner, cookie;
	uint32_t seq;
};

/*
 * What the relay wants of the world. open is not posted, although style §1 asks for it: binding a
 * socket never waits, and the reply to an offer needs its outcome (ERR_EXISTS: taken by another).
 */
struct relay_ports {
	void *ctx;
	enum err (*open)(void *ctx, const struct addr *local, uint8_t tos, struct stream *s);
	void (*close)(void *ctx, struct stream *s);
	void (*set_tos)(void *ctx, struct stream *s, uint8_t tos);
	/* One datagram of our own making, outside a batch, from an endpoint that is open. What the network
	 * does with it is not told. */
	void (*send)(void *ctx, struct stream *from, const struct addr *to, const uint8_t *data,
		     size_t len);
	/*
	 * The core is about to change a stream that is open, or only to read its figures. May be NULL. Who
	 * forwards in our place (the kernel) brings the figures up to date and, unless only_figures, stops:
	 * packets come here again until it finds that it may go on.
	 */
	void (*recall)(void *ctx, struct stream *s, bool only_figures);
	void (*publish)(void *ctx, const struct relay_notice *n);
	/* A letter to another worker's relay_letter, or to all others. May be NULL where there are none. */
	void (*post)(void *ctx, const struct carry_letter *l);
};

struct relay_now {
	uint64_t mono_us;
	uint64_t wall_us;
};

struct relay_published {
	_Atomic uint64_t v[RELAY_COUNTER_COUNT];
};

/* Why no new call is begun although there is room for it. */
enum relay_overload {
	RELAY_OVERLOAD_NONE,
	RELAY_OVERLOAD_CPU,
	RELAY_OVERLOAD_LOAD,
	RELAY_OVERLOAD_BANDWIDTH,
	RELAY_OVERLOAD_COUNT
};

struct relay {
	const struct relay_config *config;
	const _Atomic unsigned *overload;
	char instance[RELAY_INSTANCE_LEN + 1];
	struct relay_ports ports;
	unsigned worker;
	struct arena arena;
	struct pool calls, dialogues, medias, recordings, carries, types, subscribers, ices;
	struct pool reporters; /* of generate RTCP (relay_rtcp.c) */
	struct wheel report_wheel;
	struct block_pool texts; /* formats of medias, and their keys */
	uint32_t ice_cursor;     /* of the watch over consent */
	struct table by_call_id;
	struct wheel wheel;
	struct rng rng;
	struct portset portsets[LIMIT_INTERFACES];
	struct srtp_worker srtp;
	struct forward forward;
	struct handshakes handshakes;
	struct tap_set taps;
	struct list recordings_ending;
	uint32_t recording_next;
	struct ng_cache cache;
	struct owners owners;
	uint64_t counters[RELAY_COUNTER_COUNT];
	struct relay_published *published; /* of all workers; ours is [worker] */
};

struct relay_params {
	const struct relay_config *config; /* outlives the relay */
	struct relay_ports ports;
	unsigned worker;                   /* below config->workers */
	struct relay_published *published; /* one for each worker; outlives the relay */
	const uint8_t *seed;               /* RNG_SEED_LEN bytes */
	const _Atomic unsigned *overload;  /* enum relay_overload, of another thread; NULL: never */
	struct record_ring *record;        /* outlives the relay; NULL: nothing is recorded */
};

/*
 * ERR_NOMEM; ERR_BAD: an interface has no port pair for this worker; errors of srtp_worker_init. On
 * failure nothing is left.
 */
enum err relay_init(struct relay *r, const struct relay_params *p,
		    const struct relay_now *now) MUST_USE;
/* Ends all calls without a word. */
void relay_release(struct relay *r);

/*
 * One NG datagram from `peer` (any bytes that name the sender). The reply is written to `reply`;
 * nothing is written when none is to be sent. reply's room bounds the answer.
 */
void relay_command(struct relay *r, const struct relay_now *now, struct str peer,
		   struct str datagram, struct buf *reply);
/* The same without a cookie: the dictionary alone, both ways. For transports that lose and repeat nothing. */
void relay_command_plain(struct relay *r, const struct relay_now *now, struct str body,
			 struct buf *reply);
/* A batch of packets: fills their fates. Sending is the caller's. */
void relay_batch(struct relay *r, struct pkt *const pkts[], size_t n, uint64_t now_us);
/* Time-outs, and what other threads may see: about every 100 ms. */
void relay_tick(struct relay *r, const struct relay_now *now);
/* What goes at its own pace, keys that are played above all: about every 10 ms while relay_is_paced says so. */
void relay_pace(struct relay *r, uint64_t now_us);
bool relay_is_paced(const struct relay *r);
/* A letter from another worker. */
void relay_letter(struct relay *r, const struct carry_letter *l);
/* Appends up to `limit` Call-IDs, each as a bencode string. */
void relay_list(const struct relay *r, uint32_t limit, struct buf *out);
/* Makes the counters visible to other threads. */
void relay_publish(struct relay *r);
/* Publishes what happened in a call: n with its Call-ID, and with the client that asked for events. */
void relay_tell(struct relay *r, struct call *c, struct relay_notice *n);

#endif
