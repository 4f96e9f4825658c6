#!/usr/bin/env python3
"""Who offers: the caller in its INVITE or not, the callee asked for an offer or given one, in all combinations, through the running relay:
SRTP outside, RTP inside, both ways audible; then a re-INVITE from either side."""
import os, re, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip, srtp
from party import Call, Party, hang_up, media_of
from sallyport_site import OUTSIDE, Site

CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge, client_certificate: off }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: secret
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies:
  secret: {{ rtp: forbid, srtp: require, keying: [sdes], suites: [AES_CM_128_HMAC_SHA1_80], codecs: {{ allow: [PCMU, PCMA, telephone-event] }} }}
  plain: {{ rtp: allow, srtp: forbid, codecs: {{ allow: [PCMU, PCMA, telephone-event] }} }}
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:{phone_out}:{phone_out_port};transport=tls" }} ], tls: {{ verify: off }} }}
  pass: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ], initial_offer: pass }}
  early: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ], initial_offer: early, identify: {{ source: [127.0.0.204/32] }} }}
  late: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ], initial_offer: late, identify: {{ source: [127.0.0.205/32] }} }}
routes:
  - {{ when: {{ number: ["^early"] }}, to: [early] }}
  - {{ when: {{ number: ["^late"] }}, to: [late] }}
  - {{ when: {{ number: ["^pass"] }}, to: [pass] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: on }}
"""


def crypto(key, offer=None):
    """The a=crypto line of an offer, or of the answer to one: with its tag."""
    if offer is None:
        return key.line
    tag = re.search(r"a=crypto:(\d+) AES_CM_128_HMAC_SHA1_80 ", offer.decode())[1]
    return key.line.replace("a=crypto:1 ", f"a=crypto:{tag} ")


def hear(tap, caller, key, theirs, to_outside, callee, to_inside, what):
    """Packets both ways, SRTP at the caller's end."""
    caller.media.drain(), callee.media.drain()
    got_in = got_out = None
    for _ in range(20):
        caller.media.send(to_outside, key.protect(caller.media.packet()))
        callee.media.send(to_inside, callee.media.packet())
        got_in = got_in or callee.media.receive(0.1)
        got_out = got_out or caller.media.receive(0.1)
        if got_in and got_out:
            break
    plain = got_out and theirs.unprotect(got_out)
    tap.ok(got_in and got_in[12:] == b"\x55" * 160 and plain and plain[12:] == b"\x55" * 160, f"{what}: both hear each other, SRTP outside, RTP inside",
           f"inside {got_in and got_in[:20]}, outside {got_out and got_out[:20]}, {plain and plain[:20]}")


def one(tap, st, offers, policy):
    caller, callee, site, to = st
    expects_offer = policy == "early" or policy == "pass" and offers
    what = f"{policy}: {'an' if offers else 'no'} offer from the caller, {'an' if expects_offer else 'no'} offer to the callee"
    key = srtp.Key()
    a = Call(caller, to, f"sip:{policy}@{OUTSIDE}:{site.v['tls_port']}")
    a.invite(caller.sdp("0 8", crypto(key), "RTP/SAVP") if offers else b"")
    invite = callee.expect("INVITE")
    tap.ok(bool(invite.body) == expects_offer, f"{what}: so the INVITE has it", invite)
    callee.answer(invite, 180, "Ringing")
    callee.answer(invite, 200, "OK", callee.sdp("0" if expects_offer else "0 8"))
    b = Call(callee, invite=invite)
    ok = caller.expect(200)
    tap.ok(b"RTP/SAVP" in ok.body and b"a=crypto" in ok.body, f"{what}: the 200 has {'an answer' if offers else 'an offer'} with a key", ok.data.decode())
    a.take(ok)
    caller.send(a.request("ACK", b"" if offers else caller.sdp("0", crypto(key, ok.body), "RTP/SAVP"), cseq=a.cseq), to)
    ack = callee.expect("ACK")
    tap.ok(bool(ack.body) == (not expects_offer), f"{what}: the ACK to the callee has {'nothing' if expects_offer else 'the answer'}", ack.data.decode())
    theirs = srtp.Key.of(ok.body)
    hear(tap, caller, key, theirs, media_of(ok.body), callee, media_of(invite.body or ack.body), what)
    # The callee asks for an offer again.
    callee.send(b.request("INVITE"), b.to)
    again = caller.expect("INVITE")
    caller.answer(again, 200, "OK", caller.sdp("0 8", crypto(key), "RTP/SAVP", version=2), tag=a.tag)
    full = callee.expect(200)
    tap.ok(re.search(rb"m=audio [1-9]\d* RTP/AVP 0 8", full.body), f"{what}: a re-INVITE without an offer gets a full one", full.data.decode())
    callee.send(b.request("ACK", callee.sdp("0", version=3), cseq=b.cseq), b.to)
    last = caller.expect("ACK")
    hear(tap, caller, key, srtp.Key.of(last.body), media_of(last.body), callee, media_of(full.body), what + ", after it")
    tap.ok(hang_up(a, b).status == 200, f"{what}: hung up")


def play(tap, folder):
    if not srtp.is_here():
        tap.ok(True, "SRTP # SKIP no libcrypto for the play's own SRTP")
        return
    callee = Party("127.0.0.1")
    site = Site(folder, CONFIG, asan=True, phone_in_port=callee.port)
    site.start()
    caller = Party("127.0.0.1", "tls", client_context=sip.tls_context(site.ca))
    st = caller, callee, site, (OUTSIDE, site.v["tls_port"])
    for offers in (True, False):
        for policy in ("pass", "early", "late"):
            one(tap, st, offers, policy)
    site.wait_empty(30)
    tap.ok(len(site.wait_cdrs(6)) == 6 and all(c["status"] == 200 for c in site.cdrs()), "one CDR for each, all answered")
    tap.ok(site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    tap.ok(site.stop() == (0, 0), "both daemons end in order, with nothing leaked", site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
