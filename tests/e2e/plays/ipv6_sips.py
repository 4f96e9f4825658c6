#!/usr/bin/env python3
"""IPv4 outside and IPv6 inside in one call, both ways, with SIPp's callers and with media; sips: stays secure to its end or is refused
(RFC 5630); a call whose first peers fail goes to the next one, and its CDR lists them."""
import os, re, signal, socket, ssl, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, has_ipv6, media_of, talk
from sallyport_site import OUTSIDE, Site

CALLS, RATE = 30, 30
HEAD = """\
version: 1
node: {{ name: sbc.play.example }}
"""
TAIL = """\
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: off }}
"""
MIXED = HEAD + """\
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: {outside}, port: {out_port} }}
      - {{ transport: tcp, address: {outside}, port: {out_port} }}
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain-or-srtp
  inside:
    trust: high
    listen:
      - {{ transport: udp, address: "::1", port: {udp_port} }}
      - {{ transport: tcp, address: "::1", port: {udp_port} }}
    media: {{ address: "::1", ports: {media_in}-{media_in_end} }}
    media_policy: plain-or-srtp
trunks:
  four: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:{four_port}" }} ] }}
  six: {{ realm: inside, peers: [ {{ target: "sip:[::1]:{six_port}" }} ] }}
  six-tcp: {{ realm: inside, peers: [ {{ target: "sip:[::1]:{six_port};transport=tcp" }} ], identify: {{ source: ["2001:db8::1"] }} }}
routes:
  - {{ when: {{ from: four, number: ["^0"] }}, to: [six-tcp] }}
  - {{ when: {{ from: four }}, to: [six] }}
  - {{ when: {{ from: six }}, to: [four] }}
""" + TAIL
SECURE = HEAD + """\
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
trust_anchors:
  ours: {ca}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge, client_certificate: off }}
      - {{ transport: udp, address: {outside}, port: {tls_port} }}
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
  inside:
    trust: high
    listen:
      - {{ transport: udp, address: {inside}, port: {udp_port} }}
      - {{ transport: tcp, address: {inside}, port: {udp_port} }}
      - {{ transport: tls, address: {inside}, port: {in_tls}, certificate: edge }}
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:5099" }} ] }}
  plain: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{plain}" }} ], identify: {{ source: [127.0.1.1/32] }} }}
  secure:
    realm: inside
    peers: [ {{ target: "sip:127.0.0.1:{secure};transport=tls" }} ]
    tls: {{ verify: ours, name: peer.test }}
    identify: {{ source: [127.0.1.2/32] }}
  both:
    realm: inside
    peers: [ {{ target: "sip:127.0.0.1:{plain}", priority: 1 }}, {{ target: "sips:127.0.0.1:{secure}", priority: 2 }} ]
    tls: {{ verify: ours, name: peer.test }}
    identify: {{ source: [127.0.1.3/32] }}
  many:
    realm: inside
    peers:
      - {{ target: "sip:127.0.0.1:{closed};transport=tcp", priority: 10 }}
      - {{ target: "sip:127.0.0.1:{wrong};transport=tls", priority: 20 }}
      - {{ target: "sip:127.0.0.1:{busy}", priority: 30 }}
      - {{ target: "sip:127.0.0.1:{silent}", priority: 40 }}
      - {{ target: "sip:127.0.0.1:{good};transport=tcp", priority: 50 }}
      - {{ target: "sip:127.0.0.1:{plain}", priority: 60 }}
    tls: {{ verify: ours, name: peer.test }}
    identify: {{ source: [127.0.1.4/32] }}
routes:
  - {{ when: {{ number: ["^1"] }}, to: [plain] }}
  - {{ when: {{ number: ["^2"] }}, to: [secure] }}
  - {{ when: {{ number: ["^3"] }}, to: [both] }}
  - {{ name: hunt, when: {{ number: ["^4"] }}, to: [many], on_failure: {{ codes: [503, timeout, tls, connect], after: 500ms, tries: 6 }} }}
  - {{ name: short, when: {{ number: ["^5"] }}, to: [many], on_failure: {{ codes: [503, timeout, tls, connect], after: 500ms, tries: 3 }} }}
""" + TAIL


