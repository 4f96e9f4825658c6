#!/usr/bin/env python3
"""Nothing that names one side is on the other (design promise 3): real phones, both directions, every SIP message, SDP and RTCP that a side gets."""
import base64, os, re, struct, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from sallyport_site import INSIDE, OUTSIDE, PHONE_IN, PHONE_OUT, Site

NUMBER, BACK = "+4930555123", "+49301"
TRACED = re.compile(r"\x1b\[36;1m#\n(?:UDP|TCP|TLS) (\S+):(\d+) -> (\S+):(\d+)\n(.*?)\x1b\[;m", re.S)


class Heard:
    """What a phone's own trace says that it sent and got."""

    def __init__(self, phone, address):
        self.sent, self.got, self.ports = [], [], set()
        for source, sport, _, dport, text in TRACED.findall(phone.process.text().replace("\r", "")):
            (self.sent if source == address else self.got).append(text)
            self.ports.add(sport if source == address else dport)

    def all(self):
        return "\n".join(self.sent + self.got)

    def bodies(self, texts):
        return [t.split("\n\n", 1)[1] for t in texts if "\n\n" in t and "application/sdp" in t]

    def names(self):
        """Whatever tells this side's dialogs: Call-IDs, tags, branches, contacts."""
        text = self.all()
        return set(re.findall(r"(?im)^call-id: *(\S+)", text)) | set(re.findall(r";tag=([^\s;>]+)", text)) | \
            set(re.findall(r";branch=([^\s;>]+)", text)) | set(re.findall(r"(?im)^contact: *<sips?:([^@>;]+@[^>;]+)", text))


def rtcp_parts(data):
    """(type, bytes) of each packet of a compound; None: no RTCP."""
    out = []
    while data:
        if len(data) < 4 or data[0] >> 6 != 2 or not 192 <= data[1] <= 223:
            return None
        n = 4 * (struct.unpack("!H", data[2:4])[0] + 1)
        if n > len(data):
            return None
        out.append((data[1], data[:n]))
        data = data[n:]
    return out


def aes_ctr(key, iv, data):
    return subprocess.run(["openssl", "enc", "-aes-128-ctr", "-K", key.hex(), "-iv", iv.hex()], input=data, stdout=subprocess.PIPE, check=True).stdout


def srtcp_open(inline, data):
    """The plain compound within an AES_CM_128_HMAC_SHA1_80 packet (RFC 3711 §3.4, §4.3); the tag is not looked at."""
    master = base64.b64decode(inline)
    key, salt = master[:16], int.from_bytes(master[16:30], "big")

    def derive(label, n):
        return aes_ctr(key, ((salt ^ label << 48) << 16).to_bytes(16, "big"), bytes(n))

    index = struct.unpack("!I", data[-14:-10])[0]
    if not index >> 31:
        return None
    ssrc = struct.unpack("!I", data[4:8])[0]
    iv = int.from_bytes(derive(5, 14), "big") << 16 ^ ssrc << 64 ^ (index & 0x7fffffff) << 16
    return data[:8] + aes_ctr(derive(3, 16), iv.to_bytes(16, "big"), data[8:-14])


def rtcp_of(capture, source, dest, ports):
    """UDP payloads with an RTCP type, from the address to the other; `ports`: the relay's on the one that is ours."""
    low, high = ports
    return [p for _, src, sport, dst, dport, p in capture.packets()
            if src == source and dst == dest and low <= (sport if source in (INSIDE, OUTSIDE) else dport) <= high and
            len(p) >= 8 and p[0] >> 6 == 2 and 192 <= p[1] <= 223]


def descriptions(parts):
    """(item type, text) of each item of each description, whose chunks have one source each here."""
    for kind, data in parts:
        if kind != 202:
            continue
        at = 8
        while at + 1 < len(data) and data[at]:
            yield data[at], data[at + 2:at + 2 + data[at + 1]]
            at += 2 + data[at + 1]


def check_rtcp(tap, name, packets, words):
    good = [rtcp_parts(p) for p in packets]
    tap.ok(good and all(good), f"{name}: {len(packets)} compounds, all whole", [p.hex() for p in packets])
    good = [g for g in good if g]
    items = [i for g in good for i in descriptions(g)]
    tap.ok(items and all(k == 1 and re.fullmatch(rb"[A-Za-z0-9+/]{16}", t) for k, t in items),
           f"{name}: descriptions have an opaque CNAME and nothing else", items)
    tap.ok(len({t for _, t in items}) == 1, f"{name}: and it stays the same", items)
    tap.ok(all(g[0][0] in (200, 201) for g in good if len(g) > 1), f"{name}: a report comes first")
    leaks = [w for w in words for p in packets if w in p]
    tap.ok(not leaks, f"{name}: no name, host or product", leaks)


