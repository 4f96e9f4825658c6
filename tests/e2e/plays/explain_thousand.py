#!/usr/bin/env python3
"""A thousand INVITEs by chance through a daemon whose configuration has every stage: of each, sallyport explain is asked first, over the control socket, with the
very octets that then come by UDP. Status and silence are what it said, and at the end the refusals of the metric are, rule by rule, those that were foretold."""
import collections, hashlib, http.server, json, os, random, re, select, socket, subprocess, sys, threading, time, urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

CASES, SEED, PASSWORD = 1000, 11, "sesame"
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.100.1, port: {port} }} ]
    media: {{ anchor: off }}
    media_policy: plain
    admission: edge
    acl: {{ deny: [127.0.8.0/24], default: allow }}
  quick:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.102.1, port: {port} }} ]
    media: {{ anchor: off }}
    media_policy: plain
    admission: slowly
    acl: {{ default: reject, allow: [127.0.1.0/24, 127.0.6.0/24] }}
  inside:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.101.1, port: {port} }} ]
    media: {{ anchor: off }}
    media_policy: plain
    acl: {{ allow: [127.0.3.0/24], default: deny }}
media_policies: {{ plain: {{ rtp: allow, srtp: forbid }} }}
admission:
  edge: {{ calls: {{ per_caller: {{ rate: 9/1h, burst: 9 }}, per_destination: {{ sessions: 2 }} }} }}
  slowly: {{ requests: {{ per_source: 25/1h, burst: 25 }} }}
numbers: {{ in: [ {{ match: "^0([1-9]\\\\d+)$", to: "+49\\\\1" }} ] }}
geo: {{ country: {country}, rules: [ {{ name: no-cuba, when: {{ country: [CU] }}, action: reject }} ] }}
identity:
  verifier: {{ anchors: {anchors}, hosts: [certificates.example] }}
  policies: {{ strictly: {{ missing: reject 428, invalid: reject 438 }} }}
fraud:
  destinations: {destinations}
  home: [DE]
  rules:
    - {{ name: premium, when: {{ class: [premium] }}, action: reject }}
    - {{ name: circles, when: {{ diversions: 2 }}, action: reject 482 }}
    - {{ name: busy-caller, count: calls, by: caller, over: 6/1h, where: {{ number: ["^\\\\+4940"] }}, action: [reject, ban 1h] }}
    - {{ name: abroad, count: calls, by: trunk, where: {{ class: international }}, over: 30/1h, action: reject 403 }}
    - {{ name: slowed, count: calls, by: destination, over: 25/1h, where: {{ number: ["^\\\\+4950"] }}, action: limit 1h }}
