"""What the end-to-end plays and the demo share: processes, certificates, phones, tones, captures.

Everything listens on loopback on ports that were free a moment ago; every process started here is ended here.
"""
import json, math, os, re, select, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile, time, wave

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# ------------------------------------------------------------------ TAP
class Tap:
    """Counts and prints checks as TAP lines; exit status of a play is tap.done()."""

    def __init__(self):
        self.n = self.bad = 0

    def ok(self, good, name, detail=""):
        self.n += 1
        self.bad += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)
        if not good and detail:
            for line in str(detail).splitlines()[-40:]:
                print("#", line, flush=True)
        return good

    def done(self):
        print(f"1..{self.n}")
        return 1 if self.bad else 0


# ------------------------------------------------------------------ ports and waiting
_given = set()


def free_port(address="127.0.0.1", kind=socket.SOCK_STREAM, span=1, even=False):
    """A port (the first of `span`) free for UDP and TCP on the address just now, given out once."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(2000):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        if even:
            port &= ~1
        if any((address, port + i) in _given for i in range(span)):
            continue
        try:
            for i in range(0, span, max(1, span // 8)):
                for t in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(family, t) as s:
                        s.bind((address, port + i))
        except OSError:
            continue
        _given.update((address, port + i) for i in range(span))
        return port
    raise RuntimeError("no free port on " + address)


def wait_for(what, test, seconds=15, every=0.05):
    """The first true value of test(); TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        v = test()
        if v:
            return v
        if time.monotonic() > end:
            raise TimeoutError("waited %g s for %s" % (seconds, what))
        select.select([], [], [], every)


# ------------------------------------------------------------------ processes
class Process:
    """A child with its output in a file; ended by stop() or at exit of the play."""

    all = []

    def __init__(self, name, argv, folder, env=None, stdin=subprocess.DEVNULL):
        self.name, self.log = name, os.path.join(folder, name + ".log")
        self.out = open(self.log, "wb")
        self.p = subprocess.Popen(argv, stdin=stdin, stdout=self.out, stderr=subprocess.STDOUT,
                                  cwd=folder, env={**os.environ, **(env or {})})
        self.pid = self.p.pid
        Process.all.append(self)

    def text(self):
        with open(self.log, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def wait_text(self, pattern, seconds=20):
        def look():
            m = re.search(pattern, self.text())
            if m:
                return m
            if self.p.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.p.returncode}:\n{self.text()[-2000:]}")
            return None
        return wait_for(f"'{pattern}' in the output of {self.name}:\n{self.text()[-1500:]}", look, seconds)

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def stop(self, how=signal.SIGTERM, seconds=10):
        if self.p.stdin and not self.p.stdin.closed:  # it ends when its input does
            self.p.stdin.close()
            try:
                self.p.wait(3)
            except subprocess.TimeoutExpired:
                pass
        if self.p.poll() is None:
            self.p.send_signal(how)
            try:
                self.p.wait(seconds)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        self.out.close()
        return self.p.returncode


def stop_all():
    for p in reversed(Process.all):
        p.stop()
    Process.all.clear()


def binary(name, asan=False):
    return os.path.join(ROOT, "build", "asan" if asan else "", name)


# ------------------------------------------------------------------ certificates
class Authority:
    """A throw-away CA in a folder of its own."""

    def __init__(self, folder, name="Throw-away CA"):
        self.dir = folder
        os.makedirs(folder, exist_ok=True)
        self.cert, self.key = os.path.join(folder, "ca.pem"), os.path.join(folder, "ca.key")
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                  "-out", self.cert, "-days", "30", "-subj", "/CN=" + name, "-addext", "basicConstraints=critical,CA:TRUE")

    def _run(self, *args):
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def issue(self, name, san, days=30, ended=False):
        """Certificate and key files for subjectAltName `san` ("DNS:a,URI:sip:b"); ended: its time is over."""
        base = os.path.join(self.dir, name)
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", base + ".key",
                  "-out", base + ".csr", "-subj", "/CN=" + name)
        with open(base + ".ext", "w") as f:
            f.write(f"subjectAltName={san}\n" if san else "basicConstraints=CA:FALSE\n")
        when = ["-days", str(days)]
        if ended:  # `openssl ca` alone can set dates in the past
            db = base + ".db"
            open(db, "w").close()
            with open(base + ".cnf", "w") as f:
                f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={db}\nnew_certs_dir={self.dir}\nserial={base}.srl\n"
                        f"default_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n")
            self._run("ca", "-batch", "-config", base + ".cnf", "-cert", self.cert, "-keyfile", self.key, "-in", base + ".csr",
                      "-out", base + ".pem", "-extfile", base + ".ext", "-startdate", "20200101000000Z", "-enddate",
                      "20200201000000Z", "-notext")
        else:
            self._run("x509", "-req", "-in", base + ".csr", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                      "-extfile", base + ".ext", "-out", base + ".pem", *when)
        with open(base + ".both.pem", "w") as out:
            for part in (base + ".key", base + ".pem"):
                with open(part) as f:
                    out.write(f.read())
        return base + ".pem", base + ".key"


