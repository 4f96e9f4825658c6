#!/usr/bin/env python3
"""What an operator does: reload with a good file and with broken ones, by signal and by command; stop while calls are up; install."""
import glob, os, re, select, signal, stat, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, talk
from sallyport_site import OUTSIDE, Site

CONFIG = """\
version: 1
node: {{ name: {node} }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: udp, address: {outside}, port: {out_port} }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain-or-srtp
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain-or-srtp
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:{phone_out}:{phone_out_port}" }} ] }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ] }}
routes:
  - {{ name: {route}, when: {{ from: callers, number: ["^{prefix}"] }}, to: [callees] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: off }}
"""
GENERATIONS = 16  # that calls may be using beside the newest (LOOP_GENERATIONS_MAX)


class Stage:
    def __init__(self, folder):
        self.callee, self.caller = Party("127.0.0.1"), Party("127.0.0.1")
        self.site = Site(folder, CONFIG, asan=True, out_port=lib.free_port(OUTSIDE), phone_in_port=self.callee.port, node="sbc.play.example", route="first",
                         prefix="1")
        self.site.start()
        self.to = (OUTSIDE, self.site.v["out_port"])

    def uri(self, number):
        return f"sip:{number}@{OUTSIDE}:{self.to[1]}"

    def talk(self, number):
        return talk(self.caller, self.callee, self.to, self.uri(number))[:2]

    def status_of(self, number):
        return Call(self.caller, self.to, self.uri(number)).invite().status().status

    def generation(self):
        return self.site.metric("sallyport_config_generation")

    def hup(self, said=""):
        """Reload by signal; what the log says of it, once it has said this. It says only so much in a second: then it is asked again."""
        seen = len(self.site.sbc.text())
        for _ in range(5):
            self.site.sbc.p.send_signal(signal.SIGHUP)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                words = "\n".join(re.findall(r"(?m)^.*event=reload.*$", self.site.sbc.text()[seen:])).replace('\\"', '"')
                if words and re.search(said, words):
                    return words
                select.select([], [], [], 0.02)
        return words


def broken_files(st):
    """(name, the file's text, what must be said of it)"""
    with open(st.site.config) as f:
        good = f.read()
    return [
        ("is no YAML", good + "\n  - {{{ nothing\n", r"sallyport\.yaml:\d+:\d+: "),
        ("is empty", "", r"sallyport\.yaml"),
        ("is noise", "\0\1\2\xff" * 100, r"sallyport\.yaml"),
        ("has an unknown key", good.replace("trunks:", "trunkz:"), r'trunkz.*did you mean.*trunks'),
        ("has a route to nowhere", good.replace("to: [callees]", "to: [nobody]"), r"sallyport\.yaml:\d+:\d+: .*nobody"),
        ("has a number that is none", good.replace("t1: 50ms", "t1: soon"), r"timers\.t1"),
        ("has a pattern that is none", good.replace('"^1"', '"^(1"'), r"routes.*number|\^\(1"),
        ("has a certificate that is not there", good.replace("realms:", "certificates: { c: { chain: /none.pem, key: !file /none.key } }\nrealms:", 1), r"/none"),
        ("renames the node", good.replace("sbc.play.example", "other.example"), r"node\.name needs a restart"),
        ("moves a listener", good.replace(f"port: {st.site.v['udp_port']}", f"port: {lib.free_port()}"), r"listeners needs a restart"),
        ("has two mistakes", good.replace("t1: 50ms", "t1: soon").replace("trust: high", "trust: total"), r"t1[\s\S]*trust|trust[\s\S]*t1"),
    ]


def reloads(tap, st):
    a, b = st.talk("1")
    first = st.generation()
    with open(st.site.config) as f:
        good = f.read()
    wrong, files = [], broken_files(st)
    for name, text, said in files:
        with open(st.site.config, "w", encoding="latin-1") as f:
            f.write(text)
        line = st.hup(said)
        if "event=reload_refused" not in line or not re.search(said, line):
            wrong.append(f"HUP, a file that {name}: {line}")
        r = st.site.command("reload")
        if r.returncode != 2 or not re.search(said, r.stdout) or "goes on with what it had" not in r.stdout:
            wrong.append(f"sallyport reload, a file that {name}: {r.returncode} {r.stdout}{r.stderr}")
        if st.generation() != first:
            wrong.append(f"a file that {name} came into force")
    os.unlink(st.site.config)
    line, r = st.hup(), st.site.command("reload")
    if "reload_refused" not in line or "sallyport.yaml" not in line or r.returncode != 2:
        wrong.append(f"no file: {line} {r.stdout}")
    tap.ok(not wrong, f"reload with {len(files) + 1} broken files, by signal and by command: refused, with the place and the reason", "\n".join(wrong))
    tap.ok(st.generation() == first and st.status_of("2") == 404, "what was in force is in force")
    c, d = st.talk("1")
    tap.ok(hang_up(c, d).status == 200, "and calls go on")

    with open(st.site.config, "w") as f:
        f.write(good)
    st.site.write(prefix="2", route="second")
    tap.ok("event=reloaded" in st.hup() and st.generation() == first + 1, "a good file comes into force by signal")
    c, d = st.talk("2")
    tap.ok(st.status_of("1") == 404, "new calls go by its routes")
    a.party.send(a.request("INFO", b"x", kind="text/plain"), a.to)
    b.party.answer(b.party.expect("INFO"), 200, "OK")
    tap.ok(a.party.expect(200).status == 200 and hang_up(a, b).status == 200, "a call of before is not touched")
    hang_up(c, d)
    r = st.site.command("reload")
    tap.ok(r.returncode == 0 and r.stdout == "reloaded\n" and st.generation() == first + 2, "and by command")
    routes = [c.get("route") for c in st.site.wait_cdrs(5)]
    tap.ok(sorted(filter(None, routes)) == ["first", "first", "second"], "the CDRs name the route that each call went by", routes)


