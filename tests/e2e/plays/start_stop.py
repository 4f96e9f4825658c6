#!/usr/bin/env python3
"""Starting: what is wrong is said and nothing stays open. Stopping: in order, told to the service manager. Limits of descriptors."""
import json, os, re, resource, signal, socket, stat, subprocess, sys, urllib.error, urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
certificates:
  edge: {{ chain: {pem}, key: !file {key} }}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: 127.0.0.1, port: {udp} }}
      - {{ transport: tcp, address: 127.0.0.1, port: {tcp} }}
      - {{ transport: tls, address: 127.0.0.1, port: {tls}, certificate: edge }}
      - {{ transport: udp, address: "::1", port: {udp} }}
      - {{ transport: tcp, address: "::1", port: {tcp} }}
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
trunks:
  phones: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:5099" }} ], identify: {{ source: [127.0.0.1/32, "::1/128"] }} }}
routes:
  - {{ when: {{ from: phones }}, to: [phones] }}
""" + sip.OBSERVE


def run(sbc, *args, seconds=15):
    p = subprocess.run([lib.binary("sallyport-sbc", sbc.asan), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
    return p.returncode, p.stdout


def play(tap, folder):
    ca = lib.Authority(os.path.join(folder, "ca"))
    pem, key = ca.issue("sbc.test", "DNS:sbc.test")
    sbc = sip.Sbc(folder, CONFIG, pem=pem, key=key, udp=lib.free_port(), tcp=lib.free_port(), tls=lib.free_port())
    v = sbc.v

    # The command line.
    tap.ok(run(sbc, "--version")[0] == 0 and re.match(r"sallyport-sbc \d", run(sbc, "--version")[1]), "--version")
    tap.ok(run(sbc, "--help")[0] == 0, "--help")
    tap.ok(run(sbc, "--nonsense")[0] == 2 and run(sbc, "more")[0] == 2, "what is not understood: 2")
    tap.ok(run(sbc, "-c", sbc.config, "--check")[0] == 0, "--check of a good file: 0")
    code, text = run(sbc, "-c", "/nonexistent", "--check")
    tap.ok(code == 2 and "/nonexistent" in text, "--check of no file: 2, and which", text)

    # A port in use, each kind.
    for name, kind in (("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM), ("tls", socket.SOCK_STREAM), ("http_port", socket.SOCK_STREAM)):
        with socket.socket(socket.AF_INET, kind) as s:
            s.bind(("127.0.0.1", v[name]))
            if kind == socket.SOCK_STREAM:
                s.listen()
            code, text = run(sbc, "-c", sbc.config)
            tap.ok(code == 1 and str(v[name]) in text and "in use" in text and not re.search(r"(?m)^ready", text), f"{name} in use: said, and not started", text)
    good = sbc.v["cdr"]
    sbc.write(cdr="/nonexistent/cdr.jsonl")
    code, text = run(sbc, "-c", sbc.config)
    tap.ok(code in (1, 2) and "/nonexistent/cdr.jsonl" in text, "CDRs that cannot be written: said, and not started", text)
    sbc.write(cdr=good)

    # Up, with a service manager.
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(os.path.join(folder, "notify"))
    manager.settimeout(8)
    sbc.start(env={"NOTIFY_SOCKET": os.path.join(folder, "notify"), "WATCHDOG_USEC": "400000"})
    tap.ok(manager.recv(200) == b"READY=1", "READY=1")
    tap.ok([manager.recv(200) for _ in range(3)] == [b"WATCHDOG=1"] * 3, "WATCHDOG=1, again and again")
    mode = os.stat(v["control"]).st_mode
    tap.ok(stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, "the control socket is its owner's alone")
    code, text = run(sbc, "-c", sbc.config)
    tap.ok(code == 1 and "in use" in text, "a second one on the same configuration does not start", text)
    tap.ok(sbc.control("status")["node"] == "sbc.test", "and leaves the first one's control socket alone")
    limits = open(f"/proc/{sbc.process.pid}/limits").read()
    tap.ok(re.search(r"Max core file size\s+0\s+0", limits), "no core files")
    tap.ok(re.search(r"NoNewPrivs:\s+1", open(f"/proc/{sbc.process.pid}/status").read()), "no new privileges")

    # Both families.
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as u:
            u.settimeout(8)
            u.connect((host, v["udp"]))
            u.send(sip.options(transport="UDP", via="[::1]:5060" if ":" in host else "127.0.0.1:5060"))
            tap.ok(u.recv(65536).startswith(b"SIP/2.0 200"), f"UDP at {host}")
        tap.ok(sip.Stream(host, v["tcp"]).ask(sip.options()) == 200, f"TCP at {host}")

    # The pages.
    with urllib.request.urlopen(f"http://127.0.0.1:{v['http_port']}/health", timeout=5) as r:
        tap.ok(json.load(r)["status"] == "ok", "/health")
    with urllib.request.urlopen(f"http://127.0.0.1:{v['http_port']}/metrics", timeout=5) as r:
        page = r.read().decode()
    names = set(re.findall(r"(?m)^# TYPE (\S+)", page))
    wanted = {"sallyport_build_info", "sallyport_requests_total", "sallyport_calls", "sallyport_tls_handshakes_total", "sallyport_connections",
              "sallyport_certificate_expiry_timestamp_seconds", "sallyport_cdr_written_total", "sallyport_trunk_up", "process_resident_memory_bytes"}
    used = set(re.findall(r"(?m)^([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{| )", page))
    tap.ok(wanted <= used | names, "/metrics has the names that people look for", wanted - used - names)
    tap.ok("127.0.0.1:5060" not in page and "alice" not in page, "and nothing of a caller among its labels")
    for path in ("/", "/metrics/x", "/..//etc/passwd"):
        try:
            code = urllib.request.urlopen(f"http://127.0.0.1:{v['http_port']}{path}", timeout=5).status
        except urllib.error.HTTPError as e:
            code = e.code
        tap.ok(code == 404, f"{path}: 404")

    # The control socket and odd requests.
    for line, what in ((b"nonsense\n", "no JSON"), (b"[1]\n", "a list"), (b'{"command":"fly"}\n', "an unknown command"), (b'{"command":1}\n', "no text"),
                       (b"{" * 5000 + b"\n", "too long"), (b'{"command":"status"', "no end")):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(8)
            s.connect(v["control"])
            s.sendall(line)
            s.shutdown(socket.SHUT_WR)
            try:
                got = s.recv(65536)
            except ConnectionResetError:
                got = b""
            tap.ok(got == b"" or b'"error"' in got, f"control, {what}: an error or the end")
    tap.ok(set(sbc.control("status")) >= {"node", "version", "uptime_s", "calls", "calls_limit", "cps", "invites_total", "refused_total", "transactions",
                                          "connections", "relays", "trunks", "listeners", "certificates", "memory_kib"}, "status has all its members")
    tap.ok(sbc.control("calls") == {"calls": []}, "calls: none")

    # Stopping.
    held = sip.Stream(sip.HOST, v["tcp"])
    held.ask(sip.options())
    code = sbc.stop()
    tap.ok(code == 0 and held.is_closed(), "TERM: it ends in order, connections are closed")
    rest = []
    manager.settimeout(0.2)
    try:
        while True:
            rest.append(manager.recv(200))
    except socket.timeout:
        pass
    tap.ok(b"STOPPING=1" in rest, "STOPPING=1")
    tap.ok(not os.path.exists(v["control"]), "the control socket is gone")

    # A crash leaves the socket file; the next start replaces it.
    sbc.start()
    sbc.process.stop(signal.SIGKILL)
    tap.ok(os.path.exists(v["control"]), "killed: the socket file stays")

    # Out of descriptors: what comes is closed at once, nothing spins, and there is room again afterwards.
    sbc.start()
    used = len(os.listdir(f"/proc/{sbc.process.pid}/fd")) if os.geteuid() == 0 else 40
    resource.prlimit(sbc.process.pid, resource.RLIMIT_NOFILE, (used + 12, used + 12))
    many = [sip.Stream(sip.HOST, v["tcp"]) for _ in range(60)]
    tap.ok(many[0].ask(sip.options()) == 200, "out of descriptors: a connection that is up is served")
    tap.ok(many[-1].is_closed(), "one too many is closed at once")
    for s in many:
        s.close()
    lib.wait_for("descriptors", lambda: served(v))
    tap.ok(True, "and the daemon still serves")
    tap.ok(sbc.stop() == 0, "it ends in order")


def served(v):
    try:
        return sip.Stream(sip.HOST, v["tcp"], timeout=2).ask(sip.options()) == 200
    except OSError:
        return False


sip.main(play)
