/*
 * What the relay reads of the common configuration file: where it has media addresses and ports, and
 * under which names (NG direction) and control URLs it is known. The SBC reads the same section with
 * the same table and the same checks, so both daemons always agree.
 *
 *   struct conf_report r;  struct relay_conf *c;
 *   conf_report_init(&r);
 *   if (relay_conf_load(path, &r, &c) != OK) print every r.messages[i].text and exit 2;
 *   … relay_conf_free(c);  conf_report_release(&r);
 */
#ifndef SALLYPORT_RELAY_CONF_H
#define SALLYPORT_RELAY_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "conf.h"
#include "err.h"
#include "str.h"

#define RELAY_CONF_DEFAULT_URL "ng+unix:/run/sallyport/rtpproxy.sock"

/* Same order as enum latch_mode of the relay's core. */
enum relay_latching {
	RELAY_LATCHING_OFF,
	RELAY_LATCHING_STRICT,
	RELAY_LATCHING_RESTRICTED,
	RELAY_LATCHING_LEARN,
	RELAY_LATCHING_COUNT
};

enum relay_ice { RELAY_ICE_OFF, RELAY_ICE_LITE, RELAY_ICE_COUNT };
enum relay_bundle { RELAY_BUNDLE_OFF, RELAY_BUNDLE_ACCEPT, RELAY_BUNDLE_COUNT };

/* realms.NAME.media as written. */
struct relay_conf_media {
	struct conf_head head;
	struct addr address; /* family ADDR_NONE: the realm's first listener's */
	struct conf_ports ports;
	enum relay_latching latching;
	enum relay_ice ice;
	enum relay_bundle bundle;
	uint16_t dscp; /* 0 to 63; 0: as the relay's option says */
	bool anchor;
};

/* One interface of the relay: a realm with anchored media. */
struct relay_conf_realm {
	struct str name;     /* as in NG `direction` */
	struct addr address; /* port 0 */
	uint16_t port_min, port_max;
	enum relay_latching latching;
	enum relay_ice ice;
	enum relay_bundle bundle;
	uint16_t dscp;
	bool anchor;
	const struct conf_node *node; /* the realm; valid while the tree is */
};

/* How its packets come and go; same order as enum io_tier of the relay. */
enum relay_io {
	RELAY_IO_AUTO,
	RELAY_IO_SOCKETS,
	RELAY_IO_STEERED,
	RELAY_IO_KERNEL,
	RELAY_IO_COUNT
};

/* What encrypts and decrypts; "auto" and the engines of the relay by name. */
enum relay_engine {
	RELAY_ENGINE_AUTO,
	RELAY_ENGINE_OPENSSL,
	RELAY_ENGINE_IPSEC_MB,
	RELAY_ENGINE_LIBSRTP2,
	RELAY_ENGINE_COUNT
};

enum { RELAY_COALESCE_MAX_US = 1000 };

enum relay_url_kind { RELAY_URL_UNIX, RELAY_URL_UDP, RELAY_URL_KIND_COUNT };

struct relay_url {
	enum relay_url_kind kind;
	struct str path;  /* UNIX: absolute */
	struct addr addr; /* UDP */
};

struct relay_conf_control {
	struct str name;
	struct relay_url url;
	enum relay_io io;
	enum relay_engine engine;
	uint32_t coalesce_us;
};

struct relay_conf {
	const struct relay_conf_realm *realms; /* those that are anchored */
	size_t realm_count;
	const struct relay_conf_control *controls; /* media_relays, in order; the default if none */
	size_t control_count;
	struct arena arena;
};

/* OK with *out; ERR_BAD after saying every mistake in the report (sorted); ERR_NOMEM. */
enum err relay_conf_load(const char *path, struct conf_report *report,
			 struct relay_conf **out) MUST_USE;
void relay_conf_free(struct relay_conf *c);

/* ---- shared with the SBC's tables */

extern const struct conf_section relay_conf_media_section;
/* Of enum relay_io, ended by NULL. */
extern const char *const relay_conf_io_words[];
/* Of enum relay_engine, ended by NULL. */
extern const char *const relay_conf_engine_words[];
/* ERR_BAD: neither ng+unix:/PATH nor ng+udp:ADDRESS:PORT. */
enum err relay_conf_read_url(struct str text, struct relay_url *out) MUST_USE;
/* The check of a `url` setting, for tables. */
void relay_conf_check_url(struct conf_report *r, const struct conf_node *n, const void *value);
/* The realm's media with its defaults; `listener`: of its first listener, or NULL. */
void relay_conf_resolve(const struct relay_conf_media *m, const struct addr *listener,
			struct relay_conf_realm *out);
/* Addresses that can be used, and no port in two realms. */
void relay_conf_check(struct conf_report *r, const struct relay_conf_realm *realms, size_t count);

#endif
