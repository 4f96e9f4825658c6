"""A DNS server for the plays: UDP on loopback, a table of records, and ways to misbehave."""
import socket, struct, threading

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "AAAA": 28, "SRV": 33, "NAPTR": 35}


def name(text):
    return b"".join(bytes([len(l)]) + l.encode() for l in text.rstrip(".").split(".") if l) + b"\0"


def text(z):
    return bytes([len(z)]) + z.encode()


def rdata(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "CNAME":
        return name(value)
    if kind == "SRV":
        priority, weight, port, target = value.split()
        return struct.pack("!HHH", int(priority), int(weight), int(port)) + name(target)
    order, preference, flags, service, replacement = value.split()
    return struct.pack("!HH", int(order), int(preference)) + text(flags) + text(service) + b"\0" + name(replacement)


class Server(threading.Thread):
    """zone: {"name": [("TYPE", "value"), …]}; what is not in it does not exist. `asked` counts questions by (name, TYPE)."""

    def __init__(self, zone, ttl=60):
        super().__init__(daemon=True)
        self.zone, self.ttl, self.asked = zone, ttl, {}
        self.mute, self.wrong, self.fail = set(), set(), set()  # names: no answer; garbage; SERVFAIL
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                data, peer = self.s.recvfrom(4096)
            except OSError:
                return
            answer = self.answer(data)
            if answer:
                self.s.sendto(answer, peer)

    def answer(self, data):
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode().lower())
            at += 1 + data[at]
        asked, end = ".".join(labels), at + 5
        kind = {v: k for k, v in TYPES.items()}.get(struct.unpack("!H", data[at + 1:at + 3])[0], "?")
        self.asked[(asked, kind)] = self.asked.get((asked, kind), 0) + 1
        if asked in self.mute:
            return None
        if asked in self.wrong:
            return data[:2] + b"\x81\x80" + b"\0\1\0\7\0\0\0\0" + data[12:end] + b"\xc0\x0c\xff" * 30
        flags = 0x8182 if asked in self.fail else 0x8180 if asked in self.zone else 0x8183
        owner, records = asked, []
        for _ in range(8):
            found = [(owner, k, v) for k, v in self.zone.get(owner, []) if k in (kind, "CNAME")] if flags == 0x8180 else []
            records += found
            if not (found and found[-1][1] == "CNAME"):
                break
            owner = found[-1][2]
        body = b"".join(name(o) + struct.pack("!HHI", TYPES[k], 1, self.ttl) + struct.pack("!H", len(rdata(k, v))) + rdata(k, v) for o, k, v in records)
        return data[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + data[12:end] + body

    def stop(self):
        self.s.close()
