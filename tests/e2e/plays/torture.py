#!/usr/bin/env python3
"""RFC 4475 and RFC 5118 against the running daemon: each message of the manifest over UDP, over TCP, over TCP octet by octet and over TLS
gets what the manifest says, and after each a normal call works."""
import os, re, select, socket, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Message, Party, cut, hang_up, talk
from sallyport_site import OUTSIDE, Site

TORTURER = "127.0.0.77"  # answers go to the port of the topmost Via, which is mostly 5060: an address of its own has it free
NUMBER = "+4930555123"
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: {outside}, port: {out_port} }}
      - {{ transport: tcp, address: {outside}, port: {out_port} }}
      - {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge, client_certificate: off }}
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
  callers: {{ realm: outside, peers: [ {{ target: "sip:{phone_out}:{phone_out_port}" }} ], identify: {{ source: [127.0.0.1/32, 127.0.0.77/32] }} }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ] }}
users:
  phones: {{ realm: outside, domains: [example.com, example.net], registrar: callees }}
routes:
  - {{ when: {{ from: callers }}, to: [callees] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
limits: {{ message: 1s }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: {log_sip} }}
"""
DATA = os.path.join(lib.ROOT, "tests", "data")


def manifest():
    with open(os.path.join(DATA, "torture.tsv")) as f:
        for line in list(f)[1:]:
            cells = line.rstrip("\n").split("\t")
            with open(os.path.join(DATA, cells[0]), "rb") as message:
                yield os.path.basename(cells[0]).replace(".dat", ""), message.read(), cells[5].split("|"), cells[3]


class Datagrams:
    """A socket for each port that a topmost Via names."""

    def __init__(self, to):
        self.to, self.ports, self.last = to, {}, None

    def send(self, data):
        port = int((re.search(rb"(?im)^(?:via|v)\s*:\s*SIP\s*/\s*2\.0\s*/\s*\w+\s+(?:\[[^\]]*\]|[^\s;:,]+)\s*:\s*(\d+)", data) or [0, b"5060"])[1])
        if port not in self.ports:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((TORTURER, port))
            self.ports[port] = s
        self.last = self.ports[port]
        self.last.sendto(data, self.to)

    def fence(self, name):
        self.last.sendto(fence("UDP", f"{TORTURER}:{self.last.getsockname()[1]}", name), self.to)

    def read(self, seconds):
        """Messages that came within the time; the second value: the peer has closed."""
        ready = select.select(list(self.ports.values()), [], [], seconds)[0]
        return [Message(s.recv(65536)) for s in ready], False

    def close(self):
        for s in self.ports.values():
            s.close()


class Stream:
    def __init__(self, to, context=None, by_octet=False):
        self.to, self.context, self.by_octet, self.s = to, context, by_octet, None

    def send(self, data):
        if not self.s:
            raw = socket.create_connection(self.to, 8, source_address=(TORTURER, 0))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.s, self.data = (self.context.wrap_socket(raw) if self.context else raw), b""
        for piece in ([data[i:i + 1] for i in range(len(data))] if self.by_octet else [data]):
            self.write(piece)

    def fence(self, name):
        self.write(fence("TLS" if self.context else "TCP", f"{TORTURER}:5060", name))

    def write(self, data):
        try:
            self.s.sendall(data)
        except OSError:
            pass  # closed in the midst: read() tells

    def read(self, seconds):
        if not (self.context and self.s.pending()) and not select.select([self.s], [], [], seconds)[0]:
            return [], False
        try:
            self.s.settimeout(0.1)  # of TLS there may be a record without data: a session ticket
            got = self.s.recv(65536)
        except TimeoutError:
            return [], False
        except OSError:
            got = b""
        finally:
            self.s.settimeout(8)
        self.data += got
        out = []
        while self.data and (one := cut(self.data)):
            out.append(Message(one[0]))
            self.data = one[1]
        if not got:
            self.close()
        return out, not got

    def close(self):
        if self.s:
            self.s.close()
            self.s = None


def fence(transport, via, name):
    """Whatever came before it and gets an answer at once has had it when this one is answered."""
    return sip.request("OPTIONS", f"sip:{OUTSIDE}", via=via, transport=transport, call=name)


def outcome(way, data, callee):
    """"drop", a status, or "rang": it reached the callee, who said 486."""
    rang = invited = acked = fenced = False
    status, end = None, time.monotonic() + 6
    # Some of them share a branch: until Timer J of the one has ended the next is a repetition of it, and is sent again as a client would.
    again = time.monotonic() + 3.4
    own_id = re.search(rb"(?im)^(?:call-id|i)[ \t]*:[ \t\r\n]*([^\r\n]+)", data)
    mark = "fence" + os.urandom(4).hex()
    way.send(data)
    if not (isinstance(way, Stream) and is_waiting(data)):  # what is over-long must not swallow it
        way.fence(mark)
    while time.monotonic() < end:
        while select.select([callee.s], [], [], 0)[0]:
            raw, callee.from_peer = callee.s.recvfrom(65536)
            m = Message(raw)
            if m.method == "INVITE":
                callee.answer(m, 486, "Busy Here")
                rang = invited = True
            elif m.method == "ACK":
                acked = True
            elif m.method:
                challenge(callee, m)
                rang = True
        if is_waiting(data) and status is None and not rang and time.monotonic() > again:
            if isinstance(way, Stream):
                break
            way.send(data)
            again = end
        messages, closed = way.read(0.02)
        for m in messages:
            if m.get("Call-ID").startswith(mark):
                fenced = True
            elif m.status >= 200 and status is None and not m.get("Call-ID").startswith("fence") and (not own_id or m.get("Call-ID").encode() == own_id[1].strip()):
                status = m.status
                if m.cseq.endswith("INVITE"):
                    acknowledge(way, data, m)
        if closed or status and (acked or not invited):
            break
        if fenced and not rang and not is_waiting(data):
            break
    if rang:
        settle(callee)
    if rang and status:
        return f"{status}", True
    return f"{status}" if status else "drop", False


def acknowledge(way, data, answer):
    """The ACK of a refusal, so that it is not repeated into the next row."""
    via = answer.get("Via") or answer.get("v")
    uri = data.split(b"\r\n")[0].split(b" ")[1].decode("latin-1")  # RFC 2543 matching looks at it
    lines = [f"ACK {uri} SIP/2.0", f"Via: {via}", "Max-Forwards: 70", f"From: {answer.get('From')}", f"To: {answer.get('To')}",
             f"Call-ID: {answer.get('Call-ID')}", f"CSeq: {answer.cseq.replace('INVITE', 'ACK')}", "Content-Length: 0"]
    ack = ("\r\n".join(lines) + "\r\n\r\n").encode()
    way.write(ack) if isinstance(way, Stream) else way.send(ack)


def settle(callee):
    """What was repeated to the callee before its answer arrived is answered too, so that the next call finds it quiet."""
    while select.select([callee.s], [], [], 0.1)[0]:
        raw, callee.from_peer = callee.s.recvfrom(65536)
        m = Message(raw)
        if m.method and m.method not in ("INVITE", "ACK"):
            challenge(callee, m)


def challenge(callee, m):
    callee.answer(m, 401, "Unauthorized", headers=['WWW-Authenticate: Digest realm="example.com", nonce="torture", qop="auth"'])


def is_waiting(data):
    """An INVITE that is not refused at once is with the relay or the callee for a moment; a REGISTER with the registrar."""
    return data.startswith((b"INVITE", b"REGISTER", b"MESSAGE", b"BYE"))


def fits(got, rang, allowed, stream, name):
    """The manifest's words: README of the torture data says what accept means."""
    if got in allowed:
        return True
    if "accept" in allowed and got.isdigit():
        return rang and got != "400" or int(got) not in (400, 505) and int(got) not in (415, 416, 420)
    # A stream whose framing is lost, or that waits for a body that never comes, may end without a word.
    # On a stream dblreq is a REGISTER, an INVITE without a Contact, and seven octets that are no SIP: those end the connection while the
    # registrar is still being asked.
    return stream and got == "drop" and name in ("clerr", "dblreq")


def play(tap, folder):
    callee = Party("127.0.0.1")
    site = Site(folder, CONFIG, asan=True, out_port=lib.free_port(OUTSIDE), phone_in_port=callee.port, log_sip="on" if os.environ.get("TRACE") else "off")
    site.start()
    to, tls = (OUTSIDE, site.v["out_port"]), (OUTSIDE, site.v["tls_port"])
    uri = f"sip:{NUMBER}@{OUTSIDE}:{site.v['out_port']}"
    caller = Party("127.0.0.1")
    ways = [("UDP", lambda: Datagrams(to)), ("TCP", lambda: Stream(to)), ("TCP octet by octet", lambda: Stream(to, by_octet=True)),
            ("TLS", lambda: Stream(tls, sip.tls_context(site.ca)))]
    rows = list(manifest())
    for label, make in ways:
        way, wrong, calls = make(), [], 0
        for name, data, allowed, kind in rows:
            if data.startswith(b"SIP/"):
                allowed = ["drop"]  # a response to nothing
            got, rang = outcome(way, data, callee)
            if os.environ.get("TRACE"):
                print("#", label, name, got, rang, allowed, flush=True)
            if not fits(got, rang, allowed, isinstance(way, Stream), name):
                wrong.append(f"{name}: {got}{' (rang)' if rang else ''}, wanted {'|'.join(allowed)}")
            if isinstance(way, Stream):
                way.close()
            callee.queue.clear()
            a, b, _, ok = talk(caller, callee, to, uri)
            calls += ok.status == 200 and hang_up(a, b).status == 200
        way.close()
        tap.ok(len(rows) == 63 and not wrong, f"over {label} all 63 torture messages get what the manifest says", "\n".join(wrong))
        tap.ok(calls == len(rows), f"after each of them over {label} a normal call works", calls)
    tap.ok(site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    site.wait_empty(40)
    tap.ok(site.stop() == (0, 0), "both daemons end in order, with nothing leaked", site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
