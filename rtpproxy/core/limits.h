/*
 * Every bound of the relay in one place. At a bound new work is refused with an error that the
 * client knows ("Parallel session limit reached", "Ran out of ports") and existing calls go on.
 * Those that an operator may change are options of sallyport-rtpproxy; the others are here alone.
 */
#ifndef SALLYPORT_RTPPROXY_LIMITS_H
#define SALLYPORT_RTPPROXY_LIMITS_H

enum {
	/* One NG datagram. UDP itself ends at 65,507; a query's reply must fit the same. */
	LIMIT_DATAGRAM = 65507,
	/* An SDP body: 32 KiB is ten times the longest one seen from browsers. */
	LIMIT_SDP = 32768,
	LIMIT_CALL_ID = 255,
	LIMIT_TAG = 127,
	LIMIT_BRANCH = 127,
	LIMIT_LABEL = 63,
	/* The word that a client's events carry in front (`notify`), and how many clients may wait for
	 * events; the bytes that name one (a Unix path is the longest). */
	LIMIT_NOTIFY = 63,
	LIMIT_OWNERS = 32,
	LIMIT_PEER = 192,
	/* m= lines of one description; each costs up to four ports. */
	LIMIT_MEDIAS = 8,
	/* Forks of one call: each has ports of its own. */
	LIMIT_DIALOGUES = 8,
	/* a=candidate lines of one media that are looked at (threats D13). */
	LIMIT_CANDIDATES = 20,
	/* A name of an m= line (a=mid) that is kept; browsers allow themselves 16. */
	LIMIT_MID = 31,
	/* a=crypto lines of one media that are looked at and remembered. */
	LIMIT_CRYPTOS = 8,
	/* Names in one codec list. */
	LIMIT_CODECS = 32,
	LIMIT_INTERFACES = 16,
	LIMIT_WORKERS = 32,
	/* Calls of one worker, unless --max-sessions says less. */
	LIMIT_CALLS = 50000,
	/* Subscribers of one call: each gets every packet of its parties once (threats D16). */
	LIMIT_SUBSCRIPTIONS = 4,
	/* Bytes for the formats and the keys of all medias of a worker: some hundred each. */
	LIMIT_TEXTS = 128 * 1024 * 1024,
	/* Recordings at once, a worker; each has a file open. */
	LIMIT_RECORDINGS = 2048,
	/* Bytes between a worker and the writer of recordings; the part that only beginnings and ends
	 * of recordings may use. */
	LIMIT_RECORD_RING = 8 * 1024 * 1024,
	LIMIT_RECORD_RESERVE = 256 * 1024,
	/* One file of a recording: about a day of a call. */
	LIMIT_RECORDING_BYTES = 2000000000,
	/* Descriptors asked of the kernel: LIMIT_CALLS of four sockets each, and some. */
	LIMIT_DESCRIPTORS = 262144,
	/* Ports that the kernel may refuse (another program has them) before an offer fails. */
	LIMIT_OPEN_TRIES = 16,
	/* `list` names at most so many calls, whatever `limit` says: the reply must fit a datagram.
	 */
	LIMIT_LIST = 1000,
	/* Parties that come from other calls and wait for an answer (carry.h). */
	LIMIT_CARRIES = 4096,
	/* Bytes of replies kept for retransmissions, a generation and worker. */
	LIMIT_CACHE_BYTES = 4 * 1024 * 1024,
	LIMIT_CACHE_REPLIES = 16384,
	/* Commands waiting for one worker. */
	LIMIT_QUEUE_BYTES = 1024 * 1024,
	/* DTLS associations of a worker: one a party's media, two without rtcp-mux. About 1 KiB each. */
	LIMIT_DTLS = 4 * LIMIT_CALLS,
	/* Of these in their handshake: about 80 KiB each in OpenSSL, given back when it ends. */
	LIMIT_DTLS_HANDSHAKES = 1024,
	/* Hellos looked at between two ticks (100 ms), 4 us each when they ask for a cookie; handshakes begun, about 1 ms. */
	LIMIT_DTLS_HELLOS = 500,
	LIMIT_DTLS_STARTS = 50,
	/* A client that could not send its hello, or whose attempt failed, tries again after this. */
	LIMIT_DTLS_AGAIN_MS = 100,
	/* Lifetime of our certificate; it is renewed after half of it. */
	LIMIT_DTLS_CERT_S = 30 * 86400,
};

#endif
