"""A small SIP client and server for the plays: raw bytes over UDP, TCP and TLS, one message at a time, and an SBC alone on loopback."""
import json, os, re, socket, ssl, subprocess, urllib.request

import lib

HOST = "127.0.0.1"


def request(method, uri, via="127.0.0.1:5060", transport="TCP", call="1", cseq=1, branch=None, body=b"", headers=(), tag="t1"):
    """One request as bytes."""
    lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/{transport} {via};branch={branch or 'z9hG4bK' + os.urandom(6).hex()};rport",
             "Max-Forwards: 70", f"From: <sip:alice@client.test>;tag={tag}", f"To: <{uri}>", f"Call-ID: {call}-{os.urandom(4).hex()}@play",
             f"CSeq: {cseq} {method}", f"Contact: <sip:alice@{via}>", *headers, f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def options(uri="sip:sbc.test", **kw):
    return request("OPTIONS", uri, **kw)


class Stream:
    """A TCP or TLS connection that cuts what comes into messages."""

    def __init__(self, address, port, context=None, name=None, source=None, timeout=8):
        raw = socket.create_connection((address, port), timeout, source_address=(source, 0) if source else None)
        self.s = context.wrap_socket(raw, server_hostname=name) if context else raw
        self.data = b""

    def send(self, data):
        self.s.sendall(data)
        return self

    def recv(self, seconds=8):
        """The next message, or bytes that are none; b"" at the end of the stream."""
        self.s.settimeout(seconds)
        while True:
            self.data = self.data.lstrip(b"\r\n")  # keep-alives between messages
            head, sep, rest = self.data.partition(b"\r\n\r\n")
            if sep and head:
                n = int((re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head) or [0, 0])[1])
                if len(rest) >= n:
                    self.data = rest[n:]
                    return head + sep + rest[:n]
            try:
                got = self.s.recv(65536)
            except (ConnectionResetError, ssl.SSLError, BrokenPipeError):
                return b""
            if not got:
                left, self.data = self.data, b""
                return left
            self.data += got

    def status(self, seconds=8):
        """The status code of the next final response; 0: the stream ended."""
        while True:
            m = re.match(rb"SIP/2.0 (\d+)", self.recv(seconds))
            if not m:
                return 0
            if int(m[1]) >= 200:
                return int(m[1])

    def ask(self, message):
        return self.send(message).status()

    def is_closed(self, seconds=8):
        """True when the other end closes within the time, without having said anything."""
        self.s.settimeout(seconds)
        try:
            return self.s.recv(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            return True
        except socket.timeout:
            return False

    def close(self):
        self.s.close()


def tls_context(authority, certificate=None, minimum=ssl.TLSVersion.TLSv1_2, maximum=None):
    """Believes the authority, not the name: the plays look at the certificate themselves."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations(authority.cert)
    c.minimum_version = minimum
    if maximum:
        c.maximum_version = maximum
    if certificate:
        c.load_cert_chain(*certificate)
    return c


class Sbc:
    """sallyport-sbc alone, with a configuration from a template."""

    def __init__(self, folder, config, asan=None, **values):
        self.dir = folder
        self.asan = os.environ.get("SALLYPORT_ASAN") == "1" if asan is None else asan
        os.makedirs(folder, exist_ok=True)
        self.v = dict(http_port=lib.free_port(), control=os.path.join(folder, "sbc.sock"), cdr=os.path.join(folder, "cdr.jsonl"), **values)
        self.config = os.path.join(folder, "sallyport.yaml")
        self.template = config
        self.write()

    def write(self, **values):
        self.v.update(values)
        with open(self.config, "w") as f:
            f.write(self.template.format(**self.v))

    def start(self, *options, env=None):
        argv = [lib.binary("sallyport-sbc", self.asan), "--foreground", "-c", self.config, *options]
        self.process = lib.Process("sbc", argv, self.dir, env)
        self.process.wait_text(r"(?m)^ready\b")
        return self

    def control(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.v["control"])
            s.sendall(json.dumps({"command": command}).encode() + b"\n")
            data = b""
            while True:
                got = s.recv(65536)
                if not got:
                    return json.loads(data)
                data += got

    def metric(self, name, **labels):
        """The sum of all label sets that have these labels; 0 when there is none."""
        with urllib.request.urlopen(f"http://{HOST}:{self.v['http_port']}/metrics", timeout=5) as r:
            text = r.read().decode()
        total = 0.0
        for m in re.finditer(rf"^{re.escape(name)}(?:\{{([^}}]*)\}})? ([0-9.e+-]+)$", text, re.M):
            have = dict(re.findall(r'(\w+)="([^"]*)"', m[1] or ""))
            if all(have.get(k) == v for k, v in labels.items()):
                total += float(m[2])
        return total

    def wait_metric(self, at_least, name, **labels):
        return lib.wait_for(f"{name}{labels} >= {at_least}", lambda: self.metric(name, **labels) >= at_least, 8)

    def stop(self):
        return self.process.stop()


OBSERVE = """\
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: debug, sip: on }}
"""


def main(play):
    """Runs play(tap, folder) as a TAP program."""
    import shutil, sys, tempfile
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-play-")
    try:
        play(tap, folder)
    except (RuntimeError, TimeoutError, subprocess.TimeoutExpired, OSError, ssl.SSLError, AssertionError) as e:
        logs = "".join(p.text()[-3000:] for p in lib.Process.all if p.name == "sbc")
        tap.ok(False, "the play ran to its end", f"{type(e).__name__}: {e}\n{logs}")
    finally:
        lib.stop_all()
    if not tap.bad:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(tap.done())
