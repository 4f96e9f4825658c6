#include "relay_conf.h"

#include <stdlib.h>

/* ---- realms.NAME.media */

const char *const relay_conf_io_words[] = {"auto", "sockets", "steered", "kernel", NULL};
const char *const relay_conf_engine_words[] = {"auto", "openssl", "ipsec-mb", "libsrtp2", NULL};
static const char *const latching_words[] = {"off", "strict", "restricted", "learn", NULL};

static const char *const ice_words[] = {"off", "lite", NULL};
static const char *const bundle_words[] = {"off", "accept", NULL};

static const struct conf_setting media_settings[] = {
	{.name = "address",
	 .type = CONF_ADDRESS,
	 CONF_AT(struct relay_conf_media, address),
	 .otherwise = "the address of the realm's first listener",
	 .flags = CONF_RESTART,
	 .help = "The relay's own address on this side; it is what the SDP shows."},
	{.name = "ports",
	 .type = CONF_PORTS,
	 CONF_AT(struct relay_conf_media, ports),
	 .def = "20000-39999",
	 .flags = CONF_RESTART,
	 .help = "UDP ports for media; a call needs two on each side for each medium. No two "
		 "realms may "
		 "share a port of one address."},
	{.name = "latching",
	 .type = CONF_ENUM,
	 CONF_AT(struct relay_conf_media, latching),
	 .words = latching_words,
	 .def = "strict",
	 .flags = CONF_RESTART,
	 .help = "Whose packets are taken. strict: the signalled address only, and for SRTP "
		 "whoever proves "
		 "the key; restricted: also another port of the signalled address, shortly after "
		 "an offer or "
		 "answer; learn: the first who sends; off: the signalled address only, also for "
		 "SRTP."},
	{.name = "ice",
	 .type = CONF_ENUM,
	 CONF_AT(struct relay_conf_media, ice),
	 .words = ice_words,
	 .def = "off",
	 .help = "lite: the relay answers the connectivity checks of browsers and phones and shows "
		 "candidates of its own, no others (RFC 8445); off: no ICE attribute crosses."},
	{.name = "bundle",
	 .type = CONF_ENUM,
	 CONF_AT(struct relay_conf_media, bundle),
	 .words = bundle_words,
	 .def = "off",
	 .help = "accept: a group of media on one port is answered (RFC 8843); off: each has its "
		 "own."},
	{.name = "dscp",
	 .type = CONF_INT,
	 CONF_AT(struct relay_conf_media, dscp),
	 .max = 63,
	 .otherwise = "what the relay's option --tos says",
	 .flags = CONF_RESTART,
	 .help = "Code point (RFC 2474) of the packets that leave on this side; 46 is expedited "
		 "forwarding."},
	{.name = "anchor",
	 .type = CONF_BOOL,
	 CONF_AT(struct relay_conf_media, anchor),
	 .def = "on",
	 .help = "off: media of this realm does not pass through the relay. Its addresses, keys "
		 "and RTCP are then seen by the other side, and nothing is measured."},
};

const struct conf_section relay_conf_media_section = {
	.name = "media",
	.help = "The relay's address and ports on this side.",
	.settings = media_settings,
	.count = ARRAY_LEN(media_settings),
	.size = sizeof(struct relay_conf_media),
};

enum err relay_conf_read_url(struct str text, struct relay_url *out)
{
	struct relay_url u = {0};
	if (str_has_prefix(text, STR("ng+unix:"))) {
		u.kind = RELAY_URL_UNIX;
		u.path = str_from_offset(text, 8);
		if (u.path.len < 2 || u.path.len > 107 || u.path.p[0] != '/') /* sun_path */
			return ERR_BAD;
	} else if (str_has_prefix(text, STR("ng+udp:"))) {
		u.kind = RELAY_URL_UDP;
		if (addr_parse(str_from_offset(text, 7), &u.addr) != OK || u.addr.port == 0)
			return ERR_BAD;
	} else {
		return ERR_BAD;
	}
	*out = u;
	return OK;
}

void relay_conf_check_url(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct relay_url u;
	if (relay_conf_read_url(*(const struct str *)value, &u) != OK)
		conf_error(r, n,
			   "\"%.*s\" is not allowed here; allowed: ng+unix:/PATH (107 letters at "
			   "most) or "
			   "ng+udp:ADDRESS:PORT",
			   STR_ARG(*(const struct str *)value));
}

