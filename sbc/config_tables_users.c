#include "sbc/config_sections.h"

#include "sbc/config_tables.h"
#include "sbc/config_value.h"

static const struct conf_setting refresh_settings[] = {
	{.name = "from_user",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_refresh, from_user),
	 .min = 20000,
	 .max = 86400000,
	 .def = "60s",
	 .help = "How often a user must come again: its path through NATs stays open."},
	{.name = "to_registrar",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_refresh, to_registrar),
	 .min = 60000,
	 .max = 86400000,
	 .def = "10m",
	 .help = "How often the registrar hears of it. Between them we answer."},
};
static const struct conf_section refresh_section = {.help = "How long registrations last.",
						    ROWS(refresh_settings),
						    .size = sizeof(struct raw_refresh)};

static const struct conf_setting per_user_settings[] = {
	{.name = "sessions",
	 .type = CONF_INT,
	 CONF_AT(struct raw_per_user, sessions),
	 .min = 1,
	 .max = 1000,
	 .def = "4",
	 .help = "Calls at one time; the next gets 403 where it comes from, 486 where it goes to."},
	{.name = "contacts",
	 .type = CONF_INT,
	 CONF_AT(struct raw_per_user, contacts),
	 .min = 1,
	 .max = 10,
	 .def = "5",
	 .help = "Registrations at one time; the next gets 403."},
	{.name = "rate",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_per_user, rate),
	 .def = "0/s",
	 .help = "New calls that it makes; what is above it gets 403. 0/s: no limit."},
	{.name = "burst",
	 .type = CONF_INT,
	 CONF_AT(struct raw_per_user, burst),
	 .max = 1000000,
	 .def = "0",
	 .help = "So many of them may come at once. 0: as many as rate says."},
};
static const struct conf_section per_user_section = {.help = "What one user may have.",
						     ROWS(per_user_settings),
						     .size = sizeof(struct raw_per_user)};

static const struct conf_setting account_settings[] = {
	{.name = "user",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_account, user),
	 .min = 1,
	 .max = 64,
	 .flags = CONF_REQUIRED},
	{.name = "password",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_account, password),
	 .min = 1,
	 .max = 128,
	 .flags = CONF_REQUIRED,
	 .help = "Better not in the file itself: !credential NAME, !file PATH, !env NAME."},
};
static const struct conf_section account_section = {
	.help = "For `auth: local`.", ROWS(account_settings), .size = sizeof(struct raw_account)};

static const struct conf_setting users_settings[] = {
	{.name = "realm",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_users, realm),
	 .flags = CONF_REQUIRED,
	 .help = "A name of `realms`: the side that they speak from."},
	{.name = "domains",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_users, domains),
	 .min = 1,
	 .max = 16,
	 .check = config_value_host,
	 .flags = CONF_REQUIRED,
	 .help = "Hosts of their addresses: sip:USER@DOMAIN. REGISTERs for others get 403."},
	{.name = "registrar",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_users, registrar),
	 .otherwise = "with `auth: local` we are the registrar; else needed",
	 .help = "A name of `trunks`: REGISTERs go there with a contact of ours, its calls to that "
		 "contact go down the user's connection."},
	{.name = "refresh",
	 .type = CONF_SECTION,
	 .sub = &refresh_section,
	 CONF_AT(struct raw_users, refresh)},
	{.name = "per_user",
	 .type = CONF_SECTION,
	 .sub = &per_user_section,
	 CONF_AT(struct raw_users, per_user)},
	{.name = "auth",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_users, auth),
	 .words = (const char *const[]){"registrar", "local", NULL},
	 .def = "registrar",
	 .help = "Who asks for the password. registrar: its challenge and the answer pass through. "
		 "local: we do, by `accounts`."},
	{.name = "accounts",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &account_section,
	 CONF_AT(struct raw_users, accounts),
	 .max = 10000},
	{.name = "ask",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_users, ask),
	 .words = (const char *const[]){"udp", "always", "never", NULL},
	 .def = "udp",
	 .help = "With `auth: local`: when we ask who has registered for the password of a new "
		 "call "
		 "or message too. udp: over UDP, where anyone can write another's address on a "
		 "datagram; always; never."},
	{.name = "digest",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_users, digest),
	 .words = (const char *const[]){"SHA-256", "MD5", NULL},
	 .min = 1,
	 .max = 2,
	 .def = "SHA-256, MD5",
	 .help = "What `auth: local` asks with, each in a challenge of its own (RFC 8760). MD5 "
		 "alone "
		 "for phones that give up at a challenge that they do not know; SHA-256 alone to "
		 "have no MD5."},
	{.name = "methods",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_users, methods),
	 .words = config_method_words,
	 .max = 5,
	 .def = "MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH",
	 .help = "As with trunks, for those who are registered."},
	{.name = "identity",
	 .type = CONF_SECTION,
	 .sub = &config_users_identity_section,
	 CONF_AT(struct raw_users, identity)},
};
const struct conf_section config_users_section = {
	.help = "Phones and browsers that register through us. Routes name such a group as they "
		"name a trunk; a request is of the group when it comes over a connection (UDP: "
		"from "
		"an address) that has registered, in the name of who registered there or in "
		"nobody's. A reload ends the registrations of users whose group, domain, account "
		"or password has gone.",
	ROWS(users_settings),
	.size = sizeof(struct raw_users)};
