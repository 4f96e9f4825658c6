#!/usr/bin/env python3
"""Debian's Kamailio as a carrier that wants a registration and challenges everything (SHA-256, nonces of 3 s): we register, keep it up, answer
its challenges for calls and what follows in them, are called at our Contact, and sign off at the end. The password is seen nowhere."""
import os, re, shutil, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, talk
from sallyport_site import OUTSIDE, Site

PASSWORD, USER = "s3sam-0ffen", "4930555000"
KAMAILIO = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
dns=no
rev_dns=no
use_dns_cache=no
listen=udp:127.0.0.1:{kam}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("auth", "algorithm", "SHA-256")
modparam("auth", "qop", "auth")
modparam("auth", "nonce_expire", 3)
modparam("registrar", "max_expires", 4)
modparam("registrar", "min_expires", 1)
modparam("usrloc", "db_mode", 0)

request_route {{
	if (is_method("CANCEL")) {{
		if (t_check_trans()) t_relay();
		exit;
	}}
	if ($si == "{outside}" && !is_method("ACK")) {{
		if (is_method("REGISTER")) {{
			if (!pv_www_authenticate("carrier.example", "{password}", "0")) {{
				xlog("L_ERR", "SEEN challenge $rm\\n");
				www_challenge("carrier.example", "1");
				exit;
			}}
			xlog("L_ERR", "SEEN register $fU expires=$hdr(Expires)\\n");
			save("location");
			exit;
		}}
		if (!pv_proxy_authenticate("carrier.example", "{password}", "0")) {{
			xlog("L_ERR", "SEEN challenge $rm\\n");
			proxy_challenge("carrier.example", "1");
			exit;
		}}
		xlog("L_ERR", "SEEN proved $rm\\n");
		consume_credentials();
	}}
	if (has_totag()) {{
		loose_route();
		t_relay();
		exit;
	}}
	if (is_method("INVITE")) record_route();
	if ($si == "{outside}") {{
		$du = "sip:127.0.0.1:{subscriber}";
	}} else if (!lookup("location")) {{
		sl_send_reply("404", "Not Found");
		exit;
	}}
	t_relay();
}}
"""
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
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
  carrier:
    realm: outside
    peers: [ {{ target: "sip:127.0.0.1:{kam}" }} ]
    register: {{ user: "{user}", password: !file {password_file}, realm: carrier.example, expires: 60s }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{pbx_port}" }} ] }}
routes:
  - {{ when: {{ from: carrier }}, to: [pbx] }}
  - {{ when: {{ from: pbx }}, to: [carrier] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: debug, sip: on }}
"""


def modules():
    for folder in ("/usr/lib/x86_64-linux-gnu/kamailio/modules/", "/usr/lib/aarch64-linux-gnu/kamailio/modules/"):
        if os.path.isdir(folder):
            return folder
    return "/usr/lib/kamailio/modules/"


def count(kam, what):
    return len(re.findall("SEEN " + what, kam.text()))


def registration(site):
    trunk = next(t for t in site.status()["trunks"] if t["name"] == "carrier")
    return trunk.get("registration", {})


def calls(tap, site, kam, pbx, subscriber):
    to, uri = (site.v["inside"], site.v["udp_port"]), f"sip:+49171555@{site.v['inside']}:{site.v['udp_port']}"
    before = count(kam, "proved INVITE"), count(kam, "proved BYE")
    a, b, invite, ok = talk(pbx, subscriber, to, uri)
    tap.ok(invite.uri.startswith("sip:+49171555@") and not invite.get("Proxy-Authorization"), "a call gets through the carrier's challenge", invite.start)
    hang_up(a, b)
    lib.wait_for("the BYE at the carrier", lambda: count(kam, "proved BYE") > before[1])
    tap.ok(count(kam, "proved INVITE") > before[0], "and its BYE does too")
    at_carrier = ("127.0.0.1", site.v["kam"])
    a = Call(subscriber, at_carrier, f"sip:{USER}@127.0.0.1:{site.v['kam']}")
    a.remote = "<sip:+4930555123@carrier.example>"
    a.invite()
    invite = pbx.expect("INVITE")
    pbx.answer(invite, 200, "OK", pbx.sdp())
    ok = a.status()
    pbx.expect("ACK")
    tap.ok(ok.status == 200 and invite.uri.startswith("sip:+4930555123@"), "a call to our Contact is for the number in To", invite.start)
    m = hang_up(a, Call(pbx, invite=invite))
    tap.ok(m.status == 200, "and ends", m.start)


