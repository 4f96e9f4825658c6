#!/usr/bin/env python3
"""Signalling beside a peer: CPU per 13-message call and memory per held call, ours and Debian's Kamailio (topoh) in one run.

The generators are tests/bench/load (see bench.py there); server on core 0, generator on core 1, loopback only.
Environment: SECS (8 a run), RATES ("1000"), HOLD (4500 calls held; the relay needs four descriptors each), PEERS (1; 0: ours alone), SEARCH=1 also finds each maximum.
"""
import json, os, shutil, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lib
from sallyport_site import Site

LOAD = os.path.join(lib.ROOT, "tests", "bench", "load")
RUN = os.path.join(lib.ROOT, "build", "bench")
SECS, RATES = float(os.environ.get("SECS", 8)), os.environ.get("RATES", "1000").split()
HOLD, PEERS, SEARCH = int(os.environ.get("HOLD", 4500)), os.environ.get("PEERS", "1") == "1", os.environ.get("SEARCH") == "1"

CONFIG = """\
version: 1
node: {{ name: sbc.bench.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: 127.0.0.1, port: {udp} }}
      - {{ transport: tcp, address: 127.0.0.1, port: {udp} }}
      - {{ transport: tls, address: 127.0.0.1, port: {tls_port}, certificate: edge }}
    media: {{ address: 127.0.0.1, ports: {media_out}-{media_out_end}{anchor} }}
    media_policy: plain
  inside:
    trust: high
    listen:
      - {{ transport: udp, address: 127.0.0.2, port: {udp} }}
      - {{ transport: tcp, address: 127.0.0.2, port: {udp} }}
    media: {{ address: 127.0.0.2, ports: {media_in}-{media_in_end}{anchor} }}
    media_policy: plain
media_policies:
  plain: {{ rtp: allow, srtp: allow, keying: [sdes] }}
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:{uac}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{uas};transport={uas_tp}" }} ] }}
routes:
  - {{ name: all, when: {{ from: callers }}, to: [callees] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics] }} ]
  log: {{ level: warn, sip: off }}
# A busy machine makes messages wait: what is refused for that would count as calls that cost next to nothing.
limits: {{ calls: 50000, transactions: 400000, overload: {{ delay: 0s }} }}
"""
# What a node that shares its calls has besides.
STORE = """\
store: {{ redis: {{ nodes: ["unix:{redis}"], key: "a key of the benches, of no worth elsewhere" }} }}
"""


def generators():
    for name in ("sipload", "tlsload"):
        exe = os.path.join(RUN, name)
        if not os.path.exists(exe):
            subprocess.run(["cc", "-O2", "-w", "-o", exe, os.path.join(LOAD, name + ".c"), "-lssl", "-lcrypto"], check=True)
    os.environ["SIPLOAD"], os.environ["TLSLOAD"] = os.path.join(RUN, "sipload"), os.path.join(RUN, "tlsload")


