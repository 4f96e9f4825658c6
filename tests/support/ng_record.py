#!/usr/bin/env python3
"""Requests of real NG clients and what Debian's rtpengine answers: records them into tests/data/ng, and replays them.

    ng_record.py capture   Debian's Kamailio (rtpengine module) through a tap: kamailio.json
    ng_record.py npm       npm's rtpengine-client, from node_modules in the folder that NODE_PATH names: npm.json
    ng_record.py forms     what OpenSIPS, jambonz and others send, written down from their sources: forms.json
    ng_record.py replies   replays every file to Debian's rtpengine and writes its replies into them

A file is a list of scenarios {name, client, steps: [{request, reply}]}: requests are datagrams as they were on the wire, replies are
decoded. tests/e2e/plays/ng_parity.py replays them to our relay and compares.
"""
import json, os, re, shutil, socket, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import lib
from relay_ng import decode, encode

DATA = os.path.join(HERE, "..", "data", "ng")
PUB, PRIV = "127.0.0.1", "127.0.0.2"


# ------------------------------------------------------------------ relays
_ports = {}


def ports(who):
    """The same for each start of one relay."""
    if who not in _ports:
        _ports[who] = lib.free_port(), lib.free_port(span=200, even=True)
    return _ports[who]


def start_rtpengine(folder):
    ng, media = ports("rtpengine")
    p = lib.Process("rtpengine", ["rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--config-file=none", "--table=-1", f"--interface=pub/{PUB}",
                                  f"--interface=priv/{PRIV}", f"--listen-ng=127.0.0.1:{ng}", "--delete-delay=0", f"--port-min={media}",
                                  f"--port-max={media + 199}"], folder)
    lib.wait_for("rtpengine", lambda: ping(ng) or p.p.poll() is not None)
    return p, ng


def start_ours(folder, asan=False):
    ng, media = ports("ours")
    p = lib.Process("ours", [lib.binary("sallyport-rtpproxy", asan), "--foreground", f"--interface=pub/{PUB}", f"--interface=priv/{PRIV}",
                             f"--listen-ng=127.0.0.1:{ng}", "--delete-delay=0", f"--port-min={media}", f"--port-max={media + 199}"], folder)
    p.wait_text("event=ready")
    return p, ng


def ping(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)
        try:
            s.sendto(b"1_1 d7:command4:pinge", ("127.0.0.1", port))
            return s.recv(1000)
        except OSError:
            return None


def parse(datagram):
    """(cookie, value) of a request or reply, in either notation."""
    cookie, _, body = datagram.partition(b" ")
    if body[:1] == b"{":
        return cookie, json.loads(body)
    return cookie, decode(body)[0]


def replay(port, scenario):
    """The replies, decoded; None where none came in half a second."""
    out = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        s.connect(("127.0.0.1", port))
        for step in scenario["steps"]:
            s.send(step["request"].encode("latin-1"))
            try:
                cookie, reply = parse(s.recv(65536))
                same = cookie == step["request"].encode("latin-1").partition(b" ")[0]
                out.append(reply if same else {"cookie": "another"})
            except socket.timeout:
                out.append(None)
    return out


# ------------------------------------------------------------------ comparing
SIMPLE = [
    (re.compile(r"^(m=\S+) (?!0 )\d+ "), r"\1 PORT "),
    (re.compile(r"^a=rtcp:\d+"), "a=rtcp:PORT"),
    (re.compile(r"^(a=crypto:\d+ \S+) inline:[^|\s]+"), r"\1 inline:KEY"),
    (re.compile(r"^a=ice-ufrag:.*"), "a=ice-ufrag:X"),
    (re.compile(r"^a=ice-pwd:.*"), "a=ice-pwd:X"),
    (re.compile(r"^a=fingerprint:(\S+) .*"), r"a=fingerprint:\1 X"),
    (re.compile(r"^a=tls-id:.*"), "a=tls-id:X"),
    (re.compile(r"^a=rtpengine:.*"), "a=rtpengine:X"),
    (re.compile(r"^a=candidate:\S+ (\d) (\S+) \d+ (\S+) \d+ typ (\S+)"), r"a=candidate:X \1 \2 PRIO \3 PORT typ \4"),
]
# What differs from run to run, or says who it is.
VOLATILE = re.compile(r"(^|\.)(created|created_us|last signal|last redis update|last packet|last user packet|last kernel packet|local port|port|bridge|reported at|"
                      r"uptime|tls id|created_from|created from)$")


