#!/usr/bin/env python3
"""SIPp calls through both daemons with media anchored, over UDP and over TCP: none fails, nothing is left, one CDR each, memory flat.

SALLYPORT_CALLS sets the number for each transport (2,000; the release is measured with 10,000) at SALLYPORT_RATE (200/s).
"""
import os, shutil, signal, subprocess, sys, tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
from sallyport_site import Site

CALLS, RATE = int(os.environ.get("SALLYPORT_CALLS", 2000)), int(os.environ.get("SALLYPORT_RATE", 200))
ASAN = os.environ.get("SALLYPORT_ASAN") == "1"
SIPP_DIR = os.path.join(lib.ROOT, "tests", "e2e", "sipp")

CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: {outside}, port: {udp_port} }}
      - {{ transport: tcp, address: {outside}, port: {udp_port} }}
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain
  inside:
    trust: high
    listen:
      - {{ transport: udp, address: {inside}, port: {udp_port} }}
      - {{ transport: tcp, address: {inside}, port: {udp_port} }}
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies: {{ plain: {{ rtp: allow, srtp: forbid }} }}
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:{phone_out}:{phone_out_port}" }} ] }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port};transport={tp}" }} ] }}
routes:
  - {{ when: {{ from: callers }}, to: [callees] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: off }}
"""


def sipp(site, name, scenario, *args):
    argv = ["sipp", "-sf", os.path.join(SIPP_DIR, scenario), "-nostdin", "-nd", "-default_behaviors", "all,-bye", "-buff_size", "4194304", *args]
    return lib.Process(name, argv, site.dir)


def play(tap, folder, tp):
    site = Site(os.path.join(folder, tp), CONFIG, asan=ASAN, tp=tp, media_ports=4000, media_out=34000, media_in=34000)
    site.start()
    v, letter = site.v, tp[0]
    callee = sipp(site, "callee", "uas.xml", "-i", v["phone_in"], "-p", str(v["phone_in_port"]), "-t", letter + "1")
    rss = []
    # Three times the same load: the first two reach every bound (transactions of the last 32 s, the relay's reply cache of two
    # generations of 4 MiB a worker), the third must need nothing more.
    part = CALLS // 3
    for n in (part, part, CALLS - 2 * part):
        caller = sipp(site, f"caller{len(rss) + 1}", "uac.xml", f"{v['outside']}:{v['udp_port']}", "-i", v["phone_out"], "-p",
                      str(v["phone_out_port"]), "-t", letter + "1", "-s", "+4930555123", "-r", str(RATE), "-m", str(n), "-d", "500", "-l",
                      str(RATE * 8), "-trace_err", "-error_file", os.path.join(site.dir, "caller.err"), "-recv_timeout", "10000", "-timeout",
                      str(n // RATE + 60), "-timeout_error")
        status = caller.p.wait(n / RATE + 120)
        tap.ok(status == 0, f"{tp}: {n} SIPp calls at {RATE}/s, none failed (part {len(rss) + 1})", caller.text()[-1500:])
        rss.append((site.sbc.rss_kib(), site.relay.rss_kib()))
    lib.wait_for("empty tables", lambda: site.status()["calls"] == 0, 10)
    lib.wait_for("the last transaction to end", lambda: site.status()["transactions"] == 0, 60, 0.5)
    tap.ok(True, f"{tp}: no call and no transaction is left in the SBC")
    lib.wait_for("an empty relay", lambda: sum(r["sessions"] for r in site.status()["relays"]) == 0, 10)
    tap.ok(True, f"{tp}: no session is left in the relay")
    cdrs = site.wait_cdrs(CALLS)
    tap.ok(len(cdrs) == CALLS and len({c["call"] for c in cdrs}) == CALLS and all(c["status"] == 200 for c in cdrs),
           f"{tp}: one CDR for each call, all answered", f"{len(cdrs)} CDRs, statuses {sorted({c['status'] for c in cdrs})}")
    tap.ok(site.metric("sallyport_calls_ended_total") == CALLS, f"{tp}: the metric counts the same calls")
    print(f"# {tp}: RSS of SBC and relay after each part, KiB: {rss}")
    spare = 1024 if CALLS >= 8000 else 8192  # a short run does not reach the bounds
    tap.ok(all(b - a < spare + a // 20 for a, b in zip(*rss[-2:])), f"{tp}: memory is flat over the last part", f"{rss}")
    callee.stop(signal.SIGUSR1)
    codes = site.stop()
    tap.ok(codes == (0, 0), f"{tp}: both daemons end in order", f"{codes}\n{site.sbc.text()[-1500:]}\n{site.relay.text()[-800:]}")


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-sipp-")
    try:
        for tp in ("udp", "tcp"):
            play(tap, folder, tp)
    except (RuntimeError, TimeoutError, subprocess.TimeoutExpired, OSError) as e:
        tap.ok(False, "the play ran to its end", e)
    finally:
        lib.stop_all()
    if not tap.bad:
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
