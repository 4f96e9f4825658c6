#!/usr/bin/env python3
"""Tiers steered and kernel for real: namespaces and veth, IPv4 and IPv6, checksums by the sender and by its card, a relay that is
killed while the kernel forwards, a flood on all ports while calls go on. Skipped, and said so, where the kernel lets us not."""
import atexit, ctypes, json, os, re, shutil, signal, socket, struct, subprocess, sys, tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
import relay_ng

NAME = f"sallyport{os.getpid()}"
INSIDE, OUTSIDE = NAME + "r", NAME + "g"  # the relay's namespace, that of everybody else
RELAY, A, B, STRANGER = "10.123.0.1", "10.123.0.2", "10.123.0.3", "10.123.0.66"
RELAY6, A6, B6 = "fd7a::1", "fd7a::2", "fd7a::3"
FIRST, LAST, NG, HTTP = 30000, 30399, 2223, 8080
PINS = f"/sys/fs/bpf/{NAME}"
LOADER = lib.binary("sallyport-bpf")
libc = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True):
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def within(namespace):
    return ["nsenter", f"--net=/run/netns/{namespace}"]


class Inside:
    """Sockets made in the block live in the namespace."""

    def __init__(self, namespace):
        self.path = f"/run/netns/{namespace}"

    def __enter__(self):
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        fd = os.open(self.path, os.O_RDONLY)
        assert libc.setns(fd, 0x40000000) == 0, os.strerror(ctypes.get_errno())
        os.close(fd)

    def __exit__(self, *_):
        assert libc.setns(self.home, 0x40000000) == 0
        os.close(self.home)


def clean():
    lib.stop_all()
    if os.path.exists(LOADER) and os.path.isdir(PINS):
        run(*within(INSIDE), LOADER, "unload", *options(), check=False)
    for n in (INSIDE, OUTSIDE):
        run("ip", "netns", "del", n, check=False)


def build_net():
    for n in (INSIDE, OUTSIDE):
        run("ip", "netns", "add", n)
        run("ip", "-n", n, "link", "set", "lo", "up")
    run("ip", "-n", INSIDE, "link", "add", "media", "type", "veth", "peer", "name", "world", "netns", OUTSIDE)
    run("ip", "-n", INSIDE, "addr", "add", RELAY + "/24", "dev", "media")
    run("ip", "-n", INSIDE, "addr", "add", RELAY6 + "/64", "dev", "media", "nodad")
    for a in (A, B, STRANGER):
        run("ip", "-n", OUTSIDE, "addr", "add", a + "/24", "dev", "world")
    for a in (A6, B6):
        run("ip", "-n", OUTSIDE, "addr", "add", a + "/64", "dev", "world", "nodad")
    run("ip", "-n", INSIDE, "link", "set", "media", "up")
    run("ip", "-n", OUTSIDE, "link", "set", "world", "up")


def options(*more):
    return ["--foreground", f"--interface=four/{RELAY}", f"--interface=six/{RELAY6}", f"--listen-ng={RELAY}:{NG}", f"--listen-http={RELAY}:{HTTP}",
            f"--port-min={FIRST}", f"--port-max={LAST}", "--num-threads=2", f"--bpf-dir={PINS}", *more]


def start(folder, name, tier):
    p = lib.Process(name, [*within(INSIDE), lib.binary("sallyport-rtpproxy", os.environ.get("SALLYPORT_ASAN") == "1"), *options(f"--io={tier}")], folder)
    p.wait_text("event=ready")
    return p


def metric(line):
    with Inside(OUTSIDE):
        s = socket.create_connection((RELAY, HTTP), timeout=5)
    s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = b""
    while True:
        more = s.recv(65536)
        if not more:
            break
        text += more
    s.close()
    return next(float(l.rsplit(" ", 1)[1]) for l in text.decode().splitlines() if l.startswith(line + " "))


class Party:
    def __init__(self, address):
        self.address, self.family = address, socket.AF_INET6 if ":" in address else socket.AF_INET
        with Inside(OUTSIDE):
            self.s = socket.socket(self.family, socket.SOCK_DGRAM)
        self.s.bind((address, 0))
        self.s.settimeout(3)
        self.port, self.seq, self.ssrc = self.s.getsockname()[1], 100, int.from_bytes(os.urandom(4), "big")

    def sdp(self):
        v = "IP6" if ":" in self.address else "IP4"
        return f"v=0\r\no=- 1 1 IN {v} {self.address}\r\ns=-\r\nc=IN {v} {self.address}\r\nt=0 0\r\nm=audio {self.port} RTP/AVP 0\r\n"

    def say(self, text):
        self.seq += 1
        self.s.sendto(struct.pack("!BBHII", 0x80, 0, self.seq & 0xffff, self.seq * 160, self.ssrc) + text, self.to)

    def hear(self):
        return self.s.recv(2048)[12:]