def sdp_lines(text):
    """{section: [line]}: 'session', 'audio 0', 'video 1' …; lines simplified."""
    out, name = {"session": []}, "session"
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line:
            continue
        if line.startswith("m="):
            name = f"{line[2:].split(' ')[0]} {len(out) - 1}"
            out[name] = []
        for pattern, text in SIMPLE:
            line = pattern.sub(text, line)
        out[name].append(line)
    return out


def flatten(value, path=""):
    """Lines "path = value" of a reply; an SDP is lines of its sections."""
    if isinstance(value, dict):
        out = [] if value else [f"{path} = {{}}"]
        for k, v in value.items():
            out += flatten(v, f"{path}.{k}" if path else k)
        return out
    if isinstance(value, list):
        out = [] if value else [f"{path} = []"]
        for i, v in enumerate(value):
            out += flatten(v, f"{path}[{i}]")
        return out
    if path == "sdp":
        sections = sdp_lines(value)
        order = " ".join(l[:2] if l[1:2] == "=" else l for l in sections["session"])
        return [f"sdp {s}: {l}" for s, ls in sections.items() for l in ls] + [f"sdp session order: {order}"]
    if VOLATILE.search(path):
        return [f"{path} = *"]
    return [f"{path} = {value}"]


def compare(theirs, ours):
    """Lines that only one of the two has: "- line" theirs alone, "+ line" ours alone."""
    a, b = (flatten(x) if x is not None else ["no reply"] for x in (theirs, ours))
    rest = list(b)
    out = []
    for line in a:
        if line in rest:
            rest.remove(line)
        else:
            out.append("- " + line)
    return out + ["+ " + line for line in rest]


# ------------------------------------------------------------------ what is asked
CRYPTO = "a=crypto:1 AEAD_AES_256_GCM inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ\r\n"
CRYPTO_CM = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G\r\n"


def sdp(port, proto="RTP/AVP", formats="0 8 101", more="a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n", address="127.0.0.1", head="", kind="audio",
        who="alice", version=1):
    return (f"v=0\r\no={who} 7 {version} IN IP4 127.0.0.1\r\ns=call\r\nc=IN IP4 {address}\r\nt=0 0\r\n{head}"
            f"m={kind} {port} {proto} {formats}\r\n{more}")


PLAIN = "trust-address replace-origin replace-session-connection ICE=remove RTP/AVP"
VIDEO = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n"
WEBRTC = ("a=rtpmap:101 telephone-event/8000\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 " + ":".join(["AB"] * 32) +
          "\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\na=candidate:1 1 UDP 2130706431 127.0.0.1 4000 typ host\r\na=sendrecv\r\n")
