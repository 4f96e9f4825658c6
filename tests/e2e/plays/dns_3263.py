#!/usr/bin/env python3
"""Where a call goes by RFC 3263: NAPTR, SRV, addresses; the next target on refusal, time-out or 503; TLS proves the name before SRV;
a server that stalls, fails or lies holds up nothing else."""
import os, socket, ssl, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import dns, lib, sip

NAMES = ("naptr", "srv", "host", "port", "udp", "tls", "wrongtls", "weights", "mute", "lies", "fails", "nowhere", "alias", "short", "later")
TRUNK = """  {name}:
    realm: {realm}
    peers: [ {{{{ target: "{target}" }}}} ]
    identify: {{{{ source: [127.0.1.{n}/32] }}}}
{tls}"""
CONFIG = """\
version: 1
node: {{ name: sbc.test, resolver: ["127.0.0.1:{dns}"] }}
trust_anchors: {{ carrier-ca: {ca} }}
realms:
  near:
    trust: low
    listen: [ {{ transport: tcp, address: 127.0.0.1, port: {port} }} ]
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
  far:
    trust: high
    listen:
      - {{ transport: tcp, address: 127.0.0.2, port: {port} }}
      - {{ transport: udp, address: 127.0.0.2, port: {port} }}
      - {{ transport: tls, address: 127.0.0.2, port: {tls_port}, certificate: edge }}
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
certificates:
  edge: {{ chain: {edge[0]}, key: !file {edge[1]} }}
trunks:
  callers: {{ realm: near, peers: [ {{ target: "sip:127.0.0.1:5099;transport=tcp" }} ], identify: {{ source: [127.0.0.1/32] }} }}
""" + "".join(TRUNK.format(n=i + 1, name=n, realm="far", tls="    tls: {{ verify: carrier-ca }}\n" if "tls" in n else "",
                           target={"port": "sip:port.test:{p1};transport=tcp", "udp": "sip:udp.test;transport=udp", "tls": "sips:tls.test",
                                   "wrongtls": "sips:wrongtls.test"}.get(n, f"sip:{n}.test;transport=tcp" if n not in ("naptr", "srv") else f"sip:{n}.test"))
              for i, n in enumerate(NAMES)) + """routes:
""" + "".join(f"  - {{{{ name: {n}, when: {{{{ from: callers, number: [\"^{n}$\"] }}}}, to: [{n}], "
              f"on_failure: {{{{ codes: [408, 500, 502, 503, 504, timeout, tls, connect], after: 1s, tries: 3 }}}} }}}}\n" for n in NAMES) + sip.OBSERVE

