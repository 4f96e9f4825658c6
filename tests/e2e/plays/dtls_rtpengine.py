#!/usr/bin/env python3
"""DTLS-SRTP between our relay and Debian's rtpengine, each driven by NG: plain RTP goes into one, through a handshake of the two, and comes out of
the other as it went in. In both roles, with and without rtcp-mux, with a hold, with SDES beside it, and with a certificate that is not the one in SDP."""
import os, re, shutil, socket, sys, tempfile, urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
from relay_ng import Relay

OURS, THEIRS = "127.0.0.1", "127.0.0.2"
SDP = "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={2}\r\n"


class Ends:
    """Two plain phones: one behind each relay."""

    def __init__(self):
        self.s, self.seq = [], [100, 200]
        for address in (OURS, THEIRS):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, lib.free_port(address, socket.SOCK_DGRAM, span=2, even=True)))
            s.settimeout(0.1)
            self.s.append(s)

    def sdp(self, i, direction="sendrecv"):
        return SDP.format(*self.s[i].getsockname(), direction)

    def packet(self, i):
        self.seq[i] += 1
        return b"\x80\x00" + self.seq[i].to_bytes(2, "big") + (160 * self.seq[i]).to_bytes(4, "big") + bytes([0, 0, 0, 7 + i]) + bytes([0x50 + i]) * 160

    def hears(self, to, port, seconds=5):
        """Packets of the other end arrive at `to`, whole and in the clear."""
        def look():
            data = self.packet(1 - to)
            self.s[1 - to].sendto(data, ((OURS, THEIRS)[1 - to], port))
            try:
                while True:
                    got = self.s[to].recv(2048)
                    if got[12:] == data[12:] and got[1] & 0x7f == 0:
                        return True
            except socket.timeout:
                return False
        try:
            return lib.wait_for("media", look, seconds, 0.02)
        except TimeoutError:
            return False

    def both(self, ports, seconds=5):
        return self.hears(1, ports[0], seconds) and self.hears(0, ports[1], seconds)

    def close(self):
        for s in self.s:
            s.close()


def port(sdp):
    return int(re.search(r"^m=audio (\d+)", sdp, re.M)[1])


def setup(sdp):
    m = re.search(r"^a=setup:(\w+)", sdp, re.M)
    return m and m[1]


class Pair:
    """The caller's relay is `a`, the callee's is `b`; what a wants of its far side are `flags`."""

    def __init__(self, a, b, ends, turned):
        self.a, self.b, self.ends, self.turned = a, b, ends, turned
        self.n = 0

    def call(self, flags_a, flags_b, direction="sendrecv", again=False, change=lambda sdp: sdp):
        """Returns the ports for the two ends, and what the middle agreed on."""
        self.n += not again
        name, to = f"call-{self.turned}-{self.n}", {"to-tag": "B"} if again else {}
        first, second = (1, 0) if self.turned else (0, 1)
        offer = self.a.ask("offer", call_id=name, from_tag="A", sdp=self.ends.sdp(first, direction), **to, **flags_a)
        inner = self.b.ask("offer", call_id=name, from_tag="A", sdp=change(offer["sdp"]), transport_protocol="RTP/AVP", ICE="remove", **to, **flags_b)
        back = self.b.ask("answer", call_id=name, from_tag="A", to_tag="B", sdp=self.ends.sdp(second))
        middle = back["sdp"]
        out = self.a.ask("answer", call_id=name, from_tag="A", to_tag="B", sdp=middle)
        ports = [port(out["sdp"]), port(inner["sdp"])]
        return (ports[::-1] if self.turned else ports), offer["sdp"], middle

    def end(self):
        for r in (self.a, self.b):
            r.ask("delete", call_id=f"call-{self.turned}-{self.n}", from_tag="A", **{"delete-delay": 0})


def metric(http, line):
    text = urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=5).read().decode()
    return next((float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l.startswith(line + " ")), None)


def start_ours(folder):
    ng, http, media = lib.free_port(), lib.free_port(), lib.free_port(span=100, even=True)
    p = lib.Process("ours", [lib.binary("sallyport-rtpproxy", True), "--foreground", f"--interface={OURS}", f"--listen-ng=127.0.0.1:{ng}",
                             f"--listen-http=127.0.0.1:{http}", f"--port-min={media}", f"--port-max={media + 99}", "--io=sockets", "--log-level=info"], folder)
    relay = Relay(ng)
    lib.wait_for("our relay", lambda: ask_ping(relay))
    return p, relay, http