# name, the script's flags of offer and answer, SDP of the caller, of the callee, what else the script does
KAMAILIO = [
    ("plain", PLAIN, sdp(4000), sdp(5000, who="bob"), ""),
    ("no flags at all", "", sdp(4000), sdp(5000, who="bob"), ""),
    ("two interfaces", PLAIN + " direction=pub direction=priv", sdp(4000), sdp(5000, who="bob"), ""),
    ("an unknown interface", PLAIN + " direction=pub direction=nowhere", sdp(4000), sdp(5000, who="bob"), ""),
    ("codecs are stripped", PLAIN + " codec-strip-PCMA codec-strip-telephone-event", sdp(4000), sdp(5000, formats="0", more="", who="bob"), ""),
    ("a codec is excepted", PLAIN + " codec-strip-all codec-except-PCMA", sdp(4000), sdp(5000, formats="8", more="", who="bob"), ""),
    ("a codec order is offered", PLAIN + " codec-strip-all codec-offer-PCMA codec-offer-PCMU", sdp(4000), sdp(5000, formats="8", more="", who="bob"), ""),
    ("nothing is left of the codecs", PLAIN + " codec-strip-all", sdp(4000), sdp(5000, who="bob"), ""),
    ("no rtcp attribute", PLAIN + " no-rtcp-attribute", sdp(4000), sdp(5000, who="bob"), ""),
    ("full rtcp attribute", PLAIN + " full-rtcp-attribute", sdp(4000), sdp(5000, who="bob"), ""),
    ("rtcp-mux is offered", PLAIN + " rtcp-mux-offer", sdp(4000), sdp(5000, who="bob"), ""),
    ("rtcp-mux is required", PLAIN + " rtcp-mux-require", sdp(4000), sdp(5000, more="a=rtcp-mux\r\n", formats="0", who="bob"), ""),
    ("rtcp-mux of the caller is passed on", PLAIN, sdp(4000, more="a=rtcp-mux\r\n", formats="0"), sdp(5000, more="a=rtcp-mux\r\n", formats="0", who="bob"), ""),
    ("rtcp-mux of the caller ends here", PLAIN + " rtcp-mux-demux", sdp(4000, more="a=rtcp-mux\r\n", formats="0"), sdp(5000, formats="0", more="", who="bob"), ""),
    ("media address", PLAIN + " media-address=192.0.2.1", sdp(4000), sdp(5000, who="bob"), ""),
    ("the address of the SIP message counts", "SIP-source-address RTP/AVP ICE=remove", sdp(4000, address="192.0.2.9"), sdp(5000, who="bob"), ""),
    ("plain is offered as SRTP", "trust-address replace-origin ICE=remove RTP/SAVP DTLS=off SDES-no-NULL_HMAC_SHA1_80", sdp(4000),
     sdp(5000, proto="RTP/SAVP", more=CRYPTO, formats="0", who="bob"), "answer RTP/AVP"),
    ("SRTP is offered as plain", "trust-address replace-origin ICE=remove RTP/AVP DTLS=off", sdp(4000, proto="RTP/SAVP", more=CRYPTO_CM, formats="0"),
     sdp(5000, formats="0", more="", who="bob"), "answer RTP/SAVP"),
    ("feedback is taken away", PLAIN, sdp(4000, proto="RTP/AVPF", more="a=rtcp-fb:* nack\r\n", formats="0"), sdp(5000, formats="0", more="", who="bob"),
     "answer RTP/AVPF"),
    ("audio and video", PLAIN, sdp(4000, formats="0", more="a=sendrecv\r\n" + VIDEO), sdp(5000, formats="0", more=VIDEO.replace("4002", "5002"), who="bob"), ""),
    ("video is refused", PLAIN, sdp(4000, formats="0", more=VIDEO), sdp(5000, formats="0", more="m=video 0 RTP/AVP 96\r\n", who="bob"), ""),
    ("video is removed", PLAIN + " sdp-media-remove-video", sdp(4000, formats="0", more=VIDEO), sdp(5000, formats="0", more="m=video 0 RTP/AVP 96\r\n", who="bob"), ""),
    ("sendonly", PLAIN, sdp(4000, formats="0", more="a=sendonly\r\n"), sdp(5000, formats="0", more="a=recvonly\r\n", who="bob"), ""),
    ("held by its address", PLAIN, sdp(4000, address="0.0.0.0", formats="0", more=""), sdp(5000, formats="0", more="", who="bob"), ""),
    ("ptime and unknown attributes", PLAIN, sdp(4000, formats="0", more="a=ptime:20\r\na=x-unknown:1\r\na=rtcp:4001\r\n", head="a=group:LS 1\r\nb=AS:80\r\n"),
     sdp(5000, formats="0", more="a=maxptime:40\r\n", who="bob"), ""),
    ("fax over UDPTL", PLAIN, sdp(4000, kind="image", proto="udptl", formats="t38", more="a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"),
     sdp(5000, kind="image", proto="udptl", formats="t38", more="a=T38FaxVersion:0\r\n", who="bob"), ""),
    ("a browser calls a phone", "trust-address replace-origin ICE=remove RTP/AVP rtcp-mux-demux DTLS=passive",
     sdp(4000, proto="UDP/TLS/RTP/SAVPF", more=WEBRTC), sdp(5000, who="bob"), "answer ICE=force UDP/TLS/RTP/SAVPF rtcp-mux-accept"),
    ("a phone calls a browser", "trust-address replace-origin ICE=force UDP/TLS/RTP/SAVPF rtcp-mux-offer generate-mid SDES-off", sdp(4000),
     sdp(5000, proto="UDP/TLS/RTP/SAVPF", more=WEBRTC.replace("4000 typ", "5000 typ").replace("actpass", "active"), who="bob"), "answer ICE=remove RTP/AVP"),
    ("with recording, labels and much else",
     "trust-address replace-origin replace-session-connection ICE=remove RTP/AVP direction=pub direction=priv strict-source port-latching symmetric label=caller "
     "via-branch=auto delete-delay=0 TOS=184 received-from=127.0.0.1 repacketize=20 asymmetric", sdp(4000), sdp(5000, who="bob"), ""),
    ("blocked and queried", PLAIN, sdp(4000), sdp(5000, who="bob"), "block"),
]

CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
auto_aliases=no
disable_tcp=yes
dns=no
rev_dns=no
use_dns_cache=no
listen=udp:127.0.0.1:{sip}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{ng}")
request_route {{
	if (is_method("ACK")) exit;
	if (has_totag()) {{
		loose_route();
		if (is_method("BYE")) {{
{bye}
			rtpengine_delete();
		}}
		$du = "sip:127.0.0.1:{callee}";
		t_relay();
		exit;
	}}
	record_route();
{offers}
	t_on_reply("MEDIA");
	$du = "sip:127.0.0.1:{callee}";
	t_relay();
}}
onreply_route[MEDIA] {{
{answers}
}}
"""


def modules():
    for folder in ("/usr/lib/x86_64-linux-gnu/kamailio/modules/", "/usr/lib/aarch64-linux-gnu/kamailio/modules/"):
        if os.path.isdir(folder):
            return folder
    return "/usr/lib/kamailio/modules/"


class Tap(threading.Thread):
    """Passes datagrams between a client and a relay and keeps what the client said."""

    def __init__(self, relay):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", 0))
        self.port, self.relay, self.requests, self.client = self.s.getsockname()[1], relay, [], None
        self.start()

    def run(self):
        while True:
            data, who = self.s.recvfrom(65536)
            if who[1] == self.relay:
                self.s.sendto(data, self.client)
                continue
            self.client = who
            if b"7:command4:ping" not in data:
                self.requests.append(data.decode("latin-1"))
            self.s.sendto(data, ("127.0.0.1", self.relay))


def message(first, call, cseq, method, to_tag, body, branch, routes=""):
    return (f"{first}\r\nVia: SIP/2.0/UDP 127.0.0.1:{message.port};branch=z9hG4bK-{branch}\r\nMax-Forwards: 70\r\n{routes}"
            f"From: <sip:a@127.0.0.1>;tag=from-{call}\r\nTo: <sip:b@127.0.0.1>{';tag=' + to_tag if to_tag else ''}\r\nCall-ID: {call}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:a@127.0.0.1:{message.port}>\r\n"
            + (f"Content-Type: application/sdp\r\n" if body else "") + f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def callee(s, bodies):
    """Answers every INVITE with its SDP, everything else with 200."""
    while True:
        data, who = s.recvfrom(65536)
        head = data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        method = head[0].split(" ")[0]
        if method == "ACK":
            continue
        number = re.search(r"sip:s(\d+)@", head[0])
        body = bodies[int(number.group(1))] if method == "INVITE" and number else ""
        keep = [l for l in head[1:] if re.match(r"(Via|From|To|Call-ID|CSeq|Record-Route):", l, re.I)]
        keep = [l + ";tag=to" if re.match(r"To:", l, re.I) and "tag=" not in l else l for l in keep]
        s.sendto(("SIP/2.0 200 OK\r\n" + "\r\n".join(keep) + f"\r\nContact: <sip:b@127.0.0.1:{s.getsockname()[1]}>\r\n" +
                  ("Content-Type: application/sdp\r\n" if body else "") + f"Content-Length: {len(body)}\r\n\r\n{body}").encode(), who)


def capture():
    folder = tempfile.mkdtemp(prefix="sallyport-ng-record-")
    _, relay = start_rtpengine(folder)
    tap = Tap(relay)
    sip, down = lib.free_port(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    down.bind(("127.0.0.1", 0))
    threading.Thread(target=callee, args=(down, [k[3] for k in KAMAILIO]), daemon=True).start()
    offers = "".join(f'\tif ($rU == "s{i}") rtpengine_offer("{flags}");\n' for i, (_, flags, _, _, _) in enumerate(KAMAILIO))
    answers = ""
    for i, (_, flags, _, _, what) in enumerate(KAMAILIO):
        answers += f'\tif ($ci =~ "-{i}@") rtpengine_answer("{what[7:] + " trust-address replace-origin" if what.startswith("answer ") else flags}");\n'
    bye = ('\t\t\tif ($ci =~ "block") {\n\t\t\t\tblock_media("directional"); unblock_media("directional"); block_dtmf(); unblock_dtmf();\n'
           '\t\t\t\trtpengine_query(); start_recording(); stop_recording(); silence_media(); play_dtmf("code=5");\n\t\t\t}')
    bye = bye.replace("silence_media(); ", "")
    config = os.path.join(folder, "kamailio.cfg")
    with open(config, "w") as f:
        f.write(CONFIG.format(sip=sip, ng=tap.port, callee=down.getsockname()[1], offers=offers, answers=answers, bye=bye, modules=modules()))
    kam = lib.Process("kamailio", ["kamailio", "-f", config, "-DD", "-E", "-w", folder, "-Y", folder, "-m", "32", "-M", "8"], folder)
    lib.wait_for("Kamailio", lambda: "rtpengine" in kam.text() and tap.client or kam.p.poll() is not None)
    up = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    up.bind(("127.0.0.1", 0))
    up.settimeout(5)
    message.port = up.getsockname()[1]
    scenarios = []
    for i, (name, flags, offer, _, what) in enumerate(KAMAILIO):
        call, tap.requests = f"{'block' if what == 'block' else 'call'}-{i}@127.0.0.1", []
        up.sendto(message(f"INVITE sip:s{i}@127.0.0.1 SIP/2.0", call, 1, "INVITE", "", offer, f"i{i}"), ("127.0.0.1", sip))
        while not up.recv(65536).startswith(b"SIP/2.0 200"):
            pass
        up.sendto(message(f"BYE sip:s{i}@127.0.0.1:{down.getsockname()[1]} SIP/2.0", call, 2, "BYE", "to", "", f"b{i}",
                          f"Route: <sip:127.0.0.1:{sip};lr>\r\n"), ("127.0.0.1", sip))
        while not b"BYE" in up.recv(65536):
            pass
        scenarios.append({"name": name, "client": f"Kamailio 5.6.3, \"{flags}\"", "steps": [{"request": r, "reply": None} for r in tap.requests]})
    save("kamailio", scenarios)


# What other clients send, by their sources: the order of keys is theirs.
def forms():
    opensips = [("supports", ["load limit"])]
    out = []

    def scenario(name, client, cookie, *commands, form=encode):
        steps = []
        for n, command in enumerate(commands):
            body = form(dict(command)) if not isinstance(command, bytes) else command
            body = body.encode() if isinstance(body, str) else body
            steps.append({"request": (cookie % n if "%" in cookie else cookie).encode().decode("latin-1") + " " + body.decode("latin-1"), "reply": None})
        out.append({"name": name, "client": client, "steps": steps})

    o = "OpenSIPS 3.4, rtpengine module"
    scenario("OpenSIPS: a call", o, "4711_77_%d",
             opensips + [("sdp", sdp(4000)), ("replace", ["session-connection"]), ("flags", ["trust-address"]), ("ICE", "remove"), ("transport-protocol", "RTP/AVP"),
                         ("call-id", "os-1"), ("via-branch", "z9hG4bK1"), ("received-from", ["IP4", "127.0.0.1"]), ("from-tag", "a"), ("command", "offer")],
             opensips + [("sdp", sdp(5000, who="bob")), ("replace", ["session-connection", "origin"]), ("call-id", "os-1"), ("received-from", ["IP4", "127.0.0.1"]),
                         ("from-tag", "a"), ("to-tag", "b"), ("command", "answer")],
             opensips + [("call-id", "os-1"), ("command", "query")],
             opensips + [("call-id", "os-1"), ("command", "delete")])
    scenario("OpenSIPS: a delete of what is not there", o, "4711_78_%d", opensips + [("call-id", "none"), ("command", "delete")],
             opensips + [("flags", ["fatal"]), ("call-id", "none"), ("command", "delete")])
    j = "jambonz, sbc-inbound"
    side = {"replace": ["origin", "session-connection"], "record call": "no", "direction": ["pub", "priv"], "codec": {"mask": "g729", "transcode": "pcmu,pcma"},
            "transport protocol": "RTP/AVP", "DTLS": "off", "SDES": "off", "ICE": "remove", "rtcp-mux": ["accept"],
            "flags": ["port latching", "inject DTMF", "strict source", "trust address"]}
    scenario("jambonz: a call", j, "0b9d8f6e-1111-4222-8333-44445555666%d",
             {**side, "call-id": "jb-1", "from-tag": "a", "sdp": sdp(4000), "command": "offer"},
             {**side, "call-id": "jb-1", "from-tag": "a", "to-tag": "b", "sdp": sdp(5000, who="bob"), "command": "answer"},
             {"call-id": "jb-1", "from-tag": "a", "command": "delete"})
    scenario("jambonz: the health check's statistics", j, "0b9d8f6e-1111-4222-8333-44445555667%d", {"command": "statistics"})
    c = "Any client"
    text = lambda d: json.dumps(d)
    scenario("JSON", c, "json_%d", {"command": "ping"}, {"command": "offer", "call-id": "js-1", "from-tag": "a", "ICE": "remove", "sdp": sdp(4000)},
             {"command": "answer", "call-id": "js-1", "from-tag": "a", "to-tag": "b", "ICE": "remove", "sdp": sdp(5000, who="bob")},
             {"command": "query", "call-id": "js-1", "from-tag": "b"}, {"command": "delete", "call-id": "js-1", "from-tag": "a"}, form=text)
    scenario("errors", c, "err_%d", b"hello", b"d", b"{", b"de", {"command": "pong"}, {"command": "offer"}, {"command": "offer", "sdp": sdp(4000)},
             {"command": "offer", "sdp": sdp(4000), "call-id": "e"}, {"command": "answer", "sdp": sdp(4000), "call-id": "e", "from-tag": "a"},
             {"command": "answer", "sdp": sdp(4000), "call-id": "e", "from-tag": "a", "to-tag": "b"}, {"command": "offer", "sdp": "rubbish", "call-id": "e", "from-tag": "a"},
             {"command": "offer", "sdp": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", "call-id": "e", "from-tag": "a"},
             {"command": "offer", "sdp": sdp(4000), "call-id": "e", "from-tag": "a", "to-tag": "a"}, {"command": "query"}, {"command": "query", "call-id": "none"},
             {"command": "delete"}, {"command": "delete", "call-id": "none"}, {"command": "delete", "call-id": "none", "flags": ["fatal"]}, {"command": "list"})
    scenario("commands about no call", c, "none_%d", *({"command": x, "call-id": "none"} for x in (
        "start recording", "stop recording", "block media", "unblock media", "block DTMF", "unblock DTMF", "silence media", "unsilence media", "start forwarding",
        "stop forwarding", "play media", "stop media", "play DTMF", "subscribe request", "subscribe answer", "unsubscribe")))
    offer = {"command": "offer", "call-id": "bl", "from-tag": "a", "ICE": "remove", "label": "caller", "sdp": sdp(4000)}
    answer = {"command": "answer", "call-id": "bl", "from-tag": "a", "to-tag": "b", "ICE": "remove", "sdp": sdp(5000, who="bob")}
    scenario("blocked by party", c, "blk_%d", offer, answer, {"command": "block media", "call-id": "bl", "from-tag": "a"},
             {"command": "block media", "call-id": "bl", "label": "caller"}, {"command": "block media", "call-id": "bl", "label": "nobody", "flags": ["directional"]},
             {"command": "block media", "call-id": "bl", "from-tag": "nobody", "flags": ["directional"]},
             {"command": "unblock media", "call-id": "bl", "address": "127.0.0.1"}, {"command": "block DTMF", "call-id": "bl"},
             {"command": "list"}, {"command": "delete", "call-id": "bl"}, {"command": "list"})
    hold = {**offer, "call-id": "re"}
    scenario("hold, resume, delete by each tag", c, "re_%d", hold, {**answer, "call-id": "re"}, {**hold, "to-tag": "b", "sdp": sdp(4000, more="a=sendonly\r\n", formats="0", version=2)},
             {**answer, "call-id": "re", "sdp": sdp(5000, more="a=recvonly\r\n", formats="0", who="bob", version=2)},
             {"command": "offer", "call-id": "re", "from-tag": "b", "to-tag": "a", "ICE": "remove", "sdp": sdp(5000, formats="0", more="", who="bob", version=3)},
             {"command": "answer", "call-id": "re", "from-tag": "b", "to-tag": "a", "ICE": "remove", "sdp": sdp(4000, formats="0", more="", version=3)},
             {"command": "query", "call-id": "re", "from-tag": "b", "to-tag": "a"}, {"command": "delete", "call-id": "re", "from-tag": "b", "to-tag": "a", "flags": ["to-tag"]},
             {"command": "query", "call-id": "re"})
    fork = {**offer, "call-id": "fk", "via-branch": "1"}
    scenario("a parallel fork", c, "fk_%d", fork, {**fork, "via-branch": "2"}, {**answer, "call-id": "fk", "via-branch": "2"},
             {"command": "delete", "call-id": "fk", "from-tag": "a", "via-branch": "1"}, {"command": "delete", "call-id": "fk", "from-tag": "a"}, {"command": "list"})
    scenario("loop protect", c, "lp_%d", {**offer, "call-id": "lp", "flags": ["loop protect"]})
    scenario("sdp-attr", c, "sa_%d", {**offer, "call-id": "sa", "sdp-attr": {"audio": {"add": ["ptime:20"], "remove": ["fmtp:101 0-15"]}, "none": {"add": ["x:1"]}}})
    scenario("single codec", c, "sc_%d", {**offer, "call-id": "sc"}, {**answer, "call-id": "sc", "flags": ["single codec"]})
    scenario("origin and session name are kept", c, "or_%d", {**offer, "call-id": "or", "replace": ["origin", "username", "session name", "SDP version"]})
    scenario("repeated", c, "same", {**offer, "call-id": "rp"}, {**offer, "call-id": "rp"})
    save("forms", out)


NPM = """
const { Client } = require('rtpengine-client');
const c = new Client({timeout: 1500});
const sdp = JSON.parse(process.argv[2]), port = parseInt(process.argv[3]);
const at = {port, host: '127.0.0.1'};
(async () => {
  const id = {'call-id': 'npm-1', 'from-tag': 'a'};
  const more = {'ICE': 'remove', 'replace': ['origin', 'session-connection'], 'flags': ['trust address'], 'record call': false, 'volume': 1.5};
  for (const [name, opts] of [['ping', {}], ['offer', {...id, ...more, sdp: sdp[0]}], ['answer', {...id, ...more, 'to-tag': 'b', sdp: sdp[1]}],
      ['query', id], ['list', {}], ['blockMedia', id], ['unblockMedia', id], ['blockDTMF', id], ['unblockDTMF', id], ['statistics', {}], ['delete', id]]) {
    try { await c[name](at, opts); } catch (e) { console.error(name, e.message); }
  }
  c.close();
})();
"""


def npm():
    folder = tempfile.mkdtemp(prefix="sallyport-ng-record-")
    _, relay = start_rtpengine(folder)
    tap = Tap(relay)
    keep = tap.requests
    subprocess.run(["node", "-e", NPM, "x", json.dumps([sdp(4000), sdp(5000, who="bob")]), str(tap.port)], check=True)
    save("npm", [{"name": "npm: a call", "client": "npm rtpengine-client 0.4.12 over UDP", "steps": [{"request": r, "reply": None} for r in keep]}])


# ------------------------------------------------------------------ files
def files():
    return sorted(f[:-5] for f in os.listdir(DATA) if f.endswith(".json") and f != "differences.json")


def load(name):
    with open(os.path.join(DATA, name + ".json")) as f:
        return json.load(f)


def save(name, scenarios):
    with open(os.path.join(DATA, name + ".json"), "w") as f:
        json.dump(scenarios, f, indent=1)
        f.write("\n")
    print(f"{name}: {len(scenarios)} scenarios, {sum(len(s['steps']) for s in scenarios)} requests")


def replies():
    folder = tempfile.mkdtemp(prefix="sallyport-ng-record-")
    for name in files():
        scenarios = load(name)
        for s in scenarios:
            p, port = start_rtpengine(folder)
            for step, reply in zip(s["steps"], replay(port, s)):
                step["reply"] = reply
            p.stop()
        save(name, scenarios)


if __name__ == "__main__":
    try:
        {"capture": capture, "forms": forms, "npm": npm, "replies": replies}[sys.argv[1]]()
    finally:
        lib.stop_all()
