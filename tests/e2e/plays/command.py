#!/usr/bin/env python3
"""The operator's command against a control socket that answers as the SBC does, and as it never should."""
import json, os, shutil, socket, subprocess, sys, tempfile, threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib

STATUS = {
    "node": "sbc1", "version": "0.1.0", "uptime_s": 93784, "calls": 3, "calls_limit": 10000, "cps": 1.5, "invites_total": 7, "refused_total": 2,
    "transactions": 4, "connections": 1, "memory_kib": 2048,
    "relays": [{"name": "local", "up": True, "sessions": 3}, {"name": "spare", "up": False, "sessions": 0}],
    "trunks": [{"name": "carrier", "up": True, "calls": 3, "peers": [{"target": "sips:a.example", "up": True}, {"target": "sip:192.0.2.1", "up": False}]},
               {"name": "pbx", "up": False, "calls": 0, "peers": []}],
    "listeners": [{"realm": "outside", "transport": "TLS", "address": "203.0.113.10:5061"}],
    "certificates": [{"name": "edge", "ends": "2030-01-01"}]}
CALLS = {"calls": [
    {"call": "c1", "state": "answered", "from": "+49\x1b[31m1", "to": "200", "ingress": "carrier", "egress": "pbx", "age_ms": 65000, "answered_ms": 61000,
     "in_transport": "TLS", "out_transport": "UDP", "in_media": "SRTP", "out_media": "RTP", "codec": "PCMU"},
    {"call": "c2-longer", "state": "ringing", "from": "1", "to": "Zoë", "ingress": "pbx", "egress": None, "age_ms": 1000, "answered_ms": None}]}


