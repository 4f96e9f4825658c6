#!/usr/bin/env python3
"""Two media relays, one a spare: the spare takes new calls when the first is gone, stops or hangs; the first takes them again when it is
back; with none a call is refused, and nothing hangs."""
import os, re, signal, socket, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  near:
    trust: low
    listen: [ {{ transport: tcp, address: 127.0.0.1, port: {port} }} ]
    media: {{ address: 127.0.0.1, ports: {a_near}-{a_near_end} }}
    media_policy: plain-or-srtp
  far:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.0.2, port: {port} }} ]
    media: {{ address: 127.0.0.2, ports: {a_far}-{a_far_end} }}
    media_policy: plain-or-srtp
trunks:
  callers: {{ realm: near, peers: [ {{ target: "sip:127.0.0.1:5099;transport=tcp" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  callee: {{ realm: far, peers: [ {{ target: "sip:127.0.0.1:{callee}" }} ], identify: {{ source: [127.0.0.9/32] }} }}
routes:
  - {{ when: {{ from: callers }}, to: [callee] }}
media_relays:
  - {{ name: first, url: "ng+unix:{first}", weight: 100 }}
  - {{ name: spare, url: "ng+unix:{spare}", weight: 0 }}
""" + sip.OBSERVE

SDP = (b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")


class Callee(threading.Thread):
    """Busy, always; remembers the media port that it was offered last."""

    def __init__(self):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", 0))
        self.port, self.offered = self.s.getsockname()[1], 0
        self.start()

    def run(self):
        while True:
            data, peer = self.s.recvfrom(65536)
            if not data.startswith(b"INVITE"):
                continue
            self.offered = int(re.search(rb"m=audio (\d+)", data)[1])
            keep = [l for l in data.split(b"\r\n") if l.split(b":")[0] in (b"Via", b"From", b"Call-ID", b"CSeq")]
            to = next(l for l in data.split(b"\r\n") if l.startswith(b"To:"))
            self.s.sendto(b"\r\n".join([b"SIP/2.0 486 Busy", *keep, to + b";tag=c", b"Content-Length: 0", b"", b""]), peer)


def play(tap, folder):
    callee = Callee()
    ports = {n: lib.free_port("127.0.0.1" if "near" in n else "127.0.0.2", span=40, even=True) for n in ("a_near", "a_far", "b_near", "b_far")}
    ends = {n + "_end": p + 39 for n, p in ports.items()}
    sbc = sip.Sbc(folder, CONFIG, port=lib.free_port(), callee=callee.port, first=os.path.join(folder, "first.sock"),
                  spare=os.path.join(folder, "spare.sock"), **ports, **ends)

    def relay(name, letter):
        socket_path = os.path.join(folder, name + ".sock")
        if os.path.exists(socket_path):
            os.unlink(socket_path)
        lo = ports[letter + "_near"], ports[letter + "_far"]
        with open(os.path.join(folder, name + ".yaml"), "w") as f:
            f.write(f"""version: 1
realms:
  near: {{ trust: low, listen: [ {{ transport: tcp, address: 127.0.0.1, port: {sbc.v['port']} }} ], media: {{ address: 127.0.0.1, ports: {lo[0]}-{lo[0] + 39} }} }}
  far: {{ trust: low, listen: [ {{ transport: tcp, address: 127.0.0.2, port: {sbc.v['port']} }} ], media: {{ address: 127.0.0.2, ports: {lo[1]}-{lo[1] + 39} }} }}
media_relays: [ {{ name: {name}, url: "ng+unix:{socket_path}" }} ]
""")
        p = lib.Process(name, [lib.binary("sallyport-rtpproxy", sbc.asan), "--foreground", "--config=" + os.path.join(folder, name + ".yaml")], folder)
        p.wait_text(r"\bready\b")
        return p

    def call():
        """(final status, which relay's port the callee was offered, seconds)"""
        callee.offered, began = 0, time.monotonic()
        s = sip.Stream(sip.HOST, sbc.v["port"])
        status = s.send(sip.request("INVITE", "sip:+49@sbc.test", via="127.0.0.1:%d" % s.s.getsockname()[1], body=SDP,
                                    headers=("Content-Type: application/sdp",))).status()
        s.close()
        which = next((n for n, letter in (("first", "a"), ("spare", "b")) if ports[letter + "_far"] <= callee.offered < ports[letter + "_far"] + 40), None)
        return status, which, time.monotonic() - began

    def up(name):
        return next(r["up"] for r in sbc.control("status")["relays"] if r["name"] == name)

    first, spare = relay("first", "a"), relay("spare", "b")
    sbc.start()
    tap.ok([call()[:2] for _ in range(5)] == [(486, "first")] * 5, "calls go by the relay that has a weight")

    first.stop(signal.SIGKILL)
    status, which, seconds = call()
    tap.ok((status, which) == (486, "spare") and seconds < 1, f"killed: the next call goes by the spare, after {seconds:.2f} s")
    tap.ok(not up("first") and sbc.metric("sallyport_relay_up", relay="first") == 0, "and that is seen in status and metrics")
    first = relay("first", "a")
    lib.wait_for("the first relay", lambda: up("first"))
    tap.ok(call()[:2] == (486, "first"), "back: calls go by it again")

    os.kill(first.pid, signal.SIGSTOP)
    status, which, seconds = call()
    tap.ok((status, which) == (486, "spare") and seconds < 3, f"it hangs: asked three times, then the spare, after {seconds:.2f} s")
    status, which, seconds = call()
    tap.ok((status, which) == (486, "spare") and seconds < 0.5, "the call after that does not wait")
    os.kill(first.pid, signal.SIGCONT)
    lib.wait_for("the first relay", lambda: up("first"))
    tap.ok(call()[:2] == (486, "first"), "it goes on: calls go by it again")

    first.stop(), spare.stop()
    status, which, seconds = call()
    tap.ok(status in (480, 500, 502, 503, 504) and callee.offered == 0 and seconds < 6, f"no relay: {status} after {seconds:.2f} s, and nothing went on")
    lib.wait_for("the calls to end", lambda: sbc.control("status")["calls"] == 0, 20)
    tap.ok(True, "and no call is left")
    first = relay("first", "a")
    lib.wait_for("the first relay", lambda: up("first"))
    tap.ok(call()[:2] == (486, "first"), "and the daemon still serves")
    lib.wait_for("an empty relay", lambda: all(r["sessions"] == 0 for r in sbc.control("status")["relays"] if r["up"]))
    tap.ok(True, "no session is left in the relay")
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
