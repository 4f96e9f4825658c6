#!/usr/bin/env python3
"""The relay beside a peer: CPU per packet and memory per call, ours and Debian's rtpengine (user space) in one run.

Generator: tests/bench/load/rtpload.c on core 1, relay on core 0, loopback only. Environment: SECS (6 a run), KPPS ("20 60": thousands of
packets a second, 100 a call), PREFIX (words before the
commands of relay and generator: one that gives them priority where a machine has other work), PEERS (1; 0: ours alone), MODES (a comma list of rtp-rtp, srtp-rtp, srtp-srtp, gcm-rtp, gcm-gcm).
"""
import json, os, shutil, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lib

RUN = os.path.join(lib.ROOT, "build", "bench")
PREFIX = os.environ.get("PREFIX", "").split()
SECS, KPPS, PEERS = os.environ.get("SECS", "6"), os.environ.get("KPPS", "20 60").split(), os.environ.get("PEERS", "1") == "1"
MODES = {
    "rtp-rtp": ["--mode", "rtp-rtp"],
    "srtp-rtp": ["--mode", "srtp-rtp", "--suite", "AES_CM_128_HMAC_SHA1_80"],
    "srtp-srtp": ["--mode", "srtp-srtp", "--suite-a", "AES_CM_128_HMAC_SHA1_80", "--suite-b", "AES_CM_128_HMAC_SHA1_32"],
    "gcm-rtp": ["--mode", "srtp-rtp", "--suite", "AEAD_AES_128_GCM"],
    "gcm-gcm": ["--mode", "srtp-srtp", "--suite-a", "AEAD_AES_128_GCM", "--suite-b", "AEAD_AES_256_GCM"],
}


def start(who, folder):
    port = lib.free_port()
    common = [f"--listen-ng=127.0.0.1:{port}", "--port-min=30000", "--port-max=49999", "--foreground"]
    if who == "sallyport-rtpproxy":
        p = lib.Process("ours", [*PREFIX, "taskset", "-c", "0", lib.binary(who), "--interface=pub/127.0.0.1", "--num-threads=1", *common], folder)
        p.wait_text(r"\bready\b")
    else:
        p = lib.Process("rtpengine", [*PREFIX, "taskset", "-c", "0", "rtpengine", "--config-file=none", "--table=-1", "--interface=pub/127.0.0.1",
                                      "--num-threads=1", "--log-stderr", "--log-level=3", *common], folder)
        lib.wait_for("rtpengine to listen", lambda: f":{port} " in subprocess.run(["ss", "-lun"], stdout=subprocess.PIPE, text=True).stdout)
    return p, port


def main():
    os.makedirs(RUN, exist_ok=True)
    tool = os.path.join(RUN, "rtpload")
    source = os.path.join(lib.ROOT, "tests", "bench", "load", "rtpload.c")
    if not os.path.exists(tool) or os.path.getmtime(tool) < os.path.getmtime(source):
        subprocess.run(["cc", "-O2", "-w", "-o", tool, source, "-lsrtp2", "-lcrypto", "-lm"], check=True)
    rows = [("relay", "mode", "kpps", "µs CPU a packet", "latency p50 / p99 µs", "lost", "bad", "KiB a call", "set-up CPU ms a call")]
    relays = ["sallyport-rtpproxy"] + (["rtpengine"] if PEERS and shutil.which("rtpengine") else [])
    for mode in os.environ.get("MODES", ",".join(MODES)).split(","):
        for kpps in KPPS:
            for who in relays:
                p, port = start(who, RUN)  # a fresh one each time: memory per call counts from its start
                try:
                    out = subprocess.run(["flock", "/tmp/bench.lock", *PREFIX, tool, "--ng", f"127.0.0.1:{port}", "--pid", str(p.pid), "--gen-core", "1",
                                          "--relay-core", "0", "--calls", str(int(kpps) * 10), "--pps", "50", "--warmup", "3.5", "--duration", SECS,
                                          *MODES[mode]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                    r = json.loads(out.stdout.strip().splitlines()[-1])
                    bad = sum(r.get(k, 0) for k in ("bad_payload", "auth_fail", "unknown"))
                    rows.append((who, mode, kpps, f"{r['cpu_us_per_pkt']:.2f}", f"{r['lat_p50_us']:.0f} / {r['lat_p99_us']:.0f}",
                                 f"{r['loss']:.4%}", bad, f"{r['rss_kb_per_call']:.1f}", f"{r['setup_cpu_ms_per_call']:.2f}"))
                except (IndexError, ValueError, KeyError) as e:
                    rows.append((who, mode, kpps, "failed", str(e), (out.stderr or "")[-80:], "", "", ""))
                finally:
                    p.stop()
                print("  " + "  ".join(map(str, rows[-1])), flush=True)
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(rows[0]))]
    print("\nMedia, one core, one media thread, G.711 20 ms packets both ways:\n")
    for r in rows:
        print("  " + "  ".join(str(c).ljust(w) for c, w in zip(r, widths)).rstrip())


if __name__ == "__main__":
    try:
        main()
    finally:
        lib.stop_all()
