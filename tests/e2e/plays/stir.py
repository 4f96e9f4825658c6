#!/usr/bin/env python3
"""STIR/SHAKEN with Debian's Kamailio and its module secsipid: it verifies what we sign, we verify what it signs, with certificates from an HTTPS
server of the play. And what an attacker may try with the address of a certificate."""
import os, re, select, socket, ssl, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from sallyport_site import Site
from kamailio_rtpengine import modules

CARRIER, ALICE, BOB = "127.0.0.41", "+12155551212", "+12155551213"
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
trust_anchors: {{ demo: {ca} }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: {outside}, port: {out_port} }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    acl: {{ allow: [127.0.0.0/8], default: reject }}
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
identity:
  signer: {{ certificate_url: "https://localhost:{https}/sp.pem", key: {sp_key}, attest: {{ default: B, owned: A }} }}
  verifier:
    anchors: {sti_ca}
    https: demo
    hosts: ["localhost:{https}"]
    networks: [{networks}]
    fetch_timeout: 2s
  policies:
    strict: {{ missing: reject 428 }}
trunks:
  carrier:
    realm: outside
    peers: [ {{ target: "sip:{carrier}:{kam}" }} ]
    identify: {{ source: [{carrier}/32] }}
    identity: {{ sign: true, verify: strict }}
  pbx:
    realm: inside
    peers: [ {{ target: "sip:127.0.0.1:{pbx}" }} ]
    identify: {{ source: [127.0.0.1/32] }}
    identity: {{ owns: ["+12155551*"] }}
routes:
  - {{ name: in, when: {{ from: carrier }}, to: [pbx] }}
  - {{ name: out, when: {{ from: pbx }}, to: [carrier] }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: debug, sip: on }}
"""
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
listen=udp:{carrier}:{kam}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "secsipid.so"
modparam("secsipid", "expire", 60)
request_route {{
	if (is_method("ACK|CANCEL")) {{
		if (t_check_trans()) t_relay();
		exit;
	}}
	if ($si == "{outside}") {{
		if (!is_present_hf("Identity")) sl_send_reply("428", "Use Identity Header");
		else if (secsipid_check_identity("{sp_pub}")) sl_send_reply("486", "It holds");
		else sl_send_reply("438", "It does not hold");
		exit;
	}}
	if (is_present_hf("X-Sign")) secsipid_add_identity("$fU", "$rU", "A", "", "https://localhost:{https}$(hdr(X-Sign){{s.trim}})", "{sp_key}");
	remove_hf("X-Sign");
	$du = "sip:{outside}:{out_port}";
	t_relay();
}}
"""


