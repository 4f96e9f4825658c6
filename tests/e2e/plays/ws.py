#!/usr/bin/env python3
"""SIP over WebSocket: who may connect, one message each, calls both ways down the one connection, and what ends it."""
import os, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, party, sip, web

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
certificates:
  edge: {{ chain: {pem}, key: !file {key} }}
realms:
  web:
    trust: low
    listen:
      - {{ transport: wss, address: 127.0.0.1, port: {wss}, certificate: edge, path: /sip, origins: ["https://phone.example.net"] }}
      - {{ transport: ws, address: 127.0.0.1, port: {ws}, path: /sip }}
      - {{ transport: tls, address: 127.0.0.1, port: {tls}, certificate: edge }}
    media: {{ anchor: off }}
    media_policy: plain
  inside:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.0.2, port: {udp} }} ]
    media: {{ anchor: off }}
    media_policy: plain
media_policies:
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  browsers: {{ realm: web, peers: [ {{ target: "sip:127.0.0.1:5099;transport=tls" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.2:{pbx}" }} ] }}
routes:
  - {{ when: {{ from: browsers }}, to: [pbx] }}
limits: {{ half_open: 1s, message: 1s, idle: 60s }}
""" + sip.OBSERVE


def refusals(tap, sbc, connect):
    rows = (("a page of another site", 403, dict(Origin="https://evil.example")),
            ("a page whose name begins like ours", 403, dict(Origin="https://phone.example.net.evil.example")),
            ("an Origin of null", 403, dict(Origin="null")), ("no Origin", 403, dict(Origin=None)),
            ("another path", 404, dict(path="/other")), ("no subprotocol", 400, dict(Sec_WebSocket_Protocol=None)),
            ("another subprotocol", 400, dict(Sec_WebSocket_Protocol="chat")), ("an old version", 426, dict(Sec_WebSocket_Version="8")),
            ("a plain request", 426, dict(Upgrade=None)), ("no key", 400, dict(Sec_WebSocket_Key=None)))
    for name, status, headers in rows:
        w = connect(**headers).upgrade()
        tap.ok(w.status == status and w.closed() == 0, f"{name}: {status}, and closed", w.status)
    tap.ok(sbc.wait_metric(len(rows), "sallyport_ws_refused_total"), "and each is counted")


def framing(tap, connect, options):
    w = connect().upgrade()
    tap.ok(w.answer(options()) == 200, "a request without Content-Length is answered")
    m = options()
    w.raw(web.frame(m[:40], fin=False) + web.frame(b"between", 9) + web.frame(m[40:90], 0, fin=False) + web.frame(m[90:], 0))
    tap.ok(w.receive() == b"pong:between" and w.receive().startswith(b"SIP/2.0 200"), "fragments with a ping between them are one message")
    w.raw(web.frame(options()) + web.frame(options()))
    got = []
    while len(got) < 2:
        got += w.read(8)
    tap.ok(all(g.startswith(b"SIP/2.0 200") for g in got), "two messages in one segment: two answers")
    for octet in web.frame(options()):
        w.raw(bytes([octet]))
    tap.ok(w.receive().startswith(b"SIP/2.0 200"), "one octet a segment: answered")
    w.send(b"\r\n\r\n")
    tap.ok(w.receive() == b"\r\n", "a keep-alive is answered with CRLF")
    tap.ok(w.send(options(headers=("Subject: caf\u00e9".encode().decode(),)), 2).receive().startswith(b"SIP/2.0 200"), "a binary message is one, too")
    w.raw(web.frame(b"\x03\xe8", 8))
    tap.ok(w.closed() == 1000, "a close is answered with its code")
    rows = (("an unmasked frame", web.frame(options(), masked=False), 1002), ("a reserved bit", b"\xc1" + web.frame(b"x")[1:], 1002),
            ("a fragmented ping", web.frame(b"x", 9, fin=False), 1002), ("a continuation of nothing", web.frame(b"x", 0), 1002),
            ("64 KB and more", b"\x81\xff" + (65536).to_bytes(8, "big") + b"1234", 1009),
            ("a length of 2^63", b"\x81\xff" + (1 << 63).to_bytes(8, "big") + b"1234", 1002),
            ("text that is not UTF-8", web.frame(b"\xff\xfe"), 1007))
    for name, data, code in rows:
        w = connect().upgrade().raw(data)
        tap.ok(w.closed() == code, f"{name}: closed with {code}", w.code)


def calls(tap, sbc, connect, pbx):
    to = "sip:1234@sbc.test"
    phone = web.WebParty(connect().upgrade())
    a, b, invite, ok = party.talk(phone, pbx, None, to)
    tap.ok(ok.status == 200, "a call over WSS to a UAS inside")
    tap.ok("transport=ws" in ok.target() and invite.get("Via").startswith("SIP/2.0/UDP"), "our Contact says ws, and the inside hears UDP", ok.target())
    tap.ok(".invalid" not in invite.data.decode(), "nothing of the browser's names is seen inside")
    pbx.send(b.request("INFO", b"x=1", kind="application/x-test"), b.to)
    info = phone.expect("INFO")
    tap.ok(info.get("Via").startswith("SIP/2.0/WSS "), "a request to the browser comes down its connection, with Via WSS", info.get("Via"))
    phone.from_peer = phone
    phone.answer(info, 200)
    pbx.expect(200)
    party.hang_up(b, a)
    tap.ok(True, "the far end hangs up through it")
    phone.close()

    phone = web.WebParty(connect().upgrade())
    a, b, invite, ok = party.talk(phone, pbx, None, to)
    opened = sbc.metric("sallyport_connections_opened_total") + sbc.metric("sallyport_connections_failed_total")
    count = sbc.metric("sallyport_connections", transport="wss")
    phone.close()
    lib.wait_for("the connection's end", lambda: sbc.metric("sallyport_connections", transport="wss") < count)
    began = time.monotonic()
    pbx.send(b.request("INFO", b"x=1", kind="application/x-test"), b.to)
    answer = pbx.expect(*range(400, 700))
    tap.ok(time.monotonic() - began < 4, f"a request to a browser that has gone fails at once: {answer.status}")
    tap.ok(sbc.metric("sallyport_connections_opened_total") + sbc.metric("sallyport_connections_failed_total") == opened, "and no connection is opened for it")
    pbx.queue.clear()
    try:
        pbx.send(b.request("BYE"), b.to)
        pbx.expect(200, 481)
    except AssertionError:
        pass


def play(tap, folder):
    ca = lib.Authority(os.path.join(folder, "ca"))
    pem, key = ca.issue("sbc.test", "DNS:sbc.test")
    pbx = party.Party("127.0.0.2")
    sbc = sip.Sbc(folder, CONFIG, wss=lib.free_port(), ws=lib.free_port(), tls=lib.free_port(), udp=lib.free_port("127.0.0.2"), pbx=pbx.port, pem=pem, key=key).start()
    context = sip.tls_context(ca)

    def connect(**headers):
        return web.Web(sip.HOST, sbc.v["wss"], context, **headers)

    def options(headers=()):
        return sip.options(transport="WSS", via="x.invalid", headers=headers).replace(b"Content-Length: 0\r\n", b"")

    w = connect().upgrade()
    tap.ok(w.is_welcome(), "a page of ours is let in, with the key's proof and the subprotocol")
    tap.ok(w.answer(options()) == 200, "and its request answered")
    refusals(tap, sbc, connect)
    framing(tap, connect, options)
    calls(tap, sbc, connect, pbx)

    plain = web.Web(sip.HOST, sbc.v["ws"], Origin=None).upgrade()
    tap.ok(plain.is_welcome() and plain.answer(options().replace(b"/WSS ", b"/WS ")) == 200, "plain WS where a listener says so")
    tap.ok(sbc.metric("sallyport_requests_total", transport="ws") >= 1 and sbc.metric("sallyport_requests_total", transport="wss") >= 10, "requests are counted by transport")
    s = sip.Stream(sip.HOST, sbc.v["ws"]).send(sip.options())
    tap.ok(s.is_closed(), "plain SIP on the WS port: closed without a word")
    s = sip.Stream(sip.HOST, sbc.v["wss"]).send(b"GET /sip HTTP/1.1\r\n\r\n")
    tap.ok(s.is_closed(), "plain HTTP on the WSS port: closed without a word")
    mute = sip.Stream(sip.HOST, sbc.v["ws"])
    half = sip.Stream(sip.HOST, sbc.v["ws"]).send(b"GET /sip HTTP/1.1\r\nHost: x\r\n")
    tap.ok(mute.is_closed() and half.is_closed(), "who says nothing, or half a request, is closed in time")
    tap.ok(connect().upgrade().answer(options()) == 200, "and the daemon still serves")
    tap.ok(sbc.stop() == 0, "it ends in order")
    tap.ok(w.closed() == 1001, "and says goodbye with 1001", w.code)


sip.main(play)
