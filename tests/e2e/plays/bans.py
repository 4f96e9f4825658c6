#!/usr/bin/env python3
"""Bans, in a network namespace of their own: who guesses passwords is out; who comes as a flood is dropped by the kernel, told by
sallyport-ban, which alone has the capability; the operator lists, bans and lifts; all of it outlives restarts."""
import hashlib, json, os, re, shutil, socket, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

IN_NAMESPACE = "SALLYPORT_NAMESPACE"
NOBODY = 65534
GUESSER, FLOODER, PHONE, SHORT = "127.0.1.7", "127.0.1.8", "127.0.1.20", "127.0.1.30"
CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  outside:
    trust: none
    listen:
      - {{ transport: udp, address: 127.0.0.1, port: {udp} }}
      - {{ transport: tcp, address: 127.0.0.1, port: {udp} }}
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
    admission: guard
users:
  phones: {{ realm: outside, domains: [local.test], auth: local, accounts: [ {{ user: alice, password: s3ven-s3as }} ] }}
admission:
  guard: {{ register: {{ failures: 5/10m, ban: 1h }}, unknown_methods: drop }}
bans: {{ kernel_after: {after}, kernel: {ban_socket}, file: {ban_file}, allow: [127.0.1.99] }}
routes:
  - {{ name: none, when: {{}}, reject: {{ status: 404 }} }}
