/*
 * The DTLS associations of a worker: which endpoint has one, whose datagrams reach it, when it is asked again, and the
 * keys that it gives its endpoint once it is up and the certificate is the one that SDP names. The machine itself is dtls.h.
 *
 * An association is born with our offer, as a server that may be spoken to before the answer, or with the answer; it dies
 * with its endpoint, when another one is agreed, or when the line is encrypted in another way. Hold and re-INVITE that name
 * the same leave it and its keys alone.
 */
#ifndef SALLYPORT_HANDSHAKE_H
#define SALLYPORT_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/pool.h"
#include "common/wheel.h"
#include "rtpproxy/core/dtls.h"
#include "rtpproxy/core/leg.h"
#include "rtpproxy/core/limits.h"
#include "rtpproxy/core/stream.h"

struct relay;
struct relay_now;

struct handshake {
	id_t64 id;
	struct dtls dtls;
	struct timer timer;
	struct stream *stream; /* its owner: stream->dtls points back */
	uint64_t their_id;     /* hash of the peer's tls-id; 0: none */
	char tls_id[LEG_TLS_ID + 1];
	bool in_use; /* its keys are the stream's */
};

struct handshakes {
	struct dtls_worker worker;
	struct pool pool;
	struct wheel wheel;
	unsigned hellos, starts; /* left until the next tick */
};

/* ERR_NOMEM, ERR_UNSUPPORTED. */
enum err handshakes_init(struct relay *r, const struct relay_now *now) MUST_USE;
/* All endpoints have been closed. */
void handshakes_release(struct relay *r);
void handshakes_tick(struct relay *r, const struct relay_now *now);

/* Our offer to this party names our certificate: it may begin before it answers. */
void handshake_offered(struct relay *r, struct leg_media *m);
/* What was agreed is in force: begins, goes on, or ends what is not wanted any more. After leg_connect. */
void handshake_agreed(struct relay *r, struct leg_media *m, uint64_t now_us);
/* Before the endpoint is closed, or when its line was rejected. */
void handshake_end(struct relay *r, struct stream *s);
/* A packet of kind PKT_DTLS whose stream has an association. */
enum pkt_fate handshake_packet(struct relay *r, const struct pkt *p, uint64_t now_us);

#endif