class Call:
    def __init__(self, ng, a, b, interface):
        self.ng, self.id, self.sides = ng, os.urandom(6).hex(), (Party(a), Party(b))
        keys = dict(call_id=self.id, from_tag="f", replace=["origin"], latching="strict", rtcp_mux=["demux"])
        for n, (party, command, more) in enumerate(((self.sides[0], "offer", {"direction": [interface, interface]}),
                                                    (self.sides[1], "answer", {"to_tag": "t"}))):
            r = ng.ask(command, sdp=party.sdp(), **keys, **more)
            assert r.get("result") == "ok", r
            port = int(re.search(r"m=audio (\d+)", r["sdp"]).group(1))
            self.sides[1 - n].to = (RELAY6 if interface == "six" else RELAY, port)

    def talk(self, n):
        """How many of n packets each way did not arrive as they were sent."""
        missed = 0
        for i in range(n):
            for speaker, hearer in (self.sides, self.sides[::-1]):
                text = os.urandom(20 + i % 141)
                speaker.say(text)
                try:
                    missed += hearer.hear() != text
                except OSError:
                    missed += 1
            if missed > 4:  # enough to know
                return 2 * n
        return missed

    def delete(self):
        return self.ng.ask("delete", call_id=self.id, from_tag="f", delete_delay=0)


def kernel_packets_reach(n):
    try:
        return lib.wait_for("the kernel's count", lambda: metric("sallyport_relay_kernel_packets_total") >= n, seconds=4)
    except TimeoutError:
        return False


def addresses_and_checksums(tap, ng):
    before = 0
    # The relay's device finishes what the sender's card was to finish: a pseudo header that is wrong shows at the receiver.
    run(*within(INSIDE), "ethtool", "-K", "media", "tx", "off", check=False)
    for offload in ("on", "off"):
        run(*within(OUTSIDE), "ethtool", "-K", "world", "tx", offload, check=False)
        for interface, a, b in (("four", A, B), ("six", A6, B6)):
            c = Call(ng, a, b, interface)
            missed = c.talk(100)
            counted = kernel_packets_reach(before + 150)
            reply = c.delete()
            before = metric("sallyport_relay_kernel_packets_total")
            what = f"IPv{interface == 'six' and 6 or 4}, checksums {'left to the card' if offload == 'on' else 'made by the sender'}"
            tap.ok(missed == 0 and counted, f"the kernel forwards {what}", f"missed {missed}, {reply}")
            tap.ok(reply["totals"]["RTP"]["packets"] == 200, f"{what}: the call's figures have every packet", reply.get("totals"))


