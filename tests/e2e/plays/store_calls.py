#!/usr/bin/env python3
"""Two nodes, one Redis, one media relay: what comes to the node that does not have the call goes to the one that has; after kill -9 the
other one goes on with its calls, or the same one started again; each call has one CDR, and nothing is left at the relay."""
import json, os, signal, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, party, sip

NEAR, FAR, CALLER, CALLEE = "127.0.0.10", "127.0.0.20", "127.0.0.31", "127.0.0.32"

CONFIG = """\
version: 1
node: {{ name: {node} }}
realms:
  near:
    trust: low
    listen: [ {{ transport: udp, address: 127.0.0.10, port: {near} }} ]
    media: {{ address: 127.0.0.10, ports: {m_near}-{m_near_end} }}
    media_policy: plain
  far:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.0.20, port: {far} }} ]
    media: {{ address: 127.0.0.20, ports: {m_far}-{m_far_end} }}
    media_policy: plain
media_policies:
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  callers: {{ realm: near, peers: [ {{ target: "sip:127.0.0.31:{caller}" }} ], identify: {{ source: [127.0.0.31/32] }} }}
  callee: {{ realm: far, peers: [ {{ target: "sip:127.0.0.32:{callee}" }} ], identify: {{ source: [127.0.0.32/32] }} }}
routes:
  - {{ when: {{ from: callers }}, to: [callee] }}
store:
  redis:
    nodes: ["unix:{redis}"]
    key: "a key of the plays, of no worth elsewhere"
media_relays:
  - {{ name: local, url: "ng+unix:{ng}", weight: 100 }}
""" + sip.OBSERVE


class Node(sip.Sbc):
    def cdrs(self):
        out = []
        for path in (self.v["cdr"], self.v["cdr"] + ".open"):
            if os.path.exists(path):
                with open(path) as f:
                    out += [json.loads(line) for line in f if line.endswith("\n")]
        return out

    def near(self):
        return NEAR, self.v["near"]

    def far(self):
        return FAR, self.v["far"]

    def ready(self):
        self.start()
        lib.wait_for("the store", lambda: self.metric("sallyport_store_up") == 1 and self.metric("sallyport_nodes") >= 1)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.p.wait()