trunks:
  carrier: {{ realm: outside, peers: [ {{ target: "sip:127.0.1.1:{peer}" }} ], identify: {{ source: [127.0.1.0/24, 127.0.20.0/24] }}, numbers: {{ in: in }} }}
  narrow: {{ realm: outside, peers: [ {{ target: "sip:127.0.2.1:{peer}" }} ], identify: {{ source: [127.0.2.0/24] }}, limits: {{ rate: 30/1h, burst: 30 }} }}
  signed: {{ realm: outside, peers: [ {{ target: "sip:127.0.4.1:{peer}" }} ], identify: {{ source: [127.0.4.0/24] }}, identity: {{ verify: strictly }} }}
  proven: {{ realm: outside, peers: [ {{ target: "sip:127.0.5.1:{peer}" }} ], identify: {{ source: [127.0.5.0/24], user: carrier, password: !file {password} }} }}
  hasty: {{ realm: quick, peers: [ {{ target: "sip:127.0.6.1:{peer}" }} ], identify: {{ source: [127.0.6.0/24] }} }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.3.1:{peer}" }} ], identify: {{ source: [127.0.3.0/24] }} }}
users:
  phones:
    realm: outside
    domains: [example.net]
    auth: local
    digest: [MD5]
    per_user: {{ rate: 40/1h }}
    accounts: [ {{ user: u0, password: !file {password} }}, {{ user: u1, password: !file {password} }} ]
opinion: {{ url: "http://127.0.0.1:{service}/verdict", timeout: 5s, when: {{ from: [carrier, phones], number: ["^\\\\+4930"] }} }}
routes:
  - {{ name: emergency, when: {{ number: ["^112$"] }}, to: [pbx], priority: emergency }}
  - {{ name: closed, when: {{ number: ["^\\\\+4999"] }}, reject: {{ status: 410, reason: Closed }} }}
  - {{ name: out, when: {{ from: pbx, number: ["^\\\\+"] }}, to: [carrier] }}
  - {{ name: in, when: {{ from: [carrier, narrow, signed, proven, hasty, phones], number: ["^\\\\+"] }}, to: [pbx] }}
""" + sip.OBSERVE
OUTSIDE, QUICK, INSIDE = ("outside", "127.0.100.1"), ("quick", "127.0.102.1"), ("inside", "127.0.101.1")
NUMBERS = ["+4930555", "030556", "+4930777", "+4930666", "112", "+4999123", "+49900123456", "+4940123", "+4950123", "+1212555", "+442071234", "0", "anna", "+4930777"]
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 %s 8\r\n%s"
KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n"


class Service:
    """Asked for its opinion, it says yes, but to one number."""

    def __init__(self, port):
        self.questions = 0
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.questions += 1
                body = b'{"verdict":"reject","status":606}' if asked["number"].endswith("666") else b'{"verdict":"accept"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Callees(threading.Thread):
    """Whoever is called has no time: 480; one number only ever rings."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.sockets = []
        for address in ("127.0.1.1", "127.0.3.1"):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, port))
            self.sockets.append(s)
        self.start()

    def run(self):
        while True:
            for s in select.select(self.sockets, [], [])[0]:
                data, to = s.recvfrom(65536)
                if not data.startswith(b"INVITE "):
                    continue
                keep = [line for line in data.decode().split("\r\n\r\n")[0].split("\r\n")[1:]
                        if line.split(":")[0].lower() in ("via", "from", "to", "call-id", "cseq", "record-route")]
                keep = [line + ";tag=b" if line.lower().startswith("to:") else line for line in keep]
                status = "180 Ringing" if b"777@" in data.split(b"\r\n")[0] else "480 No Time"
                s.sendto("\r\n".join([f"SIP/2.0 {status}", *keep, "Contact: <sip:b@127.0.0.1>", "Content-Length: 0", "", ""]).encode(), to)


class Speaker:
    """One address and port; its messages are larger than any refusal, so that nothing is withheld from it."""
    serial = 0

    def __init__(self, address, user=None):
        self.address, self.user = address, user
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((address, 0))
        self.port = self.s.getsockname()[1]

    def message(self, method, uri, cseq, call, caller, extra="", body=""):
        Speaker.serial += 1
        who = f"{self.user}@example.net" if self.user else f"{caller}@{self.address}"
        to = who if method == "REGISTER" else uri.split(":", 1)[1]
        return (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.address}:{self.port};rport;branch=z9hG4bK{Speaker.serial}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{who}>;tag=t{call}\r\nTo: <sip:{to}>\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{self.address}:{self.port}>\r\n"
                f"{extra}X-Room: {'x' * 700}\r\n" + ("Content-Type: application/sdp\r\n" if body else "") + f"Content-Length: {len(body)}\r\n\r\n{body}")

    def hear(self, call, seconds, enough=200):
        """(status, text) of the latest answer: a final one, or one of `enough` at least; 0 when there is none in time."""
        best, text, end = 0, "", time.monotonic() + seconds
        while best < enough and select.select([self.s], [], [], max(0, end - time.monotonic()))[0]:
            got = self.s.recv(65536).decode()
            if f"\r\nCall-ID: {call}\r\n" in got and got.startswith("SIP/2.0 ") and int(got.split(" ")[1]) >= best:
                best, text = int(got.split(" ")[1]), got
        return best, text

    def ack(self, message, answer, to):
        """Of a refusal: the INVITE's branch, the answer's To."""
        keep = dict(line.split(": ", 1) for line in message.split("\r\n\r\n")[0].split("\r\n")[1:])
        tag = re.search(r"(?mi)^To: (.*?)\r?$", answer)[1]
        self.s.sendto((f"ACK {message.split(' ')[1]} SIP/2.0\r\nVia: {keep['Via']}\r\nMax-Forwards: 70\r\nFrom: {keep['From']}\r\nTo: {tag}\r\nCall-ID: {keep['Call-ID']}\r\n"
                       f"CSeq: {keep['CSeq'].split(' ')[0]} ACK\r\nContent-Length: 0\r\n\r\n").encode(), to)