def generations(tap, st):
    """Calls keep the configuration that they began with, and that is bounded."""
    up = [st.talk("2")]
    while (r := st.site.command("reload")).returncode == 0 and len(up) <= GENERATIONS:
        up.append(st.talk("2"))
    before = st.generation()
    # Calls that have just ended count as well: their peers may still have something to say.
    tap.ok(r.returncode == 2 and "too many older configurations" in r.stdout and GENERATIONS - 4 < len(up) <= GENERATIONS + 1 and st.generation() == before,
           f"calls of {len(up)} configurations are up: one reload more is refused, with that reason", f"{len(up)} {r.stdout}")
    up.append(st.talk("2"))
    tap.ok(True, "new calls come in all the same")
    ended = [hang_up(*c).status for c in up]
    tap.ok(ended == [200] * len(up), "they all end as they should")


def room_again(tap, st):
    lib.wait_for("room", lambda: st.site.command("reload").returncode == 0, 12, 0.2)
    tap.ok(True, "when those calls have gone there is room for configurations again")


def stopping(tap, st):
    """TERM with calls in all states: each is ended towards both sides, has its CDR, and who comes new is refused."""
    cdrs = len(st.site.cdrs())
    up = [st.talk("2") for _ in range(2)]
    ringing = Call(st.caller, st.to, st.uri("2")).invite()
    invite = st.callee.expect("INVITE")
    st.callee.answer(invite, 180, "Ringing")
    st.caller.expect(180)
    began = time.monotonic()
    st.site.sbc.p.send_signal(signal.SIGTERM)
    got = {m.get("Call-ID"): m for m in (st.caller.expect("BYE", 503) for _ in range(3))}
    refused = got[ringing.call_id]
    ringing.ack(refused)
    tap.ok(refused.status == 503 and refused.get("Retry-After"), "TERM: who hears ringing gets 503", refused.start)
    byes = [m for m in got.values() if m.method == "BYE"]
    tap.ok(len(byes) == 2 and all("cause=503" in m.get("Reason") for m in byes), "callers that talk get a BYE with its reason")
    inside = [st.callee.expect("BYE", "CANCEL") for _ in range(3)]
    tap.ok(sorted(m.method for m in inside) == ["BYE", "BYE", "CANCEL"], "callees too; the one that rings is cancelled", inside)
    tap.ok(st.status_of("2") == 503, "a new call meanwhile: 503")
    st.caller.send(sip.options(via=st.caller.host, transport="UDP"), st.to)
    tap.ok(st.caller.expect(200, 503).status == 503, "OPTIONS meanwhile: 503")
    tap.ok(st.site.sbc.p.poll() is None, "it waits for the answers to its BYEs")
    for party, messages in ((st.caller, byes), (st.callee, inside)):
        for m in messages:
            party.from_peer = st.to if party is st.caller else (st.site.v["inside"], st.site.v["udp_port"])
            party.answer(m, 200, "OK")
    st.callee.answer(invite, 487, "Terminated")
    st.callee.expect("ACK")
    code = st.site.sbc.p.wait(8)
    took = time.monotonic() - began
    tap.ok(code == 0 and took < 2.5, f"and ends, after {took:.1f} s", st.site.sbc.text()[-3000:])
    new = st.site.cdrs()[cdrs:]
    tap.ok(sorted((c["status"], c["cause"], c["ended_by"]) for c in new) ==
           [(200, "shutdown", "us")] * 2 + [(503, "policy:draining", "us"), (503, "shutdown", "us")], "one CDR for each, which says why",
           [(c["status"], c["cause"]) for c in new])
    tap.ok(all(c.get("media") for c in new if c["status"] == 200), "with its media")
    tap.ok(not os.path.exists(st.site.v["cdr"] + ".open") or os.path.exists(st.site.v["cdr"]), "in a file that is closed")
    lib.wait_for("an empty relay", lambda: st.site.relay_metric("sallyport_relay_calls") == 0)
    tap.ok(True, "the relay holds none of them")