# ---- IPv4 and IPv6 in one call
def sipp(site, name, scenario, *args):
    argv = ["sipp", "-sf", os.path.join(lib.ROOT, "tests", "e2e", "sipp", scenario), "-nostdin", "-nd", "-default_behaviors", "all,-bye", *args]
    return lib.Process(name, argv, site.dir)


def load(tap, site, name, number, caller, callee, to, letter):
    """SIPp calls from one family to the other."""
    uas = sipp(site, "callee" + name, "uas.xml", "-i", callee[0], "-p", str(callee[1]), "-t", letter + "1")
    uac = sipp(site, "caller" + name, "uac.xml", to, "-i", caller[0], "-p", str(caller[1]), "-t", "u1", "-s", number, "-r", str(RATE),
               "-m", str(CALLS), "-d", "200", "-trace_err", "-error_file", os.path.join(site.dir, "caller.err"), "-recv_timeout", "8000", "-timeout", "30",
               "-timeout_error")
    status = uac.p.wait(40)
    tap.ok(status == 0, f"SIPp, {name}: {CALLS} calls, none failed", uac.text()[-1500:])
    uas.stop(signal.SIGUSR1)


def hears(sender, to, receiver):
    for _ in range(20):
        sender.media.send(to, sender.media.packet())
        if receiver.media.receive(0.1):
            return True
    return False


def both_hear(caller, callee, invite, ok):
    one, two = media_of(ok.body), media_of(invite.body)
    return hears(caller, one, callee) and hears(callee, two, caller) and hears(caller, one, callee)


def families(tap, folder):
    site = Site(os.path.join(folder, "mixed"), MIXED, asan=True, out_port=lib.free_port(OUTSIDE), udp_port=lib.free_port("::1"), four_port=lib.free_port("127.0.0.1"),
                six_port=lib.free_port("::1"), media_in=lib.free_port("::1", span=1000, even=True), media_ports=1000)  # ports rest for 5 s
    site.start()
    v = site.v
    here, there = ("127.0.0.1", v["four_port"]), ("[::1]", v["six_port"])
    load(tap, site, "IPv4 to IPv6 over UDP", "+4930555123", here, there, f"{OUTSIDE}:{v['out_port']}", "u")
    load(tap, site, "IPv4 to IPv6 over TCP", "030555123", here, there, f"{OUTSIDE}:{v['out_port']}", "t")
    load(tap, site, "IPv6 to IPv4", "+4930555123", there, here, f"[::1]:{v['udp_port']}", "u")
    ended = 3 * CALLS
    four = Party("127.0.0.1", port=v["four_port"])
    for tp, number in (("udp", "+49"), ("tcp", "049")):
        six = Party("::1", tp, port=v["six_port"])
        a, b, invite, ok = talk(four, six, (OUTSIDE, v["out_port"]), f"sip:{number}@{OUTSIDE}:{v['out_port']}")
        text = invite.data.decode()
        origin = re.search(r"o=(.*)", text).group(1)
        tap.ok("c=IN IP6 ::1" in text and "IN IP6 ::1" in origin and "[::1]" in invite.get("Via") and "[::1]" in invite.get("Contact") and "127.0." not in text,
               f"{tp}: the INVITE inside is IPv6 throughout, and nothing of IPv4 is in it", text)
        text = ok.data.decode()
        tap.ok(f"c=IN IP4 {OUTSIDE}" in text and "::1" not in text, f"{tp}: the answer outside is IPv4 throughout, and nothing of IPv6 is in it", text)
        tap.ok(both_hear(four, six, invite, ok), f"{tp}: media cross between the families, both ways")
        tap.ok(hang_up(b, a).status == 200, f"{tp}: the callee hangs up")
        six.close()
    six = Party("::1", port=v["six_port"])
    a, b, invite, ok = talk(six, four, ("::1", v["udp_port"]), f"sip:+49@[::1]:{v['udp_port']}")
    tap.ok(both_hear(six, four, invite, ok) and hang_up(a, b).status == 200, "and the other way round")
    ended += 3
    cdrs = site.wait_cdrs(ended)
    tap.ok(len(cdrs) == ended and all(c["status"] == 200 for c in cdrs), "one CDR for each call", len(cdrs))
    media = cdrs[-1].get("media", [])
    tap.ok(sorted(m["local"][:m["local"].rindex(":")] for m in media) == [OUTSIDE, "[::1]"] and all(m["packets"] for m in media), "with the media of both families", media)
    site.wait_empty()
    six.close(), four.close()
    tap.ok(site.stop() == (0, 0), "both end in order, nothing is left", site.sbc.text()[-2000:])