def play(tap, folder):
    relay_ports = {n: lib.free_port(a, span=40, even=True) for n, a in (("m_near", NEAR), ("m_far", FAR))}
    relay_ports.update({n + "_end": p + 39 for n, p in list(relay_ports.items())})
    caller, callee = party.Party(CALLER), party.Party(CALLEE)
    redis_path, ng = os.path.join(folder, "redis.sock"), os.path.join(folder, "rtp.sock")
    redis = lib.Process("redis", ["redis-server", "--port", "0", "--unixsocket", redis_path, "--save", "", "--appendonly", "no"], folder)
    redis.wait_text("eady to accept connections")
    nodes = {}
    for name in ("sbc1", "sbc2"):
        nodes[name] = Node(os.path.join(folder, name), CONFIG, node=name, near=lib.free_port(NEAR), far=lib.free_port(FAR), redis=redis_path, ng=ng,
                           caller=caller.port, callee=callee.port, **relay_ports)
    a, b = nodes["sbc1"], nodes["sbc2"]
    relay_http = lib.free_port()
    relay = lib.Process("rtpproxy", [lib.binary("sallyport-rtpproxy", a.asan), "--foreground", "--config=" + a.config, f"--listen-http=127.0.0.1:{relay_http}"], folder)
    relay.wait_text(r"\bready\b")
    a.ready(), b.ready()
    lib.wait_for("two nodes", lambda: a.metric("sallyport_nodes") == b.metric("sallyport_nodes") == 2)
    tap.ok(True, "two nodes know of one another")

    def records():
        import subprocess
        out = subprocess.run(["redis-cli", "-s", redis_path, "--scan", "--pattern", "*call:*"], capture_output=True, text=True).stdout
        return [l for l in out.splitlines() if l]

    def call():
        caller.seen.clear(), callee.seen.clear()
        x, y, _, _ = party.talk(caller, callee, a.near(), f"sip:+4930@{NEAR}:{a.v['near']}")
        lib.wait_for("the call in the store", records)
        return x, y

    def hold(x, y, to):
        """A re-INVITE of the caller to that node; whether the callee has it, and its 200 comes back."""
        x.to = to
        x.party.send(x.request("INVITE", caller.sdp(extra="a=sendonly\r\n", version=2)), to)
        again = callee.expect("INVITE")
        y.target = again.target()
        y.to = callee.from_peer
        callee.answer(again, 200, "OK", callee.sdp(extra="a=recvonly\r\n", version=2))
        ok = caller.expect(200)
        x.take(ok)
        x.party.send(x.request("ACK", cseq=x.cseq), to)
        callee.expect("ACK")
        return b"a=sendonly" in again.body and b"a=recvonly" in ok.body, again

    def bye(x, to):
        x.to = to
        x.party.send(x.request("BYE"), to)
        got = callee.expect("BYE")
        callee.answer(got, 200, "OK")
        return caller.expect(200)

    def one_cdr(before, node, name):
        lib.wait_for("a CDR", lambda: len(a.cdrs()) + len(b.cdrs()) == before + 1)
        lib.wait_for("an empty relay", lambda: relay_sessions() == 0)
        lib.wait_for("an empty store", lambda: not records())
        at = "sbc1" if len(a.cdrs()) > (before - len(b.cdrs())) and node is a else "sbc2"
        last = node.cdrs()[-1] if node.cdrs() else {}
        tap.ok(last.get("ended_by") == "caller" and last.get("answer") and last.get("media"), name, f"{at}: {last}")

    def relay_sessions():
        import urllib.request
        text = urllib.request.urlopen(f"http://127.0.0.1:{relay_http}/metrics", timeout=5).read().decode()
        return sum(float(l.split()[-1]) for l in text.splitlines() if l.startswith("sallyport_relay_calls ") or l.startswith("sallyport_relay_calls{"))

    count = lambda: len(a.cdrs()) + len(b.cdrs())

    # ---- the owner lives
    before = count()
    x, y = call()
    bye(x, b.near())
    tap.ok(b.metric("sallyport_messages_handed_on_total") >= 1, "a BYE to the other node is handed on, and both sides hear it")
    one_cdr(before, a, "the call has one CDR, at the node that had it; relay and store are empty")

    before = count()
    x, y = call()
    good, again = hold(x, y, b.near())
    tap.ok(good and again.get("Via").find(str(a.v["far"])) > 0, "a re-INVITE to the other node goes through, by the node that has the call")
    bye(x, a.near())
    one_cdr(before, a, "and the call ends where it is")

    # ---- the store does not answer
    x, y = call()
    os.kill(redis.pid, signal.SIGSTOP)
    x.party.send(x.request("INFO"), b.near())
    import time
    began = time.monotonic()
    m = caller.expect(503)
    took = time.monotonic() - began
    tap.ok(m.status == 503 and took < 0.5, f"with Redis frozen the other node says 503, after {took * 1000:.0f} ms")
    before = count()
    bye(x, a.near())
    os.kill(redis.pid, signal.SIGCONT)
    one_cdr(before, a, "the call itself never noticed")
    lib.wait_for("the store", lambda: a.metric("sallyport_store_up") == b.metric("sallyport_store_up") == 1)
    lib.wait_for("two nodes", lambda: a.metric("sallyport_nodes") == b.metric("sallyport_nodes") == 2)

    # ---- the owner has died
    before = count()
    x, y = call()
    media = party.media_of
    a.kill()
    lib.wait_for("the death of a node", lambda: b.metric("sallyport_nodes") == 1, 20)
    good, again = hold(x, y, b.near())
    tap.ok(good and again.get("Via").find(str(b.v["far"])) > 0, "after kill -9 a re-INVITE goes through, by the node that lives")
    tap.ok(b.metric("sallyport_calls_adopted_total") == 1, "which has taken the call over")
    y.party.send(y.request("BYE"), b.far())
    got = caller.expect("BYE")
    caller.answer(got, 200, "OK")
    callee.expect(200)
    lib.wait_for("a CDR", lambda: count() == before + 1)
    last = b.cdrs()[-1]
    tap.ok(last["ended_by"] == "callee" and last["call"].startswith("sbc1-") and last["node"] == "sbc2" and last.get("media"),
           "the callee hangs up: the CDR is of the call as it began, and of the node that ended it", last)
    lib.wait_for("an empty relay", lambda: relay_sessions() == 0)
    tap.ok(not records(), "nothing is left at the relay, nor in the store")

    # ---- the owner starts again
    a.ready()
    lib.wait_for("two nodes", lambda: b.metric("sallyport_nodes") == 2)
    before = count()
    x, y = call()
    a.kill()
    a.ready()
    lib.wait_for("its calls", lambda: a.metric("sallyport_calls_adopted_total") == 1 and a.control("status")["calls"] == 1)
    tap.ok(True, "a node that starts again has its calls")
    bye(x, a.near())
    one_cdr(before, a, "and ends them: one CDR")
    tap.ok(a.stop() == 0 and b.stop() == 0, "both nodes end in order")


sip.main(play)
