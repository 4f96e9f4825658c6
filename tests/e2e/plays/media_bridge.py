#!/usr/bin/env python3
"""Two sides that differ, through the running SBC and relay: keys told in the media on one and in INFO on the other, each exactly once; IPv6 on one
and IPv4 on the other; the code points that packets leave with."""
import os, select, socket, struct, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, has_ipv6, media_of, talk
from sallyport_site import INSIDE, OUTSIDE, Site

CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: {outside}, port: {out_port}, dscp: 24 }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end}, dscp: 46 }}
    media_policy: events
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end}, dscp: 34 }}
    media_policy: info
{six}
media_policies:
  events: {{ rtp: allow, srtp: forbid, dtmf: rfc4733, timeout: 4s }}
  info: {{ rtp: allow, srtp: forbid, dtmf: info }}
trunks:
  carrier: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.31:{caller_port}" }} ] }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.41:{pbx_port}" }} ] }}
{six_trunk}
routes:
  - {{ when: {{ from: carrier, number: ["^six"] }}, to: [{six_to}] }}
  - {{ when: {{ from: carrier }}, to: [pbx] }}
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
SIX = "  six:\n    trust: high\n    listen: [ {{ transport: udp, address: \"::1\", port: {six_port} }} ]\n    media: {{ address: \"::1\", ports: {media_six}-{media_six_end} }}\n    media_policy: events"
SIX_TRUNK = "  six: {{ realm: six, peers: [ {{ target: \"sip:[::1]:{six_peer}\" }} ] }}"
EVENTS = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"


def press(media, to, event, stamp, packets=4):
    """A key as a phone sends it: reports that grow, and the last one three times."""
    for i in range(1, packets + 1):
        for _ in range(3 if i == packets else 1):
            media.sequence += 1
            end = 0x80 if i == packets else 0
            mark = 0x80 if i == 1 else 0
            data = struct.pack("!BBHI", 0x80, mark | 101, media.sequence & 0xFFFF, stamp) + media.ssrc + struct.pack("!BBH", event, end | 8, i * 400)
            media.send(to, data)


def speak(media, to, n=3):
    for _ in range(n):
        media.send(to, media.packet())


def gather(media, seconds):
    """The packets that come in that time."""
    out, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        data = media.receive(left)
        if data:
            out.append(data)
    return out


def keys(tap, t, r, site):
    a, b, invite, ok = talk(t, r, (OUTSIDE, site.v["out_port"]), f"sip:pbx@{OUTSIDE}:{site.v['out_port']}",
                            t.sdp("0 101", "a=rtpmap:0 PCMU/8000\r\n" + EVENTS), r.sdp("0", "a=rtpmap:0 PCMU/8000\r\n"))
    tap.ok(b"telephone-event" not in invite.body and b"telephone-event/8000" in ok.body,
           "who has INFO is offered no events; who has events gets them answered", invite.body + ok.body)
    to_a, to_b = media_of(invite.body), media_of(ok.body)  # where r sends, where t sends
    speak(t.media, to_b), speak(r.media, to_a)
    tap.ok(r.media.receive(3) and t.media.receive(3), "both hear each other")
    r.media.drain(), t.media.drain()

    for event, key in ((5, "5"), (5, "5"), (11, "#")):
        press(t.media, to_b, event, t.media.sequence * 160 + 50000 * event)
        speak(t.media, to_b, 2)
        info = r.expect("INFO")
        tap.ok(info.get("Content-Type") == "application/dtmf-relay" and f"Signal={key}\r\n".encode() in info.body and info.body.count(b"Signal") == 1,
               f"key {key} in the media: one INFO", info.data.decode())
        r.answer(info, 200, "OK", tag=b.tag)
    heard = gather(r.media, 0.3)
    tap.ok(r.is_quiet(0.2) and heard and not any(p[1] & 0x7F == 101 for p in heard), "no INFO more than keys, and no event in the media of who has INFO")

    t.media.drain()
    request = b.request("INFO", b"Signal=*\r\nDuration=160\r\n", kind="application/dtmf-relay")
    r.send(request, b.to)
    told = r.expect(200)
    r.send(request, b.to)  # as if the 200 had been lost
    speak(r.media, to_a, 2)
    played = [p for p in gather(t.media, 0.8) if p[1] & 0x7F == 101]
    stamps = {p[4:8] for p in played}
    ends = [p for p in played if p[13] & 0x80]
    tap.ok(told.status == 200 and len(stamps) == 1 and len(ends) == 3 and all(p[12] == 10 for p in played),
           "an INFO becomes one key in the media, with its three ends", f"{len(played)} packets, {len(stamps)} keys, {len(ends)} ends")
    tap.ok(t.is_quiet(0.1), "the INFO itself goes no further")
    tap.ok(hang_up(a, b).status == 200, "hung up")
    tap.ok(site.metric("sallyport_media_events_total", event="key") == 3 and site.metric("sallyport_media_events_total", event="key_lost") == 0,
           "the metrics have counted three keys")
    log = site.sbc.text() + site.relay.text()
    tap.ok("Signal=" not in log and "digit" not in log, "no key is in a log (threats D15)")


def tos_of(sock, send):
    """The TOS octet that the next datagram came with."""
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        send()
        if select.select([sock], [], [], 0.2)[0]:
            _, more, _, _ = sock.recvmsg(65536, 256)
            return next((data[0] for level, kind, data in more if level == socket.IPPROTO_IP and kind == socket.IP_TOS), None)
    return None


