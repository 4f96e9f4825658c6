#!/usr/bin/env python3
"""Small loads through the relay in all modes and suites: no packet lost, each one checked by libsrtp2, nothing left behind."""
import json, os, shutil, subprocess, sys, tempfile, urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
from relay_ng import Relay

ASAN = os.environ.get("SALLYPORT_ASAN") == "1"
CALLS = 10
SUITES = ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]
LOADS = [("RTP to RTP", ["--mode", "rtp-rtp"])]
LOADS += [(f"{s} to RTP", ["--mode", "srtp-rtp", "--suite", s]) for s in SUITES]
LOADS += [("RTP to AES_CM_128_HMAC_SHA1_80", ["--mode", "rtp-srtp"]),
          ("the same suite on both sides", ["--mode", "srtp-srtp"]),
          ("AES_CM_128_HMAC_SHA1_32 to AEAD_AES_256_GCM",
           ["--mode", "srtp-srtp", "--suite-a", "AES_CM_128_HMAC_SHA1_32", "--suite-b", "AEAD_AES_256_GCM"])]


def start(folder, name, *options):
    ng, http = lib.free_port(), lib.free_port()
    media = lib.free_port(span=400, even=True)
    p = lib.Process(name, [lib.binary("sallyport-rtpproxy", ASAN), "--foreground", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{ng}",
                           f"--listen-http=127.0.0.1:{http}", f"--port-min={media}", f"--port-max={media + 399}", "--num-threads=2",
                           "--log-level=warn", *options], folder)
    lib.wait_for("the relay to listen", lambda: p.p.poll() is not None or answers(http))
    return p, ng, http


def answers(http):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{http}/ping", timeout=2).read() == b"pong\n"
    except OSError:
        return False


def metric(http, line):
    text = urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=5).read().decode()
    return next(float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l.startswith(line + " "))


def load(tool, ng, args):
    out = subprocess.run([tool, "--ng", f"127.0.0.1:{ng}", "--calls", str(CALLS), "--pps", "50", "--warmup", "0.2", "--duration", "0.6",
                          "--verify-every", "1", "--port-base", str(lib.free_port("127.0.0.2", span=4 * CALLS, even=True)), *args],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return json.loads(out.stdout.splitlines()[-1]) if out.stdout.strip() else {"error": out.stderr}


def is_good(r, both_srtp):
    return (r.get("lost") == 0 and r.get("received", 0) > 0 and r.get("verified", 0) >= r["received"] and
            not any(r[k] for k in ("bad", "dup", "unknown", "bad_payload", "auth_fail")) and (not both_srtp or r["rekeyed"] == CALLS))


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-relay-")
    tool = os.path.join(folder, "rtpload")
    try:
        subprocess.run(["cc", "-O2", "-w", "-o", tool, os.path.join(lib.ROOT, "tests", "bench", "load", "rtpload.c"), "-lsrtp2", "-lcrypto",
                        "-lm"], check=True)
        p, ng, http = start(folder, "relay")
        relay = Relay(ng)
        for name, args in LOADS:
            r = load(tool, ng, args)
            tap.ok(is_good(r, "srtp-srtp" in args), f"{name}: nothing lost, every packet right", r)
        tap.ok(relay.sessions() == 0 and relay.ask("list") == {"result": "ok", "calls": []}, "the relay has no call left")
        tap.ok(metric(http, 'rtpengine_ports_used{name="default",address="127.0.0.1"}') == 0, "and no port in use")
        tap.ok(metric(http, 'sallyport_relay_packets_total{fate="sent"}') > 0 and metric(http, 'sallyport_relay_packets_total{fate="auth"}') == 0,
               "the metrics count the packets and no refused key")
        tap.ok(relay.ask("ping") == {"result": "pong"} and p.stop() == 0, "it still serves, and ends cleanly", p.log)
        p, ng, http = start(folder, "reference", "--srtp-engine=libsrtp2")
        r = load(tool, ng, ["--mode", "srtp-srtp", "--suite-a", SUITES[0], "--suite-b", SUITES[3]])
        tap.ok(is_good(r, True), "the reference engine relays the same", r)
        tap.ok(p.stop() == 0, "and ends cleanly")
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
