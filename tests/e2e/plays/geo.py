#!/usr/bin/env python3
"""Where a source is decides (docs/geography.md): a country that is refused, one that is dropped, a trunk that may, an emergency call; and the
database is replaced, broken and taken away while calls go on. Loopback addresses have countries here."""
import os, shutil, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, talk
from sallyport_site import OUTSIDE, Site

HOME, CUBA, STATES, NORWAY, NOWHERE = "127.0.10.1", "127.0.20.1", "127.0.30.1", "127.0.40.1", "127.0.50.1"
DATA = os.path.join(lib.ROOT, "tests", "data", "geo")
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
  callers: {{ realm: outside, peers: [ {{ target: "sip:127.0.10.1:5060" }} ], identify: {{ source: [127.0.0.0/8] }} }}
  oslo: {{ realm: outside, peers: [ {{ target: "sip:{norway}:5060" }} ] }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ] }}
routes:
  - {{ name: emergency, priority: emergency, when: {{ from: outside, number: ["^112$"] }}, to: [callees] }}
  - {{ name: in, when: {{ from: outside, number: ["^\\\\+49"] }}, to: [callees] }}
geo:
  country: {country}
  asn: {asn}
  rules:
    - {{ name: oslo, when: {{ trunk: oslo }}, action: accept }}
    - {{ name: systems, when: {{ realm: outside, asn: [64500] }}, action: drop }}
    - {{ name: abroad, when: {{ realm: outside, country_not: [DE] }}, action: reject }}
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


class Stage:
    def __init__(self, folder):
        self.country, self.asn = os.path.join(folder, "country.mmdb"), os.path.join(folder, "asn.mmdb")
        os.makedirs(folder, exist_ok=True)
        for path in (self.country, self.asn):
            shutil.copyfile(os.path.join(DATA, os.path.basename(path)), path)
        self.callee = Party("127.0.0.1")
        self.site = Site(folder, CONFIG, asan=True, out_port=lib.free_port(OUTSIDE), phone_in_port=self.callee.port, norway=NORWAY, country=self.country,
                         asn=self.asn)
        self.site.start()
        self.to = (OUTSIDE, self.site.v["out_port"])

    def uri(self, number):
        return f"sip:{number}@{OUTSIDE}:{self.site.v['out_port']}"

    def refused(self, address, kind="udp", number="+4930555123"):
        """The status of a call from there that is not to go on."""
        return Call(Party(address, kind), self.to, self.uri(number)).invite().status().status

    def goes_on(self, address, kind="udp", number="+4930555123"):
        a, b, _, ok = talk(Party(address, kind), self.callee, self.to, self.uri(number))
        return ok.status == 200 and hang_up(a, b).status == 200

    def up(self):
        return self.site.metric("sallyport_geo_up", database="country")

    def replace(self, data, want):
        """A new file in the place of the old one, or none; and the metric that says what came of it."""
        mark = len(self.site.sbc.text())
        if data is None:
            os.unlink(self.country)
        else:
            with open(self.country + ".new", "wb") as f:
                f.write(data)
            os.rename(self.country + ".new", self.country)
        event = "geo_loaded" if want else "geo_failed"
        lib.wait_for(event, lambda: event in self.site.sbc.text()[mark:])
        return self.up() == want


def places(tap, st):
    tap.ok(st.goes_on(HOME), "a call from home goes on")
    cdr = st.site.wait_cdrs(1)[0]
    tap.ok(cdr.get("ingress_country") == "DE" and cdr.get("ingress_asn") == 64496, "its record says where it was from", str(cdr))
    tap.ok(st.refused(CUBA) == 403, "a call from abroad gets 403")
    cdr = st.site.wait_cdrs(2)[1]
    tap.ok(cdr["cause"] == "policy:abroad" and cdr.get("ingress_country") == "CU", "its record names the rule and the country", str(cdr))
    line = st.site.sbc.wait_text(r"event=refused .*rule=abroad.*").group(0)
    tap.ok("country=CU" in line and "stage=geo" in line and "sallyport.yaml:" in line, "so does the log", line)
    tap.ok(st.site.metric("sallyport_refused_total", stage="geo", rule="abroad", status="403") == 1, "and the metric")
    tap.ok(st.refused(NOWHERE) == 403, "nobody knows where it is: that is not home either")
    tap.ok(st.refused(CUBA, "tcp") == 403 and st.goes_on(HOME, "tcp"), "over a connection it is the same")
    silent = Party(STATES)
    Call(silent, st.to, st.uri("+4930555123")).invite()
    lib.wait_for("the drop", lambda: st.site.metric("sallyport_dropped_total", reason="geo") == 1)
    tap.ok(silent.is_quiet(0.2), "from a system that is dropped a call gets no word, and is counted")
    tap.ok(st.site.metric("sallyport_refused_total", stage="geo", rule="systems") == 1, "with its rule")
    tap.ok(st.goes_on(CUBA, number="112") and st.goes_on(STATES, number="112"), "emergency calls pass from anywhere")


def oslo(tap, st):
    """The trunk is known by its address, which is abroad; its rule stands before those of the realm."""
    tap.ok(st.goes_on(NORWAY), "a trunk that a rule accepts calls from abroad")


def files(tap, st):
    with open(st.country, "rb") as f:
        good = f.read()
    tap.ok(st.up() == 1, "the database is up")
    up = talk(Party(HOME), st.callee, st.to, st.uri("+4930555123"))[:2]
    tap.ok(st.replace(good[:1000], 0), "a file that is cut short is an alarm")
    tap.ok(st.refused(CUBA) == 403 and st.goes_on(HOME), "and the one before it goes on")
    tap.ok(st.replace(good.replace(b"BCU", b"BDE"), 1), "a good one is taken")
    tap.ok(st.goes_on(CUBA), "and counts from then on")
    with open(st.country, "r+b") as f:
        f.truncate(0)
    lib.wait_for("the alarm", lambda: st.up() == 0)
    tap.ok(st.goes_on(CUBA), "cut while it is in use: nothing happens to what was read")
    tap.ok(st.replace(None, 0) and st.goes_on(HOME), "taken away: the same")
    tap.ok(st.replace(good, 1) and st.refused(CUBA) == 403, "and back again")
    st.site.write(country=st.country + ".none")
    out = st.site.command("reload")
    tap.ok(out.returncode == 0 and "cannot be read" in out.stdout + out.stderr, "a reload with a file that is not there warns", out.stdout + out.stderr)
    lib.wait_for("the alarm", lambda: st.up() == 0)
    tap.ok(st.goes_on(HOME), "and the one before it is used")
    tap.ok(hang_up(*up).status == 200, "a call that was up all the time ends as it should")


def play(tap, folder):
    st = Stage(folder)
    oslo(tap, st)
    files(tap, st)
    st.site.wait_empty()
    tap.ok(st.site.stop() == (0, 0), "both end in order, with nothing leaked", st.site.sbc.text()[-3000:])
    st = Stage(folder + "-places")
    places(tap, st)
    st.site.wait_empty()
    tap.ok(st.site.stop() == (0, 0), "and again", st.site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
