"""A WebSocket client of our own for the plays (RFC 6455, RFC 7118): what a browser's SIP stack puts on the wire, and what none would."""
import base64, hashlib, os, re, select, socket, ssl, struct, time

import party

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(payload, opcode=1, fin=True, masked=True, mask=None):
    """One frame as bytes."""
    n, bit = len(payload), 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack("!H", n) if n < 65536 else bytes([bit | 127]) + struct.pack("!Q", n)
    if not masked:
        return head + payload
    mask = mask or os.urandom(4)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class Web:
    """A connection. `headers` replace those that a browser would send; None leaves one out."""

    def __init__(self, address, port, context=None, path="/sip", source=None, timeout=8, **headers):
        raw = socket.create_connection((address, port), timeout, source_address=(source, 0) if source else None)
        self.s = context.wrap_socket(raw) if context else raw
        self.key = base64.b64encode(os.urandom(16))
        have = {"Host": f"{address}:{port}", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Origin": "https://phone.example.net",
                "Sec-WebSocket-Key": self.key.decode(), "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "sip"}
        have.update({k.replace("_", "-"): v for k, v in headers.items()})
        self.request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in have.items() if v is not None) + "\r\n"
        self.data, self.waiting, self.pings, self.code = b"", [], 0, None
        self.status = 0

    def upgrade(self):
        self.s.sendall(self.request.encode())
        while b"\r\n\r\n" not in self.data:
            got = self.s.recv(65536)
            if not got:
                return self
            self.data += got
        self.head, _, self.data = self.data.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1])
        return self

    def is_welcome(self):
        accept = base64.b64encode(hashlib.sha1(self.key + GUID).digest())
        return self.status == 101 and b"Sec-WebSocket-Accept: " + accept in self.head and b"Sec-WebSocket-Protocol: sip" in self.head

    def raw(self, data):
        self.s.sendall(data)
        return self

    def send(self, data, opcode=1):
        return self.raw(frame(data, opcode))

    def read(self, seconds):
        """Messages that are whole; None: nothing more will come. The close frame's code is in .code."""
        if not (isinstance(self.s, ssl.SSLSocket) and self.s.pending()) and not select.select([self.s], [], [], seconds)[0]:
            return []
        try:
            got = self.s.recv(65536)
        except OSError:
            got = b""
        if not got:
            return None
        self.data += got
        out = []
        while (one := self._cut()):
            fin, opcode, payload, masked = one
            assert not masked, "a server does not mask"
            if opcode == 9:
                self.pings += 1
                self.s.sendall(frame(payload, 10))
            elif opcode == 8:
                self.code = struct.unpack("!H", payload[:2])[0] if payload else 1005
            elif opcode == 10:
                out.append(b"pong:" + payload)
            else:
                assert fin
                out.append(payload)
        return out

    def _cut(self):
        d = self.data
        if len(d) < 2:
            return None
        n, at = d[1] & 127, 2
        if n >= 126:
            size = 2 if n == 126 else 8
            if len(d) < 2 + size:
                return None
            n, at = int.from_bytes(d[2:2 + size], "big"), 2 + size
        if len(d) < at + n:
            return None
        self.data = d[at + n:]
        return d[0] & 0x80, d[0] & 15, d[at:at + n], d[1] & 0x80

    def receive(self, seconds=8):
        """The next message; b"" at the end or when none comes."""
        end = time.monotonic() + seconds
        while not self.waiting and time.monotonic() < end:
            got = self.read(end - time.monotonic())
            if got is None:
                break
            self.waiting += got
        return self.waiting.pop(0) if self.waiting else b""

    def closed(self, seconds=8):
        """The code of the close frame that ends it; 0: it ends without one; None: it does not end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.read(end - time.monotonic()) is None:
                return self.code or 0
        return None

    def answer(self, message, seconds=8):
        """The status of the answer to one request."""
        m = re.match(rb"SIP/2.0 (\d+)", self.send(message).receive(seconds))
        return int(m[1]) if m else 0

    def close(self):
        self.s.close()


class WebParty(party.Party):
    """A SIP agent in a browser: it has no address, speaks down its one connection, and leaves out Content-Length."""

    def __init__(self, web, kind="wss"):
        self.web, self.kind, self.address, self.port, self.scheme = web, kind, "127.0.0.1", 0, "sip"
        self.s, self.streams, self.queue, self.seen, self.peer = web.s, [], [], set(), None
        self.name = os.urandom(5).hex() + ".invalid"
        self.media = party.Media("127.0.0.1")

    @property
    def host(self):
        return self.name

    @property
    def contact(self):
        return f"<sip:me@{self.name};transport=ws>"

    def send(self, data, to=None):
        self.web.send(re.sub(rb"Content-Length: \d+\r\n", b"", data))

    def _read(self, seconds):
        got = self.web.read(seconds)
        if got is None:
            raise TimeoutError("the WebSocket ended")
        self.queue += [(party.Message(m), self) for m in got]
        return bool(got)

    def sendall(self, data):
        """What Party.answer writes to."""
        self.send(data)

    def close(self):
        self.web.close()
        self.media.close()