def load(folder, *args):
    tool = os.path.join(folder, "rtpload")
    return subprocess.Popen([*within(OUTSIDE), tool, "--ng", f"{RELAY}:{NG}", "--ip-a", A, "--ip-b", B, "--verify-every", "1",
                             "--ng-offer", "latching=strict", "--ng-answer", "latching=strict", "--ng-offer", "continuity=off",
                             "--ng-answer", "continuity=off", *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(p):
    out, err = p.communicate(timeout=60)
    return json.loads(out.splitlines()[-1]) if out.strip() else {"error": err}


def is_whole(r):
    return r.get("lost") == 0 and r.get("received", 0) > 0 and not any(r.get(k, 1) for k in ("bad", "dup", "unknown", "bad_payload", "auth_fail"))


def no_rights_left(tap, p):
    sets = set()
    for t in os.listdir(f"/proc/{p.pid}/task"):
        with open(f"/proc/{p.pid}/task/{t}/status") as f:
            sets.update(re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\s+(\w+)", f.read()))
    tap.ok({int(x, 16) for x in sets} == {0}, "no thread of the relay has a capability, nor a way to one", sets)


def killed(tap, folder, p):
    ng = client()
    c = Call(ng, A, B, "four")
    c.talk(20)
    p.stop(signal.SIGKILL)
    tap.ok(c.talk(50) == 0, "the kernel forwards while the relay is dead")
    p = start(folder, "again", "kernel")
    tap.ok(c.talk(50) == 0, "and when the next one has started")
    ng = client()
    calls = [Call(ng, A, B, "four") for _ in range(20)]
    ports = {x.to[1] for k in calls for x in k.sides}
    tap.ok(not ports & {x.to[1] for x in c.sides} and all(k.talk(5) == 0 for k in calls), "new calls do not get the ports of those that go on")
    run(*within(INSIDE), LOADER, "load", *options())
    tap.ok(c.talk(10) == 0, "which still do, also when the programs are loaded anew")
    for k in calls:
        k.delete()
    p.stop()
    tap.ok(c.talk(10) == 0, "also when the relay is stopped in good order")
    return start(folder, "third", "kernel")


def flooded(tap, folder, tier):
    calls = load(folder, "--calls", "20", "--pps", "50", "--warmup", "1", "--duration", "4")
    flood = subprocess.Popen([*within(OUTSIDE), os.path.join(folder, "udpflood"), STRANGER, RELAY, str(FIRST), str(LAST), "5"],
                             stdout=subprocess.PIPE, text=True)
    r, sent = result(calls), int(flood.communicate(timeout=30)[0])
    tap.ok(is_whole(r) and r["received"] > 7000, f"{tier}: a flood of {round(sent / 5000)},000 packets a second on all ports costs calls nothing", r)
    lib.wait_for("the drops to be counted", lambda: sum(metric('sallyport_relay_early_drops_total{reason="%s"}' % x) for x in ("unknown", "source")) > sent * 0.5,
                 seconds=5)
    tap.ok(metric('sallyport_relay_early_drops_total{reason="source"}') > 0, f"{tier}: strangers on open ports are counted as such")


def client():
    with Inside(OUTSIDE):
        return relay_ng.Relay(NG, RELAY)


def foreign(tap, ng):
    with Inside(INSIDE):
        other = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(60)]
    taken = set()
    for i, s in enumerate(other):
        try:
            s.bind((RELAY, FIRST + 2 * i))
            s.settimeout(2)
            taken.add(FIRST + 2 * i)
        except OSError:
            pass
    calls = [Call(ng, A, B, "four") for _ in range(20)]
    got = {x.to[1] for c in calls for x in c.sides}
    tap.ok(len(got) == 40 and not got & taken, "ports that another program has are not given to calls", got & taken)
    for c in calls:
        c.delete()
    for s in other:
        s.close()


def granted():
    if os.geteuid() != 0:
        return "not root"
    if not os.path.exists(LOADER):
        return "built without clang, bpftool or libbpf"
    if not os.path.ismount("/sys/fs/bpf") and run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf", check=False).returncode != 0:
        return "no BPF file system"
    atexit.register(clean)
    for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(n, lambda *_: sys.exit(1))
    try:
        build_net()
    except (OSError, subprocess.CalledProcessError) as e:
        return f"no network namespaces: {getattr(e, 'output', e)}"
    r = run(*within(INSIDE), LOADER, "load", *options(), check=False)
    return None if r.returncode == 0 else r.stdout.strip()


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-io-")
    why = granted()
    if why:
        tap.ok(True, f"skipped: BPF is not granted here: {why.splitlines()[-1]}")
        return tap.done()
    try:
        for tool in ("rtpload", "udpflood"):
            run("cc", "-O2", "-w", "-o", os.path.join(folder, tool), os.path.join(lib.ROOT, "tests", "bench", "load", tool + ".c"), "-lsrtp2",
                "-lcrypto", "-lm")
        p = start(folder, "kernel", "auto")
        tap.ok("event=packet_io tier=kernel" in p.text(), "auto takes the best tier that the host grants", p.text())
        no_rights_left(tap, p)
        addresses_and_checksums(tap, client())
        foreign(tap, client())
        flooded(tap, folder, "kernel")
        p = killed(tap, folder, p)
        p.stop()
        p = start(folder, "steered", "steered")
        r = result(load(folder, "--calls", "10", "--warmup", "0.3", "--duration", "1", "--mode", "srtp-srtp", "--suite-a", "AEAD_AES_128_GCM"))
        tap.ok(is_whole(r), "steered: SRTP re-keyed arrives whole", r)
        flooded(tap, folder, "steered")
        tap.ok(metric("sallyport_relay_kernel_packets_total") == 0, "steered: nothing is forwarded by the kernel")
        p.stop()
        r = run(*within(INSIDE), LOADER, "unload", *options())
        left = run(*within(INSIDE), "tc", "filter", "show", "dev", "media", "ingress", check=False).stdout
        tap.ok(not os.path.exists(PINS) and "relay_ingress" not in left, "unload leaves nothing behind", left)
        r = run(*within(INSIDE), lib.binary("sallyport-rtpproxy"), *options("--io=kernel"), check=False)
        tap.ok(r.returncode != 0 and "not granted: the loader has not run" in r.stdout, "what was asked for by name and is not granted is an error", r.stdout)
        p = start(folder, "auto", "auto")
        tap.ok("tier=sockets why_not_more=" in p.text() and Call(client(), A, B, "four").talk(10) == 0, "auto goes on with sockets, and says why", p.text())
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
