#!/usr/bin/env python3
"""SIPp floods from fifty addresses beside a stream of good calls (threats B8): no good call fails, and none waits longer for it.

The flood comes and goes every two seconds under the same stream of calls, so that what else the machine does is the same for both. In the first
half the sources are only too fast; in the second they are banned."""
import glob, json, os, re, shutil, signal, statistics, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

RATE, FLOOD, SLICES, SLICE_S = 25, int(os.environ.get("SALLYPORT_FLOOD_RATE", 4000)), 3, 2
GRAIN_MS = 10.0  # SIPp's clock is no finer; below it all is the same
SIPP_DIR = os.path.join(lib.ROOT, "tests", "e2e", "sipp")
OUTSIDE, INSIDE = "127.0.0.10", "127.0.0.20"
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
admission: {{ guard: {{ requests: {{ per_source: 100/s }}, register: {{ per_source: 5/s, failures: 5/10m }}, unknown_methods: drop }} }}
bans: {{ allow: [127.0.0.1] }}
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:{caller}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{callee}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ when: {{ from: callers }}, to: [callees] }}
""" + sip.OBSERVE.replace("debug, sip: on", "info")


def sipp(folder, name, scenario, *args):
    argv = ["sipp", "-sf", os.path.join(SIPP_DIR, scenario), "-nostdin", "-nd", *args]
    return lib.Process(name, argv, folder)


def flood(folder, sbc, n):
    """Two seconds of it; its sources are those of the file."""
    p = sipp(folder, f"flood{n}", "flood.xml", f"{OUTSIDE}:{sbc.v['out']}", "-t", "ui", "-max_socket", "200", "-inf", os.path.join(folder, "fifty.csv"), "-ip_field", "0",
             "-p", str(sbc.v["flood"]), "-r", str(FLOOD // 4), "-m", str(FLOOD * SLICE_S // 4), "-default_behaviors", "none", "-timeout", "6")
    os.setpriority(os.PRIO_PROCESS, p.pid, 10)
    begun = time.time()
    p.p.wait(15)
    return begun, time.time()


def set_ups(folder, start):
    """(when, milliseconds from INVITE to 180) of each good call: the callee rings at once."""
    rows = []
    for path in glob.glob(os.path.join(folder, "*rtt.csv")):
        for line in open(path).read().splitlines()[1:]:
            f = line.split(";")
            if len(f) >= 3 and f[2].strip() == "1":
                rows.append((start + float(f[0]) / 1000, float(f[1])))  # SIPp's clock begins with it
    return rows


def p99(x):
    return sorted(x)[max(0, int(len(x) * 0.99) - 1)]


def play(tap, folder):
    v = dict(out=lib.free_port(OUTSIDE), inn=lib.free_port(INSIDE), caller=lib.free_port(), callee=lib.free_port(), flood=lib.free_port("127.0.1.1"))
    sbc = sip.Sbc(folder, CONFIG, **v)
    sbc.start()
    fifty = [f"127.0.1.{i}" for i in range(1, 51)]
    with open(os.path.join(folder, "fifty.csv"), "w") as f:
        f.write("SEQUENTIAL\n" + "".join(f"{ip}\n" for ip in fifty))
    callee = sipp(folder, "callee", "uas.xml", "-i", "127.0.0.1", "-p", str(v["callee"]), "-t", "u1")
    total = RATE * (2 * SLICES * 2 * SLICE_S + 4)
    start = time.time()
    caller = sipp(folder, "caller", "uac.xml", f"{OUTSIDE}:{v['out']}", "-i", "127.0.0.1", "-p", str(v["caller"]), "-t", "u1", "-s", "+4930555123", "-r", str(RATE),
                  "-m", str(total), "-d", "300", "-trace_rtt", "-rtt_freq", "1", "-recv_timeout", "10000", "-timeout", "60", "-timeout_error")
    lib.wait_for("calls", lambda: sbc.metric("sallyport_calls_ended_total") >= RATE)
    spans, rss = {"too fast": [], "banned": []}, sbc.process.rss_kib()
    for kind in spans:
        if kind == "banned":
            for ip in fifty:
                reply = sbc_ban(sbc, ip)
                assert "ban" in reply, reply
        for n in range(SLICES):
            spans[kind].append(flood(folder, sbc, f"-{kind.replace(' ', '-')}-{n}"))
            time_left = spans[kind][-1][1] + SLICE_S
            lib.wait_for("a quiet while", lambda: time.time() >= time_left, 10)
    status = caller.p.wait(60)
    rows = set_ups(folder, start)
    on = [ms for t, ms in rows if any(a <= t <= b for s in spans.values() for a, b in s)]
    begun, ended = spans["too fast"][0][0], spans["banned"][-1][1]
    quiet = [ms for t, ms in rows if begun <= t <= ended + SLICE_S and not any(a <= t <= b + 0.1 for s in spans.values() for a, b in s)]
    refused, banned = sbc.metric("sallyport_dropped_total", realm="outside"), sbc.metric("sallyport_dropped_total", reason="ban")
    print(f"# {total} good calls at {RATE}/s; flood of {FLOOD}/s from 50 addresses: {refused:.0f} dropped, {banned:.0f} of them for a ban")
    print(f"# set-up, ms: quiet p50 {statistics.median(quiet):.2f} p99 {p99(quiet):.2f} ({len(quiet)} calls); flooded p50 {statistics.median(on):.2f} p99 {p99(on):.2f} ({len(on)} calls)")
    tap.ok(status == 0, "beside floods from fifty addresses no good call fails", caller.text()[-1500:])
    tap.ok(len(on) > RATE * SLICES and len(quiet) > RATE * SLICES, "there were calls under the flood and beside it", (len(on), len(quiet)))
    tap.ok(p99(on) <= max(2 * p99(quiet), GRAIN_MS), "their set-up takes at most twice the time at the 99th percentile", (p99(quiet), p99(on)))
    tap.ok(banned > FLOOD, "banned sources are dropped as banned", banned)
    tap.ok(sbc.process.rss_kib() - rss < 32768, "memory stays where it was", (rss, sbc.process.rss_kib()))
    tap.ok(sbc.metric("sallyport_calls_ended_total") >= total and sbc.metric("sallyport_never_total") == 0, "each good call is counted, and nothing happened that was believed impossible")
    callee.stop(signal.SIGUSR1)
    tap.ok(sbc.stop() == 0, "it ends in order")


def sbc_ban(sbc, ip):
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(sbc.v["control"])
        s.sendall(json.dumps({"command": "ban", "kind": "source", "subject": ip, "seconds": 600, "why": "a test"}).encode() + b"\n")
        data = b""
        while got := s.recv(65536):
            data += got
    return json.loads(data)


sip.main(play)
