#!/usr/bin/env python3
"""Connections that come and go in every state: descriptors and memory stay flat, established ones do not notice (threats B6, B7)."""
import os, random, socket, ssl, struct, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

ROUNDS = int(os.environ.get("SALLYPORT_CHURN", 6000))
CONFIG = """\
version: 1
node: {{ name: sbc.test }}
certificates:
  edge: {{ chain: {edge[0]}, key: !file {edge[1]} }}
realms:
  outside:
    trust: none
    listen:
      - {{ transport: tls, address: 127.0.0.1, port: {tls}, certificate: edge }}
      - {{ transport: tcp, address: 127.0.0.1, port: {tcp} }}
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
trunks:
  phones: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:{gone};transport=tcp" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ name: r, when: {{ from: phones, number: ["^x$"] }}, reject: {{ status: 404 }} }}
timers: {{ t1: 50ms, t2: 100ms, t4: 100ms }}
limits: {{ handshakes: {{ per_source: 0/s, all: 0/s }} }}
""" + sip.OBSERVE.replace("debug, sip: on", "warn, sip: off")

INVITE_BODY = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def reset(s):
    """Closes with a reset rather than an end."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def one(kind, v, context, rnd):
    if kind < 4:
        raw = socket.create_connection((sip.HOST, v["tls"]), 5)
        if kind == 0:  # a hello, cut somewhere
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            try:
                context.wrap_bio(incoming, outgoing).do_handshake()
            except ssl.SSLWantReadError:
                pass
            hello = outgoing.read()
            raw.sendall(hello[:rnd.randrange(len(hello) + 1)])
            return reset(raw) if rnd.random() < 0.5 else raw.close()
        if kind == 1:
            return raw.close()
        s = context.wrap_socket(raw)
        if kind == 2:
            s.sendall(sip.options(transport="TLS")[:rnd.randrange(200)])
        else:
            s.sendall(sip.request("INVITE", "sip:y@sbc.test", transport="TLS", body=INVITE_BODY, headers=("Content-Type: application/sdp",)))
        return reset(s) if rnd.random() < 0.5 else s.close()
    raw = socket.create_connection((sip.HOST, v["tcp"]), 5)
    if kind == 4:
        raw.sendall(sip.options() * 3 + sip.options()[:50])
    elif kind == 5:
        raw.sendall(sip.request("INVITE", "sip:y@sbc.test", body=INVITE_BODY, headers=("Content-Type: application/sdp",)))
    return reset(raw) if rnd.random() < 0.5 else raw.close()


def play(tap, folder):
    ca = lib.Authority(os.path.join(folder, "ca"))
    sbc = sip.Sbc(folder, CONFIG, edge=ca.issue("edge", "DNS:edge.test"), tls=lib.free_port(), tcp=lib.free_port(), gone=lib.free_port()).start()
    context, rnd = sip.tls_context(ca), random.Random(7)
    phone = sip.Stream(sip.HOST, sbc.v["tls"], context)
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "a phone is connected")
    rss, fds = [], []
    for i in range(ROUNDS):
        one(i % 7, sbc.v, context, rnd)
        if i in (ROUNDS // 2 - 1, ROUNDS - 1):
            lib.wait_for("the connections to go", lambda: sbc.control("status")["connections"] <= 1)
            lib.wait_for("the transactions to go", lambda: sbc.control("status")["transactions"] == 0)
            rss.append(sbc.process.rss_kib())
            fds.append(sbc.metric("process_open_fds"))
    print(f"# after {ROUNDS // 2} and {ROUNDS} connections: RSS {rss} KiB, descriptors {fds}")
    tap.ok(fds[0] == fds[1], "not one descriptor more", fds)
    tap.ok(rss[1] - rss[0] < 1024 or sbc.asan, "memory is flat", rss)
    tap.ok(sbc.metric("sallyport_never_total") == 0, "nothing happened that was believed impossible")
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "the phone did not notice, and the daemon still serves")
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
