#!/usr/bin/env python3
"""sipvicious against the outside (threats C10): svmap, svwar and svcrack find no user and no password, and who guesses or scans is
shut out, listed, and not heard any more while it runs: banned where it has proved that it hears us, in quarantine where it has not. The
answers to a user that there is and to one that there is not are the same, and as fast."""
import concurrent.futures, itertools, json, os, random, re, shutil, socket, statistics, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from bans import Client

ADDRESSES = 12  # of ours that svmap finds
PASSWORD = "140"  # well within what svcrack tries
CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.0.1, port: {udp} }}, {many} ]
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
  phones: {{ realm: outside, ask: never, domains: [127.0.0.1, local.test], auth: local, digest: [MD5], accounts: [ {{ user: "100", password: "%s" }}, {{ user: "105", password: xyzzy }} ] }}
admission:
  guard: {{ requests: {{ per_source: 50/s }}, register: {{ per_source: 20/s, failures: 5/10m, ban: 1h }}, unknown_methods: drop }}
bans: {{ strangers: 6/1m }}
routes:
  - {{ name: none, when: {{}}, reject: {{ status: 404 }} }}
""" % PASSWORD + sip.OBSERVE.replace("debug, sip: on", "info")


def tool(folder, program, *args, seconds=25, name=None):
    """What it prints."""
    env = {**os.environ, "HOME": folder}
    with open(os.path.join(folder, (name or program) + ".out"), "w+") as out:
        p = subprocess.Popen([program, "-P", str(lib.free_port()), *args], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder, env=env)
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


def command(sbc, *args):
    return subprocess.run([os.path.join(lib.ROOT, "build", "sallyport"), *args, "-s", sbc.v["control"]], capture_output=True, text=True, timeout=10).stdout


def bans(sbc):
    """What `sallyport bans` lists, by subject and mode."""
    return {(b["subject"], b["mode"]): b for b in json.loads(command(sbc, "bans", "--json"))["bans"]}


def scan(tap, sbc, folder, method, modes):
    """svwar, four at once: each gives up at the first answer that tells it nothing. What it says, and what becomes of it."""
    with concurrent.futures.ThreadPoolExecutor(4) as several:
        texts = list(several.map(lambda n: tool(folder, "svwar", "-p" + str(sbc.v["udp"]), "-m", method, "-e100-160", "--force", "--maximumtime=2",
                                                "127.0.0.1", seconds=12, name=f"svwar{n}"), range(4)))
    known = {row for text in texts for row in re.findall(r"(?m)^\s*[|│]\s*(\d+)\s*[|│]", text)}
    # It may have heard of a part of them before it was shut out; those that there are, 100 and 105, are not among them alone.
    tap.ok(not known or {"100", "101", "104", "105", "106"} <= known, f"svwar by {method} cannot tell who is a user", texts)
    there = bans(sbc)
    tap.ok(there and set(there) <= {("127.0.0.1", m) for m in modes}, "and it ends as " + " or ".join(modes), (there, texts))


def lift(sbc):
    command(sbc, "unban", "127.0.0.1")


def spoofed(tap, sbc):
    """Somebody scans in the name of a phone's address, from another port: the phone comes in, ends the quarantine, and calls."""
    ip, to = "127.0.1.60", ("127.0.0.1", sbc.v["udp"])
    thief, phone = Client(ip, to, "MD5"), Client(ip, to, "MD5")
    thief.s.setblocking(False)

    names = itertools.count()

    def claim(n):
        for i in itertools.islice(names, n):
            m = sip.request("REGISTER", "sip:local.test", via=thief.via, transport="UDP").decode()
            thief.s.sendto(re.sub(r"(?m)^(From|To): <[^>]*>", rf"\1: <sip:{i}@local.test>", m).encode(), to)

    lib.wait_for("the quarantine", lambda: claim(10) or (ip, "quarantine") in bans(sbc), 5)
    tap.ok((ip, "quarantine") in bans(sbc), "who scans in a phone's name brings its address into quarantine", bans(sbc))
    question = os.path.join(sbc.dir, "question.sip")
    with open(question, "wb") as f:
        f.write(sip.options(via=thief.via, transport="UDP"))
    text = command(sbc, "explain", "-c", sbc.config, "--from", ip, "--realm", "outside", "--message", question)
    tap.ok("quarantined" in text and "strangers" in text, "explain says so of a request that would come from there", text)
    # What is lost to the other one's use of its rate is sent again, as phones do.
    came_in = lib.wait_for("the phone", lambda: claim(5) or phone.log_in("xyzzy", "105", seconds=0.5) == 200, 10)
    tap.ok(came_in and not any(k[0] == ip for k in bans(sbc)), "and the phone registers all the same, which ends it", bans(sbc))
    claim(10)
    m = sip.request("INVITE", "sip:nobody@local.test", via=phone.via, transport="UDP").decode()
    m = re.sub(r"(?m)^From: <[^>]*>", "From: <sip:105@local.test>", m)
    status, text = lib.wait_for("an answer to its INVITE", lambda: (lambda a: a if a[0] else None)(phone.ask(m.encode(), 0.5)), 10)
    while 0 < status < 200:
        status, text = phone.ask(b"\r\n\r\n")
    tap.ok(status == 404, "and calls, while the other one goes on: nothing of it can be brought about again", text)
    tap.ok(sbc.metric("sallyport_quarantines") == 0 and sbc.metric("sallyport_bans_total", rule="strangers", result="proven") == 1, "log, metric and list say the same")


