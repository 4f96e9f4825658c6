#!/usr/bin/env python3
"""The control protocol over every transport: UDP, TCP, Unix stream and datagram, HTTP, WebSocket; bad clients cost themselves alone."""
import base64, hashlib, json, os, re, select, shutil, socket, struct, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
from relay_ng import Relay, decode, encode

ASAN = os.environ.get("SALLYPORT_ASAN") == "1"
SDP = "v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n"


def dial(where):
    s = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(5)
    s.connect(where)
    return s


def read_all(s):
    """Until the other side closes; b"" where it resets."""
    got = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return got
            got += more
    except ConnectionError:
        return got


def read_bencode(s):
    """(cookie or None, dictionary) of one reply."""
    got = b""
    while True:
        more = s.recv(65536)
        if not more:
            raise EOFError(got)
        got += more
        at = 0 if got[:1] == b"d" else got.index(b" ") + 1
        try:
            return got[:at].strip() or None, decode(got, at)[0]
        except (ValueError, IndexError):
            continue


class Http:
    def __init__(self, port):
        self.s, self.rest = dial(("127.0.0.1", port)), b""

    def ask(self, method, path, body=b"", headers=(), length=True):
        head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if body or length and method == "POST":
            head.append(f"Content-Length: {len(body)}")
        self.s.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        return self.read()

    def read(self):
        while b"\r\n\r\n" not in self.rest:
            more = self.s.recv(65536)
            if not more:
                return 0, {}, b""
            self.rest += more
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        names = {k.lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:])}
        while len(self.rest) < int(names.get("content-length", 0)):
            self.rest += self.s.recv(65536)
        n = int(names.get("content-length", 0))
        body, self.rest = self.rest[:n], self.rest[n:]
        return int(lines[0].split()[1]), names, body


