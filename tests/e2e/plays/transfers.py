#!/usr/bin/env python3
"""Transfers that we carry out, through the running relay: blind, attended, an INVITE with Replaces, and an attended one that fails. After each
those who shall hear one another do, and nothing is left."""
import os, re, struct, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, media_of, talk
from sallyport_site import INSIDE, OUTSIDE, Site

CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: {outside}, port: {out_port} }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies:
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  carrier: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.31:{caller_port}" }} ] }}
  other: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.32:{target_port}" }} ] }}
  early: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.32:{target_port}" }} ], initial_offer: early, identify: {{ source: [127.0.0.33/32] }} }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.41:{pbx_port}" }} ] }}
routes:
  - {{ when: {{ from: pbx, number: ["^early"] }}, to: [early] }}
  - {{ when: {{ from: carrier }}, to: [pbx] }}
  - {{ when: {{ from: pbx, number: ["^x"] }}, to: [other] }}
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


def hear(tap, one, to_one, other, to_other, what):
    """Packets both ways; to_one: where the party `one` sends to."""
    one.media.drain(), other.media.drain()
    got = [None, None]
    for _ in range(20):
        one.media.send(to_one, one.media.packet(b"\x11" * 160))
        other.media.send(to_other, other.media.packet(b"\x22" * 160))
        got[0] = got[0] or other.media.receive(0.1)
        got[1] = got[1] or one.media.receive(0.1)
        if all(got):
            break
    tap.ok(got[0] and got[0][12:] == b"\x11" * 160 and got[1] and got[1][12:] == b"\x22" * 160, f"{what}: both hear each other", got)
    return [struct.unpack("!HII", g[2:12]) if g else (0, 0, 0) for g in reversed(got)]  # what `one` heard, what `other` did


def goes_on(tap, before, after, what):
    """(sequence, timestamp, SSRC) of packets that one party heard from one source after another."""
    tap.ok(before[2] == after[2], f"{what}: its SSRC stays", (before, after))
    steps = (after[0] - before[0]) % 65536
    tap.ok(0 < steps < 50, f"{what}: its sequence goes on", (before, after))
    tap.ok(0 < (after[1] - before[1]) % 2**32 < 8000 * 30, f"{what}: its clock goes on", (before, after))


def refer(r, b, to):
    """REFER in R's dialog b, and what comes at once."""
    r.send(b.request("REFER", headers=[f"Refer-To: <{to}>"]), b.to)
    accepted = r.expect(202)
    notify = r.expect("NOTIFY")
    r.answer(notify, 200, "OK")
    return accepted, notify


def ends(tap, r, what, status, byes):
    """The last NOTIFY, and the BYEs behind it."""
    notify = r.expect("NOTIFY")
    r.answer(notify, 200, "OK")
    tap.ok(notify.get("Subscription-State").startswith("terminated") and notify.body.startswith(b"SIP/2.0 %d" % status), f"{what}: the referrer is told {status}",
           notify.data.decode())
    for _ in range(byes):
        r.answer(r.expect("BYE"), 200, "OK")


def joined(tap, t, a, x, what):
    """The target has answered: the caller gets its offer, the target the caller's answer."""
    again = t.expect("INVITE")
    t.answer(again, 200, "OK", t.sdp(version=a.version), tag=a.tag)
    t.expect("ACK")
    ack = x.expect("ACK")
    a.version += 1
    return hear(tap, t, media_of(again.body), x, media_of(ack.body), what)


def replaces(c, ok):
    return f"{c.call_id};to-tag={ok.tag('To')};from-tag={c.tag}"


def escaped(text):
    return text.replace("@", "%40").replace(";", "%3B").replace("=", "%3D")


def begin(t, r, site):
    a, b, invite, ok = talk(t, r, (OUTSIDE, site.v["out_port"]), f"sip:pbx@{OUTSIDE}:{site.v['out_port']}")
    a.version, a.media_to, b.media_to = 2, media_of(ok.body), media_of(invite.body)
    return a, b, ok


def second(r, x, site):
    return talk(r, x, (INSIDE, site.v["udp_port"]), f"sip:x2@{INSIDE}:{site.v['udp_port']}")


def blind(tap, t, r, x, site):
    a, b, _ = begin(t, r, site)
    before = hear(tap, t, a.media_to, r, b.media_to, "before")[0]
    refer(r, b, f"sip:x1@{INSIDE}")
    invite = x.expect("INVITE")
    tap.ok(INSIDE not in invite.data.decode() and "127.0.0.41" not in invite.data.decode(), "blind: nothing of the inside is in the target's INVITE", invite.data.decode())
    x.answer(invite, 200, "OK", x.sdp(), tag="x")
    c = Call(x, invite=invite, tag="x")
    goes_on(tap, before, joined(tap, t, a, x, "blind")[0], "blind, what the referred party hears")
    ends(tap, r, "blind", 200, 1)
    tap.ok(hang_up(a, c).status == 200, "blind: hung up")


