#!/usr/bin/env python3
"""Every stage that can refuse a call refuses one, in the order of the pipeline: what the far end hears, and the same rule with its place in log, metric
and record, and in what `sallyport explain` says beforehand."""
import json, os, re, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party

OUTSIDE, QUICK = "127.0.0.10", "127.0.0.11"
GOOD, FULL, SIGNED, CUBA = "127.0.60.1", "127.0.60.2", "127.0.60.3", "127.0.20.1"
DENIED, STRANGER, BANNED, HASTY = "127.0.61.1", "127.0.62.1", "127.0.63.1", "127.0.60.9"
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.0.10, port: {port} }} ]
    acl: {{ deny: [127.0.61.0/24], default: allow }}
    media: {{ anchor: off }}
    media_policy: encrypted
  quick:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.0.11, port: {quick_port} }} ]
    admission: slowly
    media: {{ anchor: off }}
    media_policy: plain
  inside:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.0.20, port: {inside_port} }} ]
    media: {{ anchor: off }}
    media_policy: plain
admission:
  slowly: {{ requests: {{ per_source: 1/1h, burst: 1 }} }}
media_policies:
  plain: {{ rtp: allow, srtp: allow, keying: [sdes] }}
  encrypted: {{ rtp: forbid, srtp: require, keying: [sdes] }}
