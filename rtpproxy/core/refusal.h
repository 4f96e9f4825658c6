/*
 * Why a command was refused: the text is what the client gets as error-reason. Some clients compare
 * these texts (ng-protocol §2), so those marked with a star are spelled as rtpengine spells them.
 */
#ifndef SALLYPORT_REFUSAL_H
#define SALLYPORT_REFUSAL_H

/* X(name, label of the metric, text) */
#define REFUSAL_TABLE(X)                                                                           \
	X(FORMAT, "format", "Invalid NG data format")                /* * */                       \
	X(BENCODE, "bencode", "Could not decode bencode dictionary") /* * */                       \
	X(JSON, "json", "Failed to parse JSON document")                                           \
	X(NO_COMMAND, "no_command", "Dictionary contains no key \"command\"") /* * */              \
	X(COMMAND, "command", "Unrecognized command")                         /* * */              \
	X(UNSUPPORTED, "unsupported", "unsupported")                          /* * */              \
	X(NO_SDP, "no_sdp", "No SDP body in message")                         /* * */              \
	X(NO_CALL_ID, "no_call_id", "No call-id in message")                  /* * */              \
	X(NO_FROM_TAG, "no_from_tag", "No from-tag in message")               /* * */              \
	X(NO_TO_TAG, "no_to_tag", "No to-tag in message")                     /* * */              \
	X(TOO_LONG, "too_long", "call-id, tag, branch or label is too long")                       \
	X(SDP_TOO_LONG, "sdp_too_long", "SDP body is too long")                                    \
	X(SDP, "sdp", "Failed to parse SDP") /* * */                                               \
	X(SDP_MEDIAS, "sdp_medias", "SDP has too many m= lines")                                   \
	X(SDP_ANSWER_MEDIAS, "sdp_answer_medias", "SDP answer has more m= lines than the offer")   \
	X(SDP_ADDRESS, "sdp_address", "SDP names an address that media cannot be sent to")         \
	X(SDP_INCOMPLETE, "sdp_incomplete", "Incomplete SDP specification") /* * */                \
	X(DTLS, "dtls", "SDP wants DTLS-SRTP, and has no fingerprint that is accepted")            \
	X(DTLS_WANTED, "dtls_wanted", "DTLS-SRTP is asked for, and switched off")                  \
	X(NO_KEYING, "no_keying", "Neither DTLS-SRTP nor an SDES suite is left to offer")          \
	X(NO_COMMON_SUITE, "no_common_suite",                                                      \
	  "SDP offers no fingerprint and no SDES suite that is supported and allowed")             \
	X(ANSWER_PLAIN, "answer_plain", "SDP answer is not encrypted although the offer was")      \
	X(ANSWER_PROTOCOL, "answer_protocol",                                                      \
	  "SDP answer has another transport protocol than the offer")                              \
	X(ANSWER_CRYPTO, "answer_crypto",                                                          \
	  "SDP answer has neither a fingerprint nor an a=crypto line of the offer")                \
	X(KEY_REUSE, "key_reuse", "SRTP key was used before in this call")                         \
	X(NO_MEDIA, "no_media", "SDP has no media that can be relayed")                            \
	X(UNKNOWN_CALL, "unknown_call", "Unknown call-id")      /* * */                            \
	X(DIALOGUE, "dialogue", "Invalid dialogue association") /* * */                            \
	X(DIALOGUES, "dialogues", "Too many branches in one call")                                 \
	X(NO_SUCH_TAG, "no_such_tag", "From-tag given, but no such tag exists") /* * */            \
	X(DELETE_TAGS, "delete_tags", "Call-ID not found or tags didn't match") /* * */            \
	X(UNKNOWN_CALL_ID, "unknown_call_id", "Unknown call-ID")                /* * */            \
	X(LABEL, "label", "No monologue matching the given label")              /* * */            \
	X(TO_LABEL, "to_label", "No monologue matching the given to-label")                        \
	X(TO_TAG_UNKNOWN, "to_tag_unknown", "To-tag not found")             /* * */                \
	X(ADDRESS, "address", "Failed to parse network address")            /* * */                \
	X(ADDRESS_TAG, "address_tag", "Failed to match address to any tag") /* * */                \
	X(LOAD_CPU, "load_cpu", "CPU usage limit exceeded")                 /* * */                \
	X(LOAD, "load", "Load limit exceeded")                              /* * */                \
	X(LOAD_BANDWIDTH, "load_bandwidth", "Bandwidth limit exceeded")     /* * */                \
	X(CALLS, "calls", "Parallel session limit reached")                 /* * */                \
	X(PORTS, "ports", "Ran out of ports")                               /* * */                \
	X(NO_PARTY, "no_party", "No participant party specified")           /* * */                \
	X(CODE, "code", "Out of range 'code' specified")                    /* * */                \
	X(NO_SSRC, "no_ssrc", "The party has sent no media yet: there is no SSRC to speak for")    \
	X(NO_EVENTS, "no_events", "The other party does not take telephone-event")                 \
	X(KEYS, "keys", "Too many keys wait to be played")                                         \
	X(NO_SOURCE, "no_source", "No media of that party that could be subscribed to")            \
	X(SUBSCRIPTIONS, "subscriptions", "Too many subscribers")                                  \
	X(RECORDING_OFF, "recording_off", "Recording is off: the relay has no --recording-dir")    \
	X(RECORDING_NAME, "recording_name",                                                        \
	  "Recording name or directory is not allowed: it is relative, of letters, digits and "    \
	  "._-+=@")                                                                                \
	X(RECORDINGS, "recordings", "Too many recordings")                                         \
	X(OPEN, "open", "Could not open a media port")                                             \
	X(REWRITE, "rewrite", "Error rewriting SDP") /* * */                                       \
	X(MEMORY, "memory", "Message needs more memory than one command may use")

enum refusal {
	REFUSAL_NONE,
#define X(name, label, text) REFUSAL_##name,
	REFUSAL_TABLE(X)
#undef X
		REFUSAL_COUNT
};

/* Static text. */
const char *refusal_text(enum refusal r);
const char *refusal_label(enum refusal r);

#endif