def code_points(tap, t, r, site):
    a, b, invite, ok = talk(t, r, (OUTSIDE, site.v["out_port"]), f"sip:pbx@{OUTSIDE}:{site.v['out_port']}")
    to_a, to_b = media_of(invite.body), media_of(ok.body)
    out = tos_of(t.media.s, lambda: speak(r.media, to_a, 1))
    inside = tos_of(r.media.s, lambda: speak(t.media, to_b, 1))
    tap.ok((out, inside) == (46 << 2, 34 << 2), "media leave each side with its code point", (out, inside))
    t.s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    t.send(a.request("BYE"), a.to)
    select.select([t.s], [], [], 5)
    r.answer(r.expect("BYE"), 200, "OK")
    select.select([t.s], [], [], 5)
    data, more, _, _ = t.s.recvmsg(65536, 256)
    tos = next((d[0] for level, kind, d in more if kind == socket.IP_TOS), None)
    tap.ok(data.startswith(b"SIP/2.0 200") and tos == 24 << 2, "signalling leaves with the listener's code point", tos)


def families(tap, t, site):
    six = Party("::1", port=site.v["six_peer"])
    a, b, invite, ok = talk(t, six, (OUTSIDE, site.v["out_port"]), f"sip:six@{OUTSIDE}:{site.v['out_port']}")
    tap.ok(b"c=IN IP6 ::1" in invite.body and b"127.0.0" not in invite.body and b"::1" not in ok.body,
           "each side sees addresses of its own family alone", invite.body + ok.body)
    to_a, to_b = media_of(invite.body), media_of(ok.body)
    got = [None, None]
    for _ in range(20):
        speak(t.media, to_b, 1), speak(six.media, to_a, 1)
        got[0] = got[0] or six.media.receive(0.1)
        got[1] = got[1] or t.media.receive(0.1)
        if all(got):
            break
    tap.ok(all(got), "IPv6 inside and IPv4 outside hear each other")
    tap.ok(hang_up(a, b).status == 200, "hung up across the families")
    six.close()


def silence(tap, t, r, site):
    """The caller falls silent, and comes back; then it is silent for good."""
    a, b, invite, ok = talk(t, r, (OUTSIDE, site.v["out_port"]), f"sip:pbx@{OUTSIDE}:{site.v['out_port']}")
    to_a, to_b = media_of(invite.body), media_of(ok.body)

    def until(test, who, seconds=12):
        """Both, or the callee alone, speak until the event is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if who == "both":
                speak(t.media, to_b, 1)
            speak(r.media, to_a, 1)
            r.media.drain(), t.media.drain()
            if test():
                return True
            time.sleep(0.05)
        return False

    heard = site.metric("sallyport_media_events_total", event="lost")
    began = time.monotonic()
    until(lambda: time.monotonic() > began + 1, "both")
    tap.ok(until(lambda: site.metric("sallyport_media_events_total", event="lost", direction="in") > heard, "callee"), "who is not heard any more is told of")
    call = site.calls()
    tap.ok(call and call[0].get("in_silent_ms", 0) > 0 and "out_silent_ms" not in call[0], "and shown among the calls", call)
    tap.ok(until(lambda: site.metric("sallyport_media_events_total", event="back", direction="in") > 0 and "in_silent_ms" not in site.calls()[0], "both"),
           "so is that it is back")
    until(lambda: not site.calls() or select.select([t.s], [], [], 0)[0], "callee")
    bye = [p.expect("BYE") for p in (t, r)]
    for p, m in zip((t, r), bye):
        p.answer(m, 200, "OK")
    tap.ok(all("cause=408" in m.get("Reason") and "Q.850;cause=102" in m.get("Reason") for m in bye), "silent for too long: BYE to both, with the reason", bye[0].data.decode())
    cdr = lib.wait_for("its record", lambda: [c for c in site.cdrs() if c["cause"] == "media_timeout"])[-1]
    tap.ok(cdr["cause"] == "media_timeout" and cdr["ended_by"] == "us" and all(m["packets"] > 0 for m in cdr["media"]), "the CDR says so, with the media's figures", cdr)


def play(tap, folder):
    v = {}
    if has_ipv6():
        span = 40
        v = {"six_port": lib.free_port("::1"), "six_peer": lib.free_port("::1"), "media_six": lib.free_port("::1", span=span, even=True)}
        v["media_six_end"] = v["media_six"] + span - 1
    config = CONFIG.replace("{six}\n", SIX + "\n" if v else "").replace("{six_trunk}\n", SIX_TRUNK + "\n" if v else "").replace("{six_to}", "six" if v else "pbx")
    t, r = Party("127.0.0.31"), Party("127.0.0.41")
    site = Site(folder, config, asan=True, out_port=lib.free_port(OUTSIDE), caller_port=t.port, pbx_port=r.port, **v)
    site.start_relay("--media-lost=1")
    site.start(relay=False)
    keys(tap, t, r, site)
    code_points(tap, t, r, site)
    if v:
        families(tap, t, site)
    silence(tap, t, r, site)
    site.wait_empty(20)
    tap.ok(site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    tap.ok(site.stop() == (0, 0), "both daemons end in order, with nothing leaked", site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
