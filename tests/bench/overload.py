#!/usr/bin/env python3
"""Overload: more new calls than the processor can do. What was begun is finished, the rest gets 503 + Retry-After, a call that is up is not touched.

The daemon gets a slice of the processor (it is stopped and continued), so that a small load is far too much for it; what it finishes is counted by
the processor time that it used, which does not depend on what else the machine does. Figures are printed; only their sanity is asserted.
A measurement, not a test: on a busy machine datagrams are lost before anyone reads them, and nobody here sends them again."""
import json, os, signal, subprocess, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lib, party, sip

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: udp, address: 127.0.0.1, port: {out} }} ]
    media: {{ anchor: off }}
    media_policy: plain
  inside:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.0.2, port: {udp} }} ]
    media: {{ anchor: off }}
    media_policy: plain
media_policies:
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  phones: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:5099" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{pbx}" }} ], identify: {{ source: [127.0.0.3/32] }} }}
  police: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{police}" }} ], identify: {{ source: [127.0.0.4/32] }} }}
routes:
  - {{ name: sos, when: {{ from: phones, number: "^110$" }}, to: [police], priority: emergency }}
  - {{ name: own, when: {{ from: phones, number: "^777$" }}, to: [police] }}
  - {{ name: all, when: {{ from: phones }}, to: [pbx] }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: warn }}
limits: {{ calls: 20000, transactions: 200000 }}
timers: {{ t1: 100ms, t2: 400ms, t4: 500ms }}
"""

PERIOD, SECONDS = 0.02, float(os.environ.get("SECS", 2))


class Slice:
    """Lets a process run for a share of each period."""

    def __init__(self, pid, share):
        self.pid, self.share, self.on = pid, share, True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.on:
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(PERIOD * self.share)
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(PERIOD * (1 - self.share))

    def stop(self):
        self.on = False
        self.thread.join()
        os.kill(self.pid, signal.SIGCONT)


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def build(folder):
    exe = os.path.join(folder, "sipload")
    subprocess.run(["cc", "-O2", "-w", "-o", exe, os.path.join(lib.ROOT, "tests", "bench", "load", "sipload.c"), "-lssl", "-lcrypto"], check=True)
    return exe


def load(exe, sbc, rate, uac):
    """(calls that were answered and ended in order, all, processor seconds of the daemon)"""
    pid, before = sbc.process.p.pid, cpu(sbc.process.p.pid)
    n = int(rate * SECONDS)
    p = subprocess.Popen([exe, "-d", f"127.0.0.1:{sbc.v['out']}", "-a", f"127.0.0.1:{uac}", "-u", f"127.0.0.1:{sbc.v['pbx']}", "-r", str(rate), "-n", str(n),
                          "-H", "0", "-R", "0"], stdout=subprocess.PIPE, text=True)
    return p, before, pid, n


def finish(started):
    p, before, pid, n = started
    out = p.communicate(timeout=120)[0]
    return json.loads(out.strip().splitlines()[-1]), n, cpu(pid) - before


def play(tap, folder):
    exe = build(folder)
    police, phone = party.Party("127.0.0.1"), party.Party("127.0.0.1")
    sbc = sip.Sbc(folder, CONFIG, asan=False, out=lib.free_port(), udp=lib.free_port("127.0.0.2"), pbx=lib.free_port(), police=police.port).start()
    uac, to = lib.free_port(), ("127.0.0.1", sbc.v["out"])

    # What a call costs where there is no overload.
    r, n, used = finish(load(exe, sbc, 400, uac))
    tap.ok(r["ok"] == n, "below its capacity every call is served", r)
    tap.ok(sbc.metric("sallyport_refused_total", rule="overload") == 0, "and none is refused for load")
    part = Slice(sbc.process.p.pid, 0.1)
    r, n, used = finish(load(exe, sbc, 200, uac))
    part.stop()
    cost = used / r["ok"]
    capacity = 0.1 / cost
    print(f"# {cost * 1e6:.0f} µs a call; a tenth of a core: {capacity:.0f} calls/s")

    # A call that is up, and goes through it all.
    def is_calm():
        phone.send(sip.options(transport="UDP", via=phone.host), to)
        return phone.expect(200).status == 200 and sbc.metric("sallyport_overload_shed_ratio") == 0

    lib.wait_for("the gate to open", is_calm, 20, 0.4)
    a, b, invite, ok = party.talk(phone, police, to, "sip:777@sbc.test")
    tap.ok(ok.status == 200, "a call is up before")
    for factor in (4, 10):
        refused = sbc.metric("sallyport_refused_total", rule="overload")
        part = Slice(sbc.process.p.pid, 0.1)
        running = load(exe, sbc, min(capacity * factor, 12000), uac)
        time.sleep(SECONDS * 0.5)
        phone.send(a.request("INFO", b"x=1", kind="application/x-test"), to)
        info = police.expect("INFO", seconds=15)
        police.answer(info, 200)
        tap.ok(phone.expect(200, seconds=15).status == 200, f"at {factor} times: a request within the call passes")
        sos = party.Call(phone, to, "sip:110@sbc.test").invite()
        police.answer(police.expect("INVITE", seconds=15), 486, "Busy")
        tap.ok(sos.status(seconds=15).status == 486, f"at {factor} times: an emergency call passes")
        police.expect("ACK", seconds=15)
        r, n, used = finish(running)
        part.stop()
        share = r["ok"] * cost / used if used else 0
        shed = sbc.metric("sallyport_refused_total", rule="overload") - refused
        print(f"# at {factor} times: {n} calls offered, {r['ok']} served, {shed:.0f} refused at once, {r.get('f_timeout', 0)} timed out; "
              f"{share * 100:.0f} % of the processor's time went into calls that were served")
        tap.ok(shed > 0 and r.get("code_503", 0) > 0, f"at {factor} times: new calls get 503", r)
        tap.ok(r["ok"] > 0 and share > 0.2, f"at {factor} times: calls are served beside it", r)
        lib.wait_for("the load to go", lambda: sbc.control("status")["transactions"] < 100, 60)
    party.hang_up(a, b)
    tap.ok(True, "the call that was up ends in order")
    lib.wait_for("the gate to open", is_calm, 20, 0.4)
    r, n, used = finish(load(exe, sbc, 200, uac))
    tap.ok(r["ok"] == n, "when the load has gone every call is served again", r)
    lib.wait_for("empty tables", lambda: sbc.control("status")["calls"] == 0, 60)
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
