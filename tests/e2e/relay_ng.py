"""A small NG client for plays that look into the relay themselves."""
import os, socket


def encode(v):
    if isinstance(v, int):
        return b"i%de" % v
    if isinstance(v, str):
        v = v.encode()
    if isinstance(v, bytes):
        return b"%d:%s" % (len(v), v)
    if isinstance(v, list):
        return b"l" + b"".join(map(encode, v)) + b"e"
    return b"d" + b"".join(encode(k) + encode(x) for k, x in v.items()) + b"e"


def decode(b, i=0):
    c = b[i:i + 1]
    if c == b"i":
        j = b.index(b"e", i)
        return int(b[i + 1:j]), j + 1
    if c in b"ld":
        i, items = i + 1, []
        while b[i:i + 1] != b"e":
            v, i = decode(b, i)
            items.append(v)
        return (items if c == b"l" else dict(zip(items[::2], items[1::2]))), i + 1
    j = b.index(b":", i)
    n = int(b[i:j])
    return b[j + 1:j + 1 + n].decode("utf-8", "replace"), j + 1 + n


class Relay:
    """Commands to a relay over UDP; each is repeated as real clients do."""

    def __init__(self, port, address="127.0.0.1"):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.connect((address, port))
        self.s.settimeout(1)
        self.n = 0

    def ask(self, command, **keys):
        self.n += 1
        cookie = b"%d_%d" % (os.getpid(), self.n)
        d = {"command": command, **{k.replace("_", "-"): v for k, v in keys.items()}}
        for _ in range(5):
            self.s.send(cookie + b" " + encode(d))
            try:
                reply = self.s.recv(65536)
            except socket.timeout:
                continue
            if reply.startswith(cookie + b" "):
                return decode(reply[len(cookie) + 1:])[0]
        raise TimeoutError("no answer to " + command)

    def sessions(self):
        return self.ask("statistics")["statistics"]["currentstatistics"]["sessionstotal"]
