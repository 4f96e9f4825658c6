#!/usr/bin/env python3
"""Requests recorded from real clients: our relay answers as Debian's rtpengine did, but for listed differences, each with its reason."""
import json, os, re, shutil, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import lib
import ng_record as ng

ASAN = os.environ.get("SALLYPORT_ASAN") == "1"


def command(step):
    try:
        return ng.parse(step["request"].encode("latin-1"))[1].get("command", "-")
    except (ValueError, AttributeError, IndexError, RecursionError):
        return "-"


def unlisted(rules, used, where, lines):
    """Differences that no rule explains; a rule is {where, what, why}, both regular expressions."""
    out = []
    for line in lines:
        hit = next((i for i, r in enumerate(rules) if re.search(r["where"], where) and re.search(r["what"], line)), None)
        if hit is None:
            out.append(line)
        else:
            used.add(hit)
    return out


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-ng-parity-")
    with open(os.path.join(ng.DATA, "differences.json")) as f:
        rules = json.load(f)
    tap.ok(all(r.get("why") for r in rules), f"each of the {len(rules)} kinds of difference has a reason")
    live = shutil.which("rtpengine") is not None
    used, equal, listed = set(), 0, 0
    try:
        for name in ng.files():
            for s in ng.load(name):
                p, port = ng.start_ours(folder, ASAN)
                ours = ng.replay(port, s)
                clean = p.stop() == 0
                theirs = [x["reply"] for x in s["steps"]]
                if live:
                    q, port = ng.start_rtpengine(folder)
                    theirs = ng.replay(port, s)
                    q.stop()
                bad = [] if clean else ["the relay did not end cleanly: " + p.text()[-1500:]]
                for i, (step, a, b) in enumerate(zip(s["steps"], theirs, ours)):
                    where = f"{name}/{s['name']}/{i} {command(step)}"
                    lines = ng.compare(a, b)
                    left = unlisted(rules, used, where, lines)
                    equal += not lines
                    listed += len(lines) - len(left)
                    bad += [f"{where}: {l}" for l in left]
                tap.ok(not bad, f"{s['name']}: {len(ours)} replies are as the reference's")
                for line in bad:
                    print("#", line)
        for i, r in enumerate(rules):
            if i not in used:
                print("# no longer seen:", r["where"], r["what"])
        print("# the replies of rtpengine are", "its own of now" if live else "recorded")
        print(f"# {equal} replies are equal; {listed} lines differ as listed")
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