def play(tap, folder):
    udp = lib.free_port()
    many = ", ".join(f"{{ transport: udp, address: 127.0.3.{i + 1}, port: {udp} }}" for i in range(ADDRESSES))
    sbc = sip.Sbc(folder, CONFIG, udp=udp, many=many, lab=lib.free_port())
    sbc.start()
    target, port = "127.0.0.1", str(sbc.v["udp"])
    text = tool(folder, "svmap", "-p" + port, target, seconds=10)
    tap.ok("allyport" not in text and ("found nothing" in text or "unknown" in text), "svmap learns no name of a product", text)
    tap.ok(not bans(sbc), "one question is no scan: nobody is shut out for it", bans(sbc))
    # It asks each address once: a network of ours is what it takes for a scan.
    text = tool(folder, "svmap", "-p" + port, "127.0.3.1-%d" % ADDRESSES, seconds=10)
    there = bans(sbc)
    tap.ok("allyport" not in text and set(there) == {("127.0.0.1", "quarantine")}, "svmap over many addresses of ours ends as 'quarantine'", (there, text))
    lift(sbc)
    scan(tap, sbc, folder, "REGISTER", ["quarantine"])
    lift(sbc)
    scan(tap, sbc, folder, "OPTIONS", ["quarantine"])
    lift(sbc)
    # It acknowledges what it reads, which is a proof; how much that is before it gives up is a matter of its luck.
    scan(tap, sbc, folder, "INVITE", ["quarantine", "out"])
    tap.ok("mode=quarantine" in sbc.process.text() and "rule=strangers" in sbc.process.text(), "the log names the quarantine and its rule", sbc.process.text()[-1500:])
    lift(sbc)
    text = tool(folder, "svcrack", "-u100", "-r100-160", "-p" + port, "--maximumtime=3", target, seconds=15)
    tap.ok(not re.search(rf"\b{PASSWORD}\s*[|│]", text), "svcrack finds no password", text)
    tap.ok(sbc.metric("sallyport_bans_total", rule="register_failures", result="banned") >= 1 and "subject=127.0.0.1" in sbc.process.text(),
           "and it is banned", sbc.process.text()[-1500:])
    there = bans(sbc)
    tap.ok({k[0] for k in there} == {"127.0.0.1"} and there[("127.0.0.1", "out")]["hits"] > 0, "nobody else is, and what it still sends is counted", there)
    lift(sbc)
    spoofed(tap, sbc)
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
