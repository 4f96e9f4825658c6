/* The configuration that the world runs under, built in code: a carrier outside, a PBX with two peers
 * and a second PBX inside. */
#ifndef SALLYPORT_SIM_SITE_H
#define SALLYPORT_SIM_SITE_H

#include "policy/opinion.h"
#include "sbc/core/settings.h"

enum { SITE_OUTSIDE, SITE_INSIDE, SITE_REALMS };
enum { SITE_CARRIER, SITE_PBX, SITE_SPARE, SITE_TRUNKS };
enum { SITE_OPINION_RESTS_MS = 30000 };
enum { SITE_PBX_PEERS = 2, SITE_TRANSPORTS = 3, SITE_LISTENERS = SITE_REALMS * SITE_TRANSPORTS };

/* What a scenario may choose. */
struct site_params {
	enum transport outside, inside; /* how the trunks are reached */
	size_t pbx_peers;               /* 1 or 2 */
	bool spare;                     /* a route has the second trunk too */
	uint32_t failure_after_ms;
	uint32_t calls; /* limit; 0: 32 */
	uint32_t
		pbx_sessions; /* limit of the PBX that all nodes keep together; 0: none to speak of */
	uint32_t ping_ms;     /* OPTIONS to the peers of the PBX; 0: none */
	uint32_t generation;
	uint32_t timer_c_ms;
	uint32_t transactions; /* limit; 0: 256 */
	bool srtp;             /* outside, and nothing else */
	bool credentials;      /* for those whom we call */
	bool verified; /* signatures of who calls are looked at; whatever is found, the call goes on */
	bool back_to_carrier; /* calls of the carrier for 901 go to the carrier */
	struct trunk_habits habits[SITE_TRUNKS];
	bool info_inside;          /* the PBX tells keys in INFO */
	uint32_t media_timeout_ms; /* 0: never */
	uint32_t opinion_ms;    /* somebody else is asked about calls and has so long; 0: nobody */
	bool opinion_or_accept; /* who says nothing has said yes */
	uint32_t
		health_rest_ms; /* a peer of the PBX that fails once rests so long; 0: it does not */
	const char *node;       /* its name among those that share; NULL: it shares with nobody */
	bool refuses_on_loss;   /* calls beyond what it holds, while the store is away */
};

struct site {
	struct settings settings;
	struct realm realms[SITE_REALMS];
	struct realm_rule realm_rules[SITE_REALMS];
	struct listener listeners[SITE_LISTENERS];
	struct trunk trunks[SITE_TRUNKS];
	struct trunk_rule trunk_rules[SITE_TRUNKS];
	struct peer carrier_peer, pbx_peers[SITE_PBX_PEERS], spare_peer;
	struct prefix carrier_sources[2], pbx_sources[SITE_PBX_PEERS], spare_source;
	struct media_rule media[3];
	struct route_rule routes[2];
	struct media_relay relay;
	struct attest_policy attest;
	struct opinion_rule opinion;
};

/* Everyone's addresses. */
struct site_addrs {
	struct addr sbc_outside, sbc_inside; /* ports 5060; TLS 5061 */
	struct addr relay_outside, relay_inside;
	struct addr carrier, carrier2, pbx[SITE_PBX_PEERS], spare, stranger;
};

const struct site_addrs *site_addrs(void);
/* The settings point into `s`, which must not move. */
void site_init(struct site *s, const struct site_params *p);
/* The listener of a realm and transport. */
uint16_t site_listener(unsigned realm, enum transport t);
/* The habits that a small site has. */
void site_habits(struct site_params *p);
/* Names that the resolver of the world knows. */
#define SITE_SPARE_HOST "spare.canary0.example"
/* What the phones' digest takes. */
#define SITE_AUTH_REALM    "exchange"
#define SITE_AUTH_USER     "sallyport"
#define SITE_AUTH_PASSWORD "open sesame"

#endif
