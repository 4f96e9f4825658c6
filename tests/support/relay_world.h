/*
 * The relay's root with a world that only writes down: sockets are a table, packets go through the real
 * forwarding path, time goes where the test says. Three interfaces: pub, priv (NAT), pub over IPv6.
 */
#ifndef SALLYPORT_TEST_RELAY_WORLD_H
#define SALLYPORT_TEST_RELAY_WORLD_H

#include "rtpproxy/core/relay.h"
#include "tests/support/media.h"

enum { RW_SOCKETS = 256, RW_SENT = 256 };

struct rw_socket {
	struct addr local;
	struct stream *stream; /* NULL: closed */
	uint8_t tos;
};

struct rw_sent {
	struct addr from, to;
	uint8_t bytes[1500];
	size_t len;
};

struct relay_world {
	struct relay_config config;
	struct relay_published published[2];
	struct relay relay;
	struct rw_socket sockets[RW_SOCKETS];
	size_t open_count;
	char last_detail[128];
	unsigned told[RELAY_EVENT_COUNT]; /* how often each event was published */
	char keys[512];                   /* RELAY_DTMF: "A:5/100 B:11/240" */
	struct rw_sent sent[RW_SENT];     /* by relay_ports.send: the last ones */
	size_t sent_count;                /* ever */
	uint64_t now_ms;
	struct arena arena;
	struct dict *reply; /* of the last command; NULL: none came */
	char text[LIMIT_DATAGRAM];
	size_t text_len;
	unsigned cookie;
};

#define RW_SDP_A                                                                                   \
	"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                \
	"m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
#define RW_SDP_B                                                                                   \
	"v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"                \
	"m=audio 6000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

struct relay_world *rw_new(void);
/* No socket may be open afterwards. */
void rw_free(struct relay_world *w);
struct relay_now rw_now(const struct relay_world *w);
/* A datagram as it is. */
void rw_send(struct relay_world *w, const char *peer, struct str datagram);
/* Keys and values by turns, NULL at the end; a cookie of its own. */
void rw_ask(struct relay_world *w, const char *command, ...);
/* Of the last reply. */
struct str rw_got(const struct relay_world *w, const char *key);
void rw_expect_ok(const struct relay_world *w);
void rw_expect_error(const struct relay_world *w, enum refusal r);
/* Port of the m= line `index` of the reply's SDP. */
uint16_t rw_port(const struct relay_world *w, unsigned index);
/* One RTP packet of payload type `pt` from 192.0.2.host:port to local port `to`; its fate. */
enum pkt_fate rw_rtp(struct relay_world *w, uint16_t to, uint8_t host, uint16_t port, uint8_t pt,
		     struct media_pkt *m);
/* The packet that m has, likewise. */
enum pkt_fate rw_packet(struct relay_world *w, uint16_t to, uint8_t host, uint16_t port,
			struct media_pkt *m);
void rw_tick(struct relay_world *w, uint64_t ms);

#endif