void relay_conf_resolve(const struct relay_conf_media *m, const struct addr *listener,
			struct relay_conf_realm *out)
{
	out->address = m->address;
	if (m->address.family == ADDR_NONE && listener)
		out->address = *listener;
	out->address.port = 0;
	out->port_min = m->ports.min;
	out->port_max = m->ports.max;
	out->latching = m->latching;
	out->ice = m->ice;
	out->bundle = m->bundle;
	out->dscp = m->dscp;
	out->anchor = m->anchor;
}

static void check_address(struct conf_report *r, const struct relay_conf_realm *m)
{
	enum addr_class class =
		m->address.family == ADDR_NONE ? ADDR_CLASS_UNSPECIFIED : addr_class(&m->address);
	const struct conf_node *at = conf_node_at(m->node, "media.address");
	if (class == ADDR_CLASS_UNSPECIFIED && !conf_node_child(m->node, "listen"))
		conf_error_missing(r, m->node, "media.address",
				   "missing; needed here: an IP address, for there is no listener "
				   "to take it from");
	else if (class == ADDR_CLASS_UNSPECIFIED || class == ADDR_CLASS_MULTICAST ||
		 class == ADDR_CLASS_BROADCAST)
		conf_error(r, at,
			   "media needs an address of this host that the other side can reach");
	if (m->port_max - m->port_min < 3)
		conf_error(r, conf_node_at(m->node, "media.ports"),
			   "too few ports: a call needs two for each medium; allowed: at least 4");
}

void relay_conf_check(struct conf_report *r, const struct relay_conf_realm *realms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct relay_conf_realm *a = &realms[i];
		if (!a->anchor)
			continue;
		check_address(r, a);
		for (size_t j = 0; j < i; j++) {
			const struct relay_conf_realm *b = &realms[j];
			if (!b->anchor || a->address.family == ADDR_NONE ||
			    !addr_eq_ip(&a->address, &b->address) || a->port_min > b->port_max ||
			    b->port_min > a->port_max)
				continue;
			conf_error(r, conf_node_at(a->node, "media.ports"),
				   "media ports %u-%u are also realm \"%.*s\"'s (%u-%u) on the "
				   "same address; "
				   "give each realm a range of its own",
				   a->port_min, a->port_max, STR_ARG(b->name), b->port_min,
				   b->port_max);
		}
	}
}

/* ---- the relay's view of the whole file: the sections that are the SBC's are known, and passed over */

struct raw_listener {
	struct conf_head head;
	struct addr address;
};

struct raw_realm {
	struct conf_head head;
	struct conf_list listen;
	struct relay_conf_media media;
};

struct raw_relay {
	struct conf_head head;
	struct str name;
	struct str url;
	uint32_t io, engine, coalesce_us;
};

struct raw_root {
	struct conf_head head;
	uint32_t version;
	struct conf_list realms;
	struct conf_list relays;
};

static const struct conf_setting listener_settings[] = {
	{.name = "address",
	 .type = CONF_ADDRESS,
	 CONF_AT(struct raw_listener, address),
	 .flags = CONF_REQUIRED},
};
static const struct conf_section listener_section = {.settings = listener_settings,
						     .count = ARRAY_LEN(listener_settings),
						     .size = sizeof(struct raw_listener),
						     .partial = true};

static const struct conf_setting realm_settings[] = {
	{.name = "listen",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &listener_section,
	 CONF_AT(struct raw_realm, listen)},
	{.name = "media",
	 .type = CONF_SECTION,
	 .sub = &relay_conf_media_section,
	 CONF_AT(struct raw_realm, media)},
};
static const struct conf_section realm_section = {.settings = realm_settings,
						  .count = ARRAY_LEN(realm_settings),
						  .size = sizeof(struct raw_realm),
						  .partial = true};