# ---- sips:
def server_context(ca, name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*ca.issue(name, "DNS:" + name))
    return c


class Secure:
    def __init__(self, folder):
        ca = lib.Authority(os.path.join(folder, "peers-ca"))
        self.plain, self.busy, self.silent = Party("127.0.0.1"), Party("127.0.0.1"), Party("127.0.0.1")
        self.secure = Party("127.0.0.1", "tls", server_context(ca, "peer.test"), sips=True)
        self.wrong = Party("127.0.0.1", "tls", server_context(ca, "other.test"))
        self.good = Party("127.0.0.1", "tcp")
        self.site = Site(os.path.join(folder, "secure"), SECURE, asan=True, ca=ca.cert, in_tls=lib.free_port("127.0.0.20"), closed=lib.free_port(),
                         **{n: getattr(self, n).port for n in ("plain", "secure", "busy", "silent", "wrong", "good")})
        self.site.start(relay=False)
        self.to = (OUTSIDE, self.site.v["tls_port"])
        self.caller = Party("127.0.0.1", "tls", client_context=sip.tls_context(self.site.ca), sips=True)

    def uri(self, number, scheme="sips"):
        return f"{scheme}:{number}@{OUTSIDE}:{self.to[1]}"


def sips(tap, st):
    m = Call(st.caller, st.to, st.uri("1")).invite().status()
    tap.ok(m.status == 480 and m.get("Warning").startswith("380 ") and "SIPS Not Allowed" in m.get("Warning"),
           "sips: and no secure way out: 480 with Warning 380", f"{m.start} {m.get('Warning')}")
    tap.ok(st.plain.is_quiet(0.05), "nothing goes out in the clear")
    a, b, invite, ok = talk(st.caller, st.secure, st.to, st.uri("2"))
    tap.ok(invite.uri.startswith("sips:") and invite.target().startswith("sips:") and "SIP/2.0/TLS" in invite.get("Via"),
           "sips: goes out as sips: over TLS, with a Contact that is sips:", invite.data.decode())
    tap.ok(ok.target().startswith("sips:") and "transport=" not in ok.target(), "the caller's dialog has a sips: Contact", ok.get("Contact"))
    a.branch, a.uri = "z9hG4bK" + os.urandom(6).hex(), a.target
    st.caller.send(a.request("INVITE", st.caller.sdp(version=2), branch=a.branch), st.to)
    re = st.secure.expect("INVITE")
    st.secure.answer(re, 200, "OK", st.secure.sdp(version=2))
    tap.ok(a.status().target().startswith("sips:") and re.target().startswith("sips:") and re.uri.startswith("sips:"), "so have both sides in a re-INVITE")
    st.secure.expect("ACK")
    tap.ok(hang_up(b, a).status == 200, "the callee hangs up over the same connection")
    a, b, invite, ok = talk(st.caller, st.secure, st.to, st.uri("3"))
    tap.ok(invite.uri.startswith("sips:") and st.plain.is_quiet(0.05), "of two peers only the secure one is asked, although it comes second")
    hang_up(a, b)
    plain = Party("127.0.0.1", "tls", client_context=sip.tls_context(st.site.ca))
    a, b, invite, ok = talk(plain, st.plain, st.to, st.uri("1", "sip"))
    tap.ok(invite.uri.startswith("sip:") and ok.target().startswith("sip:"), "sip: over TLS may go on in the clear")
    hang_up(a, b)
    plain.close()


