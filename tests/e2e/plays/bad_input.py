#!/usr/bin/env python3
"""What bad input gets, on every port that a stranger reaches: not SIP, broken SIP, too much of it, broken SDP, broken NG, foreign media.
Refused with a reason where a reply is allowed, else dropped; counted by reason; what runs goes on; nothing is left behind."""
import json, os, random, re, select, socket, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, relay_ng, sip, srtp
from party import Call, Media, Message, Party, hang_up, media_of, talk
from sallyport_site import INSIDE, OUTSIDE, STRANGER, Site, metric_of

LIMIT = 16384
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: {outside}, port: {out_port} }}
      - {{ transport: tcp, address: {outside}, port: {out_port} }}
      - {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge, client_certificate: off }}
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain-or-srtp
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies:
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:{phone_out}:{phone_out_port}" }} ] }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ] }}
routes:
  - {{ when: {{ from: callers }}, to: [callees] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
limits: {{ message_bytes: 16384 }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: off }}
"""
NUMBER = "+4930555123"
RANDOM = random.Random(4475)


class Stage:
    """The site, a caller outside and the callee inside."""

    def __init__(self, folder):
        self.callee = Party("127.0.0.1")
        self.site = Site(folder, CONFIG, asan=True, out_port=lib.free_port(OUTSIDE), phone_in_port=self.callee.port)
        self.site.start()
        self.v = self.site.v
        self.to, self.tls = (OUTSIDE, self.v["out_port"]), (OUTSIDE, self.v["tls_port"])
        self.uri = f"sip:{NUMBER}@{OUTSIDE}:{self.v['out_port']}"
        self.caller = Party("127.0.0.1")
        self.attempts = 0

    def tls_context(self):
        return sip.tls_context(self.site.ca)

    def dropped(self, **labels):
        return self.site.metric("sallyport_dropped_total", **labels)

    def talk(self, *args, **kw):
        self.attempts += 1
        return talk(self.caller, self.callee, self.to, self.uri, *args, **kw)

    def works(self):
        """A whole call, with media both ways."""
        a, b, invite, ok = self.talk()
        heard = hears(self.caller, media_of(ok.body), self.callee) and hears(self.callee, media_of(invite.body), self.caller)
        return hang_up(a, b).status == 200 and heard


def hears(sender, to, receiver, packets=3):
    """Packets of the one come to the other; they may have to be repeated until the other end is known."""
    receiver.media.drain()
    for _ in range(20):
        for _ in range(packets):
            sender.media.send(to, sender.media.packet())
        if receiver.media.receive(0.2):
            return True
    return False


def grows(stage, by, read, what):
    """Waits until a counter has grown by exactly so much."""
    before = read()

    def check():
        lib.wait_for(f"{what}: {read()} of {before + by}", lambda: read() >= before + by, 8)
        return read() == before + by
    return check


# ---- bytes that are not SIP
NOISE = [("noise", RANDOM.randbytes(300).replace(b"\n", b"x")), ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("0xff", b"\xff" * 100), ("one octet", b"x"),
         ("NULs", bytes(500)), ("a DNS question", bytes.fromhex("1234010000010000000000000377777700000100 01")), ("RTP", b"\x80\x00" + bytes(170)),
         ("STUN", bytes.fromhex("000100002112a442") + bytes(12)), ("a TLS hello", b"\x16\x03\x01\x00\xf0\x01" + bytes(240)),
         ("SIP in a wrong coat", b"\0" + sip.options()), ("a format string", b"%s%n%s%n" * 40 + b"\r\n\r\n")]


def not_sip(tap, st):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(st.to)
    check = grows(st, len(NOISE) + 1, lambda: st.dropped(realm="outside", transport="udp", reason="not_sip"), "drops")
    for _, data in NOISE:
        s.send(data)
    s.send(RANDOM.randbytes(65507))
    tap.ok(check(), "udp: bytes that are not SIP are dropped, each counted once as not_sip")
    s.setblocking(False)
    try:
        got = s.recv(65536)
    except BlockingIOError:
        got = b""
    tap.ok(got == b"", "udp: and none is answered", got)
    s.close()
    check = grows(st, 1, lambda: st.dropped(realm="inside", transport="udp", reason="not_sip"), "drops")
    st.callee.s.sendto(b"\xfe\xfd" * 9, (INSIDE, st.v["udp_port"]))
    tap.ok(check(), "inside too")
    for kind in ("tcp", "tls"):
        sent = [n for n in NOISE if n[0] not in ("one octet",)]
        check = grows(st, len(sent), lambda: st.dropped(realm="outside", transport=kind, reason="not_sip"), "drops")
        open_after = []
        for name, data in sent:
            c = sip.Stream(*(st.to if kind == "tcp" else st.tls), st.tls_context() if kind == "tls" else None).send(data + b"\r\n\r\n")
            if not c.is_closed():
                open_after.append(name)
        tap.ok(not open_after, f"{kind}: bytes that are not SIP end the connection without a word", open_after)
        tap.ok(check(), f"{kind}: and are counted as not_sip")


# ---- broken SIP
def good(method="OPTIONS", **kw):
    return sip.request(method, kw.pop("uri", "sip:sbc.test"), transport="UDP", **kw)


def change(old, new, **kw):
    m = good(**kw)
    if old not in m:
        raise ValueError(old)
    return m.replace(old, new, 1)


def long_headers(n, line="X-A: b"):
    return good(headers=tuple([line] * n))


BROKEN = [  # name, message, status or 0 for silence
    ("a good one", good(), 200),
    ("no From", change(b"From: <sip:alice@client.test>;tag=t1\r\n", b""), 0),
    ("no To", change(b"To: <sip:sbc.test>\r\n", b""), 0),
    ("no CSeq", change(b"CSeq: 1 OPTIONS\r\n", b""), 0),
    ("no Call-ID", b"\r\n".join(l for l in good().split(b"\r\n") if not l.startswith(b"Call-ID")), 0),
    ("no Via", b"\r\n".join(l for l in good().split(b"\r\n") if not l.startswith(b"Via")), 0),
    ("a CSeq of another method", change(b"CSeq: 1 OPTIONS", b"CSeq: 1 BYE"), 400),
    ("a CSeq beyond 32 bits", change(b"CSeq: 1 ", b"CSeq: 4294967296 "), 400),
    ("a negative CSeq", change(b"CSeq: 1 ", b"CSeq: -1 "), 400),
    ("SIP 7.0", change(b" SIP/2.0\r\n", b" SIP/7.0\r\n"), 505),
    ("no Request-URI", change(b"OPTIONS sip:sbc.test SIP/2.0", b"OPTIONS  SIP/2.0"), 400),
    ("a Request-URI with a space", change(b"OPTIONS sip:sbc.test ", b"OPTIONS sip:sbc .test "), 400),
    ("a header without a colon", change(b"Max-Forwards: 70", b"Max-Forwards 70"), 400),
    ("a Max-Forwards that is no number", change(b"Max-Forwards: 70", b"Max-Forwards: many"), 400),
    ("a Contact that never ends", change(b"Contact: <sip:", b"Contact: \"<sip:", method="INVITE", body=b""), 400),
    ("a NUL in a header", change(b"Max-Forwards: 70", b"Max-Forwards: 70\r\nSubject: a\0b"), 400),
    ("an unknown method", good("HOCUS"), 501),
    ("an unknown scheme", good(uri="nobody:sbc.test"), 416),
    ("an unknown extension", good(headers=("Require: nothing-that-is",)), 420),
    ("two Content-Lengths that differ", change(b"Content-Length: 0", b"Content-Length: 0\r\nContent-Length: 5"), 400),
    ("two Content-Lengths that agree", change(b"Content-Length: 0", b"Content-Length: 0\r\nl: 0"), 400),
    ("a negative Content-Length", change(b"Content-Length: 0", b"Content-Length: -1"), 400),
    ("a Content-Length beyond the datagram", change(b"Content-Length: 0", b"Content-Length: 9999"), 400),
    ("a Content-Length beyond 64 bits", change(b"Content-Length: 0", b"Content-Length: 99999999999999999999999"), 400),
    ("two CSeqs", change(b"CSeq: 1 OPTIONS", b"CSeq: 1 OPTIONS\r\nCSeq: 2 OPTIONS"), 400),
    ("two Call-IDs", change(b"Call-ID: ", b"Call-ID: x@y\r\nCall-ID: "), 400),
    ("two Froms", change(b"From: ", b"From: <sip:b@c>;tag=2\r\nFrom: "), 400),
    ("an INVITE without Contact", change(b"Contact: <sip:alice@127.0.0.1:5060>\r\n", b"", method="INVITE"), 400),
    ("an INVITE of another kind of body", good("INVITE", uri=f"sip:{NUMBER}@sbc.test", body=b"<x/>", headers=("Content-Type: text/xml",)), 415),
    ("a BYE for no call", change(b"To: <sip:sbc.test>", b"To: <sip:sbc.test>;tag=gone", method="BYE"), 481),
    ("a CANCEL for no INVITE", good("CANCEL"), 481),
    ("a loop", good("INVITE", uri=f"sip:{NUMBER}@sbc.test").replace(b"Max-Forwards: 70", b"Max-Forwards: 0"), 483),
    ("more than the limit", good(headers=("Subject: " + "x" * LIMIT,)), 513),
    ("as much as a datagram can hold", good(headers=("Subject: " + "x" * 64000,)), 513),
    ("a body beyond the limit", good(body=b"y" * LIMIT, headers=("Content-Type: text/plain",)), 513),
    ("300 headers", long_headers(300), 513),
    ("100 Vias", long_headers(100, "Via: SIP/2.0/UDP a"), 513),
    ("5,000 commas", good("INVITE", uri=f"sip:{NUMBER}@sbc.test", headers=("Supported: " + "a," * 5000 + "a",)), 513),
    ("5,000 parameters", change(b";tag=t1", b";tag=t1" + b";a=b" * 3000, method="INVITE"), 513),
    ("3,000 comments in one another", good(headers=("Subject: x", "User-Agent: " + "(" * 3000 + ")" * 3000)), 200),
    ("a header folded 2,000 times", good(headers=("Subject: x" + "\r\n x" * 2000,)), 200),
    ("an escaped header in the Request-URI", good("INVITE", uri=f"sip:{NUMBER}@sbc.test?Route=%3Csip:evil%3E"), 400),
    ("a number of 300 digits", good("INVITE", uri="sip:" + "4" * 300 + "@sbc.test"), 414),
    ("a number of 300 escapes", good("INVITE", uri="sip:" + "%41" * 300 + "@sbc.test"), 414),
    ("a NUL in the number", good("INVITE", uri="sip:+49%00@sbc.test"), 400),
    ("40 Record-Routes", good("INVITE", uri=f"sip:{NUMBER}@sbc.test", headers=("Record-Route: <sip:192.0.2.1;lr>",) * 40), 400),
    ("a Contact of 6,000 octets", change(b"Contact: <sip:alice", b"Contact: <sip:" + b"a" * 6000, method="INVITE"), 400),
    ("an answer to nothing", b"SIP/2.0 200 OK\r\n" + good().split(b"\r\n", 1)[1], 0),
    ("an answer with status 4294967301", b"SIP/2.0 4294967301 OK\r\n" + good().split(b"\r\n", 1)[1], 0),
    ("an ACK for nothing", good("ACK"), 0),
]


def fresh(message):
    """The same with another branch: no repetition of what was sent before."""
    return re.sub(rb"branch=z9hG4bK\w+", b"branch=z9hG4bK" + os.urandom(6).hex().encode(), message)


def ack_of(refusal):
    """The ACK that ends the repetitions of an INVITE's refusal."""
    lines = ["ACK sip:sbc.test SIP/2.0"] + [f"{n}: {refusal.get(n)}" for n in ("Via", "From", "To", "Call-ID")]
    return ("\r\n".join(lines + ["CSeq: 1 ACK", "Content-Length: 0"]) + "\r\n\r\n").encode()


def broken_sip(tap, st):
    """Each row alone: its answer, or silence and a drop."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    wrong, slow = [], []
    for name, message, status in BROKEN:
        dropped, began = st.dropped(), time.monotonic()
        s.sendto(message, st.to)
        # The answer goes to where the request came from, by rport.
        while not (came := select.select([s], [], [], 0.01)[0]) and st.dropped() == dropped and time.monotonic() < began + 2:
            pass
        m = Message(s.recv(65536)) if came else None
        took = time.monotonic() - began
        got = m.status if m else 0
        if got != status or (not m and st.dropped() != dropped + 1):
            wrong.append(f"{name}: {m.start if m else f'nothing, {st.dropped() - dropped:.0f} drops'}; wanted {status}")
        elif status == 400 and m.start.endswith("Bad Request"):
            wrong.append(f"{name}: {m.start} gives no reason")
        if took > 0.5:
            slow.append(f"{name}: {took:.2f} s")
        if m and got >= 300 and m.cseq.endswith("INVITE"):
            s.sendto(ack_of(m), st.to)
    tap.ok(not wrong, f"{len(BROKEN)} requests: each its status with a reason, or silence and a drop", "\n".join(wrong))
    tap.ok(not slow, "and none takes long", slow)
    s.setblocking(False)
    # A stranger hears nothing of it.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as x:
        x.bind((STRANGER, 0))
        bad = [fresh(m) for _, m, status in BROKEN if status in (400, 513)]
        refused = st.dropped() + st.site.metric("sallyport_refused_total")
        for m in bad:
            x.sendto(m, st.to)
        lib.wait_for("drops", lambda: st.dropped() + st.site.metric("sallyport_refused_total") >= refused + len(bad))
        x.setblocking(False)
        heard = []
        try:
            while True:
                heard.append(Message(x.recv(65536)).status)
        except BlockingIOError:
            pass
        tap.ok(not [h for h in heard if h not in (403,)], "a stranger's broken requests get nothing but a 403", heard)
    # The same on streams: answered where it can be, and no byte behind it is believed.
    for kind in ("tcp", "tls"):
        got = {}
        for name, message, status in BROKEN:
            if status not in (400, 513) or b"\r\n\r\n" not in message:
                continue
            c = sip.Stream(*(st.to if kind == "tcp" else st.tls), st.tls_context() if kind == "tls" else None)
            c.send(fresh(message).replace(b"SIP/2.0/UDP", b"SIP/2.0/" + kind.upper().encode()))
            c.s.shutdown(socket.SHUT_WR) if kind == "tcp" else None
            got[name] = c.status(2) if "beyond" not in name or "limit" in name else status
            c.close()
        wrong = {n: g for n, g in got.items() if g not in (400, 513, 0)}
        tap.ok(not wrong and sum(g > 0 for g in got.values()) > len(got) // 2, f"{kind}: the same {len(got)}: refused or the end of the connection", got)
    s.close()


# ---- broken SDP
HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
BAD_SDP = [
    ("noise", RANDOM.randbytes(200)), ("text", b"hello"), ("a wrong version", HEAD.replace("v=0", "v=1").encode() + b"m=audio 4000 RTP/AVP 0\r\n"),
    ("m= without a port", (HEAD + "m=audio RTP/AVP 0\r\n").encode()), ("a port beyond 65535", (HEAD + "m=audio 70000 RTP/AVP 0\r\n").encode()),
    ("no format", (HEAD + "m=audio 4000 RTP/AVP\r\n").encode()), ("no address", (HEAD.replace("c=IN IP4 127.0.0.1\r\n", "") + "m=audio 4000 RTP/AVP 0\r\n").encode()),
    ("a broken address", (HEAD.replace("c=IN IP4 127.0.0.1", "c=IN IP4 300.1.1.1") + "m=audio 4000 RTP/AVP 0\r\n").encode()),
    ("a host name as address", (HEAD.replace("c=IN IP4 127.0.0.1", "c=IN IP4 evil.example") + "m=audio 4000 RTP/AVP 0\r\n").encode()),
    ("multicast", (HEAD.replace("c=IN IP4 127.0.0.1", "c=IN IP4 224.2.1.1/127") + "m=audio 4000 RTP/AVP 0\r\n").encode()),
    ("a NUL", (HEAD + "m=audio 4000 RTP/AVP 0\r\na=x\0y\r\n").encode()), ("an unknown line", (HEAD + "m=audio 4000 RTP/AVP 0\r\nq=1\r\n").encode()),
    ("100 m= lines", (HEAD + "m=audio 4000 RTP/AVP 0\r\n" * 100).encode()), ("20 m= lines", (HEAD + "m=audio 4000 RTP/AVP 0\r\n" * 20).encode()),
    ("an o= in the middle", (HEAD + "m=audio 4000 RTP/AVP 0\r\no=- 2 2 IN IP4 127.0.0.1\r\n").encode()),
]


def broken_sdp(tap, st):
    wrong = []
    st.attempts = int(st.site.metric("sallyport_calls_ended_total"))
    for name, body in BAD_SDP:
        st.attempts += 1
        ok = Call(st.caller, st.to, st.uri).invite(body).status()
        if ok.status != 488 or not ok.get("Warning"):
            wrong.append(f"{name}: {ok.start} {ok.get('Warning')}")
    tap.ok(not wrong, f"{len(BAD_SDP)} INVITEs with broken SDP: 488 with a Warning", "\n".join(wrong))
    tap.ok(st.callee.is_quiet(0.05), "the callee is not rung for any")
    cdrs = st.site.wait_cdrs(st.attempts)
    tap.ok([c["status"] for c in cdrs[-len(BAD_SDP):]] == [488] * len(BAD_SDP), "each has its CDR, with 488", [c["status"] for c in cdrs])

    # In a call: refused, and all as before.
    a, b, invite, ok = st.talk()
    to_callee, to_caller = media_of(ok.body), media_of(invite.body)
    hears(st.caller, to_callee, st.callee), hears(st.callee, to_caller, st.caller)
    wrong = []
    for side, name in ((a, "caller"), (b, "callee")):
        for method in ("INVITE", "UPDATE"):
            for what, body in BAD_SDP:
                side.branch = "z9hG4bK" + os.urandom(6).hex()
                side.uri = side.target
                side.party.send(side.request(method, body, branch=side.branch), side.to)
                m = side.party.expect(*range(200, 700))
                if method == "INVITE":
                    side.ack(m)
                if m.status != 488:
                    wrong.append(f"{method} of the {name}, {what}: {m.start}")
    tap.ok(not wrong, "re-INVITE and UPDATE of either side with broken SDP: 488", "\n".join(wrong))
    tap.ok(hears(st.caller, to_callee, st.callee) and hears(st.callee, to_caller, st.caller), "and media flows on, both ways, to the same ports")
    a.party.send(a.request("INVITE", st.caller.sdp(version=2), branch="z9hG4bK" + os.urandom(6).hex()), a.to)
    re = st.callee.expect("INVITE")
    st.callee.answer(re, 200, "OK", st.callee.sdp(version=2))
    ok = st.caller.expect(200)
    a.ack(ok)
    st.callee.expect("ACK")
    tap.ok(media_of(ok.body) == to_callee, "a good re-INVITE then goes through")
    tap.ok(hang_up(a, b).status == 200, "and the call ends as it should")

    # The callee's answer is broken.
    wrong = []
    for name, body in BAD_SDP:
        st.attempts += 1
        a = Call(st.caller, st.to, st.uri).invite()
        invite = st.callee.expect("INVITE")
        st.callee.answer(invite, 200, "OK", body)
        m = a.status()
        st.callee.expect("ACK")
        st.callee.answer(st.callee.expect("BYE"), 200, "OK")
        if m.status != 488:
            wrong.append(f"{name}: {m.start}")
    tap.ok(not wrong, "a callee's answer with broken SDP: the caller gets 488, the callee ACK and BYE", "\n".join(wrong))
    st.attempts += 1
    a = Call(st.caller, st.to, st.uri).invite()
    invite = st.callee.expect("INVITE")
    st.callee.answer(invite, 183, "Progress", b"v=0\r\nnothing")
    got = st.caller.expect(*range(180, 700))
    if got.status >= 300:
        a.ack(got)
        st.callee.answer(st.callee.expect("CANCEL"), 200, "OK")
        st.callee.answer(invite, 487, "Terminated")
        st.callee.expect("ACK")
    tap.ok(got.status == 488, "broken SDP in a 183: 488, and the callee is cancelled", got.start)

    # In the answer to a re-INVITE: both ends are told.
    a, b, invite, ok = st.talk()
    a.branch, a.uri = "z9hG4bK" + os.urandom(6).hex(), a.target
    a.party.send(a.request("INVITE", st.caller.sdp(version=2), branch=a.branch), a.to)
    st.callee.answer(st.callee.expect("INVITE"), 200, "OK", b"v=0\r\nm=")
    st.callee.expect("ACK")
    m = st.caller.expect(*range(200, 700))
    a.ack(m)
    tap.ok(m.status == 488, "a broken answer to a re-INVITE: 488 for who asked", m.start)
    st.callee.answer(st.callee.expect("BYE"), 200, "OK")
    st.caller.answer(st.caller.expect("BYE"), 200, "OK")
    tap.ok(True, "and the call, whose media nobody can know any more, ends on both sides")
    cdrs = st.site.wait_cdrs(st.attempts)
    tap.ok(len(cdrs) == st.attempts == len({c["call"] for c in cdrs}), "one CDR for each call", f"{len(cdrs)} of {st.attempts}")


# ---- NG
def ng_garbage(tap, st):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(os.path.join(st.site.dir, "ng-client.sock"))
    s.connect(st.v["ng"])
    s.settimeout(8)
    e = relay_ng.encode
    sdp = st.caller.sdp().decode()
    offer = {"command": "offer", "call-id": "bad", "from-tag": "a", "sdp": sdp}

    def without(key, d=offer):
        return {k: v for k, v in d.items() if k != key}

    rows = [  # name, what follows the cookie, the error-reason or None: result is not an error
        ("nothing", b"", "Invalid NG data format"), ("noise", RANDOM.randbytes(400), "Invalid NG data format"), ("a letter", b"x", "Invalid NG data format"),
        ("half a dictionary", b"d7:command4:pin", "Could not decode bencode dictionary"), ("an integer without end", b"d7:commandi5", "Could not decode bencode dictionary"),
        ("a length beyond all", b"d7:command99999999999999999999:x", "Could not decode bencode dictionary"), ("a negative length", b"d7:command-4:pinge", "Could not decode bencode dictionary"),
        ("lists in one another", b"d1:x" + b"l" * 20000 + b"e" * 20000 + b"e", "Could not decode bencode dictionary"), ("a key that is a number", b"di5e4:pinge", "Could not decode bencode dictionary"),
        ("half of JSON", b'{"command": "ping"', "Failed to parse JSON document"), ("JSON of arrays", b'{"a":' + b"[" * 20000 + b"]" * 20000 + b"}", "Failed to parse JSON document"),
        ("a broken escape", b'{"command": "\\ud800\\u12"}', "Failed to parse JSON document"),
        ("an empty dictionary", b"de", 'Dictionary contains no key "command"'), ("an empty object", b"{}", 'Dictionary contains no key "command"'),
        ("a command that is a list", b"d7:commandl4:pingee", 'Dictionary contains no key "command"'), ("an unknown command", e({"command": "fly"}), "Unrecognized command"),
        ("a command of 60,000 letters", e({"command": "f" * 60000}), "Unrecognized command"),
        ("an offer without SDP", e(without("sdp")), "No SDP body in message"), ("an offer without call-id", e(without("call-id")), "No call-id in message"),
        ("an offer without from-tag", e(without("from-tag")), "No from-tag in message"), ("an answer without to-tag", e({**offer, "command": "answer"}), "No to-tag in message"),
        ("an answer for no call", e({**offer, "command": "answer", "to-tag": "b"}), "Unknown call-id"), ("a query for no call", e({"command": "query", "call-id": "none"}), "Unknown call-id"),
        ("an SDP that is none", e({**offer, "sdp": "hello"}), "Failed to parse SDP"), ("an SDP of 40,000 octets", e({**offer, "sdp": sdp + "a=x\r\n" * 8000}), "SDP body is too long"),
        ("a call-id of 300 octets", e({**offer, "call-id": "c" * 300}), "call-id, tag, branch or label is too long"),
        ("a command of the field that we have not", e({"command": "play media", "call-id": "bad"}), "unsupported"),
        ("unknown keys", e({"command": "ping", "zzz": {"a": [1, 2, {"b": "c"}]}, "": "", "flags": ["no such flag"]}), None),
        ("unknown keys in JSON", b'{"command":"ping","zzz":{"a":[1,2.5e3,true,null]}}', None),
        ("the same key twice", b"d7:command4:ping7:command4:pinge", None), ("a delete for no call", e({"command": "delete", "call-id": "none"}), None),
        ("an offer with everything unknown", e({**offer, "call-id": "odd", "ICE": "sometimes", "DTLS": "perhaps", "TOS": -5, "address-family": "IP9", "replace": "everything",
                                                "rtcp-mux": ["maybe"], "codec": {"juggle": ["x"]}, "direction": ["nowhere", "elsewhere"], "media-address": "yes", "received-from": "IP4"}), None),
        ("a delete of the odd one", e({"command": "delete", "call-id": "odd", "delete-delay": 0}), None),
    ]
    wrong = []
    for n, (name, body, reason) in enumerate(rows):
        cookie = b"bad%d" % n
        s.send(cookie + b" " + body)
        reply = s.recv(65536)
        if not reply.startswith(cookie + b" "):
            wrong.append(f"{name}: {reply[:80]}")
            continue
        d = json.loads(reply[len(cookie) + 1:]) if body[:1] == b"{" else relay_ng.decode(reply[len(cookie) + 1:])[0]
        if (d.get("result") == "error") != (reason is not None) or d.get("error-reason") != reason:
            wrong.append(f"{name}: {d}")
    tap.ok(not wrong, f"{len(rows)} broken or odd commands to the relay: an error with its reason; what is only unknown is ignored", "\n".join(wrong))
    dropped = st.site.relay_metric("sallyport_relay_ng_dropped_total")
    silent = [b"nocookie", b" leading", b"\0", RANDOM.randbytes(65536).replace(b" ", b"x"), b"a" * 66000 + b" d"]
    for d in silent:
        s.send(d)
    lib.wait_for("drops", lambda: st.site.relay_metric("sallyport_relay_ng_dropped_total") == dropped + len(silent))
    tap.ok(True, "datagrams without a cookie, and those longer than a datagram may be: silence, counted")
    s.send(b"last " + e({"command": "ping"}))
    tap.ok(s.recv(65536) == b"last d6:result4:ponge", "the relay is alive")
    refused = [r for r in ("bencode", "json", "format", "no_command", "command", "sdp", "no_sdp") if not st.site.relay_metric("sallyport_relay_refusals_total", reason=r)]
    tap.ok(not refused, "and its refusals are counted by reason", refused)
    s.close()


# ---- media
class Port:
    """What a phone knows of its call: its socket, where to send, its keys."""

    def __init__(self, media, to, tx=None, rx=None):
        self.media, self.to, self.tx, self.rx = media, to, tx, rx

    def packet(self):
        p = self.media.packet()
        return self.tx.protect(p) if self.tx else p

    def say(self, ear, n=1):
        """n good packets; True when all of them come."""
        for _ in range(n):
            self.media.send(self.to, self.packet())
        return all(ear.media.receive(4) for _ in range(n))


def attack(tap, st, label, port, ear, secure):
    """Foreign and broken packets to the port of a call that is up; the ear at the other side hears the call and nothing else."""
    fates = ("sent", "malformed", "noise", "auth", "source", "replay", "kind", "oversize", "stun", "dtls")

    def read():
        page = st.site.relay_page()
        return {f: metric_of(page, "sallyport_relay_packets_total", {"fate": f}) for f in fates}

    def wait_read(want):
        """The relay's workers publish their counters ten times a second."""
        try:
            lib.wait_for("counters", lambda: all(read()[f] >= n for f, n in want.items()), 4, 0.02)
        except TimeoutError:
            pass
        return read()

    strange, elsewhere = Media("127.0.0.1"), Media("127.0.0.77")
    before = read()
    for _ in range(2):  # what is counted now was sent before
        seen = port.packet()
        port.media.send(port.to, seen)
        assert ear.media.receive(4), "the call has no media to begin with"
        before = wait_read({"sent": before["sent"] + 1})
    flipped = []
    for at in (2, 5, 9, 12, 60, -1):
        p = bytearray(port.packet())
        p[at] ^= 1
        flipped.append(bytes(p))
    rows = [("another port of the phone", strange, [port.packet() for _ in range(5)], "source"),
            ("another address", elsewhere, [port.packet() for _ in range(5)], "source"),
            ("one octet", port.media, [b"\x80"], "noise"), ("half a header", port.media, [seen[:9]], "malformed"),
            ("noise", port.media, [b"\xf0" + RANDOM.randbytes(171) for _ in range(5)], "noise"),
            ("a jumbo", port.media, [seen + RANDOM.randbytes(9000), b"\x80\x00" + RANDOM.randbytes(65000)], "oversize"),
            ("STUN", port.media, [bytes.fromhex("000100002112a442") + bytes(12)], "stun"), ("DTLS", port.media, [b"\x16\xfe\xfd" + bytes(60)], "dtls"),
            ("RTCP on the port of RTP", port.media, [b"\x80\xc8\x00\x06" + bytes(24 + (14 if secure else 0))], "kind")]
    if secure:
        other = srtp.Key()
        rows += [("one bit changed", port.media, flipped, "auth"), ("the same again", port.media, [seen] * 5, "replay"),
                 ("another key", port.media, [other.protect(port.media.packet()) for _ in range(5)], "auth"),
                 ("no encryption", port.media, [port.media.packet() for _ in range(5)], "auth")]
    else:
        rows += [("a header that says more than there is", port.media, [b"\x8f\x00" + seen[2:20], b"\x90\x00" + seen[2:14] + b"\xff" * 6,
                                                                       b"\xa0\x00" + seen[2:-1] + b"\xff"], "malformed")]
    wrong = []
    for name, sender, packets, reason in rows:
        before = read()
        for p in packets:
            sender.send(port.to, p)
        good = port.say(ear)  # the call goes on between the blows
        after = wait_read({reason: before[reason] + len(packets), "sent": before["sent"] + 1})
        grown = {f: after[f] - before[f] for f in fates if after[f] != before[f]}
        if not good or grown != {reason: len(packets), "sent": 1} or ear.media.drain():
            wrong.append(f"{name}: {len(packets)} as {reason} wanted, and one sent; it was {grown}")
    tap.ok(not wrong, f"{label}: {sum(len(r[2]) for r in rows)} foreign and broken packets of {len(rows)} kinds: dropped, counted by reason, none crosses",
           "\n".join(wrong))
    tap.ok(port.say(ear, 20), f"{label}: and twenty packets of the call come through, not one lost")
    strange.close(), elsewhere.close()


def attack_rtcp(tap, st, label, port, ear):
    """The same for RTCP in the clear: a report crosses, nothing else does."""
    media, to = port.media, (port.to[0], port.to[1] + 1)

    def crosses(data):
        media.rtcp.sendto(data, to)
        return bool(select.select([ear.media.rtcp], [], [], 4)[0]) and ear.media.rtcp.recv(65536)

    tap.ok(crosses(media.report()), f"{label}: a report crosses")
    report = media.report()
    strange = Media("127.0.0.1")
    rows = [("another port", strange.rtcp, report), ("one octet", media.rtcp, b"\x80"), ("half a report", media.rtcp, report[:20]),
            ("a length beyond the packet", media.rtcp, report[:2] + b"\xff\xff" + report[4:]), ("31 blocks that are not there", media.rtcp, b"\x9f" + report[1:28]),
            ("an item that does not end", media.rtcp, report[:28] + b"\x81\xca\0\3" + media.ssrc + b"\x01\xffabcdef"),
            ("version 1", media.rtcp, b"\x40" + report[1:]), ("RTP", media.rtcp, media.packet()), ("noise", media.rtcp, RANDOM.randbytes(1400)),
            ("a jumbo", media.rtcp, report + RANDOM.randbytes(60000)), ("padding alone", media.rtcp, b"\xa0\xc8\0\6" + bytes(23) + b"\xff")]
    before = st.site.relay_metric("sallyport_relay_packets_total") - st.site.relay_metric("sallyport_relay_packets_total", fate="sent")
    for _, s, data in rows:
        s.sendto(data, to)
    lib.wait_for("drops", lambda: st.site.relay_metric("sallyport_relay_packets_total") - st.site.relay_metric("sallyport_relay_packets_total", fate="sent") >=
                 before + len(rows), 4, 0.05)
    got = crosses(report)
    tap.ok(got and len(got) <= len(report) + 40 and not select.select([ear.media.rtcp], [], [], 0)[0], f"{label}: {len(rows)} broken and foreign packets do not")
    strange.close()


def media(tap, st):
    a, b, invite, ok = st.talk()
    out = Port(st.caller.media, media_of(ok.body))
    hears(st.caller, out.to, st.callee), hears(st.callee, media_of(invite.body), st.caller)
    st.callee.media.drain()
    attack(tap, st, "RTP", out, st.callee, False)
    attack_rtcp(tap, st, "RTCP", out, st.callee)
    inside = Port(st.callee.media, media_of(invite.body))
    st.caller.media.drain()
    attack(tap, st, "RTP from inside", inside, st.caller, False)
    hang_up(a, b)
    if not srtp.is_here():
        tap.ok(True, "SRTP # SKIP no libcrypto for the play's own SRTP")
        return
    phone = Party("127.0.0.1", "tls", client_context=st.tls_context())
    key = srtp.Key()
    st.attempts += 1
    a, b, invite, ok = talk(phone, st.callee, st.tls, st.uri.replace(str(st.v["out_port"]), str(st.v["tls_port"])),
                            phone.sdp(proto="RTP/SAVP", extra=key.line))
    out = Port(phone.media, media_of(ok.body), key, srtp.Key.of(ok.body))
    tap.ok(b"RTP/AVP" in invite.body and b"crypto" not in invite.body, "SRTP outside, RTP inside")
    st.callee.media.drain()
    tap.ok(out.say(st.callee, 3), "an SRTP written for the play is understood")
    back = Port(st.callee.media, media_of(invite.body))
    st.callee.media.send(back.to, st.callee.media.packet())
    got = phone.media.receive(4)
    tap.ok(got and out.rx.unprotect(got) and out.rx.unprotect(got)[12:] == b"\x55" * 160, "and understands what comes back")
    attack(tap, st, "SRTP", out, st.callee, True)
    hang_up(a, b)
    phone.close()


# ---- RFC 4475 and 5118
def torture(tap, st):
    data = os.path.join(lib.ROOT, "tests", "data")
    names = sorted(f"{d}/{f}" for d in ("rfc4475", "rfc5118") for f in os.listdir(os.path.join(data, d)) if f.endswith(".dat"))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    requests = st.site.metric("sallyport_udp_received_total")
    for name in names:
        with open(os.path.join(data, name), "rb") as f:
            s.sendto(f.read(), st.to)
    lib.wait_for("all of them to be read", lambda: st.site.metric("sallyport_udp_received_total") >= requests + len(names))
    rung = 0
    while select.select([st.callee.s], [], [], 0.3)[0]:  # those that are calls go all the way, and nobody takes them
        data, st.callee.from_peer = st.callee.s.recvfrom(65536)
        m = Message(data)
        if m.method == "INVITE":
            st.callee.answer(m, 486, "Busy Here")
            rung += 1
    tap.ok(len(names) == 63 and rung > 3, f"{len(names)} torture messages over UDP: taken; {rung} of them rang the callee", rung)
    tap.ok(st.site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    tap.ok(st.works(), "a call with media works afterwards")
    s.close()


def play(tap, folder):
    st = Stage(folder)
    for part in (not_sip, broken_sip, broken_sdp, ng_garbage, media, torture):
        began = time.monotonic()
        part(tap, st)
        print(f"# {part.__name__}: {time.monotonic() - began:.1f} s")
    tap.ok(st.works(), "and the daemons still serve")
    st.site.wait_empty()
    tap.ok(True, "no call, no transaction and no session of the relay is left")
    tap.ok(st.site.stop() == (0, 0), "both end in order, with nothing leaked", st.site.sbc.text()[-3000:] + st.site.relay.text()[-2000:])


if __name__ == "__main__":
    sip.main(play)