static const struct conf_setting relay_settings[] = {
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_relay, name),
	 .flags = CONF_REQUIRED},
	{.name = "url",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_relay, url),
	 .flags = CONF_REQUIRED,
	 .check = relay_conf_check_url},
	{.name = "io",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_relay, io),
	 .words = relay_conf_io_words,
	 .def = "auto"},
	{.name = "srtp_engine",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_relay, engine),
	 .words = relay_conf_engine_words,
	 .def = "auto"},
	{.name = "coalesce_us",
	 .type = CONF_INT,
	 CONF_AT(struct raw_relay, coalesce_us),
	 .max = RELAY_COALESCE_MAX_US,
	 .def = "500"},
};
static const struct conf_section relay_section = {.settings = relay_settings,
						  .count = ARRAY_LEN(relay_settings),
						  .size = sizeof(struct raw_relay),
						  .partial = true};

static const struct conf_setting root_settings[] = {
	{.name = "version",
	 .type = CONF_INT,
	 CONF_AT(struct raw_root, version),
	 .min = 1,
	 .max = 1,
	 .def = "1"},
	{.name = "realms",
	 .type = CONF_NAMED,
	 .sub = &realm_section,
	 CONF_AT(struct raw_root, realms),
	 .min = 1,
	 .max = 64,
	 .flags = CONF_REQUIRED},
	{.name = "media_relays",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &relay_section,
	 CONF_AT(struct raw_root, relays),
	 .min = 1,
	 .max = 16},
};
static const struct conf_section root_section = {.settings = root_settings,
						 .count = ARRAY_LEN(root_settings),
						 .size = sizeof(struct raw_root),
						 .partial = true};

static enum err build_realms(struct arena *a, struct conf_report *r, const struct raw_root *raw,
			     struct relay_conf *out)
{
	const struct raw_realm *from = raw->realms.items;
	struct relay_conf_realm *to = arena_zalloc(a, (raw->realms.count + 1) * sizeof(*to));
	if (!to)
		return ERR_NOMEM;
	for (size_t i = 0; i < raw->realms.count; i++) {
		const struct raw_listener *l = from[i].listen.items;
		struct relay_conf_realm *m = &to[out->realm_count];
		m->name = from[i].head.name;
		m->node = from[i].head.node;
		relay_conf_resolve(&from[i].media, from[i].listen.count > 0 ? &l->address : NULL,
				   m);
		out->realm_count += m->anchor;
	}
	out->realms = to;
	relay_conf_check(r, to, out->realm_count);
	return OK;
}

static enum err build_controls(struct arena *a, const struct raw_root *raw, struct relay_conf *out)
{
	const struct raw_relay *from = raw->relays.items;
	size_t n = raw->relays.count;
	struct relay_conf_control *to = arena_zalloc(a, (n + 1) * sizeof(*to));
	if (!to)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		to[i].name = from[i].name;
		to[i].io = (enum relay_io)from[i].io;
		to[i].engine = (enum relay_engine)from[i].engine;
		to[i].coalesce_us = from[i].coalesce_us;
		if (relay_conf_read_url(from[i].url, &to[i].url) != OK)
			continue; /* said already */
	}
	if (n == 0) {
		to[0].name = STR("local");
		CHECK(relay_conf_read_url(STR(RELAY_CONF_DEFAULT_URL), &to[0].url) == OK);
		n = 1;
	}
	out->controls = to;
	out->control_count = n;
	return OK;
}

enum err relay_conf_load(const char *path, struct conf_report *report, struct relay_conf **out)
{
	struct conf_tree t;
	struct raw_root raw;
	size_t before = report->errors;
	enum err e = conf_tree_init(&t);
	if (e != OK)
		return e;
	struct relay_conf *c = arena_zalloc(&t.arena, sizeof(*c));
	e = c ? OK : ERR_NOMEM;
	conf_tree_read(&t, report, path);
	if (e == OK && t.root) {
		struct conf_fill f = {&t.arena, report, t.incomplete};
		conf_fill(&f, &root_section, t.root, &raw);
		if (report->errors == before)
			e = build_realms(&t.arena, report, &raw, c);
		if (report->errors == before && e == OK)
			e = build_controls(&t.arena, &raw, c);
	}
	conf_report_sort(report);
	if (e == OK && report->errors > before)
		e = ERR_BAD;
	if (e != OK) {
		conf_tree_release(&t);
		return e;
	}
	c->arena = t.arena; /* the texts live in the tree's memory: it is now theirs */
	*out = c;
	return OK;
}

void relay_conf_free(struct relay_conf *c)
{
	if (!c)
		return;
	struct arena a = c->arena; /* c itself lies in it */
	arena_release(&a);
}
