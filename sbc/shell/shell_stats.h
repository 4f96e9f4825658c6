/* What the shell counts by itself, as one table: name in /metrics and help. */
#ifndef SALLYPORT_SHELL_STATS_H
#define SALLYPORT_SHELL_STATS_H

#include <stdint.h>

/* X(member, metric, help): all are counters */
#define SHELL_STATS_TABLE(X)                                                                       \
	X(turns, "loop_turns_total", "Turns of the event loop")                                    \
	X(udp_received, "udp_received_total", "UDP datagrams received")                            \
	X(udp_sent, "udp_sent_total", "UDP datagrams sent")                                        \
	X(udp_truncated, "udp_truncated_total",                                                    \
	  "UDP datagrams dropped because they were larger than the message limit")                 \
	X(udp_overflow, "udp_overflow_total",                                                      \
	  "UDP datagrams that the kernel dropped because the socket's buffer was full")            \
	X(udp_keepalives, "udp_keepalives_total", "UDP datagrams of CRLF or NUL alone, dropped")   \
	X(udp_unsent, "udp_unsent_total", "UDP datagrams that the kernel did not take")            \
	X(udp_unreachable, "udp_unreachable_total",                                                \
	  "Requests over UDP that ICMP said could not be delivered")                               \
	X(stream_keepalives, "stream_keepalives_total",                                            \
	  "CRLF keep-alives answered on stream connections")                                       \
	X(connections_accepted, "connections_accepted_total", "Stream connections accepted")       \
	X(connections_opened, "connections_opened_total",                                          \
	  "Stream connections that we opened and that came up")                                    \
	X(connections_failed, "connections_failed_total",                                          \
	  "Stream connections that we began to open and that did not come up")                     \
	X(connections_refused_limit, "connections_refused_limit_total",                            \
	  "Stream connections closed at once because the limit was reached")                       \
	X(connections_refused_source, "connections_refused_source_total",                          \
	  "Stream connections closed at once because their source had too many")                   \
	X(connections_refused_descriptors, "connections_refused_descriptors_total",                \
	  "Stream connections closed at once because the last descriptors are kept for calls")     \
	X(handshakes_refused_source, "handshakes_refused_source_total",                            \
	  "TLS handshakes closed before they began because their source had too many")             \
	X(handshakes_refused_all, "handshakes_refused_all_total",                                  \
	  "TLS handshakes closed before they began because all together were too many")            \
	X(closed_half_open, "closed_half_open_total",                                              \
	  "Connections closed because no handshake or first byte came in time")                    \
	X(closed_slow_message, "closed_slow_message_total",                                        \
	  "Connections closed because a message was not whole in time")                            \
	X(closed_idle, "closed_idle_total", "Connections closed after idling")                     \
	X(closed_queue, "closed_queue_total",                                                      \
	  "Connections closed because the peer did not read what we sent")                         \
	X(closed_framing, "closed_framing_total",                                                  \
	  "Connections closed because their bytes were not SIP")                                   \
	X(closed_limit, "closed_message_limit_total",                                              \
	  "Connections closed because a message was larger than the limit")                        \
	X(ws_upgrades, "ws_upgrades_total", "WebSocket connections that came up")                  \
	X(ws_refused, "ws_refused_total",                                                          \
	  "HTTP requests on WebSocket listeners that were refused: path, origin, subprotocol")     \
	X(resolver_queries, "resolver_queries_total", "DNS questions asked")                       \
	X(resolver_failures, "resolver_failures_total", "DNS questions without a usable answer")   \
	X(resolver_timeouts, "resolver_timeouts_total", "Resolutions given up at the deadline")    \
	X(relay_requests, "relay_requests_total", "Requests to media relays")                      \
	X(relay_retransmits, "relay_retransmits_total", "Requests to media relays sent again")     \
	X(relay_timeouts, "relay_timeouts_total", "Requests that no media relay answered")         \
	X(relay_stray, "relay_stray_total", "Replies of media relays to nothing that waits")       \
	X(relay_events, "relay_events_total", "What media relays said of their own accord")        \
	X(cert_fetched, "identity_certificates_fetched_total",                                     \
	  "Certificates of signers that were fetched and are believed")                            \
	X(cert_failed, "identity_certificates_failed_total",                                       \
	  "Certificates of signers that could not be had, or are not believed")                    \
	X(cert_kept, "identity_certificates_kept_total",                                           \
	  "Questions for certificates of signers that were answered from memory")                  \
	X(log_lost, "log_lost_total", "Log lines that were not written")

struct shell_stats {
#define X(member, metric, help) uint64_t member;
	SHELL_STATS_TABLE(X)
#undef X
};

#endif