def proof(answer, user, method, uri):
    challenge = re.search(r"(?m)^WWW-Authenticate: Digest (.*algorithm=MD5.*?)\r?$", answer)[1]
    ask = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    h = lambda text: hashlib.md5(text.encode()).hexdigest()
    response = h(f"{h(f'{user}:' + ask['realm'] + ':' + PASSWORD)}:{ask['nonce']}:00000001:c0ffee:auth:{h(method + ':' + uri)}")
    return (f'Authorization: Digest username="{user}", realm="{ask["realm"]}", nonce="{ask["nonce"]}", uri="{uri}", response="{response}", algorithm=MD5, qop=auth, '
            f'nc=00000001, cnonce="c0ffee"\r\n')


class Stage:
    def __init__(self, folder):
        anchors, password = os.path.join(folder, "anchors.pem"), os.path.join(folder, "password")
        os.makedirs(folder, exist_ok=True)
        with open(password, "w") as f:
            f.write(PASSWORD + "\n")
        os.chmod(password, 0o600)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull, "-out", anchors,
                        "-subj", "/CN=root", "-days", "2"], check=True, stderr=subprocess.DEVNULL)
        peer, service = lib.free_port("127.0.1.1", kind=socket.SOCK_DGRAM), lib.free_port("127.0.0.1")
        self.service, self.callees = Service(service), Callees(peer)
        self.sbc = sip.Sbc(folder, CONFIG, port=lib.free_port("127.0.100.1", kind=socket.SOCK_DGRAM), peer=peer, service=service, anchors=anchors, password=password,
                           country=os.path.join(lib.ROOT, "tests/data/geo/country.mmdb"), destinations=os.path.join(lib.ROOT, "etc/destinations.csv")).start()
        self.port, self.dice = self.sbc.v["port"], random.Random(SEED)
        self.speakers = {a: Speaker(a) for a in ("127.0.1.7", "127.0.2.2", "127.0.3.9", "127.0.4.4", "127.0.5.5", "127.0.6.6", "127.0.8.8", "127.0.9.9", "127.0.20.1", "127.0.7.1")}
        self.foretold, self.ends = collections.Counter(), collections.Counter()
        self.opinions = self.proofs = 0

    def ask(self, command, **more):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.sbc.v["control"])
            s.sendall(json.dumps(dict(command=command, **more)).encode() + b"\n")
            data = b""
            while got := s.recv(65536):
                data += got
        return json.loads(data)

    def refusals(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.sbc.v['http_port']}/metrics", timeout=5) as r:
            rows = re.findall(r'(?m)^sallyport_refused_total\{realm="(.*?)",stage="(.*?)",rule="(.*?)",status="(.*?)"\} (\d+)$', r.read().decode())
        return collections.Counter({row[:4]: int(row[4]) for row in rows})

    def register(self, name, address):
        who, uri, to = Speaker(address, name), "sip:example.net", (OUTSIDE[1], self.port)
        who.s.sendto(who.message("REGISTER", uri, 1, "r" + name, None).encode(), to)
        status, answer = who.hear("r" + name, 3)
        who.s.sendto(who.message("REGISTER", uri, 2, "r" + name, None, proof(answer, name, "REGISTER", uri)).encode(), to)
        self.speakers[name] = who
        return status == 401 and who.hear("r" + name, 3)[0] == 200

    def judge(self, who, realm, message, call, proved=False):
        """None: it went as was said; else what differs."""
        said = self.ask("explain", **{"from": f"{who.address}:{who.port}", "via": "udp", "realm": realm[0], "message": message})
        if "verdict" not in said:
            return said
        v, to = said["verdict"], (realm[1], self.port)
        who.s.sendto(message.encode(), to)
        number = message.split(" ")[1].split("@")[0][4:]
        asked, challenged = said.get("opinion_asked", False), said.get("password_asked", False) and not proved
        if v["outcome"] == "drop":
            self.ask("ping")    # two turns of the loop: what had come before the first has been seen, and answered, before the second
            self.ask("ping")
        status, answer = who.hear(call, 0 if v["outcome"] == "drop" else 4, 180 if number.endswith("777") else 200)
        if status >= 300:
            who.ack(message, answer, to)
        if challenged:
            self.proofs += 1
            if status != 401:
                return ("no challenge", v, status)
            again = who.message("INVITE", message.split(" ")[1], 2, call, self.caller, proof(answer, who.user or "carrier", "INVITE", message.split(" ")[1]) + self.extra, self.body)
            return self.judge(who, realm, again, call, True)
        self.opinions += asked
        if asked and number.endswith("666"):
            v = dict(v, outcome="reject", status=606, stage="opinion", rule="opinion")
        self.ends[v["outcome"], v["stage"]] += 1
        if v["outcome"] != "allow":
            self.foretold[realm[0], v["stage"], v.get("rule", "none"), str(v.get("status", 0))] += 1
        want = {"allow": (180, 480), "drop": (0,)}.get(v["outcome"]) or (v["status"],)
        return None if status in want else (who.address, realm[0], number, said, status)

    def one(self, i):
        d = self.dice
        who = self.speakers[d.choice(["127.0.1.7", "127.0.1.7", "127.0.3.9", *self.speakers])]
        realm = INSIDE if who.address == "127.0.3.9" else QUICK if who.address == "127.0.6.6" else d.choice([OUTSIDE] * 8 + [QUICK, INSIDE])
        self.caller, number, call = f"+49301{d.randrange(40):03}", d.choice(NUMBERS), f"c{i}"
        media = d.choice(["rtp", "rtp", "rtp", None, None, "srtp"])
        self.body = "" if not media else SDP % (("RTP/SAVP", KEY) if media == "srtp" else ("RTP/AVP", ""))
        self.extra = d.choice([""] * 12 + ["Require: no-such-thing\r\n", "Diversion: <sip:1@127.0.0.9>, <sip:2@127.0.0.9>\r\n",
                                           "Identity: abc;info=<https://certificates.example/c>;alg=ES256;ppt=shaken\r\n", "Max-Breadth: x\r\n"])
        return self.judge(who, realm, who.message("INVITE", f"sip:{number}@{realm[1]}", 1, call, self.caller, self.extra, self.body), call)


