#!/usr/bin/env python3
"""sipvicious against the outside (threats C10): svmap, svwar and svcrack find no user and no password, and who guesses is banned. The
answers to a user that there is and to one that there is not are the same, and as fast."""
import os, random, re, shutil, socket, statistics, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from bans import Client

PASSWORD = "140"  # well within what svcrack tries
CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.0.1, port: {udp} }} ]
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
    admission: guard
  lab:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.0.1, port: {lab} }} ]
    media: {{ anchor: off }}
    media_policy: plain-or-srtp
users:
  clocked: {{ realm: lab, domains: [clock.test], auth: local, digest: [MD5], accounts: [ {{ user: "100", password: abc }} ] }}
  phones: {{ realm: outside, domains: [127.0.0.1, local.test], auth: local, digest: [MD5], accounts: [ {{ user: "100", password: "%s" }}, {{ user: "105", password: xyzzy }} ] }}
admission:
  guard: {{ requests: {{ per_source: 50/s }}, register: {{ per_source: 20/s, failures: 5/10m, ban: 1h }}, unknown_methods: drop }}
routes:
  - {{ name: none, when: {{}}, reject: {{ status: 404 }} }}
""" % PASSWORD + sip.OBSERVE.replace("debug, sip: on", "info")


def tool(folder, name, *args, seconds=25):
    """What it prints."""
    env = {**os.environ, "HOME": folder}
    with open(os.path.join(folder, name + ".out"), "w+") as out:
        p = subprocess.Popen([name, "-P", str(lib.free_port()), *args], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder, env=env)
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            p.terminate()
            p.wait(5)
        out.seek(0)
        return out.read()


def timing(w, n=300):
    """A wrong password of a user that there is, and of one that there is not: the two lists of microseconds, and the set of answers."""
    took, answers, order = {"100": [], "199": []}, {"100": set(), "199": set()}, ["100", "199"] * n
    random.shuffle(order)
    c = None
    for i, user in enumerate(order):
        if i % 50 == 0:
            c = Client("127.0.2.1", w, "MD5", "clock.test")
            c.log_in("x", user)
        begun = time.perf_counter()
        status = c.log_in("wrong%d" % i, user, reuse=True)
        took[user].append((time.perf_counter() - begun) * 1e6)
        answers[user].add(status)
    return took, answers


def play(tap, folder):
    sbc = sip.Sbc(folder, CONFIG, udp=lib.free_port(), lab=lib.free_port())
    sbc.start()
    target, port = "127.0.0.1", str(sbc.v["udp"])
    text = tool(folder, "svmap", "-p" + port, target, seconds=10)
    tap.ok("allyport" not in text and ("found nothing" in text or "unknown" in text), "svmap learns no name of a product", text)
    for method in ("REGISTER", "INVITE", "OPTIONS"):
        text = tool(folder, "svwar", "-p" + port, "-m", method, "-e100-110", "--force", "--maximumtime=2", target, seconds=12)
        rows = re.findall(r"(?m)^\s*[|│]\s*(\d+)\s*[|│]", text)
        tap.ok(not rows or set(rows) >= {str(e) for e in range(100, 111)}, f"svwar by {method} cannot tell who is a user", text)
    text = tool(folder, "svcrack", "-u100", "-r100-160", "-p" + port, "--maximumtime=3", target, seconds=15)
    tap.ok(not re.search(rf"\b{PASSWORD}\s*[|│]", text), "svcrack finds no password", text)
    tap.ok(sbc.metric("sallyport_bans_total", rule="register_failures", result="banned") >= 1 and "subject=127.0.0.1" in sbc.process.text(),
           "and it is banned", sbc.process.text()[-1500:])
    ban = sbc.control("bans")["bans"]
    tap.ok([b["subject"] for b in ban] == ["127.0.0.1"] and ban[0]["hits"] > 0, "nobody else is, and what it still sends is counted", ban)
    took, answers = timing(("127.0.0.1", sbc.v["lab"]))
    a, b = (sorted(took[u])[:len(took[u]) * 6 // 10] for u in ("100", "199"))  # without what the machine did beside it
    mean, spread = statistics.mean(a) - statistics.mean(b), (statistics.variance(a) / len(a) + statistics.variance(b) / len(b)) ** 0.5
    print(f"# a wrong password: {statistics.mean(a):.1f} us of a user, {statistics.mean(b):.1f} us of nobody; t = {mean / spread:.2f}")
    tap.ok(answers["100"] == answers["199"] == {401}, "a wrong password and an unknown user get the same answer", answers)
    tap.ok(abs(mean) < max(4 * spread, 0.05 * statistics.mean(a)), "and after the same time", (mean, spread))
    phone = Client("127.0.1.50", ("127.0.0.1", sbc.v["udp"]), "MD5")
    tap.ok(phone.log_in("nonsense", "105") == 401 and phone.log_in("xyzzy", "105") == 200, "a phone that errs once comes in at the next try")
    tap.ok(sbc.metric("sallyport_never_total") == 0, "nothing happened that was believed impossible")
    tap.ok(sbc.stop() == 0, "it ends in order")


if not shutil.which("svcrack"):
    print("ok 1 - sipvicious # SKIP it is not installed\n1..1")
else:
    sip.main(play)
