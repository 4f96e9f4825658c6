#!/usr/bin/env python3
"""Floods against what is scarce: private-key work, descriptors, the disk of the log (threats B1, B17, B18). Who is there already is served meanwhile."""
import os, socket, ssl, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

JUNK = int(os.environ.get("SALLYPORT_JUNK", 100000))
DESCRIPTORS, HANDSHAKES = 128, 200
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
      - {{ transport: udp, address: 127.0.0.1, port: {udp} }}
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
trunks:
  phones: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:{gone};transport=tcp" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ name: r, when: {{ from: phones, number: ["^x$"] }}, reject: {{ status: 404 }} }}
limits: {{ connections_per_source: 1000, handshakes: {{ per_source: 20/10m }} }}
""" + sip.OBSERVE.replace("debug, sip: on", "info")


def start(sbc):
    argv = ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh", lib.binary("sallyport-sbc", sbc.asan), "--foreground", "-c", sbc.config]
    sbc.process = lib.Process("sbc", argv, sbc.dir, None)
    sbc.process.wait_text(r"(?m)^ready\b")


def shake(port, context):
    try:
        return context.wrap_socket(socket.create_connection((sip.HOST, port), 5))
    except (ssl.SSLError, ConnectionError):
        return None


def handshakes(tap, sbc, context, phone):
    up, slowest = 0, 0.0
    for i in range(HANDSHAKES):
        s = shake(sbc.v["tls"], context)
        up += s is not None
        if s:
            s.close()
        if i % 10 == 0:
            begun = time.monotonic()
            assert phone.ask(sip.options(transport="TLS")) == 200
            slowest = max(slowest, time.monotonic() - begun)
    print(f"# {up} of {HANDSHAKES} handshakes came up; the slowest answer beside them took {slowest * 1000:.1f} ms")
    tap.ok(up == 19, "of a flood of handshakes those within the rate come up", up)
    tap.ok(sbc.metric("sallyport_handshakes_refused_source_total") == HANDSHAKES - up, "each of the others is counted, and our key did nothing for it")
    tap.ok(sbc.metric("sallyport_tls_handshakes_total", result="ok") == up + 1, "beside it a connection that is up is served")


def descriptors(tap, sbc, phone):
    many = [socket.create_connection((sip.HOST, sbc.v["tcp"]), 5) for _ in range(2 * DESCRIPTORS)]
    sbc.wait_metric(DESCRIPTORS, "sallyport_connections_refused_descriptors_total")
    tap.ok(sbc.metric("process_open_fds") < DESCRIPTORS - 8, "with connections without end some descriptors stay free")
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "and who is connected is served")
    for s in many:
        s.close()
    lib.wait_for("the connections to go", lambda: sbc.control("status")["connections"] <= 1)
    late = sip.Stream(sip.HOST, sbc.v["tcp"])
    tap.ok(late.ask(sip.options()) == 200, "when they have gone there is room again")
    late.close()


def junk(tap, sbc, phone):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    kinds = [b"\x00\x01\x02 not SIP at all \xff", b"INVITE sip:x SIP/2.0\r\nVia: broken\r\n\r\n", b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n",
             sip.options(transport="UDP")[:60], sip.request("INVITE", "sip:nobody@sbc.test", transport="UDP"), b"FOO sip:x SIP/2.0\r\n\r\n"]
    before = len(sbc.process.text())
    for i in range(JUNK):
        s.sendto(kinds[i % len(kinds)], (sip.HOST, sbc.v["udp"]))
        if i % 1000 == 0:  # as fast as it is read
            assert phone.ask(sip.options(transport="TLS")) == 200
    grown = len(sbc.process.text()) - before
    print(f"# {JUNK} bad datagrams: {grown} octets of log")
    tap.ok(grown < 1000000, "bad packets without end do not fill the log", grown)
    tap.ok(sbc.metric("sallyport_dropped_total") > JUNK / 10, "each is counted")


def play(tap, folder):
    ca = lib.Authority(os.path.join(folder, "ca"))
    sbc = sip.Sbc(folder, CONFIG, edge=ca.issue("edge", "DNS:edge.test"), tls=lib.free_port(), tcp=lib.free_port(), udp=lib.free_port(), gone=lib.free_port())
    start(sbc)
    context = sip.tls_context(ca)
    phone = sip.Stream(sip.HOST, sbc.v["tls"], context)
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "a phone is connected")
    handshakes(tap, sbc, context, phone)
    descriptors(tap, sbc, phone)
    junk(tap, sbc, phone)
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "the phone is served to the end")
    tap.ok(sbc.metric("sallyport_never_total") == 0, "nothing happened that was believed impossible")
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