def play(tap, folder):
    if not shutil.which("kamailio"):
        tap.ok(True, "Debian's Kamailio is not installed # SKIP")
        return
    pbx, subscriber, kam_port = Party("127.0.0.1"), Party("127.0.0.1"), lib.free_port()
    password_file = os.path.join(folder, "password")
    with open(password_file, "w") as f:
        f.write(PASSWORD + "\n")
    site = Site(folder, CONFIG, asan=True, out_port=lib.free_port(OUTSIDE), kam=kam_port, pbx_port=pbx.port, user=USER, password_file=password_file)
    config = os.path.join(folder, "kamailio.cfg")
    with open(config, "w") as f:
        f.write(KAMAILIO.format(kam=kam_port, modules=modules(), outside=OUTSIDE, password=PASSWORD, subscriber=subscriber.port))
    kam = lib.Process("kamailio", ["kamailio", "-f", config, "-DD", "-E", "-w", folder, "-Y", folder, "-m", "32", "-M", "8"], folder)
    lib.wait_for("Kamailio to listen", lambda: sip_answers(kam_port) or kam.p.poll() is not None)
    tap.ok(kam.p.poll() is None, "Kamailio starts", kam.text()[-2000:])
    site.start()
    lib.wait_for("a registration", lambda: registration(site).get("registered"))
    tap.ok(registration(site)["left_s"] <= 4, "we are registered, for as long as the registrar says", registration(site))
    tap.ok(count(kam, "challenge REGISTER") == 1 and count(kam, f"register {USER} expires=60") == 1, "after one challenge", kam.text()[-2000:])
    tap.ok(site.metric("sallyport_trunk_registered", trunk="carrier") == 1 and site.metric("sallyport_challenges_total", result="answered") >= 1, "the metrics say so")
    lib.wait_for("refreshes", lambda: count(kam, f"register {USER}") >= 3)
    tap.ok(registration(site).get("registered"), "the registration is kept up, over nonces that grow stale", registration(site))
    calls(tap, site, kam, pbx, subscriber)
    show = site.command("status").stdout
    tap.ok("REGISTERED" in show, "`sallyport status` shows it", show)
    cdrs = site.wait_cdrs(2)
    lib.wait_for("no calls", lambda: site.status()["calls"] == 0)
    ended = site.stop()
    lib.wait_for("the end of the registration", lambda: count(kam, f"register {USER} expires=0") == 1)
    tap.ok(True, "at the end the registration is taken back")
    said = site.sbc.text() + show + repr(cdrs) + open(site.v["cdr"] if os.path.exists(site.v["cdr"]) else site.v["cdr"] + ".open").read()
    tap.ok(PASSWORD not in said and "response=" not in said and "nonce=" not in said, "no password, hash or nonce is in the log, the status or a CDR")
    tap.ok(ended == (0, 0), "both end in order, with nothing leaked", site.sbc.text()[-3000:])


def sip_answers(port):
    """Kamailio has no listener of streams to knock at: it is there when it answers a datagram."""
    p = Party("127.0.0.1")
    try:
        Call(p, ("127.0.0.1", port), f"sip:nobody@127.0.0.1:{port}").invite()
        m = p.expect(404, seconds=0.5)
        return m.status == 404
    except (TimeoutError, OSError):
        return False
    finally:
        p.close()


if __name__ == "__main__":
    sip.main(play)
