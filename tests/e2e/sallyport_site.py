"""A whole Sallyport on loopback for the demo and the plays: certificates, configuration, relay, SBC."""
import json, os, re, socket, subprocess, urllib.request

import lib

OUTSIDE, INSIDE = "127.0.0.10", "127.0.0.20"  # the SBC's and the relay's two sides
# baresip lets the kernel choose the source of connections and of media, and on loopback that is 127.0.0.1.
PHONE_OUT, PHONE_IN, STRANGER = "127.0.0.1", "127.0.0.1", "127.0.0.66"

CONFIG = """\
version: 1
node: {{ name: sbc.demo.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
trust_anchors:
  demo: {ca}
realms:
  outside:
    trust: none
    listen:
      - {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge, client_certificate: optional }}
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: srtp-only
    acl: {{ allow: [{phone_out}/32], default: reject }}
  inside:
    trust: high
    listen:
      - {{ transport: udp, address: {inside}, port: {udp_port} }}
      - {{ transport: tcp, address: {inside}, port: {udp_port} }}
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies:
  srtp-only:
    rtp: forbid
    srtp: require
    keying: [sdes]
    suites: [AEAD_AES_256_GCM, AES_256_CM_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_80]
  plain:
    rtp: allow
    srtp: forbid
trunks:
  phones:
    realm: outside
    peers: [ {{ target: "sip:{phone_out}:{phone_out_port};transport=tls" }} ]
    tls: {{ certificate: edge, verify: demo, name: phone.demo.example }}
    identify: {{ certificate_name: phone.demo.example, source: [{phone_out}/32] }}
  pbx:
    realm: inside
    peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ]
    identify: {{ source: [{phone_in}/32] }}
routes:
  - {{ name: to-pbx, when: {{ from: phones }}, to: [pbx], on_failure: {{ codes: [408, 503, timeout], after: 4s, tries: 2 }} }}
  - {{ name: to-phones, when: {{ from: pbx }}, to: [phones] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}", weight: 100 }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: {log_sip} }}
"""