def check_side(tap, name, mine, theirs, ours):
    """What one phone got: nothing of the other, and of addresses only its own and ours on its side."""
    got = "\n".join(mine.got)
    tap.ok(len(mine.got) >= 3 and len(theirs.sent) >= 3, f"{name}: messages were traced ({len(mine.got)} of them)")
    crossed = [n for n in theirs.names() if n in got]
    tap.ok(theirs.names() and not crossed, f"{name}: no Call-ID, tag, branch or contact of the other side", crossed)
    tap.ok("baresip" in "\n".join(theirs.sent) and "baresip" not in got.lower(), f"{name}: no product of the other side", got)
    named = re.findall(r"(?im)^(?:user-agent|server|organization|warning|alert-info|call-info|[xp]-\S*):.*$", got)
    tap.ok(not named, f"{name}: no header that only the other side would write", named)
    hosts = {h for h in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", got)}
    tap.ok(hosts <= {ours, PHONE_IN}, f"{name}: of addresses, its own and ours", hosts)
    # Both phones live on one address: by port they differ.
    mine_said = set(re.findall(r"127\.0\.0\.1:(\d+)", "\n".join(mine.sent))) | mine.ports
    strange = set(re.findall(r"127\.0\.0\.1:(\d+)", got)) - mine_said
    tap.ok(not strange, f"{name}: no port of the other side", strange)
    bodies = mine.bodies(mine.got)
    tap.ok(bodies and all(set(re.findall(r"\b127\.0\.0\.\d+\b", b)) == {ours} for b in bodies), f"{name}: SDP has our address alone", bodies)
    said = [l for b in theirs.bodies(theirs.sent) for l in b.splitlines() if re.match(r"a=(tool|ssrc|label|cname)", l)]
    shown = [l for b in bodies for l in b.splitlines() if not re.match(
        r"v=0$|o=- \d+ \d+ IN IP4 \S+$|s=-$|c=IN|t=0 0$|m=audio |a=(rtpmap|fmtp|rtcp|crypto|ptime):|a=(sendrecv|rtcp-mux|rtcp-rsize)$", l)]
    tap.ok(said and not shown, f"{name}: SDP has known lines alone, though the other side said {len(said)} more", shown)
    origins = {re.search(r"(?m)^o=.*$", b).group(0).split()[1] for b in theirs.bodies(theirs.sent)}
    tap.ok(origins and not any(o in got for o in origins), f"{name}: not the other side's session id", origins)


def talk(site, capture, caller, uri, callee):
    """A call until both sides' RTCP was seen on the wire (the phones send it every five seconds)."""
    v = site.v
    caller.dial(uri)
    caller.wait_event("CALL_ESTABLISHED")
    inside, outside = (v["media_in"], v["media_in_end"]), (v["media_out"], v["media_out_end"])
    if capture.p:
        before = tuple(len(rtcp_of(capture, *way)) for way in ((INSIDE, PHONE_IN, inside), (OUTSIDE, PHONE_OUT, outside)))
        lib.wait_for("RTCP on both sides", lambda: len(rtcp_of(capture, INSIDE, PHONE_IN, inside)) > before[0] and
                     len(rtcp_of(capture, OUTSIDE, PHONE_OUT, outside)) > before[1], 25, 0.3)
    caller.hangup()
    caller.wait_event("CALL_CLOSED")
    callee.wait_event("CALL_CLOSED")


def play(tap, folder):
    site = Site(folder, asan=os.environ.get("SALLYPORT_ASAN") == "1").start()
    v = site.v
    capture = lib.Capture(folder)
    inside = site.inside_phone("bob", NUMBER, options=("-s",))

    alice = site.outside_phone("alice", options=("-s",))
    talk(site, capture, alice, site.dial_uri(NUMBER), inside)
    a, b = Heard(alice, PHONE_OUT), Heard(inside, PHONE_IN)
    check_side(tap, "outside, calling", a, b, OUTSIDE)
    check_side(tap, "inside, called", b, a, INSIDE)
    # Our key towards the phone is in the answer that it got.
    answer = re.search(r"a=crypto:\d+ AES_CM_128_HMAC_SHA1_80 inline:([A-Za-z0-9+/=]+)", a.bodies(a.got)[-1])
    first = capture.packets() and rtcp_of(capture, OUTSIDE, PHONE_OUT, (v["media_out"], v["media_out_end"]))

    dave = site.outside_phone(BACK, called=True, options=("-s",))
    seen = len(inside.process.text())
    talk(site, capture, inside, f"sip:{BACK}@{INSIDE}:{v['udp_port']}", dave)
    d, b2 = Heard(dave, PHONE_OUT), Heard(inside, PHONE_IN)
    tap.ok(len(inside.process.text()) > seen and len(b2.got) > len(b.got), "the second call was traced")
    check_side(tap, "outside, called", d, b2, OUTSIDE)
    check_side(tap, "inside, calling", b2, d, INSIDE)
    alice.stop(), dave.stop(), inside.stop()

    if capture.p:
        capture.stop()
        words = [b"127.0.0", b"sip:", b"alice", b"baresip", b"Adjo", NUMBER.encode(), BACK.encode()]
        own = rtcp_of(capture, PHONE_IN, INSIDE, (v["media_in"], v["media_in_end"]))
        tap.ok(any(b"sip:" + NUMBER.encode() in p for p in own), "the inside phone's own RTCP says who and where it is", [p.hex() for p in own])
        got = rtcp_of(capture, INSIDE, PHONE_IN, (v["media_in"], v["media_in_end"]))
        by_call = {}
        for p in got:
            by_call.setdefault(p[4:8], []).append(p)
        tap.ok(len(by_call) == 2, "RTCP of both calls reached the inside phone", [p.hex() for p in got])
        for n, packets in enumerate(by_call.values()):
            check_rtcp(tap, f"RTCP inside, call {n + 1}", packets, words)
        names = {t for packets in by_call.values() for p in packets for _, t in descriptions(rtcp_parts(p) or [])}
        tap.ok(len(names) == 2, "two calls have two names", names)
        if tap.ok(answer, "the outside phone's answer has our key"):
            check_rtcp(tap, "SRTCP outside", [srtcp_open(answer.group(1), p) for p in first], words)
    else:
        tap.ok(True, "RTCP on the wire # SKIP tcpdump may not listen here")
    tap.ok(site.status()["calls"] == 0, "and the daemons still serve")
    tap.ok(site.stop() == (0, 0), "both end in order")


sip.main(play)
