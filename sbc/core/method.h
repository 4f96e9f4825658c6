/* SIP methods. Names are compared with case (RFC 3261 §7.1). */
#ifndef SALLYPORT_METHOD_H
#define SALLYPORT_METHOD_H

#include "common/str.h"

#define METHOD_TABLE(X)                                                                            \
	X(INVITE)                                                                                  \
	X(ACK)                                                                                     \
	X(CANCEL)                                                                                  \
	X(BYE)                                                                                     \
	X(OPTIONS)                                                                                 \
	X(UPDATE)                                                                                  \
	X(INFO)                                                                                    \
	X(PRACK)                                                                                   \
	X(REGISTER)                                                                                \
	X(SUBSCRIBE)                                                                               \
	X(NOTIFY)                                                                                  \
	X(MESSAGE)                                                                                 \
	X(REFER)                                                                                   \
	X(PUBLISH)

enum method {
	METHOD_OTHER, /* a well-formed name that we do not know */
#define X(name) METHOD_##name,
	METHOD_TABLE(X)
#undef X
		METHOD_COUNT
};

enum method method_find(struct str name);
struct str method_name(enum method m); /* empty for METHOD_OTHER */

#endif
