#!/usr/bin/env python3
"""What the relay does with media beside sending it on: keys told once as JSON, keys played, recordings as PCAP, a subscriber with copies.
A is plain, B encrypted, the subscriber plain: what is recorded and copied of B was decrypted here."""
import json, os, re, select, shutil, socket, stat, struct, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, srtp
from relay_ng import Relay

HERE = "127.0.0.1"
EVENT, AUDIO = 101, 0


class Party:
    """A UDP socket that talks G.711 of one byte, and presses keys."""

    def __init__(self, name, fill, key=None):
        self.name, self.fill, self.key = name, fill, key
        self.port = lib.free_port(HERE, socket.SOCK_DGRAM, span=2, even=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((HERE, self.port))
        self.ssrc, self.seq, self.ts, self.to, self.theirs = os.urandom(4), 100, 8000, None, None

    def sdp(self):
        proto = "RTP/SAVP" if self.key else "RTP/AVP"
        return (f"v=0\r\no={self.name} 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio {self.port} {proto} 0 {EVENT}\r\n"
                f"a=rtpmap:{EVENT} telephone-event/8000\r\n" + (self.key.line if self.key else ""))

    def answered(self, sdp):
        """Where the relay waits for us, and its key."""
        self.to = (HERE, int(sdp.split("m=audio ")[1].split()[0]))
        self.theirs = srtp.Key.of(sdp.encode()) if self.key else None

    def send(self, pt, body, marker=False):
        p = struct.pack("!BBHI", 0x80, pt | (0x80 if marker else 0), self.seq & 0xFFFF, self.ts) + self.ssrc + body
        self.seq += 1
        self.s.sendto(self.key.protect(p) if self.key else p, self.to)

    def talk(self, n=1):
        for _ in range(n):
            self.ts += 160
            self.send(AUDIO, bytes([self.fill]) * 160)

    def press(self, event, ends=3, twice=False):
        """100 ms of a key, each packet also twice."""
        for i in range(1, 6):
            for _ in range(2 if twice else 1):
                self.send(EVENT, struct.pack("!BBH", event, 10, 160 * i), i == 1)
        for _ in range(ends):
            self.send(EVENT, struct.pack("!BBH", event, 0x80 | 10, 800))
        self.ts += 1600

    def heard(self, seconds=2.0, until=None):
        """Decrypted packets (type, sequence, timestamp, marker, body) until `until` of them say enough, or nothing comes."""
        out, end = [], time.monotonic() + seconds
        while time.monotonic() < end and not (until and until(out)):
            if not select.select([self.s], [], [], 0.05)[0]:
                continue
            p = self.s.recv(2048)
            p = self.theirs.unprotect(p) if self.theirs else p
            if p and p[1] & 0x7F in (AUDIO, EVENT):
                _, b, seq, ts = struct.unpack("!BBHI", p[:8])
                out.append((b & 0x7F, seq, ts, b >> 7, p[12:]))
        return out


def count(n, fill=None):
    return lambda got: len([g for g in got if fill is None or g[4][:1] == bytes([fill])]) >= n


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-tap-")
    try:
        play(tap, folder)
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(tap.done())


def play(tap, folder):
    records, outside = os.path.join(folder, "records"), os.path.join(folder, "outside")
    os.mkdir(records), os.mkdir(outside)
    ng, first = lib.free_port(HERE, socket.SOCK_DGRAM), lib.free_port(HERE, socket.SOCK_DGRAM, span=60, even=True)
    keys, own = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for s in (keys, own):
        s.bind((HERE, 0)), s.settimeout(2)
    http = lib.free_port(HERE)
    daemon = lib.Process("relay", [lib.binary("sallyport-rtpproxy", asan=True), "--foreground", f"--interface={HERE}", f"--listen-ng={HERE}:{ng}",
                                   f"--listen-http={HERE}:{http}", f"--port-min={first}", f"--port-max={first + 58}", "--num-threads=2",
                                   "--io=sockets", f"--recording-dir={records}", f"--dtmf-log-dest={HERE}:{keys.getsockname()[1]}",
                                   "--log-level=debug"], folder)
    daemon.wait_text("ready")
    relay = Relay(ng)
    a, b, r = Party("a", 0x11), Party("b", 0x22, srtp.Key()), Party("r", 0)
    offer = relay.ask("offer", call_id="call/1@x", from_tag="A", label="caller", sdp=a.sdp(), transport_protocol="RTP/SAVP", DTLS="off")
    number = offer["sdp"].split("AES_CM_128_HMAC_SHA1_80")[0].rsplit("a=crypto:", 1)[1].strip()
    b.key.line = b.key.line.replace("a=crypto:1", "a=crypto:" + number)
    b.answered(offer["sdp"])
    answer = relay.ask("answer", call_id="call/1@x", from_tag="A", to_tag="B", sdp=b.sdp(), DTMF_log_dest="%s:%d" % own.getsockname())
    a.answered(answer["sdp"])
    tap.ok("result" in answer and answer["result"] == "ok", "a call of a plain and an encrypted side", answer)

    # keys, each once, to both who want them
    a.talk(5), b.talk(5)
    a.heard(5, count(5)), b.heard(5, count(5))
    a.press(9), a.talk(), a.press(1, twice=True), a.press(1), b.press(7), a.press(3, ends=0), a.talk(), b.press(11, ends=1)

    def told(s):
        got = []
        while len(got) < 6 and select.select([s], [], [], 3)[0]:
            got.append(json.loads(s.recv(4096)))
        while select.select([s], [], [], 0.3)[0]:
            got.append(json.loads(s.recv(4096)))
        return got
    got = told(keys)
    tap.ok(sorted((k["source_tag"], k["event"]) for k in got) == [("A", 1), ("A", 1), ("A", 3), ("A", 9), ("B", 7), ("B", 11)],
           "each key is told once as a JSON datagram", got)
    tap.ok(all(k["callid"] == "call/1@x" and k["type"] == "DTMF" and k["volume"] == 10 and k["source_ip"] == HERE and k["duration"] == 100
               and sorted(k["tags"]) == ["A", "B"] and abs(k["timestamp"] - time.time()) < 30 for k in got)
           and {k.get("source_label") for k in got if k["source_tag"] == "A"} == {"caller"}, "the datagram has the members that clients read", got)
    tap.ok(len(told(own)) == 6, "and once to the address that the call named")
    b.heard(0.3), a.heard(0.3)

    # a recording
    bad = [relay.ask("start recording", call_id="call/1@x", **{k: v}) for k, v in
           (("output_destination", outside + "/x"), ("output_destination", "../outside/x"), ("recording_dir", outside), ("recording_pattern", "%c/../../outside/x"))]
    tap.ok(all(x["result"] == "error" and "not allowed" in x["error-reason"] for x in bad) and not os.listdir(outside),
           "a recording leaves its directory by no name", bad)
    rec = relay.ask("start recording", call_id="call/1@x", metadata="case:7|agent:x")
    tap.ok(rec["result"] == "ok" and rec["recording"]["state"] == "recording", "start recording", rec)
    a.talk(20), b.talk(20), a.press(8), b.talk(1)
    heard = b.heard(5, count(20 + 8)), a.heard(5, count(21))
    tap.ok(len(heard[1]) == 21 and {g[4] for g in heard[1]} == {b"\x22" * 160}, "the call goes on as before", [len(h) for h in heard])

    # a key of ours in A's name, to the encrypted side
    x = relay.ask("play DTMF", call_id="call/1@x", from_tag="A", code="5", duration=100)
    played = b.heard(5, lambda g: len([p for p in g if p[0] == EVENT]) >= 7)
    events = [p for p in played if p[0] == EVENT]
    last = heard[0][-1]
    tap.ok(x["result"] == "ok" and len(events) == 7 and [p[3] for p in events] == [1] + 6 * [0] and len({p[2] for p in events}) == 1
           and [p[1] for p in events] == [(last[1] + 1 + i) & 0xFFFF for i in range(7)]
           and [p[4][1] >> 7 for p in events] == [0, 0, 0, 0, 1, 1, 1] and all(p[4][0] == 5 for p in events)
           and [struct.unpack("!H", p[4][2:])[0] for p in events] == [160, 320, 480, 640, 800, 800, 800],
           "play DTMF is a press by the book, decrypted at the other side", played)
    a.talk(2)
    after = b.heard(5, count(2))
    tap.ok(len(after) == 2 and after[0][1] == (events[-1][1] + 1) & 0xFFFF, "what the party says then follows without a gap", after)

    # a subscriber
    sub = relay.ask("subscribe request", call_id="call/1@x", flags=["all", "siprec"])
    tap.ok(sub["result"] == "ok" and sub["sdp"].count("m=audio") == 2 and sub["sdp"].count("a=sendonly") == 2 and "RTP/AVP 0 101" in sub["sdp"]
           and [t["tag"] for t in sub["tag-medias"]] == ["A", "B"]
           and [int(m["label"]) for t in sub["tag-medias"] for m in t["medias"]] == [1, 2], "subscribe request offers each party's media with its label", sub)
    r2 = Party("r2", 0)
    line = "m=audio %d RTP/AVP 0\r\na=recvonly\r\n"
    sdp = f"v=0\r\no=r 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\n" + line % r.port + line % r2.port
    x = relay.ask("subscribe answer", call_id="call/1@x", to_tag=sub["to-tag"], sdp=sdp)
    a.talk(30), b.talk(30)
    copies = r.heard(5, count(30)), r2.heard(5, count(30))
    tap.ok(x["result"] == "ok" and len(copies[0]) == 30 and {g[4] for g in copies[0]} == {b"\x11" * 160}, "the subscriber gets A's media", [len(c) for c in copies])
    tap.ok(len(copies[1]) == 30 and {g[4] for g in copies[1]} == {b"\x22" * 160}, "and B's, which came encrypted")
    tap.ok(all([g[1] for g in c] == [(c[0][1] + i) & 0xFFFF for i in range(30)] for c in copies), "each copy is one source without a gap")
    x = relay.ask("unsubscribe", call_id="call/1@x", to_tag=sub["to-tag"])
    b.heard(0.2), a.heard(0.2)
    a.talk(3)
    tap.ok(x["result"] == "ok" and len(b.heard(5, count(3))) == 3 and not r.heard(0.3), "unsubscribe ends it, not the call", x)

    # the recording's end
    relay.ask("delete", call_id="call/1@x", delete_delay=0)
    name = lib.wait_for("the recording", lambda: [f for f in os.listdir(records) if f.endswith(".pcap")])[0]
    files = sorted(os.listdir(records))
    packets = list(lib.read_pcap(os.path.join(records, name)))
    by = {port: [p[5] for p in packets if p[2] == port] for port in (a.port, b.port)}
    tap.ok(name.startswith("call_1@x-") and len(files) == 2 and all(stat.S_IMODE(os.stat(os.path.join(records, f)).st_mode) == 0o600 for f in files),
           "a PCAP file and its words, for nobody else to read", files)
    tap.ok(len(by[a.port]) == 20 + 2 + 30 + 3 and len(by[b.port]) == 21 + 30 and len(packets) == len(by[a.port]) + len(by[b.port]),
           "it has every packet of both parties", {k: len(v) for k, v in by.items()})
    tap.ok({p[12:] for p in by[b.port]} == {b"\x22" * 160} and {p[12:] for p in by[a.port]} == {b"\x11" * 160},
           "in the clear, from their own addresses, without the keys that were pressed")
    with open(os.path.join(records, files[0] if files[0].endswith("json") else files[1])) as f:
        words = json.load(f)
    tap.ok(words["call_id"] == "call/1@x" and words["packets"] == len(packets) and words["complete"] is True and words["lost"] == 0
           and words["metadata"] == {"case": "7", "agent": "x"} and [p["tag"] for p in words["parties"]] == ["A", "B"], "the words beside it", words)
    times = [p[0] for p in packets]
    tap.ok(times == sorted(times) and abs(times[-1] - time.time()) < 30, "packets are in the order of their time")

    # nothing of a key anywhere else
    log = daemon.text()
    tap.ok("dtmf" not in log.lower() and not re.search(r'"event"|(?:key|digit|code|duration|volume)=', log), "no key in the log", log[-1500:])
    import urllib.request
    metrics = urllib.request.urlopen(f"http://{HERE}:{http}/metrics", timeout=5).read().decode()
    values = {line.split()[0]: float(line.split()[1]) for line in metrics.splitlines() if line.startswith("sallyport_relay_") and "{" not in line}
    tap.ok(values["sallyport_relay_keys_total"] == 7 and values["sallyport_relay_keys_told_total"] == 14 and values["sallyport_relay_keys_played_total"] == 1
           and values["sallyport_relay_recordings_finished_total"] == 1 and values["sallyport_relay_recording_lost_total"] == 0
           and values["sallyport_relay_copies_total"] == 60 and values["sallyport_relay_calls"] == 0, "counted, and nothing is left",
           {k: v for k, v in values.items() if v})
    tap.ok(daemon.stop() == 0, "the relay ends well", daemon.text()[-2000:])


main()