SDP = (b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")


class Callee(threading.Thread):
    """Answers every INVITE with one status, over TCP, UDP or TLS; counts them."""

    def __init__(self, status=486, kind="tcp", context=None, address="127.0.0.1"):
        super().__init__(daemon=True)
        self.status, self.kind, self.context, self.invites = status, kind, context, 0
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        self.s.bind((address, 0))
        self.port = self.s.getsockname()[1]
        if kind != "udp":
            self.s.listen()
        self.start()

    def reply(self, message):
        lines = message.split(b"\r\n")
        if not lines[0].startswith(b"INVITE"):
            return b""
        self.invites += 1
        if self.status == 0:
            return b""
        keep = [l for l in lines if l.split(b":")[0] in (b"Via", b"From", b"Call-ID", b"CSeq")]
        to = next(l for l in lines if l.startswith(b"To:"))
        return b"\r\n".join([b"SIP/2.0 %d No" % self.status, *keep, to + b";tag=callee", b"Content-Length: 0", b"", b""])

    def serve(self, c):
        try:
            if self.context:
                c = self.context.wrap_socket(c, server_side=True)
            data = b""
            while True:
                got = c.recv(65536)
                if not got:
                    return
                data += got
                while b"\r\n\r\n" in data:
                    head, _, rest = data.partition(b"\r\n\r\n")
                    n = int(dict(l.split(b": ", 1) for l in head.split(b"\r\n")[1:] if b": " in l).get(b"Content-Length", 0))
                    if len(rest) < n:
                        break
                    data = rest[n:]
                    c.sendall(self.reply(head))
        except OSError:
            pass

    def run(self):
        while True:
            try:
                if self.kind == "udp":
                    data, peer = self.s.recvfrom(65536)
                    self.s.sendto(self.reply(data.partition(b"\r\n\r\n")[0]) or b"\r\n", peer)
                else:
                    threading.Thread(target=self.serve, args=(self.s.accept()[0],), daemon=True).start()
            except OSError:
                return


def play(tap, folder):
    ca = lib.Authority(os.path.join(folder, "ca"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The certificate is for the domain, not for the host that SRV names (RFC 5922).
    context.load_cert_chain(*ca.issue("carrier", "URI:sip:tls.test"))
    wrong = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    wrong.load_cert_chain(*ca.issue("host", "DNS:gw.test"))
    a, b, busy = Callee(486), Callee(486), Callee(503)
    udp, tls, wrongtls, silent = Callee(486, "udp"), Callee(486, "tls", context), Callee(486, "tls", wrong), Callee(0)
    gone = lib.free_port()
    server = dns.Server({
        "naptr.test": [("NAPTR", "20 1 s SIP+D2U _sip._udp.naptr.test"), ("NAPTR", "10 1 s SIP+D2T _sip._tcp.other.test")],
        "_sip._tcp.other.test": [("SRV", f"0 0 {a.port} gw.test")],
        "_sip._udp.naptr.test": [("SRV", f"0 0 {udp.port} gw.test")],
        "srv.test": [], "_sip._udp.srv.test": [("SRV", f"10 0 {udp.port} gw.test")],
        "_sip._tcp.srv.test": [("SRV", f"10 0 {b.port} gw.test")],
        "host.test": [("A", "127.0.0.1")], "port.test": [("A", "127.0.0.1")],
        "_sip._udp.udp.test": [("SRV", f"10 0 {udp.port} gw.test")],
        "_sips._tcp.tls.test": [("SRV", f"10 0 {tls.port} gw.test")],
        "_sips._tcp.wrongtls.test": [("SRV", f"10 0 {wrongtls.port} gw.test")],
        "_sip._tcp.weights.test": [("SRV", f"10 0 {gone} gw.test"), ("SRV", f"20 0 {busy.port} gw.test"), ("SRV", f"30 0 {a.port} gw.test")],
        "_sip._tcp.later.test": [("SRV", f"10 0 {silent.port} gw.test"), ("SRV", f"20 0 {b.port} gw.test")],
        "_sip._tcp.alias.test": [("SRV", f"10 0 {a.port} www.test")], "www.test": [("CNAME", "gw2.test")], "gw2.test": [("A", "127.0.0.1")],
        "_sip._tcp.short.test": [("SRV", f"10 0 {a.port} gw.test")],
        "gw.test": [("A", "127.0.0.1")],
    })
    server.mute = {"mute.test", "_sip._tcp.mute.test"}
    server.wrong = {"lies.test", "_sip._tcp.lies.test"}
    server.fail = {"fails.test", "_sip._tcp.fails.test"}
    sbc = sip.Sbc(folder, CONFIG.replace("{p1}", str(a.port)), dns=server.port, ca=ca.cert, port=lib.free_port(), tls_port=lib.free_port(),
                  edge=ca.issue("edge", "DNS:edge.test")).start()

    def call(number, seconds=12):
        began = time.monotonic()
        s = sip.Stream(sip.HOST, sbc.v["port"], source="127.0.0.1", timeout=seconds)
        invite = sip.request("INVITE", f"sip:{number}@sbc.test", via="127.0.0.1:%d" % s.s.getsockname()[1], body=SDP,
                             headers=("Content-Type: application/sdp",))
        s.send(invite)
        status = s.status(seconds)
        s.close()
        return status, time.monotonic() - began

    def counts(*callees):
        return [c.invites for c in callees]

    def expect(number, status, who, text, others=()):
        before = counts(who, *others) if who else []
        got, seconds = call(number)
        after = counts(who, *others) if who else []
        tap.ok(got == status and (not who or after[0] == before[0] + 1 and after[1:] == before[1:]), text, f"status {got} after {seconds:.2f} s, INVITEs {before} → {after}")
        return seconds

    expect("naptr", 486, a, "NAPTR chooses TCP over UDP, and its SRV", (udp, b))
    expect("srv", 486, udp, "no NAPTR: SRV of UDP first", (a, b))
    expect("port", 486, a, "a port: the address alone")
    tap.ok(("port.test", "SRV") not in server.asked and ("_sip._tcp.port.test", "SRV") not in server.asked, "and SRV is not asked for")
    expect("udp", 486, udp, "transport=udp: SRV of UDP")
    expect("alias", 486, a, "a CNAME on the way")
    expect("tls", 486, tls, "sips: over TLS; the certificate is for the domain, not for the host of SRV")
    got, _ = call("wrongtls")
    tap.ok(got in (480, 500, 502, 503) and wrongtls.invites == 0, f"a certificate for the host of SRV alone is not enough: {got}, and no INVITE went out")
    before = counts(busy, a)
    got, seconds = call("weights")
    tap.ok(got == 486 and counts(busy, a) == [before[0] + 1, before[1] + 1], "refused, then 503, then the third target by priority", f"{got} {counts(busy, a)}")
    expect("later", 486, b, "a target that says nothing is left after its time")
    tap.ok(silent.invites >= 1, "which did get its INVITE")
    got, seconds = call("nowhere")
    tap.ok(got in (480, 404, 500, 502, 503, 504) and seconds < 2, f"a name that does not exist: {got} at once")
    got, seconds = call("lies")
    tap.ok(got in (480, 404, 500, 502, 503, 504) and seconds < 5, f"answers that are broken: {got}")
    got, seconds = call("fails")
    tap.ok(got in (480, 404, 500, 502, 503, 504) and seconds < 5, f"a server that fails: {got}")

    # A server that stalls: that call waits for its deadline, another one for nothing.
    slow = []
    t = threading.Thread(target=lambda: slow.append(call("mute")))
    t.start()
    lib.wait_for("the question", lambda: ("_sip._tcp.mute.test", "SRV") in server.asked)
    quick = expect("port", 486, a, "a call beside one whose name is not answered")
    t.join()
    tap.ok(quick < 1 and slow[0][0] in (480, 404, 500, 502, 503, 504) and 1 < slow[0][1] < 5, f"that one ends after {slow[0][1]:.1f} s with {slow[0][0]}")

    # The cache: within the TTL nothing is asked again; a TTL of 0 still counts for some seconds.
    asked = dict(server.asked)
    for _ in range(5):
        assert call("naptr")[0] == 486
    tap.ok(server.asked == asked, "five more calls: not one more question")
    server.ttl = 0
    for _ in range(5):
        assert call("short")[0] == 486
    tap.ok(server.asked[("_sip._tcp.short.test", "SRV")] == 1, "a TTL of 0 is believed for some seconds")
    sbc.control("reload")
    assert call("short")[0] == 486
    tap.ok(server.asked[("_sip._tcp.short.test", "SRV")] == 2, "reload forgets what was cached")
    tap.ok(call("naptr")[0] == 486, "and the daemon still serves")
    lib.wait_for("the calls to end", lambda: sbc.control("status")["calls"] == 0)
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
