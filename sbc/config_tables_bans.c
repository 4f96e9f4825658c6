#include "sbc/config_sections.h"

#include "sbc/config_tables.h"

static const struct conf_setting bans_settings[] = {
	{.name = "first",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_bans, first),
	 .min = 1000,
	 .max = 31536000000,
	 .def = "1h",
	 .help = "The first ban of a subject, where the rule that bans says no time."},
	{.name = "factor",
	 .type = CONF_INT,
	 CONF_AT(struct raw_bans, factor),
	 .min = 1,
	 .max = 100,
	 .def = "4",
	 .help = "Each further ban of a subject is so many times longer."},
	{.name = "most",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_bans, most),
	 .min = 1000,
	 .max = 31536000000,
	 .def = "30d",
	 .help = "None grows longer than this."},
	{.name = "forget",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_bans, forget),
	 .min = 1000,
	 .max = 31536000000,
	 .def = "7d",
	 .help = "A strike is forgotten so long after the end of a ban without another."},
	{.name = "allow",
	 .type = CONF_LIST_OF,
	 .item = CONF_PREFIX,
	 CONF_AT(struct raw_bans, allow),
	 .max = 256,
	 .help = "Sources that are never banned, by no rule and no operator."},
	{.name = "prefix_after",
	 .type = CONF_INT,
	 CONF_AT(struct raw_bans, prefix_after),
	 .max = 256,
	 .def = "0",
	 .help = "So many banned sources of one /24 (IPv6: of one /48) within a day, and all of it "
		 "is banned. 0: never."},
	{.name = "strangers",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_bans, strangers),
	 .def = "30/1m",
	 .help = "Over UDP so much may come from an address that is no trunk's and no registered "
		 "user's: requests that are refused for that, methods that nobody knows, "
		 "REGISTERs of one user after another. Who sends more is put into quarantine; "
		 "who has acknowledged half as many refusals, and so hears us, is banned. 0/s: "
		 "never."},
	{.name = "quarantine",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_bans, quarantine),
	 .min = 1000,
	 .max = 86400000,
	 .def = "5m",
	 .help = "The first quarantine of an address. Further ones grow by `factor`, up to twelve "
		 "times this; a right password ends it."},
	{.name = "kernel_after",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_bans, kernel_after),
	 .def = "100/10s",
	 .help = "A banned source that comes faster than this is dropped by the kernel from then "
		 "on, and costs us nothing more; a slower one is dropped by us, and its emergency "
		 "calls and what belongs to its calls are still heard. 0/s: never."},
	{.name = "kernel",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_bans, kernel),
	 .flags = CONF_RESTART,
	 .otherwise = "bans are kept by us alone",
	 .help = "Socket of sallyport-ban, which has the right to tell the kernel: "
		 "/run/sallyport/ban.sock."},
	{.name = "file",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_bans, file),
	 .flags = CONF_RESTART,
	 .otherwise = "a restart forgets them",
	 .help = "Where bans outlive the daemon: /var/lib/sallyport/bans.jsonl."},
};
const struct conf_section config_bans_section = {
	.help = "Who has earned it is kept out: by rules of `admission` and `fraud`, or by "
		"`sallyport ban`. docs/bans.md says how.",
	ROWS(bans_settings),
	.size = sizeof(struct raw_bans)};