""" + sip.OBSERVE.replace("debug, sip: on", "info")


def enter_namespace():
    """This very play again, alone with a loopback of its own; False: that cannot be had here."""
    tries = [["unshare", "-n"]] if os.geteuid() == 0 else [["unshare", "-rn"]]
    for t in tries:
        if shutil.which("nft") and os.path.exists(os.path.join(lib.ROOT, "build", "sallyport-ban")) and \
           subprocess.run([*t, "sh", "-c", "ip link set lo up && nft add table inet try && nft delete table inet try"], stdin=subprocess.DEVNULL,
                          capture_output=True).returncode == 0:
            os.execvpe(t[0], [*t, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, os.path.abspath(__file__)],
                       {**os.environ, IN_NAMESPACE: "1"})
    return False


class Client:
    """A phone, or one who would like to be, on an address of the loopback."""

    def __init__(self, ip, to, algorithm="SHA-256", domain="local.test"):
        self.domain = domain
        self.algorithm, self.hash = algorithm, hashlib.md5 if algorithm == "MD5" else hashlib.sha256
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((ip, 0))
        self.nonce = None
        self.to, self.via = to, "%s:%d" % self.s.getsockname()

    def ask(self, message, seconds=1.0):
        """The status of the answer and its text; 0: silence."""
        self.s.sendto(message, self.to)
        self.s.settimeout(seconds)
        try:
            text = self.s.recv(65536).decode()
        except socket.timeout:
            return 0, ""
        return int(text.split(" ", 2)[1]), text

    def register(self, headers=(), seconds=1.0, user="alice"):
        m = sip.request("REGISTER", f"sip:{self.domain}", via=self.via, transport="UDP", headers=headers).decode()
        m = re.sub(r"(?m)^(From|To): <[^>]*>", rf"\1: <sip:{user}@{self.domain}>", m)
        return self.ask(m.encode(), seconds)

    def log_in(self, password, user="alice", seconds=1.0, reuse=False):
        nonce = self.nonce if reuse else None
        if not nonce:
            status, text = self.register(seconds=seconds, user=user)
            if status != 401:
                return status
            nonce = self.nonce = re.search(rf'nonce="([^"]*)"[^\r]*algorithm={self.algorithm}', text)[1]
        h = lambda x: self.hash(x.encode()).hexdigest()
        response = h(f"{h(f'{user}:{self.domain}:{password}')}:{nonce}:00000001:abc:auth:{h('REGISTER:sip:' + self.domain)}")
        line = (f'Authorization: Digest username="{user}", realm="{self.domain}", nonce="{nonce}", uri="sip:{self.domain}", response="{response}", '
                f'algorithm={self.algorithm}, qop=auth, nc=00000001, cnonce="abc"')
        return self.register([line], seconds, user)[0]

    def flood(self, n):
        m = sip.options(via=self.via, transport="UDP")
        for _ in range(n):
            self.s.sendto(m, self.to)


class World:
    def __init__(self, tap, folder):
        self.tap, self.dir = tap, folder
        os.chmod(folder, 0o777)
        self.v = dict(after="20/10m", udp=lib.free_port(), ban_socket=os.path.join(folder, "ban.sock"), ban_file=os.path.join(folder, "bans.jsonl"))
        self.sbc = sip.Sbc(folder, CONFIG, asan=False, **self.v)
        self.capable = os.geteuid() == 0 and int(open("/proc/self/uid_map").read().split()[2]) > NOBODY
        self.to = ("127.0.0.1", self.v["udp"])

    def alone(self, *caps):
        """As nobody, with these capabilities and no other."""
        sets = ",".join(["-all", *("+" + c for c in caps)])
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--inh-caps={sets}", f"--ambient-caps={sets}",
                f"--bounding-set={sets}"] if self.capable else []

    def start_helper(self, *options):
        self.helper = lib.Process("ban", [*self.alone("net_admin"), os.path.join(lib.ROOT, "build", "sallyport-ban"), "--socket=" + self.v["ban_socket"],
                                          *options], self.dir)
        self.helper.wait_text(r"(?m)^ready\b")

    def start_sbc(self):
        self.sbc.process = lib.Process("sbc", [*self.alone(), lib.binary("sallyport-sbc", False), "--foreground", "-c", self.sbc.config], self.dir)
        self.sbc.process.wait_text(r"(?m)^ready\b")

    def cli(self, *args):
        r = subprocess.run([os.path.join(lib.ROOT, "build", "sallyport"), *args, "-s", self.sbc.v["control"]], capture_output=True, text=True, timeout=10)
        return r.returncode, r.stdout + r.stderr

    def bans(self):
        return {b["subject"]: b for b in json.loads(self.cli("bans", "--json")[1])["bans"]}

    def dropped_by_us(self):
        return self.sbc.metric("sallyport_dropped_total", reason="ban")

    def nft(self, *args):
        return subprocess.run(["nft", "-j", *args], capture_output=True, text=True, timeout=10).stdout or "{}"

    def dropped_by_kernel(self):
        rules = json.loads(self.nft("list", "chain", "inet", "sallyport", "banned4")).get("nftables", [])
        return sum(e["counter"]["packets"] for r in rules if "rule" in r for e in r["rule"]["expr"] if "counter" in e)

    def elements(self):
        sets = json.loads(self.nft("list", "set", "inet", "sallyport", "sources4")).get("nftables", [])
        return [e["elem"]["val"] if isinstance(e, dict) else e for s in sets if "set" in s for e in s["set"].get("elem", [])]


def caps(pid):
    return int(re.search(r"(?m)^CapEff:\s*([0-9a-f]+)", open(f"/proc/{pid}/status").read())[1], 16)


def passwords(w):
    tap, phone, guesser = w.tap, Client(PHONE, w.to), Client(GUESSER, w.to)
    tap.ok(phone.log_in("s3ven-s3as") == 200, "a phone registers")
    got = [guesser.log_in(f"guess{i}", reuse=True) for i in range(5)]
    tap.ok(got == [401] * 5, "who guesses hears 401", got)
    tap.ok(guesser.log_in("s3ven-s3as", seconds=0.3) == 0, "after the fifth wrong password it hears nothing any more, even to the right one")
    ban = w.bans().get(GUESSER, {})
    tap.ok(ban.get("rule") == "register_failures" and ban.get("file", "").endswith("sallyport.yaml") and ban.get("line", 0) > 0 and ban["by"] == "rule",
           "the list says which rule, and where it stands", ban)
    tap.ok(w.sbc.metric("sallyport_bans", kind="source") == 1 and w.sbc.metric("sallyport_bans_total", rule="register_failures", result="banned") == 1,
           "the metrics count it")
    log = w.sbc.process.text()
    tap.ok(re.search(r"\bban\b.*result=banned.*kind=source.*subject=127\.0\.1\.7.*rule=register_failures.*place=\S+:\d+", log), "the log has a line of it", log[-1500:])
    tap.ok(phone.log_in("s3ven-s3as") == 200, "the user whose password was guessed at comes in all the same")
    # What anybody could send in another's name: wrong answers without a challenge that went there.
    victim = Client(FLOODER, w.to)
    line = 'Authorization: Digest username="alice", realm="local.test", nonce="%s", uri="sip:local.test", response="%s", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="x"'
    for i in range(20):
        victim.register([line % ("00" * 28, "%064x" % i)])
    tap.ok(FLOODER not in w.bans(), "datagrams that prove nothing ban nobody")
    tap.ok(phone.ask(sip.request("FROBNICATE", "sip:local.test", via=phone.via, transport="UDP"), 0.3)[0] == 0, "a method that is no word of SIP is not answered")


def kernel(w):
    tap, flooder, guesser = w.tap, Client(FLOODER, w.to), Client(GUESSER, w.to)
    status, said = w.cli("ban", FLOODER, "--for", "2h", "--why", "a test")
    tap.ok(status == 0 and "banned until" in said, "the operator bans an address", said)
    flooder.flood(10)
    lib.wait_for("ten to be dropped", lambda: w.dropped_by_us() >= 10)
    tap.ok(w.elements() == [], "a few datagrams of it are dropped by the SBC, and the kernel knows of nobody")
    flooder.flood(30)
    lib.wait_for("the kernel to know", lambda: FLOODER in w.elements())
    tap.ok(True, "a flood of it goes to the kernel")
    ours, theirs = w.dropped_by_us(), w.dropped_by_kernel()
    flooder.flood(1000)
    tap.ok(w.dropped_by_kernel() - theirs == 1000, "the counter of the drop rule counts all that follows", w.dropped_by_kernel() - theirs)
    tap.ok(Client(PHONE, w.to).log_in("s3ven-s3as") == 200 and w.dropped_by_us() == ours, "the SBC sees nothing of it, and serves others", (ours, w.dropped_by_us()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(2)
        flooder.s.sendto(b"media", other.getsockname())
        tap.ok(other.recv(100) == b"media", "what goes to other ports than ours passes: media, shells")
    if w.capable:
        tap.ok(caps(w.sbc.process.pid) == 0 and caps(w.helper.pid) == 1 << 12, "the SBC has no capability, the helper CAP_NET_ADMIN alone",
               f"{caps(w.sbc.process.pid):x} {caps(w.helper.pid):x}")
    else:
        tap.ok(True, "capabilities # SKIP not root here")
    tap.ok(guesser.ask(sip.options(via=guesser.via, transport="UDP"), 0.2)[0] == 0, "who does not flood is dropped by the SBC as before")


def restarts(w):
    tap, flooder = w.tap, Client(FLOODER, w.to)
    before = w.bans()
    tap.ok(w.sbc.stop() == 0, "the SBC ends in order")
    tap.ok(FLOODER in w.elements(), "meanwhile the kernel keeps what it was told")
    w.start_sbc()
    after = w.bans()
    tap.ok(set(after) == set(before) and all(abs(after[k]["until_ms"] - before[k]["until_ms"]) < 2000 and after[k]["rule"] == before[k]["rule"] for k in before),
           "bans outlive a restart of the SBC, with their end and their rule", (before, after))
    w.helper.stop()
    tap.ok("sallyport" not in w.nft("list", "tables"), "the helper's end takes its table away")
    tap.ok(Client(GUESSER, w.to).log_in("x", seconds=0.3) == 0, "without it bans go on, by the SBC alone")
    w.start_helper("--keep")
    lib.wait_for("the SBC to find it again", lambda: FLOODER in w.elements(), 12)
    tap.ok(True, "when it is back it is told again of those that flood")
    theirs = w.dropped_by_kernel()
    flooder.flood(100)
    tap.ok(w.dropped_by_kernel() - theirs == 100, "and they are dropped by the kernel again")


def operator(w):
    tap, flooder = w.tap, Client(FLOODER, w.to)
    status, said = w.cli("unban", FLOODER)
    tap.ok(status == 0 and "lifted" in said, "the operator lifts a ban", said)
    lib.wait_for("the kernel to forget", lambda: FLOODER not in w.elements())
    tap.ok(flooder.log_in("s3ven-s3as") == 200, "and who was banned is served")
    tap.ok(w.cli("unban", FLOODER)[0] == 1, "what is not banned cannot be lifted")
    status, said = w.cli("ban", "127.0.1.99")
    tap.ok(status == 1 and "bans.allow" in said, "who is on the allow-list cannot be banned by the operator either", said)
    tap.ok(w.cli("ban", "no-address")[0] == 1 and w.cli("ban")[0] == 2 and w.cli("ban", "192.0.2.1", "--for", "soon")[0] == 2, "nonsense is refused")
    for args, kind in ((["--user", "alice@local.test"], "user"), (["--number", "+881"], "destination"), (["--caller", "+49301"], "caller"),
                       (["192.0.2.0/24"], "source"), (["2001:db8::/32"], "source")):
        status, said = w.cli("ban", *args, "--json")
        tap.ok(status == 0 and json.loads(said)["ban"]["kind"] == kind, f"ban {' '.join(args)}", said)
    tap.ok(Client(PHONE, w.to).log_in("s3ven-s3as") == 403, "a banned user cannot register")
    shown = w.cli("bans")[1]
    tap.ok(all(x in shown for x in ("SUBJECT", "UNTIL", "STRIKES", "HITS", "192.0.2.0/24", "2001:db8::/32", "alice@local.test", "operator")),
           "the list is for people too", shown)
    tap.ok(w.cli("unban", "--user", "alice@local.test")[0] == 0 and Client(PHONE, w.to).log_in("s3ven-s3as") == 200, "the user is let in again")
    short = Client(SHORT, w.to)
    w.cli("ban", SHORT, "--for", "2s")
    short.flood(60)
    lib.wait_for("the kernel to know", lambda: SHORT in w.elements())
    lib.wait_for("its end", lambda: re.search(r"result=ended.*subject=127\.0\.1\.30", w.sbc.process.text()), 8)
    lib.wait_for("the kernel's end", lambda: SHORT not in w.elements(), 8)
    tap.ok(short.log_in("s3ven-s3as") == 200, "a ban ends by itself, in the kernel too")


FLOOD = int(os.environ.get("SALLYPORT_FLOOD", 50000))


def cpu_ns(pid):
    """Of the process, in user space and in the kernel."""
    return int(open(f"/proc/{pid}/schedstat").read().split()[0])


def cost(w):
    """CPU of the SBC for each datagram of a banned source, before the kernel knows of it and after."""
    took = []
    for after in ("0/s", "20/10m"):
        w.sbc.stop()
        w.sbc.write(after=after)
        w.start_sbc()
        c = Client("127.0.1.60", w.to)
        w.cli("ban", "127.0.1.60", "--for", "10m")
        if after != "0/s":
            c.flood(60)
            lib.wait_for("the kernel to know", lambda: "127.0.1.60" in w.elements())
        before, begun, us = cpu_ns(w.sbc.process.pid), time.monotonic(), w.dropped_by_us()
        c.flood(FLOOD)
        seconds = time.monotonic() - begun
        spent = cpu_ns(w.sbc.process.pid) - before
        seen = w.dropped_by_us() - us
        took.append(spent / FLOOD)
        print(f"# {FLOOD} datagrams of a banned source in {seconds:.2f} s ({FLOOD / seconds:.0f}/s): the SBC saw {seen:.0f}, {spent / 1e3 / FLOOD:.3f} us of its CPU for each"
              + (f", {spent / 1e3 / seen:.2f} us for each that it saw" if seen else ""))
    w.tap.ok(took[1] < 200 and took[1] < took[0], "in the kernel's hands a banned flood costs next to no CPU of ours", took)


def play(tap, folder):
    w = World(tap, folder)
    w.start_helper()
    w.start_sbc()
    passwords(w)
    kernel(w)
    restarts(w)
    operator(w)
    cost(w)
    tap.ok(w.sbc.metric("sallyport_never_total") == 0, "nothing happened that was believed impossible")
    tap.ok(w.sbc.stop() == 0, "the SBC ends in order once more")
    w.helper.stop()
    tap.ok("sallyport" in w.nft("list", "tables"), "with --keep the table stays behind")


if __name__ != "__main__":
    pass
elif os.environ.get(IN_NAMESPACE):
    sip.main(play)
elif not enter_namespace():
    print("ok 1 - bans # SKIP no network namespace, nft or sallyport-ban here\n1..1")
