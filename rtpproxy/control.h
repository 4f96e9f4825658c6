/*
 * Options of sallyport-rtpproxy, named as users of rtpengine know them, and the relay's part of the
 * common configuration file → struct control.
 */
#ifndef SALLYPORT_CONTROL_H
#define SALLYPORT_CONTROL_H

#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"
#include "common/log.h"
#include "rtpproxy/core/relay.h"
#include "rtpproxy/io/ctl.h"
#include "rtpproxy/io/io_choice.h"
#include "rtpproxy/io/load.h"

struct control {
	struct relay_config relay;
	struct ctl_listen listens[CTL_SOCKETS_MAX];
	size_t listen_count;
	bool has_ng;           /* one of them takes commands */
	bool listens_optional; /* from the file: those of other machines cannot be bound */
	bool allow_remote;
	mode_t socket_mode;
	struct ctl_users users;
	struct load_limits load;
	bool foreground;
	bool show_help, show_version;
	enum log_level log_level;
	char recording_dir[256]; /* empty: nothing is recorded */
	struct addr dtmf_dest;   /* family ADDR_NONE: none */
	char pidfile[256];
	char config_path[256];
	char relay_name[64];
	uint32_t coalesce_us; /* as loop_params */
	char engine[32];
	enum io_tier io;
	char bpf_dir[128];
};

/* Defaults, then the options, then the file if one is named. Every mistake goes to `errors`. ERR_BAD. */
enum err control_parse(struct control *c, int argc, char **argv, FILE *errors) MUST_USE;
void control_usage(FILE *out);

#endif
