#!/usr/bin/env python3
"""SIP over TCP: cut at every byte, many in one piece, no or wrong Content-Length, keep-alives, too large, strangers, too many."""
import os, socket, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  inside:
    trust: low
    listen:
      - {{ transport: tcp, address: 127.0.0.1, port: {port} }}
      - {{ transport: udp, address: 127.0.0.1, port: {port} }}
    media: {{ anchor: off }}
    acl: {{ allow: [127.0.0.0/8], default: reject }}
trunks:
  phones: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:5099" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ when: {{ from: phones }}, to: [phones] }}
limits: {{ message_bytes: 8192, connections: 60, connections_per_source: 30, half_open: 2s, message: 2s }}
""" + sip.OBSERVE


def play(tap, folder):
    sbc = sip.Sbc(folder, CONFIG, port=lib.free_port()).start()
    port = sbc.v["port"]

    def stream(source=None):
        return sip.Stream(sip.HOST, port, source=source)

    def bare():
        return sip.options(headers=("Subject: framing",))

    s = stream()
    tap.ok(s.ask(bare()) == 200, "one request, one answer")

    # Every byte boundary: the second part goes when the kernel has given the first one to the daemon.
    def cut_at(n):
        m = sip.options(body=b"x" * 20, headers=("Content-Type: text/plain",))
        s.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.send(m[:n])
        s.send(m[n:])
        return s.status()

    size = len(sip.options(body=b"x" * 20, headers=("Content-Type: text/plain",)))
    bad = [n for n in range(1, size) if cut_at(n) != 200]
    tap.ok(not bad, f"cut in two at each of its {size - 1} boundaries: answered", bad)
    for byte in sip.options():
        s.send(bytes([byte]))
    tap.ok(s.status() == 200, "one octet a segment: answered")

    many = b"".join(sip.options(call=f"m{i}") for i in range(50))
    s.send(many)
    tap.ok([s.status() for _ in range(50)] == [200] * 50, "fifty in one piece: fifty answers")

    s.send(b"\r\n\r\n")
    tap.ok(s.s.recv(16) == b"\r\n", "a keep-alive is answered with one CRLF")
    s.send(b"\r\n\r\n" + sip.options() + b"\r\n")
    tap.ok(s.status() == 200, "a keep-alive in front of a request")
    tap.ok(s.ask(sip.options()) == 200, "and CRLF behind one")

    # A request without Content-Length ends with its headers (RFC 3261 §18.3 wants one; we are lenient or refuse, but never lose the frame).
    no_length = sip.options().replace(b"Content-Length: 0\r\n", b"")
    status = s.ask(no_length)
    tap.ok(status in (200, 400), f"no Content-Length: {status}")
    s = s if status == 200 else stream()

    # Lengths that lie: what follows never becomes a request of its own.
    for length in (b"-1", b"99999999999999999999", b"4294967296", b"1e3", b"+5", b"5 5", b""):
        t = stream()
        smuggled = sip.options(call="smuggled")
        t.send(sip.options().replace(b"Content-Length: 0", b"Content-Length: " + length) + smuggled)
        first = t.status()
        second = t.status() if first else 0
        tap.ok(first in (0, 400, 413, 513) and second == 0, f"Content-Length {length.decode()!r}: {first}, then closed")
    t = stream()
    t.send(sip.options().replace(b"Content-Length: 0", b"Content-Length: 0\r\nContent-Length: 10") + b"x" * 10)
    tap.ok(t.status() in (0, 400), "two different lengths: refused")

    t = stream()
    t.send(sip.options(headers=("Subject: " + "x" * 9000,)))
    tap.ok(t.status() in (0, 400, 413, 513) and t.recv() == b"", "a message beyond the limit: refused and closed")
    sbc.wait_metric(1, "sallyport_closed_message_limit_total")
    tap.ok(True, "and counted")
    t = stream()
    t.send(sip.options(body=b"y" * 7000, headers=("Content-Type: text/plain",)))
    tap.ok(t.status() == 200, "a large one within the limit: answered")

    for name, data in (("HTTP", b"GET / HTTP/1.1\r\n\r\n"), ("noise", os.urandom(200) + b"\r\n\r\n"), ("a TLS hello", b"\x16\x03\x01\x00\xf0\x01" + bytes(240))):
        tap.ok(stream().send(data).is_closed(), f"{name}: closed without a word")

    mute = stream()
    slow = stream().send(sip.options()[:50])
    tap.ok(s.ask(sip.options()) == 200, "others are served meanwhile")
    tap.ok(mute.is_closed(), "a connection without a byte is closed in time")
    tap.ok(slow.is_closed(), "a message that does not end is closed in time")

    # Limits: 30 a source, 54 of 60 for all that come in.
    crowd = [stream("127.0.0.5") for _ in range(35)]
    lib.wait_for("refusals", lambda: sbc.metric("sallyport_connections_refused_source_total") == 5)
    tap.ok(True, "the 31st connection of one source is closed")
    crowd += [stream("127.0.0.6") for _ in range(25)]
    lib.wait_for("refusals", lambda: sbc.metric("sallyport_connections_refused_limit_total") > 0)
    tap.ok(s.ask(sip.options()) == 200, "at the limit of connections the old ones are served")
    for c in crowd:
        c.close()
    lib.wait_for("room", lambda: sbc.control("status")["connections"] < 10)
    tap.ok(stream().ask(sip.options()) == 200, "and when there is room again, new ones")

    # UDP beside it.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
        u.settimeout(8)
        u.connect((sip.HOST, port))
        u.send(sip.options(transport="UDP"))
        tap.ok(u.recv(65536).startswith(b"SIP/2.0 200"), "the same over UDP")
        u.send(sip.options(transport="UDP", headers=("Subject: " + "x" * 9000,)))
        u.send(b"\r\n\r\n"), u.send(b"\0\0\0\0")
        tap.ok(sbc.wait_metric(2, "sallyport_udp_keepalives_total"), "UDP keep-alives are dropped and counted")
        u.send(sip.options(transport="UDP"))
        tap.ok(re_status(u) == 200, "and the daemon still serves")
    tap.ok(sbc.stop() == 0, "it ends in order")


def re_status(u):
    """The last final response: a too large request before it may have been answered with 513."""
    while True:
        got = u.recv(65536)
        if got.startswith(b"SIP/2.0 200"):
            return 200


sip.main(play)
