#!/usr/bin/env python3
"""Users who register through us. Inside: Debian's Kamailio as registrar with digest, and a phone of the PBX behind it. Outside: baresip over TLS
and a browser's stack over WSS, both known to the registrar; and a baresip whose password we ask for ourselves. Registration, refresh, calls
both ways, MESSAGE, MWI, the end by word and by a broken connection; and nothing to be learnt by guessing."""
import hashlib, os, re, shutil, statistics, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip, web
from party import Call, Party, hang_up, talk
from sallyport_site import OUTSIDE, INSIDE, PHONE_OUT, Site
from trunk_register import modules, sip_answers

PASSWORD, OWN_PASSWORD, DOMAIN, WEB_DOMAIN, OWN_DOMAIN = "0ld-man-river", "s3ven-s3as", "users.example", "web.example", "local.example"
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
modparam("registrar", "max_expires", 600)
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "use_domain", 0)

request_route {{
	if (is_method("CANCEL")) {{
		if (t_check_trans()) t_relay();
		exit;
	}}
	if (is_method("REGISTER")) {{
		if (!pv_www_authenticate("$td", "{password}", "0")) {{
			xlog("L_ERR", "SEEN challenge $fU\\n");
			www_challenge("$td", "0");
			exit;
		}}
		xlog("L_ERR", "SEEN register $fU contact=$hdr(Contact) call-id=$ci\\n");
		save("location");
		exit;
	}}
	if (has_totag()) {{
		loose_route();
		t_relay();
		exit;
	}}
	if (is_method("INVITE")) record_route();
	if ($si == "{inside}") {{
		$du = "sip:127.0.0.1:{pbx_port}";
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
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: srtp-only
  web:
    trust: low
    listen: [ {{ transport: wss, address: {outside}, port: {wss}, certificate: edge, path: /sip, origins: ["https://phone.example.net"] }} ]
    media: {{ anchor: off }}
    media_policy: plain
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies:
  srtp-only: {{ rtp: forbid, srtp: require, keying: [sdes] }}
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  registrar: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{kam}" }} ] }}
users:
  phones:
    realm: outside
    domains: [users.example]
    registrar: registrar
    refresh: {{ from_user: 20s, to_registrar: 10m }}
  browsers:
    realm: web
    domains: [web.example]
    registrar: registrar
    refresh: {{ from_user: 30s, to_registrar: 10m }}
  locals:
    realm: outside
    domains: [local.example]
    auth: local
    digest: [MD5]
    accounts: [ {{ user: dora, password: !file {password_file} }} ]
routes:
  - {{ when: {{ from: [phones, browsers, locals] }}, to: [registrar] }}
  - {{ when: {{ from: registrar, domain: [local.example] }}, to: [locals] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: debug, sip: on }}
"""


def count(kam, what):
    return len(re.findall("SEEN " + what, kam.text()))


def registered(site):
    return site.metric("sallyport_registrations")


def phone(site, user, domain, password, options=""):
    """A baresip that registers by itself as soon as it runs."""
    account = (f'<sip:{user}@{domain};transport=tls>;auth_user={user};auth_pass={password};outbound="sip:{OUTSIDE}:{site.v["tls_port"]};transport=tls"'
               f";regint=60;mediaenc=srtp-mand;answermode=auto;audio_codecs=PCMU/8000/1{options}\n")
    return lib.Phone(site.dir, user, PHONE_OUT, account, authority=site.ca.cert, extra="module_app mwi.so\nmodule_app contact.so\n", certificate=site.phone_cert,
                     contacts=f'"PBX" <sip:200@{domain}>\n')


def register(party, uri, user, domain, cseq, call_id, headers=()):
    return ("\r\n".join([f"REGISTER sip:{domain} SIP/2.0", f"Via: SIP/2.0/{party.kind.upper()} {party.host};branch=z9hG4bK{os.urandom(6).hex()};rport",
                         "Max-Forwards: 70", f"From: <sip:{user}@{domain}>;tag={call_id}", f"To: <sip:{user}@{domain}>", f"Call-ID: {call_id}",
                         f"CSeq: {cseq} REGISTER", f"Contact: {uri}", "Expires: 600", *headers, "Content-Length: 0"]) + "\r\n\r\n").encode()


def proof(challenge, user, password, uri):
    """An Authorization line for a challenge with MD5 or SHA-256."""
    ask = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    of = hashlib.sha256 if ask.get("algorithm", "MD5").upper() == "SHA-256" else hashlib.md5

    def h(text):
        return of(text.encode()).hexdigest()
    secret, what = h(f"{user}:{ask['realm']}:{password}"), h(f"REGISTER:{uri}")
    more = ', qop=auth, nc=00000001, cnonce="c0ffee"' if "qop" in ask else ""
    response = h(f"{secret}:{ask['nonce']}:00000001:c0ffee:auth:{what}" if more else f"{secret}:{ask['nonce']}:{what}")
    opaque = f', opaque="{ask["opaque"]}"' if "opaque" in ask else ""
    return (f'Authorization: Digest username="{user}", realm="{ask["realm"]}", nonce="{ask["nonce"]}", uri="{uri}", response="{response}", '
            f'algorithm={ask.get("algorithm", "MD5")}{more}{opaque}')


def attempt(party, user, domain, password, to=None):
    """(answer to the proof, seconds that it took); the challenge comes first."""
    call_id = os.urandom(5).hex()
    party.send(register(party, party.contact, user, domain, 1, call_id), to)
    asked = party.expect(*range(200, 700))
    if asked.status != 401:
        return asked, 0.0
    line = proof(asked.get("WWW-Authenticate"), user, password, f"sip:{domain}")
    data = register(party, party.contact, user, domain, 2, call_id, [line])
    began = time.monotonic()
    party.send(data, to)
    return party.expect(*range(200, 700)), time.monotonic() - began


def registration(tap, site, kam):
    alice = phone(site, "alice", DOMAIN, PASSWORD, ";mwi=yes")
    lib.wait_for("a registration", lambda: registered(site) == 1)
    tap.ok(registered(site) == 1 and count(kam, "register alice") == 1 and count(kam, "challenge alice") == 1, "a phone registers through us, by the registrar's own challenge")
    contact = re.search(r"SEEN register alice contact=(.*)", kam.text())[1]
    tap.ok(f"@{INSIDE}:" in contact and "alice" not in contact and PHONE_OUT not in contact, "the registrar has a contact of ours", contact)
    return alice


def mwi(tap, alice, pbx):
    """baresip asks for it by itself as soon as it is registered."""
    ask = pbx.expect("SUBSCRIBE", seconds=20)
    tap.ok(ask.get("Event") == "message-summary" and f"sip:{INSIDE}:" in ask.target() and f"alice@{DOMAIN}" in ask.get("From"),
           "its subscription to message-summary comes through", ask.data.decode())
    pbx.answer(ask, 200, "OK", tag="mwi", headers=("Expires: 600",))
    d = Call(pbx, invite=ask, tag="mwi")
    body = b"Messages-Waiting: yes\r\nVoice-Message: 3/1 (0/0)\r\n"
    pbx.send(d.request("NOTIFY", body, ("Event: message-summary", "Subscription-State: active;expires=600"), kind="application/simple-message-summary"), d.to)
    m = pbx.expect(*range(200, 700))
    tap.ok(m.status == 200 and alice.wait_event("MWI_NOTIFY"), "and the NOTIFY goes back and lights its lamp", m.start)
    return d


def calls(tap, site, alice, pbx):
    # From the PBX, by way of the registrar's own look-up.
    to, uri = ("127.0.0.1", site.v["kam"]), f"sip:alice@{DOMAIN}"
    a = Call(pbx, to, uri).invite()
    ok = a.status(15)
    tap.ok(ok.status == 200, "a call to the registered user goes down its connection", ok.start)
    alice.wait_event("CALL_ESTABLISHED")
    tap.ok(PHONE_OUT not in ok.target(), "which answers from an address of ours", ok.target())
    a.routes = list(reversed(ok.all("Record-Route")))
    m = a.bye()
    tap.ok(m.status == 200, "and ends", m.start)
    alice.wait_event("CALL_CLOSED")
    # And out.
    alice.dial(f"sip:200@{DOMAIN}")
    invite = pbx.expect("INVITE")
    tap.ok(f"alice@{DOMAIN}" in invite.get("From") and invite.uri.startswith("sip:200@"), "a call from it is the user's", invite.get("From"))
    pbx.answer(invite, 180, "Ringing", headers=())
    pbx.answer(invite, 200, "OK", pbx.sdp())
    pbx.expect("ACK")
    alice.wait_event("CALL_ESTABLISHED")
    alice.hangup()
    bye = pbx.expect("BYE")
    pbx.answer(bye, 200, "OK")
    tap.ok(True, "and hangs up")
    site.wait_cdrs(2)
    said = open(site.v["cdr"] if os.path.exists(site.v["cdr"]) else site.v["cdr"] + ".open").read()
    tap.ok("alice" in said, "the CDRs name the user", said[-600:])


def one_shot(party, method, uri, from_uri, body, headers=()):
    return ("\r\n".join([f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/{party.kind.upper()} {party.host};branch=z9hG4bK{os.urandom(6).hex()};rport",
                         "Max-Forwards: 70", f"From: <{from_uri}>;tag={os.urandom(3).hex()}", f"To: <{uri}>", f"Call-ID: {os.urandom(6).hex()}",
                         f"CSeq: 7 {method}", *headers, "Content-Type: text/plain", f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body


def refresh(tap, site, alice, kam):
    before = count(kam, "register alice")
    alice.events = [e for e in alice.events if e.get("type") != "REGISTER_OK"]
    alice.wait_event("REGISTER_OK", 30)
    tap.ok(count(kam, "register alice") == before and registered(site) >= 1, "its refreshes are answered by us, unknown to the registrar")


def browser(tap, site, kam, pbx):
    context = sip.tls_context(site.ca)
    w = web.WebParty(web.Web(OUTSIDE, site.v["wss"], context).upgrade())
    ok, _ = attempt(w, "webby", WEB_DOMAIN, PASSWORD)
    own = ok.get("Contact")
    tap.ok(ok.status == 200 and w.name in own and re.search(r"expires=(\d+)", own) and int(re.search(r"expires=(\d+)", own)[1]) <= 30,
           "a browser over WSS gets its own Contact back, for our shorter time", ok.data.decode())
    contact = re.search(r"SEEN register webby contact=(.*)", kam.text())[1]
    tap.ok(".invalid" not in contact and "ws" not in contact.split("expires")[0].split("transport")[-1:][0][:3], "the registrar hears nothing of it", contact)
    to, uri = ("127.0.0.1", site.v["kam"]), f"sip:webby@{WEB_DOMAIN}"
    a = Call(pbx, to, uri).invite()
    invite = w.expect("INVITE")
    tap.ok(w.name in invite.uri and f"webby@{WEB_DOMAIN}" in invite.get("To"), "a call to it comes down the WebSocket, to its own Contact", invite.start)
    w.answer(invite, 200, "OK", w.sdp())
    ok = a.status()
    w.expect("ACK")
    tap.ok(ok.status == 200 and w.name not in ok.data.decode(), "and is answered, with none of its names", ok.start)
    a.routes = list(reversed(ok.all("Record-Route")))
    pbx.send(a.request("BYE"), a.to)
    w.answer(w.expect("BYE"), 200, "OK")
    pbx.expect(200)
    b = Call(w, None, f"sip:200@{WEB_DOMAIN}")
    b.local = f"<sip:webby@{WEB_DOMAIN}>;tag={b.tag}"
    b.invite()
    invite = pbx.expect("INVITE")
    pbx.answer(invite, 200, "OK", pbx.sdp())
    ok = b.status()
    pbx.expect("ACK")
    tap.ok(ok.status == 200 and f"webby@{WEB_DOMAIN}" in invite.get("From"), "a call from it is the user's", invite.get("From"))
    w.send(b.request("BYE"))
    pbx.answer(pbx.expect("BYE"), 200, "OK")
    w.expect(200)
    b = Call(w, None, f"sip:200@{WEB_DOMAIN}")
    b.local = f"<sip:alice@{WEB_DOMAIN}>;tag={b.tag}"
    m = b.invite().status()
    tap.ok(m.status == 403 and pbx.is_quiet(), "a call that says it is another user's is refused", m.start)
    # MESSAGE both ways.
    w.send(one_shot(w, "MESSAGE", f"sip:200@{WEB_DOMAIN}", f"sip:webby@{WEB_DOMAIN}", b"from the browser"))
    m = pbx.expect("MESSAGE")
    pbx.answer(m, 200)
    tap.ok(w.expect(*range(200, 700)).status == 200 and m.body == b"from the browser" and ".invalid" not in m.data.decode(), "a MESSAGE of the browser reaches the PBX", m.data.decode())
    pbx.send(one_shot(pbx, "MESSAGE", uri, f"sip:200@{WEB_DOMAIN}", b"to the browser"), to)
    m = w.expect("MESSAGE")
    w.answer(m, 200)
    tap.ok(pbx.expect(*range(200, 700)).status == 200 and m.body == b"to the browser", "and one of the PBX the browser")
    return w


def messages(tap, site, alice, pbx):
    pbx.send(one_shot(pbx, "MESSAGE", f"sip:alice@{DOMAIN}", f"sip:200@{DOMAIN}", b"lunch at noon"), ("127.0.0.1", site.v["kam"]))
    m = pbx.expect(*range(200, 700))
    tap.ok(m.status == 200, "a MESSAGE of the PBX is taken by the phone", m.start)
    alice.command("message", "on my way")
    m = pbx.expect("MESSAGE")
    pbx.answer(m, 200)
    tap.ok(m.body == b"on my way" and f"alice@{DOMAIN}" in m.get("From") and PHONE_OUT not in m.get("Contact"), "and one of the phone reaches the PBX", m.data.decode())


def broken(tap, site, w, pbx):
    """The browser's window closes without a word."""
    before = registered(site)
    w.close()
    lib.wait_for("the contact to go", lambda: registered(site) == before - 1)
    tap.ok(True, "a connection that breaks takes its contact with it")
    a = Call(pbx, ("127.0.0.1", site.v["kam"]), f"sip:webby@{WEB_DOMAIN}").invite()
    m = a.status()
    tap.ok(m.status in (430, 480), "and a call to it is refused at once", m.start)


def leaving(tap, site, alice, kam, pbx):
    before = registered(site)
    alice.stop()
    end = pbx.expect("SUBSCRIBE")
    pbx.answer(end, 200, "OK", headers=("Expires: 0",))
    tap.ok(end.get("Expires") == "0", "a phone that leaves ends its subscription", end.data.decode())
    lib.wait_for("the contact to go", lambda: registered(site) == before - 1)
    tap.ok(re.search(r"SEEN register alice contact=.*expires=0", kam.text()), "a phone that leaves is taken back at the registrar too")


def local(tap, site, pbx):
    before = registered(site)
    dora = phone(site, "dora", OWN_DOMAIN, OWN_PASSWORD, ";mwi=no")
    lib.wait_for("a registration", lambda: registered(site) == before + 1)
    tap.ok(True, "with auth: local a phone proves its password to us")
    dora.dial(f"sip:300@{OWN_DOMAIN}")
    invite = pbx.expect("INVITE")
    pbx.answer(invite, 200, "OK", pbx.sdp())
    pbx.expect("ACK")
    tap.ok(f"dora@{INSIDE}" in invite.get("From"), "and may call; to a trunk that is not its registrar it is a number of ours", invite.get("From"))
    b = Call(pbx, invite=invite)
    pbx.send(b.request("BYE"), b.to)
    tap.ok(pbx.expect(*range(200, 700)).status == 200, "and is hung up on")
    dora.wait_event("CALL_CLOSED")
    a = Call(pbx, (INSIDE, site.v["udp_port"]), f"sip:dora@{OWN_DOMAIN}").invite()
    ok = a.status(15)
    tap.ok(ok.status == 200, "and be called by its address", ok.start)
    pbx.send(a.request("BYE"), a.to)
    pbx.expect(200)
    dora.wait_event("CALL_CLOSED")
    return dora


def shape(m):
    """An answer without what is new in each."""
    text = re.sub(r'nonce="[^"]*"', "nonce", m.data.decode())
    return re.sub(r"(?im)^(via|from|to|call-id|cseq|contact):.*\r\n", "", text)


def guessing(tap, site, kam):
    """C10: who is there and who is not."""
    to = (OUTSIDE, site.v["tls_port"])
    p = Party(PHONE_OUT, "tls", client_context=sip.tls_context(site.ca))
    for domain, known, who in ((DOMAIN, "alice", "the registrar's"), (OWN_DOMAIN, "dora", "our own")):
        a, b = attempt(p, known, domain, "wr0ng", to)[0], attempt(p, "nobody", domain, "wr0ng", to)[0]
        tap.ok(a.status == 401 and shape(a) == shape(b), f"a wrong password and an unknown user get the same answer, {who}", shape(a) + shape(b))
    times = {"dora": [], "nobody": []}
    for _ in range(200):  # in turn: what the machine does meanwhile meets both alike
        for user, list_ in times.items():
            list_.append(attempt(p, user, OWN_DOMAIN, "wr0ng", to)[1])
    known, unknown = (statistics.median(t) for t in times.values())
    tap.ok(max(known, unknown) < 1.5 * min(known, unknown) + 0.0002, "and in the same time", f"{known * 1e6:.0f} µs, {unknown * 1e6:.0f} µs")
    p.close()


def play(tap, folder):
    if not shutil.which("kamailio"):
        tap.ok(True, "Debian's Kamailio is not installed # SKIP")
        return
    pbx, kam_port, password_file = Party("127.0.0.1"), lib.free_port(), os.path.join(folder, "password")
    with open(password_file, "w") as f:
        f.write(OWN_PASSWORD + "\n")
    site = Site(folder, CONFIG, asan=True, wss=lib.free_port(OUTSIDE), kam=kam_port, password_file=password_file)
    config = os.path.join(folder, "kamailio.cfg")
    with open(config, "w") as f:
        f.write(KAMAILIO.format(kam=kam_port, modules=modules(), inside=INSIDE, password=PASSWORD, pbx_port=pbx.port))
    kam = lib.Process("kamailio", ["kamailio", "-f", config, "-DD", "-E", "-w", folder, "-Y", folder, "-m", "32", "-M", "8"], folder)
    lib.wait_for("Kamailio to listen", lambda: sip_answers(kam_port) or kam.p.poll() is not None)
    tap.ok(kam.p.poll() is None, "Kamailio starts", kam.text()[-2000:])
    site.start()
    alice = registration(tap, site, kam)
    mwi(tap, alice, pbx)
    calls(tap, site, alice, pbx)
    messages(tap, site, alice, pbx)
    w = browser(tap, site, kam, pbx)
    guessing(tap, site, kam)
    refresh(tap, site, alice, kam)
    broken(tap, site, w, pbx)
    dora = local(tap, site, pbx)
    leaving(tap, site, alice, kam, pbx)
    dora.stop()
    lib.wait_for("nobody to be registered", lambda: registered(site) == 0)
    lib.wait_for("no calls", lambda: site.status()["calls"] == 0)
    show = site.command("status").stdout
    said = site.sbc.text() + show + repr(site.cdrs())
    tap.ok(PASSWORD not in said and OWN_PASSWORD not in said and "response=" not in said, "no password and no proof of one is in the log, the status or a CDR")
    tap.ok(site.stop() == (0, 0), "both end in order, with nothing leaked", site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