def early(tap, t, r, x, site):
    """The target's trunk wants an offer in the INVITE: it is ours, and the two are brought together behind it."""
    a, b, _ = begin(t, r, site)
    refer(r, b, f"sip:early@{INSIDE}")
    invite = x.expect("INVITE")
    tap.ok(b"m=audio" in invite.body, "to a trunk of early offers: the INVITE has one", invite.data.decode())
    x.answer(invite, 200, "OK", x.sdp(), tag="x")
    c = Call(x, invite=invite, tag="x")
    x.expect("ACK")
    again = t.expect("INVITE")
    t.answer(again, 200, "OK", t.sdp(version=a.version), tag=a.tag)
    t.expect("ACK")
    ends(tap, r, "to a trunk of early offers", 200, 1)
    hear(tap, t, media_of(again.body), x, media_of(invite.body), "to a trunk of early offers")
    tap.ok(hang_up(a, c).status == 200, "to a trunk of early offers: hung up")


def attended(tap, t, r, x, site):
    a, b, _ = begin(t, r, site)
    t_before = hear(tap, t, a.media_to, r, b.media_to, "before, the first call")[0]
    c, d, first, ok = second(r, x, site)
    x_before = hear(tap, r, media_of(ok.body), x, media_of(first.body), "before, the second call")[1]
    refer(r, b, f"sip:x2@{INSIDE}?Replaces={escaped(replaces(c, ok))}")
    invite = x.expect("INVITE")
    tap.ok(not invite.body and invite.get("Call-ID") == d.call_id, "attended: the far party is asked for an offer in its dialog", invite.data.decode())
    x.answer(invite, 200, "OK", x.sdp(version=2), tag=d.tag)
    t_after, x_after = joined(tap, t, a, x, "attended")
    goes_on(tap, t_before, t_after, "attended, what the referred party hears")
    goes_on(tap, x_before, x_after, "attended, what the far party hears")
    ends(tap, r, "attended", 200, 2)
    tap.ok(hang_up(a, d).status == 200, "attended: hung up")


def fails(tap, t, r, x, site):
    a, b, _ = begin(t, r, site)
    c, d, _, ok = second(r, x, site)
    refer(r, b, f"sip:x2@{INSIDE}?Replaces={escaped(replaces(c, ok))}")
    invite = x.expect("INVITE")
    x.answer(invite, 200, "OK", x.sdp(version=2), tag=d.tag)
    again = t.expect("INVITE")
    t.answer(again, 488, "No", tag=a.tag)
    t.expect("ACK")
    ends(tap, r, "an attended one that fails", 488, 0)
    ack = x.expect("ACK")
    hear(tap, r, media_of(ok.body), x, media_of(ack.body), "an attended one that fails: the second call")
    for q in (t, r, x):
        tap.ok(q.is_quiet(), "an attended one that fails: nothing more is said")
    tap.ok(hang_up(c, d).status == 200 and hang_up(a, b).status == 200, "an attended one that fails: both hung up")


def invited(tap, t, r, x, site):
    a, b, _ = begin(t, r, site)
    # Another phone of the PBX takes the call over: it names R's dialog as R knows it.
    n = Party("127.0.0.41")
    value = f"{b.call_id};to-tag={re.search(r';tag=([^;]+)', b.remote)[1]};from-tag={b.tag}"
    e = Call(n, (INSIDE, site.v["udp_port"]), f"sip:any@{INSIDE}:{site.v['udp_port']}")
    e.invite(headers=[f"Replaces: {value}", "Require: replaces"])
    again = t.expect("INVITE")
    t.answer(again, 200, "OK", t.sdp(version=a.version), tag=a.tag)
    t.expect("ACK")
    ok = e.status()
    tap.ok(ok.status == 200, "INVITE with Replaces: accepted", ok.data.decode())
    r.answer(r.expect("BYE"), 200, "OK")
    hear(tap, t, media_of(again.body), n, media_of(ok.body), "INVITE with Replaces")
    tap.ok(hang_up(a, e).status == 200, "INVITE with Replaces: hung up")
    n.close()


def play(tap, folder):
    t, r, x = Party("127.0.0.31"), Party("127.0.0.41"), Party("127.0.0.32")
    site = Site(folder, CONFIG, asan=True, caller_port=t.port, pbx_port=r.port, target_port=x.port, out_port=lib.free_port(OUTSIDE))
    site.start()
    for act in (blind, early, attended, fails, invited):
        act(tap, t, r, x, site)
    site.wait_empty(30)
    cdrs = site.wait_cdrs(12)
    tap.ok(len(cdrs) == 12 and sum(c["cause"] == "transfer_failed" for c in cdrs) == 1, "one CDR for each call, those that were made of others among them", cdrs)
    tap.ok(sum("transferred_from" in c for c in cdrs) == 4 and sum("transferred_to" in c for c in cdrs) == 5, "they name one another")
    tap.ok(site.metric("sallyport_transfers_total", outcome="done") == 4 and site.metric("sallyport_transfers_total", outcome="failed") == 1, "and the counters tell the same")
    tap.ok(site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    tap.ok(site.stop() == (0, 0), "both daemons end in order, with nothing leaked", site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