# ---- the next peer
def failover(tap, st):
    caller = st.caller
    caller.scheme = "sip"
    began = time.monotonic()
    a = Call(caller, st.to, st.uri("4", "sip")).invite()
    error = st.wrong.accept()
    first = st.busy.expect("INVITE")
    st.busy.answer(first, 503, "Service Unavailable", headers=("Retry-After: 5",))
    st.busy.expect("ACK")
    second = st.silent.expect("INVITE")
    invite = st.good.expect("INVITE")
    took = time.monotonic() - began
    st.good.answer(invite, 200, "OK", st.good.sdp())
    b = Call(st.good, invite=invite)
    ok = a.status()
    st.good.expect("ACK")
    tap.ok(ok.status == 200 and 0.4 < took < 3, f"refused, wrong name, 503, silence, and the fifth peer takes the call after {took:.1f} s", error)
    tap.ok(not any(b"INVITE" in d for _, d in st.wrong.streams) and st.wrong.closed(), "the one with the wrong name never saw the INVITE")
    ids = [m.get("Call-ID") for m in (first, second, invite)]
    tap.ok(len(set(ids)) == 3 and len({m.tag("From") for m in (first, second, invite)}) == 3, "each peer has a dialog of its own: Call-ID and tag")
    # The silent one wakes up: it is cancelled, and its answer ended.
    st.silent.answer(second, 180, "Ringing", tag="late")
    st.silent.answer(st.silent.expect("CANCEL"), 200, "OK")
    st.silent.answer(second, 200, "OK", st.silent.sdp(), tag="late")
    st.silent.expect("ACK")
    st.silent.answer(st.silent.expect("BYE"), 200, "OK")
    tap.ok(True, "a peer that answers too late gets CANCEL, ACK and BYE")
    tap.ok(hang_up(a, b).status == 200, "the call itself goes on and is hung up")
    cdr = st.site.wait_cdrs(5)[-1]
    got = [(x.get("status"), x.get("cause")) for x in cdr["attempts"]]
    tap.ok(len(got) == 5 and got[2][0] == 503 and got[4][0] == 200 and [c for _, c in got] == ["connect", "tls", None, "timeout", None],
           "the CDR lists the five attempts with how each ended", cdr["attempts"])
    tap.ok(all(x["trunk"] == "many" for x in cdr["attempts"]) and cdr["status"] == 200 and cdr["egress_trunk"] == "many", "and is one of an answered call")
    tap.ok(st.site.metric("sallyport_tls_handshakes_total", realm="inside", result="name") >= 1, "the wrong name is counted as such",
           [l for l in st.site.page().splitlines() if "handshakes" in l])

    a = Call(caller, st.to, st.uri("5", "sip")).invite()
    st.wrong.accept()
    st.busy.answer(st.busy.expect("INVITE"), 503, "Service Unavailable")
    m = a.status()
    st.busy.expect("ACK")
    tap.ok(m.status == 500 and st.silent.is_quiet(0.05) and st.good.is_quiet(0.05), f"tries: 3, and then it is over: {m.start}")
    cdr = st.site.wait_cdrs(6)[-1]
    tap.ok(len(cdr["attempts"]) == 3 and cdr["status"] == m.status, "three attempts in its CDR", cdr)


def play(tap, folder):
    if has_ipv6():
        families(tap, folder)
    else:
        tap.ok(True, "IPv4 and IPv6 in one call # SKIP this host has no IPv6 loopback")
    st = Secure(folder)
    sips(tap, st)
    failover(tap, st)
    st.site.wait_empty()
    tap.ok(st.site.metric("sallyport_never_total") == 0, "and the daemon still serves, with nothing left behind")
    tap.ok(st.site.stop() == (0, 0), "it ends in order", st.site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