def start_theirs(folder):
    ng, media = lib.free_port(), lib.free_port(THEIRS, span=100, even=True)
    p = lib.Process("rtpengine", ["rtpengine", "--foreground", "--log-stderr", "--config-file=none", "--table=-1", f"--interface={THEIRS}",
                                  f"--listen-ng=127.0.0.1:{ng}", f"--port-min={media}", f"--port-max={media + 99}", "--log-level=6"], folder)
    relay = Relay(ng)
    lib.wait_for("rtpengine", lambda: ask_ping(relay))
    return p, relay


def ask_ping(relay):
    try:
        return relay.ask("ping").get("result") == "pong"
    except (OSError, TimeoutError):
        return False


DTLS = {"transport-protocol": "UDP/TLS/RTP/SAVP", "SDES": ["off"], "ICE": "remove"}
MUX = {**DTLS, "rtcp-mux": ["require"]}


def play(tap, folder):
    p, ours, http = start_ours(folder)
    q, theirs = start_theirs(folder)
    ends = Ends()

    def up(n):
        """So many associations have come up; the metrics are a moment old."""
        try:
            return lib.wait_for(f"{n} associations", lambda: metric(http, "sallyport_relay_dtls_up_total") == n, 8)
        except TimeoutError:
            return False
    to_them, to_us = Pair(ours, theirs, ends, False), Pair(theirs, ours, ends, True)

    ports, offer, middle = to_them.call(MUX, {"rtcp-mux": ["demux"]})
    tap.ok(setup(offer) == "actpass" and setup(middle) == "active" and ends.both(ports), "we offer, rtpengine begins the handshake: RTP both ways", middle)
    first = up(1)
    ports, _, again = to_them.call(MUX, {"rtcp-mux": ["demux"]}, "sendonly", again=True)
    ports, _, again = to_them.call(MUX, {"rtcp-mux": ["demux"]}, again=True)
    tap.ok(ends.both(ports) and first and up(1), "hold and resume keep the association", again)
    to_them.end()

    # Told so, it waits for us.
    ports, _, middle = to_them.call(MUX, {"rtcp-mux": ["demux"]}, change=lambda sdp: sdp.replace("a=setup:actpass", "a=setup:active"))
    tap.ok(setup(middle) == "passive" and ends.both(ports), "we offer and begin: RTP both ways", middle)
    to_them.end()

    ports, _, middle = to_them.call(DTLS, {})
    tap.ok(ends.both(ports) and up(4), "without rtcp-mux: two associations", middle)
    to_them.end()

    ports, offer, middle = to_us.call(MUX, {"rtcp-mux": ["demux"]})
    tap.ok(setup(offer) == "actpass" and setup(middle) == "active" and ends.both(ports), "rtpengine offers, we begin: RTP both ways", offer + middle)
    to_us.end()

    ports, _, middle = to_us.call(MUX, {"rtcp-mux": ["demux"], "DTLS": "passive"})
    tap.ok(setup(middle) == "passive" and ends.both(ports), "rtpengine offers and begins: RTP both ways", middle)
    to_us.end()

    both = {"transport-protocol": "RTP/SAVP", "ICE": "remove"}
    ports, offer, middle = to_them.call(both, {})
    tap.ok("a=crypto:" in offer and "a=fingerprint:" in offer and "a=crypto:" not in middle and ends.both(ports), "both ways of keying offered to rtpengine: it takes DTLS",
           middle)
    to_them.end()
    ports, offer, middle = to_us.call(both, {})
    tap.ok("a=crypto:" in offer and "a=fingerprint:" in offer and "a=crypto:" not in middle and ends.both(ports), "rtpengine offers both: we take DTLS", offer + middle)
    to_us.end()

    def lie(sdp):
        return re.sub(r"(a=fingerprint:sha-256 )(..)", lambda m: m[1] + ("00" if m[2] != "00" else "11"), sdp)
    before = metric(http, "sallyport_relay_dtls_failed_fingerprint_total")
    ports, _, _ = to_us.call(MUX, {"rtcp-mux": ["demux"]}, change=lie)
    tap.ok(lib.wait_for("the refusal", lambda: metric(http, "sallyport_relay_dtls_failed_fingerprint_total") > before, 5) and not ends.both(ports, 0.3),
           "another certificate than SDP names: no media, and counted")
    to_us.end()

    tap.ok(lib.wait_for("the end", lambda: metric(http, "sallyport_relay_dtls_handshakes") == 0 and ours.sessions() == 0, 5), "nothing is left")
    tap.ok(ours.ask("ping") == {"result": "pong"} and p.stop() == 0, "it still serves, and ends cleanly", p.text()[-3000:])
    ends.close()


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-dtls-")
    try:
        play(tap, folder)
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