def bench(pid, *args):
    """The last JSON line of one bench.py run."""
    p = subprocess.run([sys.executable, os.path.join(LOAD, "bench.py"), *map(str, args), "--pid", str(pid), "--max-foreign", "30"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = p.stdout.strip().splitlines()
    if not lines:
        raise RuntimeError("bench.py: " + p.stderr[-500:])
    return json.loads(lines[-1])


class Redis:
    """A Redis of our own beside the generator, not on the server's core."""

    def __init__(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.path = os.path.join(folder, "redis.sock")
        self.p = lib.Process("redis", ["taskset", "-c", "1", "redis-server", "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no",
                                       "--dir", folder], folder)
        lib.wait_for("redis to listen", lambda: os.path.exists(self.path))


class Ours:
    def __init__(self, name, anchor, store=False):
        self.name, folder = name, os.path.join(RUN, "ours")
        shutil.rmtree(folder, ignore_errors=True)
        self.uac, self.uas = lib.free_port(), lib.free_port()
        self.redis = Redis(os.path.join(RUN, "redis")) if store else None
        self.site = Site(folder, CONFIG + (STORE if store else ""), redis=self.redis.path if store else "", udp=lib.free_port(), uac=self.uac, uas=self.uas, uas_tp="udp", media_ports=20000,
                         anchor="" if anchor else ", anchor: off", media_out=40000, media_in=40000)
        self.site.start(relay=anchor)
        subprocess.run(["taskset", "-acp", "0", str(self.site.sbc.pid)], stdout=subprocess.DEVNULL)
        if anchor:
            subprocess.run(["taskset", "-acp", "1", str(self.site.relay.pid)], stdout=subprocess.DEVNULL)
        self.pid, self.udp, self.tls = self.site.sbc.pid, self.site.v["udp"], self.site.v["tls_port"]

    def stop(self):
        self.site.stop()
        if self.redis:
            self.redis.p.stop()


class Kamailio:
    name = "Kamailio 5.6.3 topoh, fm allocator"

    def __init__(self):
        folder = os.path.join(RUN, "kamailio")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        ca = lib.Authority(os.path.join(folder, "ca"))
        # The peer's TLS crashes on EC handshakes under load (its known issue), so one persistent connection only.
        cert, key = ca.issue("bench", "IP:127.0.0.1")
        with open(os.path.join(folder, "tls.cfg"), "w") as f:
            f.write(f"[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\nprivate_key = {key}\n"
                    f"certificate = {cert}\n[client:default]\nverify_certificate = no\nrequire_certificate = no\n")
        self.udp, self.tls, self.uac, self.uas = lib.free_port(), lib.free_port(), lib.free_port(), lib.free_port()
        with open(os.path.join(LOAD, "peers", "kamailio.cfg")) as f:
            text = f.read()
        for a, b in (("RUNDIR/kamailio-tls.cfg", folder + "/tls.cfg"), ("RUNDIR", folder), ("127.0.0.1:5060", f"127.0.0.1:{self.udp}"),
                     ("127.0.0.1:5061", f"127.0.0.1:{self.tls}"), ("127.0.0.1:7070", f"127.0.0.1:{self.uas}")):
            text = text.replace(a, b)
        cfg = os.path.join(folder, "kamailio.cfg")
        with open(cfg, "w") as f:
            f.write(text)
        self.p = lib.Process("kamailio", ["taskset", "-c", "0", "kamailio", "-f", cfg, "-DD", "-E", "-m", "2000", "-M", "32", "-x", "fm", "-X",
                                          "fm", "-A", "NWORK=2", "-A", "WITH_DIALOG", "-A", "WITH_TOPOH", "-w", folder, "-Y", folder], folder)
        self.pid = self.p.pid
        lib.wait_for("kamailio to listen", lambda: f":{self.udp} " in subprocess.run(["ss", "-lun"], stdout=subprocess.PIPE, text=True).stdout)

    def stop(self):
        self.p.stop()


def measure(server, rows):
    common = ["--uas", f"127.0.0.1:{server.uas}", "--uac", f"127.0.0.1:{server.uac}"]
    # Memory first, on a fresh process: pools keep what they have had.
    held = bench(server.pid, "hold", "--n", HOLD, "--rate", 1000, "--dut", f"127.0.0.1:{server.udp}", "--after", 1, *common)
    for tp, port in (("udp", server.udp), ("tls", server.tls)):
        dut = ["--dut", f"127.0.0.1:{port}", "--transport", tp, *common]
        for rate in RATES:
            r = bench(server.pid, "call", "--rate", rate, "--secs", SECS, *dut)
            rows.append((server.name, f"{tp}→udp", f"{rate}/s", r.get("srv_cpu_us_per_call"), f"{r.get('srv_user_us')} + {r.get('srv_sys_us')}",
                         r.get("failed"), f"{r.get('setup180_p50_ms')} / {r.get('setup180_p99_ms')}"))
            print("  " + "  ".join(map(str, rows[-1])), flush=True)
        if SEARCH:
            r = bench(server.pid, "search", "--rate", 0, "--secs", 8, *dut)
            at = r.get("at") or {}
            rows.append((server.name, f"{tp}→udp", f"max {r.get('max_cps')}/s", at.get("srv_cpu_us_per_call"),
                         f"{at.get('srv_user_us')} + {at.get('srv_sys_us')}", at.get("failed"), f"{at.get('setup180_p50_ms')} / {at.get('setup180_p99_ms')}"))
            print("  " + "  ".join(map(str, rows[-1])), flush=True)
    return f"{server.name}: {held['kib_per_call']} KiB per established call ({held['calls']} held, {held['failed']} failed)"


def main():
    os.makedirs(RUN, exist_ok=True)
    generators()
    rows, memory = [("server", "path", "rate", "µs CPU a call", "user + system", "failed", "INVITE→180 ms p50 / p99")], []
    servers = [lambda: Ours("sallyport, signalling only", False), lambda: Ours("sallyport, signalling, shared in Redis", False, True),
               lambda: Ours("sallyport, media anchored", True)]
    if not shutil.which("redis-server"):
        del servers[1]
    if PEERS and shutil.which("kamailio"):
        servers.append(Kamailio)
    for make in servers:
        s = make()
        try:
            memory.append(measure(s, rows))
        finally:
            s.stop()
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(rows[0]))]
    print("\nSignalling, one core, 13-message call:\n")
    for r in rows:
        print("  " + "  ".join(str(c).ljust(w) for c, w in zip(r, widths)).rstrip())
    print("\n" + "\n".join("  " + m for m in memory))


if __name__ == "__main__":
    try:
        main()
    finally:
        lib.stop_all()