def play(tap, folder):
    st = Stage(folder)
    tap.ok(st.register("u0", "127.0.7.10") and st.register("u1", "127.0.7.11"), "two phones prove their passwords")
    for who in ("127.0.7.1", ("--user", "u1@example.net"), ("--number", "+442071234")):
        done = subprocess.run([lib.binary("sallyport", st.sbc.asan), "ban", *([who] if isinstance(who, str) else who), "--for", "1h", "--why", "told to", "-s", st.sbc.v["control"]],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
        tap.ok(done.returncode == 0, f"the operator bans {who}", done.stdout)
    before, began = st.refusals(), time.monotonic()
    differ = [x for i in range(CASES) if (x := st.one(i))]
    tap.ok(not differ, f"{CASES} INVITEs by chance end as explain had said", "\n".join([str(len(differ)), *map(str, differ[:5])]))
    happened = st.refusals()
    happened.subtract(before)
    lost = {k: (st.foretold[k], happened[k]) for k in {*st.foretold, *happened} if st.foretold[k] != happened[k]}
    tap.ok(not lost, f"realm, stage, rule and status of {sum(st.foretold.values())} refusals are, one by one, those that were foretold", lost)
    tap.ok(st.service.questions == st.opinions > 20, f"the {st.opinions} calls of which it said that somebody is asked are those of which he was", st.service.questions)
    tap.ok(st.proofs > 20, f"{st.proofs} that were to prove a password were challenged")
    stages = {s for o, s in st.ends if o != "allow"}
    tap.ok({"ban", "acl", "geo", "rate", "identify", "parse", "admission", "identity", "fraud", "opinion", "route", "media"} <= stages, "among them every stage", st.ends)
    print(f"# {time.monotonic() - began:.1f} s; {dict(st.ends)}")
    tap.ok(st.sbc.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    tap.ok(st.sbc.stop() == 0, "the daemon ends in order")


if __name__ == "__main__":
    sip.main(play)