def stopping_alone(tap, st):
    """Nobody answers the BYEs: it does not wait for ever. The second TERM: now."""
    for times, limit in ((1, 4.5), (2, 1.5)):
        st.site.start(relay=False)
        st.caller.queue.clear(), st.callee.queue.clear()
        cdrs = len(st.site.cdrs())
        st.talk("2")
        began = time.monotonic()
        for _ in range(times):
            st.site.sbc.p.send_signal(signal.SIGTERM)
            st.caller.expect("BYE") if _ == 0 else None
        code = st.site.sbc.p.wait(8)
        took = time.monotonic() - began
        new = st.site.cdrs()[cdrs:]
        tap.ok(code == 0 and took < limit and [c["cause"] for c in new] == ["shutdown"],
               f"TERM {'once' if times == 1 else 'twice'} and no answer to the BYEs: it ends after {took:.1f} s, with the CDR", f"{code} {new}")
        drain(st.caller), drain(st.callee)


def drain(party):
    while party._read(0):
        pass
    party.queue.clear()


def install(tap, st):
    folder = st.site.dir
    root = os.path.join(folder, "root")
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    r = subprocess.run(["make", "--no-print-directory", "install", "DESTDIR=" + root], cwd=lib.ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=120)
    tap.ok(r.returncode == 0, "make install DESTDIR=…", r.stdout)
    programs = [os.path.join(root, "usr", p) for p in ("bin/sallyport", "sbin/sallyport-sbc", "sbin/sallyport-rtpproxy")]
    said = [subprocess.run([p, "--version"], stdout=subprocess.PIPE, text=True).stdout for p in programs]
    tap.ok(all(s.startswith("sallyport") for s in said) and len({s.split()[1] for s in said}) == 1, "the three programs run and are of one version", said)
    missing, units = [], glob.glob(os.path.join(root, "lib/systemd/system/*.service"))
    for unit in units:
        with open(unit) as f:
            text = f.read()
        for path in re.findall(r"(?m)^Exec\w+=-?(/\S+)", text) + re.findall(r"(?m)^Documentation=file://(\S+)", text):
            if not path.startswith("/bin/") and not os.path.exists(root + path):
                missing.append(f"{os.path.basename(unit)}: {path}")
    tap.ok(len(units) == 4 and not missing, "what the units name is installed", missing)
    example = os.path.join(root, "etc/sallyport/sallyport.yaml.example")
    tap.ok(stat.S_IMODE(os.stat(example).st_mode) == 0o640, "the example is not for everyone's eyes")
    with open(example) as f:
        r = subprocess.run([programs[0], "check", "-c", example], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # Its certificates are not on this machine; nothing else may be wrong with it.
    others = [l for l in r.stdout.splitlines() if not re.search(r"certificates|trust_anchors|No such file|/etc/sallyport/tls|warning", l)]
    tap.ok(not others, "and has no mistake but that its certificates are not here", "\n".join(others))
    with open(os.path.join(root, "usr/lib/sysusers.d/sallyport.conf")) as f:
        users = f.read()
    named = {u for p in units for u in re.findall(r"(?m)^User=(\S+)", open(p).read())}
    tap.ok(named and all(re.search(rf"(?m)^u\s+{u}\b", users) for u in named), "the users of the units are in sysusers.d", f"{named} {users}")
    # The installed ones, not those of the build: a small site comes up and goes.
    site = Site(os.path.join(folder, "installed"), CONFIG, out_port=lib.free_port(OUTSIDE), node="sbc.play.example", route="first", prefix="1")
    binary = lib.binary
    lib.binary = lambda name, asan=False: next(p for p in programs if os.path.basename(p) == name)
    try:
        site.start()
        tap.ok(site.status()["relays"][0]["up"] and site.stop() == (0, 0), "a site of the installed programs comes up and goes")
    finally:
        lib.binary = binary


def play(tap, folder):
    st = Stage(folder)
    # What needs no calls stands where old calls are to be forgotten.
    for part in (reloads, generations, install, room_again, stopping, stopping_alone):
        began = time.monotonic()
        part(tap, st)
        print(f"# {part.__name__}: {time.monotonic() - began:.1f} s")
    st.site.start(relay=False)
    a, b = st.talk("2")
    tap.ok(hang_up(a, b).status == 200, "started again, it serves")
    tap.ok(st.site.stop() == (0, 0), "both end in order, with nothing leaked", st.site.sbc.text()[-3000:] + st.site.relay.text()[-2000:])


if __name__ == "__main__":
    sip.main(play)
