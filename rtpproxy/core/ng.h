/*
 * The NG control protocol's envelope (ng-protocol §1, §2): cookie, notation, command word and the
 * keys that name a call → struct ng; and replies back into bytes. What the commands do is relay's.
 */
#ifndef SALLYPORT_NG_H
#define SALLYPORT_NG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/dict.h"
#include "rtpproxy/core/call.h"
#include "rtpproxy/core/flags.h"
#include "rtpproxy/core/party.h"
#include "rtpproxy/core/refusal.h"

/* X(name, word, its counters in `statistics`: "offercount", "totaloffercount") */
#define NG_COMMAND_TABLE(X)                                                                        \
	X(PING, "ping", "ping")                                                                    \
	X(OFFER, "offer", "offer")                                                                 \
	X(ANSWER, "answer", "answer")                                                              \
	X(DELETE, "delete", "delete")                                                              \
	X(QUERY, "query", "query")                                                                 \
	X(LIST, "list", "list")                                                                    \
	X(STATISTICS, "statistics", "stats")                                                       \
	X(BLOCK_MEDIA, "block media", "blkmedia")                                                  \
	X(UNBLOCK_MEDIA, "unblock media", "unblkmedia")                                            \
	X(BLOCK_DTMF, "block DTMF", "blkdtmf")                                                     \
	X(UNBLOCK_DTMF, "unblock DTMF", "unblkdtmf")                                               \
	X(PLAY_DTMF, "play DTMF", "playdtmf")                                                      \
	X(SUBSCRIBE_REQUEST, "subscribe request", "subreq")                                        \
	X(SUBSCRIBE_ANSWER, "subscribe answer", "subans")                                          \
	X(UNSUBSCRIBE, "unsubscribe", "unsub")                                                     \
	X(START_RECORDING, "start recording", "strtrec")                                           \
	X(STOP_RECORDING, "stop recording", "stoprec")                                             \
	X(PAUSE_RECORDING, "pause recording", "pauserec")

/* Words of the protocol for what this relay does not do: answered with "unsupported". */
/* The formatter never comes to an end with this list. */
/* clang-format off */
#define NG_UNSUPPORTED_TABLE(X) \
	X("silence media") \
	X("unsilence media") \
	X("start forwarding") \
	X("stop forwarding") \
	X("play media") \
	X("stop media") \
	X("publish") \
	X("connect") \
	X("create") \
	X("create answer") \
	X("mesh") \
	X("transform") \
	X("inject start") \
	X("inject stop") \
	X("cli")
/* clang-format on */

enum ng_command {
#define X(name, word, counters) NG_##name,
	NG_COMMAND_TABLE(X)
#undef X
		NG_COMMAND_COUNT
};

/* A request; views of the datagram and the arena. */
struct ng {
	struct str cookie;
	bool json;
	struct dict *root;
	enum ng_command command;
	struct str call_id, sdp;
	struct call_names names;
	struct party_who who; /* of commands about a party */
	struct flags flags;
	int64_t limit;       /* of `list` */
	bool has_load_limit; /* the client understands the result "load limit" */
};

/* Cookie and body. False: no cookie, to be dropped without an answer. */
bool ng_split(struct str datagram, struct str *out_cookie, struct str *out_body);
/*
 * Reads the body. Cookie and notation are set even on failure, so that an error can be answered;
 * the rest may be half filled then. Which keys a command needs is checked here.
 */
enum refusal ng_parse(struct str cookie, struct str body, struct arena *a, struct ng *out) MUST_USE;
/*
 * Finds command and call-id without building a tree: bencode only, at the top level; views of body.
 * False: not bencode, broken, or with a flag string: then the tree has to be built.
 */
bool ng_peek(struct str body, struct str *out_command, struct str *out_call_id);
const char *ng_command_name(enum ng_command c);
/* What its counters in `statistics` begin with. */
const char *ng_command_counters(enum ng_command c);
/* A command of that word; spaces and hyphens are the same. */
bool ng_command_find(struct str word, enum ng_command *out);
/* Must it name a call? Then it belongs to the worker of that call. */
bool ng_is_about_call(enum ng_command c);

/* {"result": result}. NULL: the arena is full. */
struct dict *ng_reply(struct arena *a, struct str result);
/* {"result": "error", "error-reason": …}. */
struct dict *ng_error(struct arena *a, enum refusal r);
/*
 * The same, in answer to n: a load limit is said as such to a client that understands it, and as one that
 * all understand to the others.
 */
struct dict *ng_refuse(struct arena *a, const struct ng *n, enum refusal r);
/* Adds to the reply's `warning`; text lives as long as the reply. */
void ng_warn(struct arena *a, struct dict *reply, struct str text);
/*
 * For a reply that was too long for b: leaves out what is long and not always needed, says so in a warning,
 * and writes it again. False: still too long; b holds nothing then.
 */
bool ng_shorten(struct arena *a, const struct ng *n, struct dict *reply, struct buf *b);
/* Cookie and space, if there was one, and the dictionary in the notation of the request. */
void ng_write(struct buf *b, const struct ng *n, const struct dict *reply);

#endif
