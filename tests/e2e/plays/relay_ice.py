#!/usr/bin/env python3
"""ICE with the relay alone: a full agent (written here after RFC 8445) checks, nominates, moves, restarts and asks for consent; media goes where
it says and nowhere else. What does not know the password gets no answer."""
import hashlib, hmac, os, select, shutil, socket, struct, sys, tempfile, time, urllib.request, zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
from relay_ng import Relay

HERE = "127.0.0.1"
COOKIE = 0x2112A442
USERNAME, INTEGRITY, ERROR, XOR_MAPPED, PRIORITY, USE, FINGERPRINT, CONTROLLED, CONTROLLING = \
    0x06, 0x08, 0x09, 0x20, 0x24, 0x25, 0x8028, 0x8029, 0x802A


def attr(kind, value=b""):
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def message(kind, attrs, key=None, tid=None):
    tid = tid or os.urandom(12)
    head = lambda n: struct.pack("!HHI", kind, n, COOKIE) + tid
    body = b"".join(attrs)
    if key:
        body += attr(INTEGRITY, hmac.new(key, head(len(body) + 24) + body, hashlib.sha1).digest())
    m = head(len(body) + 8) + body
    return m + attr(FINGERPRINT, struct.pack("!I", zlib.crc32(m) ^ 0x5354554E)), tid


def attributes(m):
    out, i = {}, 20
    while i < len(m):
        kind, n = struct.unpack("!HH", m[i:i + 4])
        out[kind] = (i, m[i + 4:i + 4 + n])
        i += 4 + n + -n % 4
    return out


class Words:
    """ufrag, password and port of the relay, from its SDP."""

    def __init__(self, sdp):
        get = lambda name: sdp.split(f"a={name}:", 1)[1].split()[0]
        self.ufrag, self.pwd = get("ice-ufrag"), get("ice-pwd").encode()
        self.to = (HERE, int(sdp.split("m=audio ")[1].split()[0]))
        self.candidate = sdp.split("a=candidate:", 1)[1].split("\r\n")[0]


class Agent:
    """The peer: some sockets, one ufrag."""

    def __init__(self, sockets=3):
        self.socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(sockets)]
        for s in self.socks:
            s.bind((HERE, 0))
        self.renew()

    def renew(self):
        self.ufrag, self.pwd = os.urandom(4).hex(), os.urandom(12).hex()

    def sdp(self):
        port = self.socks[0].getsockname()[1]
        lines = "".join(f"a=candidate:{i} 1 UDP {2130706431 - i} {HERE} {s.getsockname()[1]} typ host\r\n" for i, s in enumerate(self.socks))
        return (f"v=0\r\no=b 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtcp-mux\r\n"
                f"a=ice-ufrag:{self.ufrag}\r\na=ice-pwd:{self.pwd}\r\n" + lines)

    def check(self, words, path, use=False, role=CONTROLLING, key=None, user=None, timeout=1.0, tie=b"12345678"):
        """One check from a path; (class, error or None), or None where nothing comes. What comes is proven to be right."""
        s = self.socks[path]
        attrs = [attr(USERNAME, (user or f"{words.ufrag}:{self.ufrag}").encode()), attr(PRIORITY, struct.pack("!I", 0x6E0001FF - path)), attr(role, tie)]
        m, tid = message(0x0001, attrs + ([attr(USE)] if use else []), key or words.pwd)
        s.sendto(m, words.to)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not select.select([s], [], [], 0.05)[0]:
                continue
            r, source = s.recvfrom(2048)
            if r[0] > 3 or r[8:20] != tid:
                continue  # media
            a = attributes(r)
            at, tag = a[INTEGRITY]
            whole = r[:2] + struct.pack("!H", at + 4) + r[4:at]
            assert hmac.compare_digest(hmac.new(words.pwd, whole, hashlib.sha1).digest(), tag), "integrity"
            assert len(r) <= len(m) and source == words.to
            assert zlib.crc32(r[:-8]) ^ 0x5354554E == struct.unpack("!I", r[-4:])[0], "fingerprint"
            kind = struct.unpack("!H", r[:2])[0]
            if kind == 0x0101:
                port, ip = struct.unpack("!HI", a[XOR_MAPPED][1][2:])
                assert (port ^ COOKIE >> 16, socket.inet_ntoa(struct.pack("!I", ip ^ COOKIE))) == (s.getsockname()[1], HERE)
            return kind, (a[ERROR][1][2] * 100 + a[ERROR][1][3]) if ERROR in a else None
        return None

    def heard(self):
        """Which sockets have media waiting; all is read."""
        got = set()
        for i, s in enumerate(self.socks):
            while select.select([s], [], [], 0)[0]:
                if s.recv(2048)[0] >> 6 == 2:
                    got.add(i)
        return got


class Plain:
    def __init__(self):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((HERE, 0))
        self.seq = 0

    def sdp(self):
        return f"v=0\r\no=a 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio {self.s.getsockname()[1]} RTP/AVP 0\r\n"


def rtp(seq, ssrc):
    return struct.pack("!BBHII", 0x80, 0, seq & 0xFFFF, 160 * seq, ssrc) + b"\xd5" * 160


def talks_to(a, to_a, agent, want, tries=100):
    """What A sends arrives at these paths of the agent, and at no other. What was on its way before does not count."""
    while select.select(agent.socks, [], [], 0.05)[0]:
        agent.heard()
    for _ in range(tries):
        a.seq += 1
        a.s.sendto(rtp(a.seq, 1), to_a)
        got = agent.heard()
        if got:
            return got == want
        time.sleep(0.01)
    return want == set()