# ------------------------------------------------------------------ tones
def write_tone(path, hertz, seconds=30, rate=8000, level=0.5):
    frames = b"".join(struct.pack("<h", int(32767 * level * math.sin(2 * math.pi * hertz * i / rate)))
                      for i in range(int(seconds * rate)))
    with wave.open(path, "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(rate)
        w.writeframes(frames)


def measure_tone(samples, rate):
    """(frequency in Hz, level as RMS of full scale 1.0, share of the power that lies at that frequency)."""
    n = len(samples)
    if n < rate // 4:
        return 0.0, 0.0, 0.0
    power = sum(s * s for s in samples) / n
    if power == 0:
        return 0.0, 0.0, 0.0
    cross = [i - samples[i] / (samples[i] - samples[i - 1]) for i in range(1, n) if samples[i - 1] < 0 <= samples[i]]
    hertz = (len(cross) - 1) * rate / (cross[-1] - cross[0]) if len(cross) > 2 else 0.0
    c = sum(s * math.cos(2 * math.pi * hertz * i / rate) for i, s in enumerate(samples)) * 2 / n
    q = sum(s * math.sin(2 * math.pi * hertz * i / rate) for i, s in enumerate(samples)) * 2 / n
    return hertz, math.sqrt(power), min(1.0, (c * c + q * q) / 2 / power)


def measure_wav(path, skip=0.5, seconds=1.0):
    """The tone in a 16-bit WAV file, one second of it from the middle (the ends may be silence)."""
    with wave.open(path, "rb") as w:
        rate, n = w.getframerate(), w.getnframes()
        raw = w.readframes(n)
        step = w.getnchannels()
    all_samples = [v / 32768 for v in struct.unpack("<%dh" % (len(raw) // 2), raw)][::step]
    loud = [i for i, s in enumerate(all_samples) if abs(s) > 0.01]
    if not loud:
        return 0.0, 0.0, 0.0
    first, last = loud[0], loud[-1]
    middle = (first + last) // 2
    half = min(int(seconds * rate / 2), (last - first) // 2)
    return measure_tone(all_samples[middle - half:middle + half], rate)


def ulaw_decode(payload):
    out = []
    for b in payload:
        b = ~b & 0xFF
        v = (((b & 0x0F) << 3) + 0x84) << ((b & 0x70) >> 4)
        out.append((0x84 - v if b & 0x80 else v - 0x84) / 32768)
    return out


# ------------------------------------------------------------------ captures
class Capture:
    """tcpdump on loopback, if this user may; .packets() afterwards gives (time, source, sport, dest, dport, payload) of UDP."""

    def __init__(self, folder, expression="udp"):
        self.path, self.p = os.path.join(folder, "capture.pcap"), None
        tool = shutil.which("tcpdump") or "/usr/sbin/tcpdump"
        # A process that sudo started cannot be signalled by its user: the shell around it ends it when its input closes.
        script = f'{tool} -Z root -i lo -U -s 0 -B 16384 -w "$1" "$2" </dev/null & p=$!; read -r end; kill -INT $p; wait $p'
        argv = ["sh", "-c", script, "sh", self.path, expression]
        if os.geteuid() != 0:
            if subprocess.run(["sudo", "-n", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                return
            argv = ["sudo", "-n", *argv]
        p = Process("tcpdump", argv, folder, stdin=subprocess.PIPE)
        try:
            p.wait_text("listening on", 5)
            self.p = p
        except (RuntimeError, TimeoutError):
            p.stop()

    def stop(self):
        if self.p:
            self.p.stop()

    def packets(self):
        if not self.p:
            return []
        return list(read_pcap(self.path))


def read_pcap(path):
    with open(path, "rb") as f:
        head = f.read(24)
        if len(head) < 24:
            return
        end = "<" if head[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        link = struct.unpack(end + "I", head[20:24])[0]
        skip = {1: 14, 113: 16, 101: 0, 276: 20}.get(link, 14)
        while True:
            h = f.read(16)
            if len(h) < 16:
                return
            sec, usec, caplen, _ = struct.unpack(end + "IIII", h)
            data = f.read(caplen)[skip:]
            if len(data) < 28 or data[0] >> 4 != 4 or data[9] != 17:
                continue
            ihl = (data[0] & 15) * 4
            sport, dport = struct.unpack("!HH", data[ihl:ihl + 4])
            yield (sec + usec / 1e6, socket.inet_ntoa(data[12:16]), sport, socket.inet_ntoa(data[16:20]), dport, data[ihl + 8:])


def rtp(payload):
    """(payload type, sequence, ssrc, body) of an RTP packet; None for RTCP and anything else."""
    if len(payload) < 12 or payload[0] >> 6 != 2 or 64 <= payload[1] & 0x7F <= 95:
        return None
    cc, ext = payload[0] & 15, payload[0] & 16
    at = 12 + 4 * cc
    if ext:
        at += 4 + 4 * struct.unpack("!H", payload[at + 2:at + 4])[0]
    return payload[1] & 0x7F, struct.unpack("!H", payload[2:4])[0], payload[8:12], payload[at:]


# ------------------------------------------------------------------ phones
class Phone:
    """Debian's baresip with its control socket (netstrings of JSON)."""

    MODULES = "/usr/lib/baresip/modules"

    def __init__(self, folder, name, address, account, tone=None, certificate=None, authority=None, rtp_ports=None,
                 transports="udp,tcp,tls", sip_port=None, extra="", options=(), contacts=""):
        self.dir = os.path.join(folder, name)
        os.makedirs(self.dir, exist_ok=True)
        self.name, self.address = name, address
        self.sip_port, self.control = sip_port or free_port(address, span=2), free_port("127.0.0.1")
        ports = rtp_ports or free_port(address, span=60, even=True)
        lines = [
            "poll_method epoll", f"sip_listen {address}:{self.sip_port}", f"net_interface {address}",
            f"rtp_ports {ports}-{ports + 58}", f"module_path {self.MODULES}", f"ctrl_tcp_listen 127.0.0.1:{self.control}",
            f"snd_path {self.dir}", "audio_player aubridge,null", "call_local_timeout 30", "audio_txmode poll",
            f"sip_transports {transports}",
        ]
        if certificate:
            lines.append(f"sip_certificate {certificate}")
        if authority:
            lines.append(f"sip_cafile {authority}")
        if tone:
            wav = os.path.join(self.dir, "tone.wav")
            write_tone(wav, tone)
            lines.append(f"audio_source aufile,{wav}")
        else:
            lines.append("audio_source aubridge,null")
        lines += ["module " + m + ".so" for m in ("g711", "aufile", "aubridge", "sndfile", "srtp")]
        lines += ["module_tmp account.so", "module_tmp uuid.so"]
        lines += ["module_app " + m + ".so" for m in ("menu", "ctrl_tcp", "debug_cmd")]
        with open(os.path.join(self.dir, "config"), "w") as f:
            f.write("\n".join(lines) + "\n" + extra)
        with open(os.path.join(self.dir, "accounts"), "w") as f:
            f.write(account.format(address=address, port=self.sip_port) + "\n")
        with open(os.path.join(self.dir, "contacts"), "w") as f:
            f.write(contacts)
        self.process = Process(name, ["baresip", "-f", self.dir, *options], self.dir)
        self.sock = wait_for(f"{name}'s control socket", self._connect)
        self.data, self.events, self.answers = b"", [], {}
        self.token = 0

    def _connect(self):
        if self.process.p.poll() is not None:
            raise RuntimeError(f"{self.name} ended:\n{self.process.text()[-1500:]}")
        try:
            return socket.create_connection(("127.0.0.1", self.control), 1)
        except OSError:
            return None

    def pump(self, seconds=0.0):
        while select.select([self.sock], [], [], seconds)[0]:
            got = self.sock.recv(65536)
            if not got:
                break
            self.data += got
            seconds = 0
        while True:
            m = re.match(rb"(\d+):", self.data)
            if not m or len(self.data) < m.end() + int(m.group(1)) + 1:
                return
            end = m.end() + int(m.group(1))
            item = json.loads(self.data[m.end():end].decode("utf-8", "replace"))
            self.data = self.data[end + 1:]
            if item.get("event"):
                self.events.append(item)
            else:
                self.answers[item.get("token")] = item

    def command(self, command, params="", seconds=8):
        self.token += 1
        token = str(self.token)
        text = json.dumps({"command": command, "params": params, "token": token}).encode()
        self.sock.sendall(b"%d:%s," % (len(text), text))
        end = time.monotonic() + seconds
        while token not in self.answers:
            self.pump(0.1)
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} did not answer '{command}'")
        return self.answers.pop(token)

    def wait_event(self, kinds, seconds=20):
        """The first event of one of the types, from those not taken yet."""
        kinds = (kinds,) if isinstance(kinds, str) else kinds
        end = time.monotonic() + seconds
        while True:
            for i, e in enumerate(self.events):
                if e.get("type") in kinds:
                    return self.events.pop(i)
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: no {kinds}; had {[e.get('type') for e in self.events]}\n"
                                   f"{self.process.text()[-1500:]}")
            self.pump(0.1)

    def dial(self, uri):
        return self.command("dial", uri)

    def hangup(self):
        return self.command("hangup")

    def heard(self):
        """The newest recording of what this phone heard, or None."""
        files = [os.path.join(self.dir, f) for f in os.listdir(self.dir) if re.match(r"dump-.*-dec\.wav$", f)]
        return max(files, key=os.path.getmtime) if files else None

    def stop(self):
        try:
            self.command("quit", seconds=2)
        except (OSError, TimeoutError, BrokenPipeError):
            pass
        self.sock.close()
        self.process.stop()


class Linphone:
    """Debian's linphone-daemon over its Unix socket (which it always makes in /tmp): one line in, "Status: Ok" and details out.
    It takes no TLS connections: who calls it needs another transport."""

    def __init__(self, folder, name, address, user, authority, srtp=True):
        self.dir, self.name = os.path.join(folder, name), name
        os.makedirs(os.path.join(self.dir, ".local/share/linphone"), exist_ok=True)
        self.sip_port, rtp = free_port(address), free_port(address, span=40, even=True)
        self.listens = (address, self.sip_port)
        with open(os.path.join(self.dir, "linphonerc"), "w") as f:
            f.write(f"[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port={self.sip_port}\nbind_address={address}\nguess_hostname=0\nuse_ipv6=0\nipv6_migration_done=1\n"
                    f'contact="{user}" <sip:{user}@{address}>\nroot_ca={authority}\nverify_server_certs=1\nverify_server_cn=0\n'
                    f"media_encryption={'srtp' if srtp else 'none'}\nmedia_encryption_mandatory={int(srtp)}\nkeepalive_period=0\ndefault_proxy=-1\n"
                    f"use_info=0\n[rtp]\naudio_rtp_port={rtp}\nvideo_rtp_port={rtp + 20}\nsymmetric=1\n"
                    "[sound]\nplayback_dev_id=none\ncapture_dev_id=none\nringer_dev_id=none\n[video]\nenabled=0\n[net]\nmtu=1400\n")
        pipe = "sallyport-" + os.urandom(6).hex()
        self.pipe = "/tmp/" + pipe
        self.process = Process(name, ["linphone-daemon", "--config", os.path.join(self.dir, "linphonerc"), "--disable-stats-events",
                                      "--pipe", pipe, "--log", os.path.join(self.dir, "linphone.log")], self.dir,
                               env={"HOME": self.dir, "XDG_DATA_HOME": self.dir, "XDG_CONFIG_HOME": self.dir})
        self.sock = wait_for(f"{name}'s socket", self._connect, 30)
        wait_for(f"{name} to listen", self._listens, 30)  # it looks for a network first

    def _listens(self):
        with socket.socket() as s:
            return s.connect_ex(self.listens) == 0

    def _connect(self):
        if self.process.p.poll() is not None:
            raise RuntimeError(f"{self.name} ended:\n{self.process.text()[-1500:]}")
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(self.pipe)
            return s
        except OSError:
            s.close()
            return None

    def command(self, line, seconds=10):
        """The details of an answer; RuntimeError if it is not Ok."""
        self.sock.settimeout(seconds)
        self.sock.sendall(line.encode() + b"\n")
        text = self.sock.recv(65536).decode("utf-8", "replace")
        if "Status: Ok" not in text:
            raise RuntimeError(f"{self.name}: {line}: {text.strip()}")
        return text.split("Status: Ok", 1)[1].strip()

    def call(self, uri):
        """The id of the new call."""
        return re.search(r"Id: (\d+)", self.command(f"call {uri}"))[1]

    def state(self, call):
        try:
            return re.search(r"State: (\S+)", self.command(f"call-status {call}"))[1]
        except (RuntimeError, TypeError):
            return "gone"

    def wait_state(self, call, *states, seconds=20):
        last = [None]

        def look():
            last[0] = self.state(call)
            return last[0] in states
        try:
            wait_for(f"{self.name}: {states}", look, seconds, 0.1)
        except TimeoutError:
            raise TimeoutError(f"{self.name}: call {call} is {last[0]}, not {states}") from None

    def stop(self):
        try:
            self.sock.sendall(b"quit\n")
        except OSError:
            pass
        self.sock.close()
        self.process.stop()
        if os.path.exists(self.pipe):
            os.unlink(self.pipe)


def tone_now(path, seconds=0.4, rate=8000):
    """measure_tone of the last moments of a recording that is still being written."""
    with open(path, "rb") as f:
        raw = f.read()[44:]
    raw = raw[-int(seconds * rate) * 2:]
    return measure_tone([v / 32768 for v in struct.unpack("<%dh" % (len(raw) // 2), raw[:len(raw) // 2 * 2])], rate)
