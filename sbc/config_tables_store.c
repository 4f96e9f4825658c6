#include "sbc/config_sections.h"

#include "sbc/config_tables.h"

enum { STORE_SECRET_MIN = 32 };

static const char *const loss_words[] = {"local", "reject", NULL};

#define ON_LOSS(word, what)                                                                        \
	{                                                                                          \
		.name = "on_loss_" word, .type = CONF_ENUM,                                        \
		CONF_AT(struct raw_redis, on_loss_##what),                                         \
		.words = (const char *const[]){"as-on_loss", "local", "reject", NULL},             \
		.def = "as-on_loss", .help = "The same for " word " alone."                        \
	}

/* Not the key itself: it must not stand in a log. */
static void check_key(struct conf_report *r, const struct conf_node *n, const void *value)
{
	const struct str *s = value;
	if (s->len < STORE_SECRET_MIN)
		conf_error(r, n, "has %u characters; needed: %u or more", (unsigned)s->len,
			   STORE_SECRET_MIN);
}

static const struct conf_setting redis_settings[] = {
	{.name = "nodes",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_redis, nodes),
	 .min = 1,
	 .max = STORE_NODES_MAX,
	 .flags = CONF_REQUIRED | CONF_RESTART,
	 .help = "unix:PATH, redis://ADDRESS:PORT. One server, and those to fall back on in "
		 "order; the "
		 "Sentinels; or some of a cluster's servers."},
	{.name = "sentinel",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, sentinel),
	 .max = CONF_NAME_MAX,
	 .flags = CONF_RESTART,
	 .otherwise = "`nodes` are no Sentinels",
	 .help = "`nodes` are Sentinels, and this is the name that they know the master by."},
	{.name = "cluster",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_redis, cluster),
	 .def = "off",
	 .flags = CONF_RESTART,
	 .help = "`nodes` are of a Redis Cluster."},
	{.name = "username",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, username),
	 .max = 128,
	 .flags = CONF_RESTART,
	 .otherwise = "the server's default user",
	 .help = "Of its ACL; docs/store.md shows what it needs to be allowed, and no more."},
	{.name = "password",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, password),
	 .max = 512,
	 .flags = CONF_RESTART,
	 .otherwise = "none",
	 .help = "Best as `!credential NAME`."},
	{.name = "sentinel_password",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, sentinel_password),
	 .max = 512,
	 .flags = CONF_RESTART,
	 .otherwise = "none",
	 .help = "Of the Sentinels. Best as `!credential NAME`."},
	{.name = "key",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, key),
	 .check = check_key,
	 .max = 512,
	 .flags = CONF_REQUIRED | CONF_RESTART,
	 .help = "What lies in Redis is encrypted and signed with it; the same on all nodes. "
		 "`openssl rand -base64 32` makes one. Best as `!credential NAME`."},
	{.name = "prefix",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, prefix),
	 .min = 1,
	 .max = 32,
	 .def = "sp:",
	 .flags = CONF_RESTART,
	 .help = "In front of every key and channel: several systems may share a server."},
	{.name = "tls",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_redis, tls),
	 .def = "off",
	 .flags = CONF_RESTART,
	 .help = "To all of `nodes` that are not Unix sockets."},
	{.name = "verify",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, verify),
	 .flags = CONF_RESTART,
	 .otherwise = "the system's",
	 .help = "Name of `trust_anchors`: what the server's certificate must lead to."},
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, name),
	 .max = 255,
	 .flags = CONF_RESTART,
	 .otherwise = "the server's address",
	 .help = "What the server's certificate must be for."},
	{.name = "certificate",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_redis, certificate),
	 .flags = CONF_RESTART,
	 .otherwise = "none",
	 .help = "Name of `certificates`: what we show."},
	{.name = "on_loss",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_redis, on_loss),
	 .words = loss_words,
	 .def = "local",
	 .help = "While Redis is away, new calls are counted and limited by each node alone, or "
		 "those that need it are refused. Calls that are up go on either way."},
	ON_LOSS("calls", calls),
	ON_LOSS("limits", limits),
	ON_LOSS("bans", bans),
	ON_LOSS("registrations", registrations),
	{.name = "timeout",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_redis, timeout),
	 .min = 20,
	 .max = 10000,
	 .def = "250ms",
	 .flags = CONF_RESTART,
	 .help = "A connection that takes longer for an answer is closed."},
	{.name = "slow",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_redis, slow),
	 .min = 5,
	 .max = 10000,
	 .def = "50ms",
	 .flags = CONF_RESTART,
	 .help = "When an answer takes longer, Redis counts as away until it has answered a "
		 "question in time. Nothing but the log, limits and `on_loss` notices: no call "
		 "waits for an answer."},
	{.name = "queue",
	 .type = CONF_INT,
	 CONF_AT(struct raw_redis, queue),
	 .min = 16,
	 .max = 1000000,
	 .def = "65536",
	 .flags = CONF_RESTART,
	 .help = "So many writes wait for its return at most, the newest of each key; beyond "
		 "it the oldest are given up."},
	{.name = "scripts",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_redis, scripts),
	 .words = (const char *const[]){"eval", "function", NULL},
	 .def = "eval",
	 .flags = CONF_RESTART,
	 .help = "How steps that must be atomic are done: as scripts (EVALSHA, EVAL), or as "
		 "functions (FCALL) of the library sallyport.lua that the server's "
		 "administrator has loaded; then our user needs no right to run scripts."},
};
static const struct conf_section redis_section = {
	.help = "A Redis server, version 7 or later, that the nodes of a cluster share.",
	ROWS(redis_settings),
	.size = sizeof(struct raw_redis)};

static const struct conf_setting store_settings[] = {
	{.name = "redis",
	 .type = CONF_SECTION,
	 .sub = &redis_section,
	 CONF_AT(struct raw_store, redis),
	 .otherwise = "each node is by itself"},
};
const struct conf_section config_store_section = {
	.help = "What several nodes share: limits, bans, the state of calls (docs/store.md).",
	ROWS(store_settings),
	.size = sizeof(struct raw_store)};