class Ws(Http):
    """A WebSocket client that can also do it wrong."""

    def __init__(self, port, protocol, headers=()):
        super().__init__(port)
        key = base64.b64encode(os.urandom(16)).decode()
        self.status, names, _ = self.ask("GET", "/", headers=["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                                                              "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Protocol: {protocol}", *headers])
        want = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        self.good = self.status == 101 and names["sec-websocket-accept"] == want
        self.protocol = names.get("sec-websocket-protocol")

    def frame(self, op, payload, fin=True, mask=True):
        n = len(payload)
        head = bytes([(0x80 if fin else 0) | op])
        m = 0x80 if mask else 0
        head += bytes([m | n]) if n < 126 else bytes([m | 126]) + struct.pack("!H", n) if n < 65536 else bytes([m | 127]) + struct.pack("!Q", n)
        if mask:
            k = os.urandom(4)
            payload = k + bytes(b ^ k[i % 4] for i, b in enumerate(payload))
        self.s.sendall(head + payload)

    def recv(self):
        """(opcode, payload); (None, b"") at the end."""
        def need(n):
            while len(self.rest) < n:
                more = self.s.recv(65536)
                if not more:
                    raise EOFError
                self.rest += more
        try:
            need(2)
            n, at = self.rest[1] & 127, 2
            if n > 125:
                size = 2 if n == 126 else 8
                need(2 + size)
                n, at = int.from_bytes(self.rest[2:2 + size], "big"), 2 + size
            need(at + n)
        except (EOFError, ConnectionError):
            return None, b""
        op, payload = self.rest[0] & 15, self.rest[at:at + n]
        self.rest = self.rest[at + n:]
        return op, payload


def call(ask, name, tap, how):
    """One call through `ask`, a function from dictionary to reply."""
    offer = ask({"command": "offer", "call-id": name, "from-tag": "a", "sdp": SDP % 4000})
    answer = ask({"command": "answer", "call-id": name, "from-tag": "a", "to-tag": "b", "sdp": SDP % 4002})
    query = ask({"command": "query", "call-id": name})
    gone = ask({"command": "delete", "call-id": name, "delete-delay": 0})
    tap.ok("m=audio" in offer.get("sdp", "") and "m=audio" in answer.get("sdp", "") and set(query.get("tags", {})) == {"a", "b"} and
           gone["result"] == "ok", f"a whole call {how}", (offer, answer, query, gone))


def stream_play(tap, where, cookie, how):
    s = dial(where)
    c, count = b"cookie-1 " if cookie else b"", [0]

    def ask(d):
        count[0] += 1
        mine = b"cookie%d" % count[0] if cookie else None
        s.sendall((mine + b" " if cookie else b"") + encode(d))
        got, reply = read_bencode(s)
        assert got == mine, got
        return reply

    call(ask, "stream-call", tap, f"over {how}")
    s.sendall(c + json.dumps({"command": "ping"}).encode())
    tap.ok(s.recv(65536) == c + b'{"result":"pong"}', f"JSON over {how}")
    for byte in c + encode({"command": "ping"}):
        s.sendall(bytes([byte]))
    tap.ok(s.recv(65536) == c + b"d6:result4:ponge", f"octet by octet over {how}")
    many = b"".join(c + encode({"command": "query", "call-id": "none"}) for _ in range(50))
    s.sendall(many)
    got = b""
    want = 50 * (c + b"d6:result5:error12:error-reason15:Unknown call-ide")
    while len(got) < len(want):
        got += s.recv(65536)
    tap.ok(got == want, f"fifty commands in one write are answered in order over {how}", got[:200])
    s.sendall(c + encode({"command": "list"}))
    s.shutdown(socket.SHUT_WR)
    tap.ok(read_all(s) == c + b"d6:result2:ok5:callslee", f"who has said all still gets the reply over {how}")
    s = dial(where)
    s.sendall(c + b"rubbish" if cookie else b"d7rubbish")
    tap.ok(read_all(s) == b"", f"what is no command ends the connection over {how}")
    s = dial(where)
    s.sendall(c + b"d3:sdp300000:")
    tap.ok(read_all(s) == b"", f"a command beyond the limit ends it before it is sent over {how}")


def http_play(tap, port):
    h = Http(port)
    tap.ok(h.ask("GET", "/ping")[2] == b"pong\n", "GET /ping")
    status, names, body = h.ask("GET", "/metrics")
    tap.ok(status == 200 and names["content-type"].startswith("text/plain; version=0.0.4") and b"rtpengine_sessions{" in body, "GET /metrics")
    tap.ok(h.ask("GET", "/cli/list/totals")[0] == 501, "GET /cli is not there and says so")
    tap.ok(h.ask("GET", "/")[0] == 404, "anything else is not found")
    got = h.ask("POST", "/ng", b"5323_1 d7:command4:pinge", ["Content-Type: application/x-rtpengine-ng"])
    tap.ok(got[0] == 200 and got[2] == b"5323_1 d6:result4:ponge" and got[1]["content-type"] == "application/x-rtpengine-ng", "POST /ng", got)
    got = h.ask("POST", "/ng-plain", b'{"command":"ping"}', ["Content-Type: application/json"])
    tap.ok(got[0] == 200 and got[2] == b'{"result":"pong"}' and got[1]["content-type"] == "application/json", "POST /ng-plain", got)
    call(lambda d: json.loads(h.ask("POST", "/ng-plain", json.dumps(d).encode())[2]), "http-call", tap, "over one HTTP connection, in JSON")
    tap.ok(h.ask("POST", "/ng", b"nothing")[0] == 400, "POST /ng without a cookie is a bad request")
    h.s.sendall(b"POST /ng-plain HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 17\r\n\r\n")
    tap.ok(h.read()[0] == 100, "Expect: 100-continue")
    h.s.sendall(b"d7:command4:pinge")
    tap.ok(h.read()[2] == b"d6:result4:ponge", "the body that comes later")
    rows = [
        ("no length", b"POST /ng HTTP/1.1\r\nHost: x\r\n\r\n", 411),
        ("chunks", b"POST /ng HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("two lengths", b"POST /ng HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("a body beyond the limit", b"POST /ng HTTP/1.1\r\nContent-Length: 300000\r\n\r\n", 413),
        ("a header that never ends", b"GET /ping HTTP/1.1\r\nX: " + b"x" * 9000, 431),
        ("another method", b"DELETE /ng HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("no HTTP", b"hello\r\n\r\n", 400),
        ("a GET with a body", b"GET /ping HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd", 400),
        ("a page of another site", b"POST /ng-plain HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nContent-Length: 17\r\n\r\nd7:command4:pinge", 403),
        ("a page whose name points here",
         b"POST /ng-plain HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 17\r\n\r\nd7:command4:pinge", 403),
    ]
    for name, text, want in rows:
        s = Http(port)
        s.s.sendall(text)
        status = s.read()[0]
        tap.ok(status == want and read_all(s.s) == b"", f"HTTP, {name}: {want}, and closed", status)


def ws_play(tap, port):
    w = Ws(port, "ng.rtpengine.com")
    tap.ok(w.good and w.protocol == "ng.rtpengine.com", "WebSocket with the subprotocol ng.rtpengine.com")
    w.frame(1, b"c 1 d7:command4:pinge")
    tap.ok(w.recv() == (1, b'c d6:result5:error12:error-reason22:Invalid NG data formate'), "text comes back as text")

    count = [10]

    def ask(d):
        count[0] += 1
        cookie = b"ws_1_%d " % count[0]
        w.frame(2, cookie + encode(d))
        op, got = w.recv()
        assert op == 2 and got.startswith(cookie), got
        return decode(got[len(cookie):])[0]

    call(ask, "ws-call", tap, "over a WebSocket, binary, with cookies")
    w.frame(2, b"c d7:com", fin=False)
    w.frame(9, b"are you there?")
    w.frame(0, b"mand4:", fin=False)
    w.frame(0, b"pinge")
    tap.ok(w.recv() == (10, b"are you there?"), "a ping between the parts of a message is answered")
    tap.ok(w.recv() == (2, b"c d6:result4:ponge"), "a message in parts")
    w.frame(8, struct.pack("!H", 1000))
    tap.ok(w.recv() == (8, struct.pack("!H", 1000)) and w.recv()[0] is None, "a goodbye is answered, then the connection ends")
    p = Ws(port, "ng-plain.rtpengine.com")
    p.frame(1, b'{"command":"ping"}')
    tap.ok(p.good and p.protocol == "ng-plain.rtpengine.com" and p.recv() == (1, b'{"result":"pong"}'), "ng-plain.rtpengine.com has no cookies")
    for name, frame, code in (("an unmasked frame", lambda x: x.frame(2, b"c de", mask=False), 1002),
                              ("a message beyond the limit", lambda x: x.s.sendall(b"\x82\xff" + struct.pack("!Q", 300000) + b"abcd"), 1009)):
        w = Ws(port, "ng.rtpengine.com")
        frame(w)
        tap.ok(w.recv() == (8, struct.pack("!H", code)) and w.recv()[0] is None, f"WebSocket, {name}: closed with {code}")
    w = Ws(port, "ng.rtpengine.com")
    w.frame(2, b"nocookie")
    tap.ok(w.recv()[0] is None, "WebSocket, a message without a cookie ends the connection")
    tap.ok(Ws(port, "sip").status == 400, "a WebSocket of another subprotocol is refused")
    tap.ok(Ws(port, "ng.rtpengine.com", ["Origin: http://evil.example"]).status == 403, "a WebSocket of a page of another site is refused")
    tap.ok(Ws(port, "ng.rtpengine.com", ["Origin: http://127.0.0.1:99"]).good, "a WebSocket whose origin is this machine is not")


def users_play(tap, folder, paths):
    """Another user may write to the file and is refused all the same."""
    if os.geteuid() != 0:
        tap.ok(True, "another user is refused on both Unix sockets, whatever their mode # SKIP needs root")
        return
    os.chmod(folder, 0o755)
    for p in paths:
        os.chmod(p, 0o666)
    code = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.settimeout(3); s.connect(sys.argv[1])
try:
    s.sendall(b"d7:command4:pinge"); a = s.recv(100)
except ConnectionError:
    a = b""
d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.settimeout(0.5); d.bind("\\0sallyport-%d" % os.getpid())
d.sendto(b"1 d7:command4:pinge", sys.argv[2])
try:
    b = d.recv(100)
except socket.timeout:
    b = b""
print(a, b)
"""
    out = subprocess.run([sys.executable, "-c", code, *paths], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    tap.ok(out.strip() == "b'' b''", "another user is refused on both Unix sockets, whatever their mode", out)


def limits_play(tap, tcp, metrics):
    """All places taken by silent ones; then they go."""
    held = [dial(("127.0.0.1", tcp)) for _ in range(256)]
    extra = dial(("127.0.0.1", tcp))
    tap.ok(read_all(extra) == b"", "the 257th connection is closed at once")
    for s in held:
        s.close()
    s = lib.wait_for("a place", lambda: alive(tcp))
    s.sendall(b"c d7:command4:pinge")
    tap.ok(s.recv(100) == b"c d6:result4:ponge", "when they have gone the next is served")


def alive(tcp):
    s = dial(("127.0.0.1", tcp))
    s.sendall(b"c d7:command4:pinge")
    return s if s.recv(100) else None


def refusals_play(tap, folder):
    """What the command line does not let through."""
    relay = lib.binary("sallyport-rtpproxy", ASAN)
    base = [relay, "--foreground", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{lib.free_port()}"]
    p = subprocess.run([*base, "--listen-tcp-ng=0.0.0.0:%d" % lib.free_port()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10)
    tap.ok(p.returncode == 2 and "--allow-remote-control" in p.stdout, "TCP on all addresses is refused at start, with the option that allows it", p.stdout)
    http = lib.free_port()
    q = lib.Process("remote", [*base, f"--listen-http=0.0.0.0:{http}", "--port-min=21000", "--port-max=21099"], folder)
    q.wait_text("event=ready")
    h = Http(http)
    tap.ok(h.ask("GET", "/metrics")[0] == 200 and h.ask("POST", "/ng-plain", b"d7:command4:pinge")[0] == 403 and
           Ws(http, "ng.rtpengine.com").status == 403, "HTTP on all addresses shows metrics and takes no commands", q.text())
    q.stop()


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-ng-")
    try:
        udp, tcp, http = (lib.free_port() for _ in range(3))
        media = lib.free_port(span=200, even=True)
        stream, dgram = os.path.join(folder, "stream.sock"), os.path.join(folder, "dgram.sock")
        p = lib.Process("relay", [lib.binary("sallyport-rtpproxy", ASAN), "--foreground", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{udp}",
                                  f"--listen-tcp-ng={tcp}", f"--listen-http={http}", f"--listen-ng=unix:{dgram}", f"--listen-ng=unix-stream:{stream}",
                                  f"--port-min={media}", f"--port-max={media + 199}", "--num-threads=2"], folder)
        p.wait_text(r"event=ready")
        relay = Relay(udp)
        tap.ok(oct(os.stat(stream).st_mode & 0o777) == "0o600" and oct(os.stat(dgram).st_mode & 0o777) == "0o600", "Unix sockets are their owner's alone")
        slow, slow_began = dial(("127.0.0.1", tcp)), time.monotonic()
        slow.sendall(b"c d7:comm")
        call(lambda d: relay.ask(d.pop("command"), **{k.replace("-", "_"): v for k, v in d.items()}), "udp-call", tap, "over UDP")
        stream_play(tap, ("127.0.0.1", tcp), True, "TCP")
        stream_play(tap, stream, False, "a Unix stream without cookies")
        stream_play(tap, stream, True, "a Unix stream with cookies")
        http_play(tap, http)
        ws_play(tap, http)
        users_play(tap, folder, (stream, dgram))
        limits_play(tap, tcp, http)
        refusals_play(tap, folder)
        slow.settimeout(20)
        tap.ok(read_all(slow) == b"" and time.monotonic() - slow_began < 14, "half a command ends the connection after ten seconds")
        body = Http(http).ask("GET", "/metrics")[2].decode()
        got = dict(re.findall(r"^(sallyport_relay_control_\w+) (\d+)$", body, re.M))
        tap.ok(int(got["sallyport_relay_control_connections_refused_total"]) >= 1 and int(got["sallyport_relay_control_connections_broken_total"]) >= 10 and
               int(got["sallyport_relay_control_connections_late_total"]) >= 1, "the metrics say what became of them", got)
        s = relay.ask("statistics")["statistics"]
        tap.ok(relay.sessions() == 0 and s["controlstatistics"]["totaloffercount"] == 6, "every offer was counted once, and no call is left", s["controlstatistics"])
        tap.ok(p.stop() == 0, "the relay ends cleanly", p.text()[-1500:])
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
