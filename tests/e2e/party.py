"""A scripted SIP agent for the plays: no thread, every step is a line of the play. UDP, TCP or TLS, IPv4 or IPv6, with a socket for
plain RTP beside it."""
import os, re, select, socket, ssl, struct, time


def literal(address):
    return f"[{address}]" if ":" in address else address


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Message:
    """A SIP message, taken apart just enough."""

    def __init__(self, data):
        self.data = data
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        self.start = lines[0]
        self.headers = [tuple(p.strip() for p in l.split(":", 1)) for l in lines[1:] if ":" in l]
        first = self.start.split(" ", 2)
        self.status = int(first[1]) if first[0] == "SIP/2.0" and first[1].isdigit() else 0
        self.method = "" if self.status else first[0]
        self.uri = "" if self.status else first[1] if len(first) > 1 else ""

    def get(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), "")

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    @property
    def cseq(self):
        return self.get("CSeq")

    def tag(self, name):
        m = re.search(r";tag=([^;>\s]+)", self.get(name))
        return m.group(1) if m else ""

    def target(self):
        m = re.search(r"<([^>]+)>", self.get("Contact"))
        return m.group(1) if m else self.get("Contact")

    def __repr__(self):
        return self.start


def cut(data):
    """The first message of a stream and the rest; None: more is needed."""
    data = data.lstrip(b"\r\n")
    head, sep, rest = data.partition(b"\r\n\r\n")
    if not sep:
        return None
    n = int((re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head) or [0, 0])[1])
    return None if len(rest) < n else (data[:len(head) + 4 + n], rest[n:])