class Site:
    """Files in `folder`; start() awaits the ready lines of both daemons; stop() ends both."""

    def __init__(self, folder, config=CONFIG, asan=False, **values):
        self.dir, self.asan, self.relay = folder, asan, None
        os.makedirs(folder, exist_ok=True)
        self.ca = lib.Authority(os.path.join(folder, "ca"), "Sallyport throw-away CA")
        edge = self.ca.issue("sbc.demo.example", f"DNS:sbc.demo.example,IP:{OUTSIDE},IP:{INSIDE}")
        self.phone_cert = self.ca.issue("phone.demo.example", f"DNS:phone.demo.example,IP:{PHONE_OUT}")[0].replace(".pem", ".both.pem")
        span = values.pop("media_ports", 200)
        self.v = dict(
            outside=OUTSIDE, inside=INSIDE, phone_out=PHONE_OUT, phone_in=PHONE_IN, edge_pem=edge[0], edge_key=edge[1], ca=self.ca.cert,
            tls_port=lib.free_port(OUTSIDE), udp_port=lib.free_port(INSIDE), phone_out_port=lib.free_port(PHONE_OUT, span=2) + 1,  # baresip: TLS on the port after
            
            phone_in_port=lib.free_port(PHONE_IN), http_port=lib.free_port("127.0.0.1"), relay_http=lib.free_port("127.0.0.1"),
            ng=os.path.join(folder, "rtp.sock"), cdr=os.path.join(folder, "cdr.jsonl"), control=os.path.join(folder, "sbc.sock"),
            log_sip="on")
        self.v.update(values)
        for side, address in (("media_out", OUTSIDE), ("media_in", INSIDE)):
            if side not in self.v:
                self.v[side] = lib.free_port(address, span=span, even=True)
        self.v.setdefault("media_out_end", self.v["media_out"] + span - 1)
        self.v.setdefault("media_in_end", self.v["media_in"] + span - 1)
        self.config, self.template = os.path.join(folder, "sallyport.yaml"), config
        self.write()

    def write(self, **values):
        """The configuration from its template, with other values from now on."""
        self.v.update(values)
        with open(self.config, "w") as f:
            f.write(self.template.format(**self.v))

    def start_relay(self, *options):
        argv = [lib.binary("sallyport-rtpproxy", self.asan), "--foreground", "--config=" + self.config, f"--listen-http=127.0.0.1:{self.v['relay_http']}", *options]
        self.relay = lib.Process("rtpproxy", argv, self.dir)
        self.relay.wait_text(r"\bready\b")

    def start(self, relay=True):
        check = self.command("check", "-c", self.config, control=False)
        if check.returncode:
            raise RuntimeError("sallyport check: " + check.stdout + check.stderr)
        if relay:
            self.start_relay()
        self.sbc = lib.Process("sbc", [lib.binary("sallyport-sbc", self.asan), "--foreground", "-c", self.config], self.dir)
        self.sbc.wait_text(r"\bready\b")
        return self

    def stop(self):
        return self.sbc.stop(), self.relay.stop() if self.relay else 0

    def command(self, *args, control=True):
        argv = [lib.binary("sallyport", self.asan), *args] + (["-s", self.v["control"]] if control else [])
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)

    def status(self):
        return json.loads(self.command("status", "--json").stdout)

    def calls(self):
        return json.loads(self.command("calls", "--json").stdout)["calls"]

    def cdrs(self):
        """Of calls. An INVITE that was refused before it was one has a record too, whose name ends in an r and its number."""
        for path in (self.v["cdr"], self.v["cdr"] + ".open"):
            if os.path.exists(path):
                with open(path) as f:
                    return [r for r in (json.loads(line) for line in f if line.endswith("\n")) if not re.search(r"-r\d+$", r["call"])]
        return []

    def wait_cdrs(self, n, seconds=10):
        return lib.wait_for(f"{n} CDRs, have {len(self.cdrs())}", lambda: len(self.cdrs()) >= n and self.cdrs(), seconds)

    def metrics_url(self):
        return f"http://127.0.0.1:{self.v['http_port']}/metrics"

    def metric(self, name, **labels):
        """The sum over all label sets of one metric that have these labels; 0 when absent."""
        return metric_of(self.page(), name, labels)

    def page(self):
        return read_page(self.metrics_url())

    def relay_page(self):
        return read_page(f"http://127.0.0.1:{self.v['relay_http']}/metrics")

    def relay_metric(self, name, **labels):
        return metric_of(self.relay_page(), name, labels)

    def wait_empty(self, seconds=10):
        """No call, no transaction, no session of the relay is left."""
        def look():
            s = self.status()
            return s["calls"] == 0 and s["transactions"] == 0 and self.calls() == []
        lib.wait_for("empty tables", look, seconds, 0.2)
        if self.relay and self.relay.p.poll() is None:
            lib.wait_for("an empty relay", lambda: self.relay_metric("sallyport_relay_calls") + self.relay_metric("sallyport_relay_calls_dying") == 0, seconds, 0.2)
        return True

    def outside_phone(self, name, srtp=True, tone=440, called=False, options=()):
        """called: at the address that the trunk's peer names (its TLS port), answering by itself; user `name` is its number."""
        enc = ";mediaenc=srtp-mand" if srtp else ""
        return lib.Phone(self.dir, name, PHONE_OUT, "<sip:" + name + "@{address}:{port};transport=tls>;regint=0" + enc +
                         (";answermode=auto" if called else "") + ";audio_codecs=PCMU/8000/1", tone=tone,
                         certificate=self.phone_cert, authority=self.ca.cert, sip_port=self.v["phone_out_port"] - 1 if called else None, options=options)

    def inside_phone(self, name, number, tone=600, options=()):
        return lib.Phone(self.dir, name, PHONE_IN, "<sip:" + number + "@{address}:{port}>;regint=0;answermode=auto"
                         ";audio_codecs=PCMU/8000/1", tone=tone, transports="udp,tcp", sip_port=self.v["phone_in_port"], options=options)

    def dial_uri(self, number):
        return f"sip:{number}@{OUTSIDE}:{self.v['tls_port']}"


def read_page(url):
    with urllib.request.urlopen(url, timeout=5) as r:
        return r.read().decode()


def metric_of(text, name, labels):
    """Of a page of metrics: the sum over the label sets that have these labels."""
    total = 0.0
    for m in re.finditer(rf"^{re.escape(name)}(?:\{{([^}}]*)\}})? ([0-9.e+-]+)$", text, re.M):
        have = dict(re.findall(r'(\w+)="([^"]*)"', m[1] or ""))
        if all(have.get(k) == v for k, v in labels.items()):
            total += float(m[2])
    return total


def sip_lines(text):
    """The traced messages of an SBC log: dicts of the key=value pairs of its `sip` lines."""
    out = []
    for line in text.splitlines():
        if re.search(r"\bevent=sip\b|\bsip dir=", line):
            pairs = re.findall(r'([a-z_0-9-]+)=("(?:[^"\\]|\\.)*"|\S*)', line)
            out.append({k: v.strip('"').replace('\\"', '"') for k, v in pairs})
    return out


def ladder(messages, names, is_left):
    """A call as text, a line for each message: `names` of the outside, us and the inside; is_left(m): on the outside leg."""
    gap = 34

    def arrow(label, right):
        line = f"── {label[:gap - 8]} ".ljust(gap - 2, "─")
        return f" {line}▶" if right else f"◀{line} "

    rows = ["".join(n.ljust(gap + 1) for n in names).rstrip()]
    for m in messages:
        left = is_left(m)
        text = arrow(m.get("start", "").replace(" SIP/2.0", "").replace("SIP/2.0 ", ""), (m.get("dir") == "in") == left)
        rows.append("│" + (text if left else " " * gap) + "│" + (" " * gap if left else text) + "│")
    return "\n".join(rows)
