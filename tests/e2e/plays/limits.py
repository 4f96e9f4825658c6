#!/usr/bin/env python3
"""At a limit new work is refused with a reason and what runs goes on: calls, media ports, transactions, connections of a source, sizes;
and without its relay. One CDR for each call that was attempted; nothing is left behind."""
import os, signal, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, media_of, talk
from sallyport_site import OUTSIDE, Site

PAIRS, CALLS, CONNECTIONS, TRANSACTIONS = 3, 4, 5, 200
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: {outside}, port: {out_port} }}
      - {{ transport: tcp, address: {outside}, port: {out_port} }}
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain-or-srtp
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain-or-srtp
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:{phone_out}:{phone_out_port}" }} ], identify: {{ source: [127.0.0.1/32, 127.0.0.5/32] }} }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ] }}
routes:
  - {{ when: {{ from: callers, number: ["^\\\\+49"] }}, to: [callees] }}
  - {{ name: others, reject: {{ status: 404 }} }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
limits: {{ calls: """ + str(CALLS) + ", transactions: " + str(TRANSACTIONS) + ", connections_per_source: " + str(CONNECTIONS) + """, message_bytes: 4096 }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: off }}
"""


class Stage:
    def __init__(self, folder):
        self.callee, self.caller = Party("127.0.0.1"), Party("127.0.0.1")
        self.site = Site(folder, CONFIG, asan=True, out_port=lib.free_port(OUTSIDE), phone_in_port=self.callee.port, media_ports=2 * PAIRS)
        self.site.start(relay=False)
        self.start_relay()
        self.to = (OUTSIDE, self.site.v["out_port"])
        self.uri = f"sip:+4930555123@{OUTSIDE}:{self.site.v['out_port']}"
        self.attempts = 0

    def start_relay(self):
        self.site.start_relay("--num-threads=1")

    def talk(self):
        """A call with sockets of its own for media, which is heard both ways."""
        self.attempts += 1
        caller, callee = Party("127.0.0.1").media, Party("127.0.0.1").media
        self.caller.media, self.callee.media = caller, callee
        a, b, invite, ok = talk(self.caller, self.callee, self.to, self.uri)
        a.media, b.media, a.media_to, b.media_to = caller, callee, media_of(ok.body), media_of(invite.body)
        return a, b

    def refused(self, body=None, headers=()):
        """(response, seconds) of a call that is not let in."""
        self.attempts += 1
        began = time.monotonic()
        m = Call(self.caller, self.to, self.uri).invite(body, headers).status()
        return m, time.monotonic() - began

    def all_cdrs(self, up=0):
        ended = self.attempts - up
        cdrs = self.site.wait_cdrs(ended)
        return len(cdrs) == ended == len({c["call"] for c in cdrs})


def hear(pair):
    """Media flow both ways; until both ends are known packets may be in vain."""
    a, b = pair

    def one_way(s, r):
        for _ in range(20):
            s.media.send(s.media_to, s.media.packet())
            if r.media.receive(0.1):
                return True
        return False
    return one_way(a, b) and one_way(b, a) and one_way(a, b)


def is_refused(tap, m, seconds, name):
    tap.ok(m.status == 503 and m.get("Retry-After").isdigit() and seconds < 1.5, f"{name}: 503 with Retry-After, after {seconds:.2f} s", f"{m.start} {m.headers}")


def calls_and_ports(tap, st):
    up = [st.talk() for _ in range(PAIRS)]
    m, seconds = st.refused()
    is_refused(tap, m, seconds, f"{PAIRS} pairs of media ports, and one call more")
    tap.ok(st.callee.is_quiet(0.05), "the callee is not rung")
    tap.ok(st.site.relay_metric("sallyport_relay_refusals_total", reason="ports") == 1, "the relay says why")
    st.attempts += 1
    ringing = Call(st.caller, st.to, st.uri).invite(b"")
    invite = st.callee.expect("INVITE")
    st.callee.answer(invite, 180, "Ringing")
    st.caller.expect(180)
    m, seconds = st.refused(b"")
    is_refused(tap, m, seconds, f"limits.calls {CALLS}, and one call more")
    tap.ok(st.callee.is_quiet(0.05), "the callee is not rung")
    tap.ok(st.site.metric("sallyport_refused_total", stage="limit", rule="calls", status="503") == 1, "counted with its rule")
    tap.ok(st.site.metric("sallyport_calls_limit") == CALLS and st.site.status()["calls"] == CALLS, "metrics and status say the same")
    tap.ok(all(hear(c) for c in up), "the calls that are up are heard both ways")
    st.caller.send(ringing.request("CANCEL", branch=ringing.branch), st.to)
    st.caller.expect(200)
    st.callee.answer(st.callee.expect("CANCEL"), 200, "OK")
    st.callee.answer(invite, 487, "Terminated")
    st.callee.expect("ACK")
    tap.ok(ringing.status().status == 487, "the one that rings is cancelled")
    tap.ok(hang_up(*up.pop()).status == 200, "one of the calls ends as it should")
    tap.ok(st.all_cdrs(len(up)), "one CDR for each attempt")
    statuses = [c["status"] for c in st.site.cdrs()]
    tap.ok(sorted(statuses) == [200, 487, 503, 503], "with its status", statuses)
    return up


def without_relay(tap, st, up, how):
    """The relay goes while calls are up: no new ones; those go on and end. It comes back: all is well."""
    name = "killed" if how == signal.SIGKILL else "stopped"
    st.site.relay.stop(how)
    for nth in ("the first", "the second"):
        m, seconds = st.refused()
        is_refused(tap, m, seconds, f"the relay is {name}: {nth} new call")
        if nth == "the second":
            tap.ok(seconds < 0.2, "which does not wait for what is known to be gone", seconds)
    a, b = up.pop()
    began = time.monotonic()
    a.party.send(a.request("INFO", b"Signal=1", kind="application/dtmf-relay"), a.to)
    info = b.party.expect("INFO")
    b.party.answer(info, 200, "OK")
    tap.ok(a.party.expect(*range(200, 700)).status == 200, "an INFO in a call that is up is carried")
    a.branch = "z9hG4bK" + os.urandom(6).hex()
    a.uri = a.target
    a.party.send(a.request("INVITE", a.party.sdp(version=2), branch=a.branch), a.to)
    m = a.party.expect(*range(200, 700))
    a.ack(m)
    tap.ok(m.status in (500, 503) and b.party.is_quiet(0.05), f"a new offer in it is refused: {m.start}, and the call stays")
    tap.ok(hang_up(a, b).status == 200 and time.monotonic() - began < 3, "it is hung up as always")
    tap.ok(st.all_cdrs(len(up)) and st.site.cdrs()[-1]["status"] == 200 and st.site.cdrs()[-1]["ended_by"] == "caller", "and has its CDR, as the others")
    st.start_relay()
    pair = st.talk()
    tap.ok(hear(pair), "the relay is back: a new call is heard")
    return pair


def after_restart(tap, st, up):
    """A call that the relay has forgotten: a new offer gives it media again."""
    a, b = up
    a.branch, a.uri = "z9hG4bK" + os.urandom(6).hex(), a.target
    st.caller.media, st.callee.media = a.media, b.media
    a.party.send(a.request("INVITE", a.party.sdp(version=2), branch=a.branch), a.to)
    re = b.party.expect("INVITE", 500)
    b.party.answer(re, 200, "OK", b.party.sdp(version=2))
    ok = a.status()
    b.party.expect("ACK")
    a.media_to, b.media_to = media_of(ok.body), media_of(re.body)
    tap.ok(ok.status == 200 and hear((a, b)), "a call that outlived its relay is heard again after a re-INVITE", ok.start)
    tap.ok(hang_up(a, b).status == 200, "and ends as it should")


def transactions(tap, st, pair):
    """INVITEs that are refused and never acknowledged fill the table: the calls that are up do not notice."""
    before = st.site.metric("sallyport_responses_total", method="INVITE")
    flooder = Party("127.0.0.1")
    for i in range(2 * TRANSACTIONS):
        flooder.send(sip.request("INVITE", f"sip:none@{OUTSIDE}", via=flooder.host, transport="UDP", call=f"flood{i}"), st.to)
    lib.wait_for("all to be refused", lambda: st.site.metric("sallyport_responses_total", method="INVITE") >= before + 2 * TRANSACTIONS)
    used = st.site.status()["transactions"]
    tap.ok(used <= TRANSACTIONS, f"{2 * TRANSACTIONS} INVITEs without ACK: at most {TRANSACTIONS} transactions ({used})")
    tap.ok(hear(pair), "the call that is up is heard")
    m = hang_up(*pair)
    tap.ok(m.status == 200, "and is hung up in the middle of it", m.start)
    st.attempts = int(st.site.metric("sallyport_calls_ended_total"))
    tap.ok(st.all_cdrs(), "one CDR for each that was remembered")


def connections(tap, st):
    source = [sip.Stream(*st.to, source="127.0.0.5") for _ in range(CONNECTIONS + 3)]
    lib.wait_for("refusals", lambda: st.site.metric("sallyport_connections_refused_source_total") == 3)
    tap.ok(all(s.is_closed() for s in source[CONNECTIONS:]), f"connections_per_source {CONNECTIONS}: what is more is closed at once, and counted")
    tap.ok([s.ask(sip.options()) for s in source[:CONNECTIONS]] == [200] * CONNECTIONS, "the others are served")
    tap.ok(sip.Stream(*st.to).ask(sip.options()) == 200, "and another source")
    tap.ok(source[0].ask(sip.options(body=b"x" * 4096, headers=("Content-Type: text/plain",))) == 513 and source[0].is_closed(), "message_bytes: 513 and the end of the connection")
    source[1].close()
    lib.wait_for("room", lambda: st.site.status()["connections"] <= CONNECTIONS - 1)
    tap.ok(sip.Stream(*st.to, source="127.0.0.5").ask(sip.options()) == 200, "when one has gone there is room for another")
    for s in source:
        s.close()


def play(tap, folder):
    st = Stage(folder)
    up = calls_and_ports(tap, st)
    fresh = without_relay(tap, st, up, signal.SIGKILL)
    up.append(fresh)
    after_restart(tap, st, up.pop(0))
    fresh = without_relay(tap, st, up, signal.SIGTERM)
    tap.ok(st.site.status()["calls"] == 1, "one call is up")
    connections(tap, st)
    pair = st.talk()
    tap.ok(hear(pair) and hang_up(*pair).status == 200, "calls work as ever")
    tap.ok(st.all_cdrs(1), "one CDR for each attempt")
    transactions(tap, st, fresh)
    st.site.wait_empty()
    tap.ok(True, "no call, no transaction and no session of the relay is left")
    tap.ok(sip.Stream(*st.to).ask(sip.options()) == 200, "and the daemons still serve")
    tap.ok(st.site.stop() == (0, 0), "both end in order, with nothing leaked", st.site.sbc.text()[-3000:] + st.site.relay.text()[-2000:])


if __name__ == "__main__":
    sip.main(play)