class Party:
    """One agent at one address. A stream agent listens, and connects when it speaks first."""

    def __init__(self, address="127.0.0.1", kind="udp", context=None, client_context=None, port=0, sips=False):
        self.address, self.kind, self.context, self.client_context = address, kind, context, client_context
        self.s = socket.socket(family_of(address), socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        if kind != "udp":
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind((address, port))
        self.port = self.s.getsockname()[1]
        if kind != "udp":
            self.s.listen()
        self.streams, self.queue, self.seen, self.peer = [], [], set(), None
        self.media = Media(address)
        self.scheme = "sips" if sips else "sip"

    @property
    def host(self):
        return f"{literal(self.address)}:{self.port}"

    @property
    def contact(self):
        more = "" if self.kind == "udp" or self.scheme == "sips" else f";transport={self.kind}"
        return f"<{self.scheme}:me@{self.host}{more}>"

    # ---- bytes

    def connect(self, to):
        raw = socket.create_connection(to, 8, source_address=(self.address, 0))
        s = self.client_context.wrap_socket(raw) if self.client_context else raw
        self.streams.append([s, b""])
        return s

    def accept(self, seconds=8):
        """Takes a connection; with TLS the handshake too. The error that it ended with, or None."""
        self.s.settimeout(seconds)
        raw, _ = self.s.accept()
        raw.settimeout(seconds)
        try:
            s = self.context.wrap_socket(raw, server_side=True) if self.context else raw
            if self.context:
                s.settimeout(seconds)
            self.streams.append([s, b""])
        except OSError as e:
            raw.close()
            return e
        return None

    def send(self, data, to=None):
        """To an address; over a stream to whom we spoke last, or else by a new connection."""
        if self.kind == "udp":
            self.s.sendto(data, to or self.peer)
        else:
            s = self.streams[-1][0] if self.streams and not (to and to != self.peer) else self.connect(to)
            s.sendall(data)
        self.peer = to or self.peer

    def _read(self, seconds):
        """Bytes that are there within the time become messages. False: nothing came."""
        socks = [self.s] + [s for s, _ in self.streams]
        if not any(isinstance(s, ssl.SSLSocket) and s.pending() for s in socks) and not select.select(socks, [], [], seconds)[0]:
            return False
        if self.kind == "udp":
            data, peer = self.s.recvfrom(65536)
            if data.strip(b"\r\n\0"):
                self.queue.append((Message(data), peer))
            return True
        if select.select([self.s], [], [], 0)[0]:
            self.accept()
        for item in list(self.streams):
            s, data = item
            if not (isinstance(s, ssl.SSLSocket) and s.pending()) and not select.select([s], [], [], 0)[0]:
                continue
            try:
                got = s.recv(65536)
            except (OSError, ssl.SSLError):
                got = b""
            if not got:
                self.streams.remove(item)
                continue
            item[1] = data + got
            while (one := cut(item[1])):
                item[1] = one[1]
                self.queue.append((Message(one[0]), s))
        return True

    def closed(self, seconds=8):
        """All connections have ended within the time."""
        end = time.monotonic() + seconds
        while self.streams and time.monotonic() < end:
            self._read(0.1)
        return not self.streams

    # ---- messages

    def expect(self, *wanted, seconds=8, final=True):
        """The next message that is one of these (methods, statuses). Repeated ones, 100s and, unless wanted, other provisionals are passed
        over; anything else is an error: nothing comes by surprise."""
        end = time.monotonic() + seconds
        while True:
            while self.queue:
                m, peer = self.queue.pop(0)
                key = (m.start, m.cseq, m.get("Via"), m.get("Call-ID"), m.tag("To"))
                if key in self.seen:
                    continue
                self.seen.add(key)
                if (m.method or m.status) in wanted:
                    self.last, self.from_peer = m, peer
                    return m
                if 100 <= m.status < 200:
                    continue
                raise AssertionError(f"wanted {wanted}, got {m.start}\n{m.data.decode('utf-8', 'replace')}")
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"wanted {wanted}, nothing came at {self.host}")
            self._read(left)

    def is_quiet(self, seconds=0.3):
        """Nothing but repetitions comes for a while. For what must not happen; it costs the time that it is given."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)
        fresh = [m for m, _ in self.queue if (m.start, m.cseq, m.get("Via"), m.get("Call-ID"), m.tag("To")) not in self.seen]
        return not fresh

    def answer(self, m, status, reason="Said", body=b"", tag="callee", headers=()):
        """A response to a request of `expect`, the way that it came."""
        keep = [f"{n}: {v}" for n, v in m.headers if n.lower() in ("via", "from", "call-id", "cseq", "record-route")]
        to = m.get("To")
        if status > 100 and not m.tag("To"):
            to += f";tag={tag}"
        lines = [f"SIP/2.0 {status} {reason}", *keep, f"To: {to}", f"Contact: {self.contact}", *headers]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        data = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
        if self.kind == "udp":
            self.s.sendto(data, self.from_peer)
        else:
            self.from_peer.sendall(data)

    def sdp(self, codecs="0", extra="", proto="RTP/AVP", port=None, version=1):
        kind = "IP6" if ":" in self.address else "IP4"
        return (f"v=0\r\no=- 1 {version} IN {kind} {self.address}\r\ns=-\r\nc=IN {kind} {self.address}\r\nt=0 0\r\n"
                f"m=audio {self.media.port if port is None else port} {proto} {codecs}\r\n{extra}").encode()

    def close(self):
        self.s.close()
        for s, _ in self.streams:
            s.close()
        self.media.close()


class Call:
    """A dialog of a party, from either end: caller (`to`, `uri`) or callee (the INVITE)."""

    def __init__(self, party, to=None, uri=None, user="alice", invite=None, tag=None):
        self.party, self.to = party, to
        self.call_id = invite.get("Call-ID") if invite else os.urandom(6).hex() + "@play"
        self.tag = tag or os.urandom(3).hex()
        self.cseq, self.routes = 100, []
        if invite:
            self.tag = tag or "callee"
            self.local, self.remote = invite.get("To") + f";tag={self.tag}", invite.get("From")
            self.target, self.uri = invite.target(), invite.uri
            self.to = party.from_peer if party.kind == "udp" else None
        else:
            self.uri = self.target = uri
            self.local = f"<{party.scheme}:{user}@{literal(party.address)}>;tag={self.tag}"
            self.remote = f"<{uri}>"

    def request(self, method, body=b"", headers=(), cseq=None, branch=None, forwards=70, kind="application/sdp"):
        if cseq is None and method not in ("ACK", "CANCEL"):
            self.cseq += 1
        p = self.party
        lines = [f"{method} {self.target} SIP/2.0", f"Via: SIP/2.0/{p.kind.upper()} {p.host};branch={branch or 'z9hG4bK' + os.urandom(6).hex()};rport",
                 f"Max-Forwards: {forwards}", f"From: {self.local}", f"To: {self.remote}", f"Call-ID: {self.call_id}",
                 f"CSeq: {cseq or self.cseq} {method}", *[f"Route: {r}" for r in self.routes]]
        if method not in ("BYE", "CANCEL"):
            lines.append(f"Contact: {p.contact}")
        lines += headers
        if body:
            lines.append(f"Content-Type: {kind}")
        lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def invite(self, body=None, headers=()):
        self.branch = "z9hG4bK" + os.urandom(6).hex()
        self.party.send(self.request("INVITE", self.party.sdp() if body is None else body, headers, branch=self.branch), self.to)
        return self

    def take(self, m):
        """A 2xx or reliable 18x: the dialog stands."""
        self.remote, self.target = m.get("To"), m.target() or self.target
        self.routes = list(reversed(m.all("Record-Route"))) if not self.routes else self.routes
        return m

    def ack(self, m=None, body=b""):
        """Of a 2xx when `m` is one; of a refusal with the branch and target of the INVITE."""
        if m is not None and m.status >= 300:
            remote, target, self.remote, self.target = self.remote, self.target, m.get("To"), self.uri
            self.party.send(self.request("ACK", branch=self.branch), self.to)
            self.remote, self.target = remote, target
        else:
            if m is not None:
                self.take(m)
            self.party.send(self.request("ACK", body), self.to)

    def bye(self):
        self.party.send(self.request("BYE"), self.to)
        return self.party.expect(200, 481)

    def status(self, seconds=8):
        """The final answer to the INVITE, acknowledged."""
        m = self.party.expect(*range(200, 700), seconds=seconds)
        self.ack(m)
        return m


def talk(caller, callee, to, uri, invite_body=None, answer_body=None, headers=()):
    """A whole set-up: (caller's Call, callee's Call, INVITE as the callee got it, 200 as the caller got it)."""
    a = Call(caller, to, uri).invite(invite_body, headers)
    invite = callee.expect("INVITE")
    callee.answer(invite, 180, "Ringing")
    callee.answer(invite, 200, "OK", callee.sdp() if answer_body is None else answer_body)
    b = Call(callee, invite=invite)
    ok = a.status()
    callee.expect("ACK")
    if ok.status != 200:
        raise AssertionError(f"call refused: {ok.start}")
    return a, b, invite, ok


def hang_up(a, b):
    """BYE from a's side, answered by b's."""
    a.party.send(a.request("BYE"), a.to)
    bye = b.party.expect("BYE")
    b.party.answer(bye, 200, "OK")
    return a.party.expect(200)


def media_of(sdp):
    """(address, port) of the first m= line of an SDP."""
    text = sdp.decode()
    address = re.search(r"c=IN IP[46] (\S+)", text).group(1)
    return address, int(re.search(r"m=\S+ (\d+)", text).group(1))


class Media:
    """A pair of RTP and RTCP sockets: sends numbered PCMU packets and counts those that come."""

    def __init__(self, address):
        while True:
            self.s, self.rtcp = (socket.socket(family_of(address), socket.SOCK_DGRAM) for _ in range(2))
            self.s.bind((address, 0))
            self.port = self.s.getsockname()[1]
            try:
                if self.port % 2 == 0:
                    self.rtcp.bind((address, self.port + 1))
                    break
            except OSError:
                pass
            self.close()
        self.sequence, self.ssrc = 1, os.urandom(4)

    def close(self):
        self.s.close(), self.rtcp.close()

    def report(self):
        """A sender report with a name."""
        sr = struct.pack("!BBH", 0x80, 200, 6) + self.ssrc + struct.pack("!IIIII", 1, 2, 3, 4, 5)
        return sr + struct.pack("!BBH", 0x81, 202, 3) + self.ssrc + b"\x01\x03abc\0\0\0"

    def packet(self, payload=b"\x55" * 160):
        self.sequence += 1
        return struct.pack("!BBHI", 0x80, 0, self.sequence & 0xFFFF, self.sequence * 160) + self.ssrc + payload

    def send(self, to, data):
        self.s.sendto(data, to)

    def receive(self, seconds=8):
        """One datagram, or None."""
        if not select.select([self.s], [], [], seconds)[0]:
            return None
        return self.s.recv(65536)

    def drain(self):
        n = 0
        while select.select([self.s], [], [], 0)[0]:
            self.s.recv(65536)
            n += 1
        return n