trunks:
  good: {{ realm: outside, peers: [ {{ target: "sip:127.0.60.1" }} ], identify: {{ source: [127.0.60.1/32, 127.0.20.0/24, 127.0.63.0/24] }} }}
  full: {{ realm: outside, peers: [ {{ target: "sip:127.0.60.2" }} ], identify: {{ source: [127.0.60.2/32] }}, limits: {{ rate: 1/1h, burst: 1 }} }}
  signed: {{ realm: outside, peers: [ {{ target: "sip:127.0.60.3" }} ], identify: {{ source: [127.0.60.3/32] }}, identity: {{ verify: strictly }} }}
  hasty: {{ realm: quick, peers: [ {{ target: "sip:127.0.60.9" }} ], identify: {{ source: [127.0.60.9/32] }} }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{nobody}" }} ] }}
identity:
  verifier: {{ anchors: {anchors}, hosts: [certificates.example] }}
  policies:
    strictly: {{ missing: reject 428 }}
geo:
  country: {country}
  rules: [ {{ name: no-cuba, when: {{ country: [CU] }}, action: reject }} ]
fraud:
  destinations: {destinations}
  rules: [ {{ name: premium, when: {{ class: [premium] }}, action: reject }} ]
routes:
  - {{ name: closed, when: {{ number: ["^\\\\+4999"] }}, reject: {{ status: 410, reason: Closed }} }}
  - {{ name: in, when: {{ number: ["^\\\\+49"] }}, to: [pbx] }}
""" + sip.OBSERVE
# name, from, to which realm, number, status (0: silence), stage, rule
ROWS = [
    ("a banned source", BANNED, "outside", "+4930123", 0, "ban", "operator"),
    ("the access list", DENIED, "outside", "+4930123", 0, "acl", "outside"),
    ("the country", CUBA, "outside", "+4930123", 403, "geo", "no-cuba"),
    ("the request rate", HASTY, "quick", "+4930123", 503, "rate", "slowly"),
    ("a stranger", STRANGER, "outside", "+4930123", 403, "identify", "outside"),
    ("the trunk's rate of calls", FULL, "outside", "+4930123", 503, "admission", "rate"),
    ("no signature", SIGNED, "outside", "+4930123", 428, "identity", "strictly"),
    ("a premium number", GOOD, "outside", "+49900123456", 403, "fraud", "premium"),
    ("a route that rejects", GOOD, "outside", "+4999123", 410, "route", "closed"),
    ("no route", GOOD, "outside", "+5511", 404, "route", "no-route"),
    ("media in the clear", GOOD, "outside", "+4930123", 488, "media", None),
]


class Stage:
    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        anchors = os.path.join(folder, "anchors.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull, "-out", anchors,
                        "-subj", "/CN=root", "-days", "2"], check=True, stderr=subprocess.DEVNULL)
        self.sbc = sip.Sbc(folder, CONFIG, asan=True, port=lib.free_port(OUTSIDE), quick_port=lib.free_port(QUICK), inside_port=lib.free_port("127.0.0.20"),
                           nobody=lib.free_port("127.0.0.1"), anchors=anchors, country=os.path.join(lib.ROOT, "tests/data/geo/country.mmdb"),
                           destinations=os.path.join(lib.ROOT, "etc/destinations.csv")).start()
        self.realms = {"outside": (OUTSIDE, self.sbc.v["port"]), "quick": (QUICK, self.sbc.v["quick_port"])}
        self.cdrs = 0

    def command(self, *args):
        return subprocess.run([lib.binary("sallyport", True), *args, "-s", self.sbc.v["control"]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)

    def call(self, source, realm, number, silent):
        """The status that a call from there hears; 0: nothing."""
        address, port = to = self.realms[realm]
        call = Call(Party(source), to, f"sip:{number}@{address}:{port}").invite()
        if silent:
            return 0 if call.party.is_quiet(0.2) else -1
        return call.status().status

    def explained(self, source, realm, number):
        out = self.command("explain", "--from", source, "--via", "UDP", "--realm", realm, "--number", number, "--json")
        try:
            return json.loads(out.stdout)
        except ValueError:
            return {"error": out.stdout + out.stderr}

    def records(self):
        """The records so far; a file is named anew when it is turned, so both names are looked at."""
        for path in (self.sbc.v["cdr"], self.sbc.v["cdr"] + ".open"):
            if os.path.exists(path):
                with open(path) as f:
                    return [json.loads(line) for line in f if line.endswith("\n")]
        return []


def refused(tap, st, row):
    name, source, realm, number, status, stage, rule = row
    labels = dict(stage=stage, **({"rule": rule} if rule else {}))
    before, mark = st.sbc.metric("sallyport_refused_total", **labels), len(st.sbc.process.text())
    said = json.dumps(st.explained(source, realm, number))
    heard = st.call(source, realm, number, status == 0)
    tap.ok(heard == status, f"{name}: the far end hears {status or 'nothing'}", heard)
    lib.wait_for("the metric", lambda: st.sbc.metric("sallyport_refused_total", **labels) == before + 1)
    line = lib.wait_for("the log", lambda: re.search(rf"event=refused .*stage={stage}\b.*", st.sbc.process.text()[mark:])).group(0)
    tap.ok((not rule or f"rule={rule}" in line), f"{name}: metric and log name the stage and the rule", line)
    if stage != "media":  # an offer is not among what explain is told
        tap.ok(f'"{stage}"' in said and (not rule or rule in said), f"{name}: explain says so beforehand", said)
    st.cdrs += 1
    cdr = lib.wait_for("the record", lambda: len(st.records()) == st.cdrs and st.records())[-1]
    tap.ok(cdr["cause"].startswith("policy:") and (not rule or cdr["cause"] == "policy:" + rule) and cdr.get("status", 0) == status
           and cdr["ingress_address"].startswith(source) and cdr["to_number"] == number and cdr["domain"] == st.realms[realm][0], f"{name}: the record too", cdr)


def bounded(tap, st):
    """What strangers may write to our disk is bounded, for each of them and in all; the counts have all."""
    flood, other = Party("127.0.64.1"), Party("127.0.65.1")
    address, port = to = st.realms["outside"]
    uri, before = f"sip:+4930123@{address}:{port}", st.sbc.metric("sallyport_refused_total", stage="identify")
    for _ in range(12):
        Call(flood, to, uri).invite().status()
    Call(other, to, uri).invite().status()
    lib.wait_for("the metric", lambda: st.sbc.metric("sallyport_refused_total", stage="identify") == before + 13)
    lib.wait_for("the record of the other", lambda: any(r["ingress_address"].startswith("127.0.65.1") for r in st.records()))
    mine = sum(r["ingress_address"].startswith("127.0.64.1") for r in st.records())
    tap.ok(5 <= mine <= 6, "of one stranger's twelve calls at once five have a record, and another's has one", mine)
    again = Call(Party(DENIED), to, uri)
    for _ in range(3):
        again.invite()
    lib.wait_for("the metric", lambda: st.sbc.metric("sallyport_refused_total", stage="acl") == 4)
    st.call(STRANGER, "outside", "+4930123", False)
    lib.wait_for("the record behind it", lambda: sum(r["ingress_address"].startswith(STRANGER) for r in st.records()) == 2)
    tap.ok(sum(r["ingress_address"].startswith(DENIED) for r in st.records()) == 2, "an INVITE that is dropped three times has one", st.records()[-3:])


def play(tap, folder):
    st = Stage(folder)
    out = st.command("ban", BANNED, "--for", "1h", "--why", "told to")
    tap.ok(out.returncode == 0, "the operator bans a source", out.stdout + out.stderr)
    # What the limits let through goes first.
    tap.ok(st.call(HASTY, "quick", "+5511", False) == 404 and st.call(FULL, "outside", "+4930123", False) == 488, "the first call of each is within the limits")
    st.cdrs = 2
    for row in ROWS:
        refused(tap, st, row)
    bounded(tap, st)
    tap.ok(st.sbc.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    tap.ok(st.sbc.stop() == 0, "the daemon ends in order")


if __name__ == "__main__":
    sip.main(play)