class Control(threading.Thread):
    """One request line in, one reply out, closed; remembers what it was asked."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.replies, self.asked = {}, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            line = s.makefile("rb").readline()
            self.asked.append(json.loads(line))
            reply = self.replies.get(self.asked[-1]["command"], {"error": "unknown command"})
            data = reply if isinstance(reply, bytes) else json.dumps(reply).encode() + b"\n"
            for i in range(0, len(data), 1000):       # in pieces, as a stream may come
                s.sendall(data[i:i + 1000])
            s.close()


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-command-")
    path = os.path.join(folder, "sbc.sock")
    control = Control(path)
    control.replies = {"status": STATUS, "calls": CALLS, "reload": {"ok": True}}
    binary = lib.binary("sallyport", os.environ.get("SALLYPORT_ASAN") == "1")

    def check(name, good, detail=""):
        tap.ok(good, name, detail)

    def run(*args):
        return subprocess.run([binary, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)

    r = run("status", "-s", path)
    want = [
        "sbc1, sallyport 0.1.0, up 1d 02:03:04", "calls 3 of 10000, 1.5 new a second; INVITEs 7, refused 2", "transactions 4, connections 1, memory 2.0 MiB", "",
        "TRUNK    STATE  CALLS  REGISTERED  PEERS", "carrier  up         3  -           1 of 2 up, DOWN sip:192.0.2.1", "pbx      DOWN       0  -           0 of 0 up", "",
        "RELAY  STATE  SESSIONS", "local  up            3", "spare  DOWN          0", "",
        "REALM    TRANSPORT  LISTENS ON", "outside  TLS        203.0.113.10:5061", "", "CERTIFICATE  ENDS", "edge         2030-01-01"]
    check("status is a table", r.returncode == 0 and r.stdout.splitlines() == want, r.stdout + r.stderr)
    check("the request is one line with the command", control.asked == [{"command": "status"}], str(control.asked))
    r = run("--json", "-s", path, "status")
    check("--json is the reply itself", r.returncode == 0 and json.loads(r.stdout) == STATUS, r.stdout)
    r = run("calls", "-s", path)
    want = [
        "CALL       STATE     FROM      TO   TRUNKS              AGE   TALKING  SIGNALLING  MEDIA       CODEC",
        "c1         answered  +49?[31m1  200  carrier > pbx  00:01:05  00:01:01  TLS > UDP   SRTP > RTP  PCMU",
        "c2-longer  ringing   1         Zoë  pbx > -        00:00:01         -  - > -       - > -       -"]
    got = [" ".join(line.split()) for line in r.stdout.splitlines()]
    check("calls is a table without the escapes of strangers", got == [" ".join(w.split()) for w in want] and "\x1b" not in r.stdout, r.stdout)
    starts = [line.index(cell) for line, cell in zip(r.stdout.splitlines(), ("TRUNKS", "carrier", "pbx"))]
    check("columns stand below each other, letters beyond ASCII too", len(set(starts)) == 1, r.stdout)
    control.replies["calls"] = {"calls": []}
    check("no calls is said", run("calls", "-s", path).stdout == "no calls\n")
    control.replies["calls"] = {"calls": [dict(CALLS["calls"][0], call=f"c{i}") for i in range(3000)]}
    check("a long reply is read whole", len(run("calls", "-s", path).stdout.splitlines()) == 3001)
    r = run("reload", "-s", path)
    check("reload that went well", r.returncode == 0 and r.stdout == "reloaded\n", r.stdout)
    control.replies["reload"] = {"ok": False, "errors": ["a.yaml:1:2: x: unknown key"]}
    r = run("reload", "-s", path)
    check("reload with mistakes prints them and ends with 2",
              r.returncode == 2 and r.stdout == "a.yaml:1:2: x: unknown key\nnot reloaded: the SBC goes on with what it had\n", r.stdout)
    control.replies["status"] = {"error": "busy"}
    r = run("status", "-s", path)
    check("a refusal is said and ends with 1", r.returncode == 1 and r.stderr == "sallyport: busy\n" and r.stdout == "", r.stderr)
    for name, reply in (("nothing", b""), ("no JSON", b"hello\n"), ("a list", b"[1]\n"), ("half a reply", b'{"node": "x"')):
        control.replies["status"] = reply
        r = run("status", "-s", path)
        check(f"a reply that is {name} ends with 1", r.returncode == 1 and "not understood" in r.stderr, r.stderr)
    control.replies["status"] = {}
    r = run("status", "-s", path)
    check("a reply that says nothing is shown as nothing", r.returncode == 0 and r.stdout.startswith("-, sallyport -, up -\n"), r.stdout)
    r = run("status", "-s", os.path.join(folder, "none.sock"))
    check("no SBC there", r.returncode == 1 and "no SBC answers" in r.stderr, r.stderr)
    r = run("status", "-s", "/x" * 80)
    check("a path that no socket can have", r.returncode == 1 and "too long" in r.stderr, r.stderr)
    config = os.path.join(folder, "a.yaml")
    with open(config, "w") as f:
        f.write(f"realms: {{ a: {{ trust: high, listen: [ {{ transport: udp, address: 127.0.0.1 }} ] }} }}\nobserve: {{ control: {path} }}\nroutes: []\n")
    r = run("status", "-c", config)
    check("the socket is the configuration's", r.returncode == 0, r.stderr)
    r = run("check", "-c", config)
    check("check of a good file ends with 0", r.returncode == 0 and "well" in r.stdout, r.stdout)
    with open(config, "a") as f:
        f.write("realm: {}\nlimits: { calls: x }\n")
    r = run("check", "-c", config)
    check("check of a bad file prints all and ends with 2", r.returncode == 2 and len(r.stdout.splitlines()) == 3 and ":4:1: realm: unknown key" in r.stdout
              and ":5:18: limits.calls:" in r.stdout, r.stdout)
    check("check of no file ends with 2", run("check", "-c", os.path.join(folder, "none.yaml")).returncode == 2)
    check("settings prints the page", run("settings").stdout.startswith("# Settings\n"))
    check("help names every command", all(w in run("help").stdout for w in ("check", "status", "calls", "reload", "settings", "version")))
    check("no command ends with 2", run().returncode == 2 and run("nonsense").returncode == 2 and run("status", "--nonsense").returncode == 2)
    check("version", run("version").stdout.startswith("sallyport "))
    shutil.rmtree(folder)
    return tap.done()


sys.exit(main())
