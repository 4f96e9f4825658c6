/* The one enum of errors and their names (style §6). Errors are about us; a refusal of a call is a
 * verdict. */
#ifndef SALLYPORT_ERR_H
#define SALLYPORT_ERR_H

/* X(name, text). Parsers return bytes consumed (>= 0) or one of these, never mixing MORE, BAD and
 * LIMIT up. */
#define ERR_TABLE(X)                                                                               \
	X(MORE, "incomplete: more bytes are needed")                                               \
	X(BAD, "malformed: it never will be right")                                                \
	X(LIMIT, "could be right, but is larger than a limit allows")                              \
	X(NOMEM, "out of memory")                                                                  \
	X(FULL, "a table, pool or queue is full")                                                  \
	X(NOTFOUND, "not found")                                                                   \
	X(EXISTS, "exists already")                                                                \
	X(WRONG_STATE, "not possible in the present state")                                        \
	X(IO, "the operating system refused")                                                      \
	X(AUTH, "authentication failed")                                                           \
	X(REPLAY, "replayed")                                                                      \
	X(UNSUPPORTED, "not supported")                                                            \
	X(TIMEOUT, "timed out")                                                                    \
	X(CLOSED, "the other end closed")

enum err_index {
	ERR_INDEX_OK,
#define X(name, text) ERR_INDEX_##name,
	ERR_TABLE(X)
#undef X
		ERR_INDEX_COUNT
};

enum err {
	OK = 0,
#define X(name, text) ERR_##name = -(int)ERR_INDEX_##name,
	ERR_TABLE(X)
#undef X
};

/* "MORE", "BAD", …; "OK" for 0; "unknown" for anything else. Static text. */
const char *err_name(int e);
/* A sentence for people. Static text. */
const char *err_text(int e);

#endif