class Server:
    """The certificates of a carrier; counts what is asked of it."""

    def __init__(self, folder, ca, files):
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                if self.path == "/moved.pem":
                    self.send_response(302)
                    self.send_header("Location", f"https://localhost:{outer.port}/sp.pem")
                    self.end_headers()
                    return
                if self.path == "/away.pem":
                    self.send_response(302)
                    self.send_header("Location", f"https://127.0.0.1:{outer.port}/sp.pem")
                    self.end_headers()
                    return
                if self.path == "/huge.pem":
                    body = b"x" * 200000
                elif self.path in files:
                    with open(files[self.path], "rb") as f:
                        body = f.read()
                else:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/pem-certificate-chain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        cert, key = ca.issue("localhost", "DNS:localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Party:
    """Asks and answers over UDP; each call ends with its first final answer."""

    def __init__(self, port=0):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", port))
        self.port, self.n = self.s.getsockname()[1], 0

    def send_invite(self, to, caller, called, headers=""):
        self.n += 1
        me = f"127.0.0.1:{self.port}"
        self.call = f"call{self.n}-{self.port}@play"
        self.head = (f"Via: SIP/2.0/UDP {me};branch=z9hG4bK-{self.n}-{self.port};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{caller}@{me}>;tag=t{self.n}\r\n"
                     f"Call-ID: {self.call}\r\nCSeq: 1 ")
        self.uri, self.to = f"sip:{called}@{to[0]}:{to[1]}", to
        self.s.sendto(f"INVITE {self.uri} SIP/2.0\r\n{self.head}INVITE\r\nTo: <{self.uri}>\r\nContact: <sip:x@{me}>\r\n{headers}Content-Length: 0\r\n\r\n".encode(), to)

    def final(self, seconds=10):
        """The final answer of our INVITE."""
        while True:
            m = self.receive(seconds)
            if m.startswith("SIP/2.0 1") or self.call not in m:
                continue
            tag = re.search(r"^To: .*$", m, re.M).group(0)
            self.s.sendto(f"ACK {self.uri} SIP/2.0\r\n{self.head}ACK\r\n{tag.strip()}\r\nContent-Length: 0\r\n\r\n".encode(), self.to)
            return m

    def receive(self, seconds=10):
        if not select.select([self.s], [], [], seconds)[0]:
            raise TimeoutError("nothing came")
        data, self.last = self.s.recvfrom(65536)
        return data.decode()

    def invited(self, seconds=10):
        """The INVITE that reaches us; it is answered 486."""
        while True:
            m = self.receive(seconds)
            if m.startswith("INVITE "):
                break
        keep = "\r\n".join(line for line in m.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq):", line))
        to = re.search(r"^To: .*$", m, re.M).group(0).strip() + ";tag=b"
        self.s.sendto(f"SIP/2.0 486 Busy Here\r\n{keep}\r\n{to}\r\nContent-Length: 0\r\n\r\n".encode(), self.last)
        return m


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def signer(folder, name, ca, numbers):
    """A certificate of RFC 8226 with a TNAuthList of `numbers` (openssl.cnf)."""
    base = os.path.join(folder, name)
    with open(base + ".ext", "w") as f:
        f.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n1.3.6.1.5.5.7.1.26=ASN1:SEQUENCE:list\n[list]\n" + numbers)
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", base + ".key")
    openssl("req", "-new", "-key", base + ".key", "-subj", "/CN=SHAKEN " + name, "-out", base + ".csr")
    openssl("x509", "-req", "-in", base + ".csr", "-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial", "-days", "5", "-extfile", base + ".ext", "-out", base + ".pem")
    openssl("ec", "-in", base + ".key", "-pubout", "-out", base + ".pub")
    os.chmod(base + ".key", 0o600)
    return base + ".pem", base + ".key", base + ".pub"


def play(tap, folder):
    if not os.path.exists(os.path.join(modules(), "secsipid.so")):
        print("1..0 # SKIP kamailio-secsipid-modules is not installed")
        sys.exit(0)
    sti = lib.Authority(os.path.join(folder, "sti"), "STI-CA of the play")
    rogue = lib.Authority(os.path.join(folder, "rogue"), "STI-CA of nobody")
    spc = "spc=EXPLICIT:0,IA5STRING:1234\n"
    sp = signer(folder, "sp", sti, spc)
    for name in ("rogue", "narrow"):  # the same key, other words about it
        openssl("req", "-new", "-key", sp[1], "-subj", "/CN=SHAKEN " + name, "-out", os.path.join(folder, name + ".csr"))
        with open(os.path.join(folder, name + ".ext"), "w") as f:
            f.write("basicConstraints=critical,CA:FALSE\n1.3.6.1.5.5.7.1.26=ASN1:SEQUENCE:list\n[list]\n" +
                    (spc if name == "rogue" else "one=EXPLICIT:2,IA5STRING:12155559999\n"))
        ca = rogue if name == "rogue" else sti
        openssl("x509", "-req", "-in", os.path.join(folder, name + ".csr"), "-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial", "-days", "5",
                "-extfile", os.path.join(folder, name + ".ext"), "-out", os.path.join(folder, name + ".pem"))
    ca = lib.Authority(os.path.join(folder, "ca"), "Sallyport throw-away CA")
    server = Server(folder, ca, {"/sp.pem": sp[0], "/rogue.pem": os.path.join(folder, "rogue.pem"), "/narrow.pem": os.path.join(folder, "narrow.pem"),
                                 "/none.pem": sp[2]})
    pbx, alice, kam = Party(), Party(), lib.free_port(CARRIER, socket.SOCK_DGRAM)
    values = dict(out_port=lib.free_port("127.0.0.10", socket.SOCK_DGRAM), https=server.port, sp_key=sp[1], sti_ca=sti.cert, carrier=CARRIER, kam=kam, pbx=pbx.port,
                  networks="127.0.0.0/8", sp_pub=sp[2])
    site = Site(os.path.join(folder, "site"), CONFIG, asan=os.environ.get("SALLYPORT_ASAN") == "1", **values)
    site.write(ca=ca.cert)
    site.start(relay=False)
    config = os.path.join(folder, "kamailio.cfg")
    with open(config, "w") as f:
        f.write(KAMAILIO.format(modules=modules(), **{**site.v}))
    k = lib.Process("kamailio", ["kamailio", "-f", config, "-DD", "-E", "-w", folder, "-Y", folder, "-m", "32", "-M", "8"], folder)
    lib.wait_for("Kamailio to listen", lambda: any(f":{kam:04X} " in line for line in open("/proc/net/udp")) or k.p.poll() is not None)
    tap.ok(k.p.poll() is None, "Kamailio starts with secsipid", k.text()[-1500:])

    # ---- we sign, it verifies
    inside = (site.v["inside"], site.v["udp_port"])
    pbx.send_invite(inside, ALICE, BOB)
    answer = pbx.final()
    tap.ok(answer.startswith("SIP/2.0 486"), "Kamailio verifies what we sign", answer + k.text()[-1500:])
    cdr = site.wait_cdrs(1)[-1]
    tap.ok(cdr.get("identity", {}).get("signed") == "A", "the record says that it was signed, with A for a number that the trunk owns", cdr)
    pbx.send_invite(inside, "+4930555", BOB)
    pbx.final()
    cdr = site.wait_cdrs(2)[-1]
    tap.ok(cdr.get("identity", {}).get("signed") == "B", "a number that it does not own is attested B", cdr)
    tap.ok(site.metric("sallyport_identity_signed_total", attest="A") == 1 and site.metric("sallyport_identity_signed_total", attest="B") == 1,
           "what was signed is counted by what it attests")

    # ---- it signs, we verify
    carrier, n = (CARRIER, kam), 2

    def comes(path, caller=ALICE, called=BOB):
        nonlocal n
        n += 1
        alice.send_invite(carrier, caller, called, f"X-Sign: {path}\r\n" if path else "")
        got = pbx.invited() if path in ("/sp.pem", "/moved.pem") else None
        return got, alice.final(), site.wait_cdrs(n)[-1]

    got, answer, cdr = comes("/sp.pem")
    tap.ok(";verstat=TN-Validation-Passed@" in got and "Identity:" not in got, "we verify what Kamailio signs, and the PBX is told so", got)
    tap.ok(cdr["identity"]["verstat"] == "passed" and cdr["identity"]["attest"] == "A" and cdr["identity"]["origid"], "the record has its attestation and origid", cdr)
    comes("/sp.pem")
    tap.ok(server.asked.count("/sp.pem") == 1, "the second call finds its certificate kept", server.asked)
    got, answer, cdr = comes("/moved.pem")
    tap.ok("TN-Validation-Passed" in got, "a redirect to an allowed host is followed", got)
    rows = [("/rogue.pem", 437, "credential", "a certificate of another authority is 437"),
            ("/narrow.pem", 437, "credential", "a certificate for other numbers is 437"),
            ("/none.pem", 437, "credential", "what is no certificate is 437"),
            ("/missing.pem", 436, "info", "a certificate that is not there is 436"),
            ("/huge.pem", 436, "info", "one beyond 64 KiB is 436"),
            ("/away.pem", 436, "info", "a redirect to a host that is not allowed is 436"),
            ("", 428, "missing", "a call without a signature is 428, as the policy says")]
    for path, status, fault, name in rows:
        got, answer, cdr = comes(path)
        tap.ok(answer.startswith(f"SIP/2.0 {status} ") and cdr["identity"]["fault"] == fault and cdr["cause"] == "policy:strict", name, answer + str(cdr))
    tap.ok(site.metric("sallyport_identity_verified_total", result="passed") == 3 and site.metric("sallyport_identity_verified_total", result="credential") == 3,
           "what was verified is counted by its result", re.findall("sallyport_identity_.*", site.page()))
    tap.ok(site.metric("sallyport_refused_total", stage="identity", rule="strict") == len(rows), "each refusal is counted with its rule")

    # ---- addresses that nobody named
    asked = len(server.asked)
    site.write(networks="192.0.2.0/24")
    tap.ok(site.command("reload").returncode == 0, "other networks, by reload")
    got, answer, cdr = comes("/away.pem")
    tap.ok(answer.startswith("SIP/2.0 436") and len(server.asked) == asked, "a host at a loopback address is not asked unless its network is named", answer)
    site.write(networks="127.0.0.0/8")
    site.command("reload")
    pbx.send_invite(inside, ALICE, BOB)
    tap.ok(pbx.final().startswith("SIP/2.0 486"), "the daemon still serves after all of this")
    tap.ok(sp_key_is_secret(site, sp[1]), "the key is in no log and no record")
    tap.ok(site.stop()[0] == 0, "the SBC ends cleanly", site.sbc.text()[-2000:])


def sp_key_is_secret(site, path):
    with open(path) as f:
        line = f.read().split("\n")[1]
    return line not in site.sbc.text() and line not in str(site.cdrs())


if __name__ == "__main__":
    sip.main(play)