def is_heard(a, agent, path, words, tries=50):
    """A hears what the agent sends from that path."""
    while select.select([a.s], [], [], 0)[0]:
        a.s.recv(2048)
    for i in range(tries):
        agent.socks[path].sendto(rtp(1000 + i, 2), words.to)
        if select.select([a.s], [], [], 0.01)[0]:
            return True
    return False


def metric(port, name):
    for line in urllib.request.urlopen(f"http://{HERE}:{port}/metrics", timeout=5).read().decode().splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.rsplit(" ", 1)[1])
    return None


def play(tap, folder):
    ng, http = lib.free_port(HERE, socket.SOCK_DGRAM), lib.free_port(HERE)
    first = lib.free_port(HERE, socket.SOCK_DGRAM, span=40, even=True)
    daemon = lib.Process("relay", [lib.binary("sallyport-rtpproxy", asan=True), "--foreground", f"--interface={HERE}", f"--listen-ng={HERE}:{ng}",
                                   f"--listen-http={HERE}:{http}", f"--port-min={first}", f"--port-max={first + 38}", "--io=sockets"], folder)
    daemon.wait_text("ready")
    relay, a, b = Relay(ng), Plain(), Agent()
    offer = relay.ask("offer", call_id="c1", from_tag="A", sdp=a.sdp(), ICE="force", rtcp_mux=["offer", "require"])
    w = Words(offer["sdp"])
    tap.ok("a=ice-lite" in offer["sdp"] and f"1 1 UDP 2130706431 {HERE} {w.to[1]} typ host" == w.candidate, "the offer is that of a lite agent, with one candidate", offer)
    tap.ok(b.check(w, 0) == (0x0101, None), "a check before the answer is answered")
    answer = relay.ask("answer", call_id="c1", from_tag="A", to_tag="B", sdp=b.sdp())
    to_a = (HERE, int(answer["sdp"].split("m=audio ")[1].split()[0]))
    tap.ok("ice-ufrag" not in answer["sdp"], "nothing of ICE is told to who did not offer it", answer)

    tap.ok(talks_to(a, to_a, b, set(), 20), "nothing is sent before a path is nominated")
    tap.ok(b.check(w, 1, use=True) == (0x0101, None) and talks_to(a, to_a, b, {1}), "media goes to the nominated path")
    tap.ok(is_heard(a, b, 1, w) and is_heard(a, b, 0, w), "media is taken from each path that was proven")
    tap.ok(not is_heard(a, b, 2, w, 20), "media from an address that was not proven is refused")
    tap.ok(b.check(w, 0, role=CONTROLLED) == (0x0111, 487), "who wants us to be in control is told of the conflict")
    silent = [b.check(w, 2, key=b"wrongpasswordwrongpassword", timeout=0.2), b.check(w, 2, user="abcdefgh:x", timeout=0.2),
              b.check(w, 2, user="x", timeout=0.2)]
    tap.ok(silent == [None] * 3 and not is_heard(a, b, 2, w, 20), "a check with a wrong password or user gets no answer", silent)
    b.check(w, 1)
    tap.ok(b.check(w, 2, use=True) == (0x0101, None) and talks_to(a, to_a, b, {2}), "a peer that moves takes its media with it")

    old = w
    b.renew()
    relay.ask("offer", call_id="c1", from_tag="B", to_tag="A", sdp=b.sdp(), ICE="remove")
    again = relay.ask("answer", call_id="c1", from_tag="B", to_tag="A", sdp=a.sdp())
    w = Words(again["sdp"])
    tap.ok(w.to == old.to and w.ufrag != old.ufrag and w.pwd != old.pwd, "a restart gets new words on the same port", again)
    tap.ok(talks_to(a, to_a, b, {2}), "media goes on while the new words have proven nothing")
    tap.ok(b.check(w, 0, use=True) == (0x0101, None) and talks_to(a, to_a, b, {0}), "and follows when they have")
    tap.ok(not is_heard(a, b, 2, w, 20), "the path before the restart is refused then")
    flags = relay.ask("query", call_id="c1")["tags"]["B"]["medias"][0]["flags"]
    tap.ok("ICE" in flags, "the query tells of ICE", flags)
    for _ in range(400):
        b.socks[1].sendto(message(0x0001, [attr(USERNAME, f"{w.ufrag}:x".encode()), attr(PRIORITY, b"abcd")], b"x" * 26)[0], w.to)
    # An agent repeats its checks (RFC 8489 §6.2.1): the first may find the socket full.
    tap.ok(any(b.check(w, 0) == (0x0101, None) for _ in range(3)), "a flood of wrong checks does not stop the right ones")
    lib.wait_for("counters", lambda: (metric(http, "sallyport_relay_ice_answers_total") or 0) >= 7, 5)
    tap.ok(metric(http, "sallyport_relay_ice_agents") == 1 and metric(http, "sallyport_relay_ice_errors_total") == 1, "answers, errors and agents are counted")
    relay.ask("delete", call_id="c1", delete_delay=0)
    tap.ok(b.check(w, 0, timeout=0.2) is None, "no answer comes after the call")
    tap.ok(daemon.stop() == 0, "the relay ends in order, with nothing leaked", daemon.text()[-2000:])


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-ice-")
    try:
        play(tap, folder)
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
