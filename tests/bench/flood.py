#!/usr/bin/env python3
"""A hundred thousand requests a second from fifty addresses beside a stream of good calls (threats B8): what they cost us and the calls.

In a network namespace of its own (root, or user namespaces), so that sallyport-ban may have its set. Four runs: no flood; sources that are
too fast; sources that are banned, and dropped by us; the same, and dropped by the kernel. The SBC has processor 0, the generators 1.
Environment: RATE (100000), CALLS (100 a second), SECS (6).
"""
import json, os, re, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lib, sip

LOAD = os.path.join(lib.ROOT, "tests", "bench", "load")
RATE, CALLS, SECS = int(os.environ.get("RATE", 100000)), int(os.environ.get("CALLS", 100)), float(os.environ.get("SECS", 6))
CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: udp, address: 127.0.0.10, port: {out} }} ]
    media: {{ anchor: off }}
    media_policy: plain
    admission: guard
  inside:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.0.20, port: {inn} }} ]
    media: {{ anchor: off }}
    media_policy: plain
media_policies: {{ plain: {{ rtp: allow, srtp: forbid }} }}
admission: {{ guard: {{ requests: {{ per_source: 100/s }} }} }}
bans: {{ allow: [127.0.0.1], kernel_after: {after}, kernel: {ban_socket} }}
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:{caller}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{callee}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ when: {{ from: callers }}, to: [callees] }}
""" + sip.OBSERVE.replace("debug, sip: on", "warn")


FIRST = ["chrt", "-f", "5"] if subprocess.run(["chrt", "-f", "5", "true"], stderr=subprocess.DEVNULL).returncode == 0 else []


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(folder, name, flood, banned, kernel):
    here = os.path.join(folder, re.sub(r"\W", "", name))
    os.makedirs(here)
    socket_path = os.path.join(here, "ban.sock")
    helper = lib.Process("ban", [os.path.join(lib.ROOT, "build", "sallyport-ban"), "--socket=" + socket_path], here)
    helper.wait_text(r"(?m)^ready\b")
    sbc = sip.Sbc(here, CONFIG, asan=False, out=lib.free_port(), inn=lib.free_port(), caller=lib.free_port(), callee=lib.free_port(),
                  after="100/10s" if kernel else "0/s", ban_socket=socket_path).start()
    pid = sbc.process.pid
    subprocess.run(["taskset", "-acp", "0", str(pid)], stdout=subprocess.DEVNULL)
    if FIRST:  # what else the machine does is not to be measured
        subprocess.run(["chrt", "-a", "-f", "-p", "5", str(pid)], check=True)
    if banned:
        subprocess.run([os.path.join(lib.ROOT, "build", "sallyport"), "ban", "127.1.0.0/24", "-s", sbc.v["control"]], stdout=subprocess.DEVNULL, check=True)
    source = subprocess.Popen([*FIRST, "taskset", "-c", "1", os.path.join(folder, "sipflood"), "127.0.0.10", str(sbc.v["out"]), "127.1.0.1", "50", str(RATE), str(SECS + 1)],
                              stdout=subprocess.PIPE, text=True) if flood else None
    if kernel:
        sbc_waits = lambda: "127.1.0.0/24" in subprocess.run(["nft", "list", "table", "inet", "sallyport"], capture_output=True, text=True).stdout
        lib.wait_for("the kernel to be told", sbc_waits)
    used, begun = cpu(pid), time.monotonic()
    out = subprocess.run([*FIRST, "taskset", "-c", "1", os.path.join(folder, "sipload"), "-d", f"127.0.0.10:{sbc.v['out']}", "-a", f"127.0.0.1:{sbc.v['caller']}",
                          "-u", f"127.0.0.1:{sbc.v['callee']}", "-r", str(CALLS), "-n", str(int(CALLS * SECS)), "-H", "0", "-R", "0"], stdout=subprocess.PIPE, text=True).stdout
    used, seconds = cpu(pid) - used, time.monotonic() - begun
    calls, sent = json.loads(out.strip().splitlines()[-1]), json.loads(source.communicate()[0]) if source else {"per_s": 0, "sent": 0}
    seen = sum(sbc.metric("sallyport_dropped_total", reason=r) for r in ("ban", "rate", "quarantine"))
    row = dict(run=name, flood_per_s=sent["per_s"], reached_us=int(seen), ok=calls["ok"], failed=calls["failed"], inv_retr=calls["inv_retr"],
               refused=calls.get("code_503", 0), sbc_cpu_s=round(used, 2), load=os.getloadavg()[0], **{k: v for k, v in calls.items() if k.startswith("setup180")})
    print(json.dumps(row), flush=True)
    sbc.stop()
    helper.stop()


def main():
    if "SALLYPORT_NAMESPACE" not in os.environ:
        os.execvpe("unshare", ["unshare", "-n" if os.geteuid() == 0 else "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, os.path.abspath(__file__)],
                   {**os.environ, "SALLYPORT_NAMESPACE": "1"})
    with tempfile.TemporaryDirectory(prefix="sallyport-flood-") as folder:
        for exe, libs in (("sipload", ["-lssl", "-lcrypto"]), ("sipflood", [])):
            subprocess.run(["cc", "-O2", "-w", "-o", os.path.join(folder, exe), os.path.join(LOAD, exe + ".c"), *libs], check=True)
        for name, flood, banned, kernel in (("quiet", False, False, False), ("too fast", True, False, False), ("banned, dropped by us", True, True, False),
                                            ("banned, dropped by the kernel", True, True, True)):
            run(folder, name, flood, banned, kernel)


main()
