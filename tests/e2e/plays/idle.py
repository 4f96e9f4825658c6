#!/usr/bin/env python3
"""A daemon with everything switched on (Redis, limits that are shared, bans, fraud, geography, opinion, STIR, health, pings, a helper that is not
there) and no calls costs next to nothing: it sleeps. Before a burst of 500 calls, after it, and while Redis is away."""
import http.server, os, re, select, signal, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
from sallyport_site import OUTSIDE, Site
from stir import signer, openssl

CALLER, CALLEE, CALLS = "127.0.0.171", "127.0.0.172", 500
# The relay's workers look ten times a second each at what has gone silent.
WINDOW, WAKES, WAKES_RELAY, WAKES_AWAY, BUSY = 2.0, 60, 60, 150, 0.05
SIPP_DIR = os.path.join(lib.ROOT, "tests", "e2e", "sipp")
GEO = os.path.join(lib.ROOT, "tests", "data", "geo")
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
trust_anchors: {{ demo: {ca} }}
realms:
  outside:
    trust: low
    listen:
      - {{ transport: udp, address: {outside}, port: {out_port} }}
      - {{ transport: tcp, address: {outside}, port: {out_port} }}
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain
    admission: open
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies: {{ plain: {{ rtp: allow, srtp: forbid }} }}
admission:
  open: {{ requests: {{ per_source: 2000/s }}, register: {{ failures: 5/10m, ban: 1h }}, calls: {{ per_caller: {{ sessions: 1000 }} }} }}
bans: {{ kernel: {state}/no-helper.sock, file: {state}/bans.jsonl, allow: [127.0.0.0/8] }}
identity:
  signer: {{ certificate_url: "https://localhost:1/sp.pem", key: {sp_key}, attest: {{ default: B, owned: A }} }}
  verifier: {{ anchors: {ca}, https: demo, hosts: ["localhost:1"], networks: [127.0.0.0/8] }}
  policies: {{ lenient: {{ missing: accept }} }}
trunks:
  callers:
    realm: outside
    peers: [ {{ target: "sip:{caller}:{caller_port}" }} ]
    identify: {{ source: [{caller}/32] }}
    limits: {{ sessions: 1000, inbound: 1000, rate: 500/s, burst: 500 }}
    identity: {{ verify: lenient }}
  callees:
    realm: inside
    peers: [ {{ target: "sip:{callee}:{callee_port}" }} ]
    identify: {{ source: [{callee}/32] }}
    limits: {{ sessions: 1000 }}
    health: {{ min_asr: 20%, min_ner: 60%, over: 50 calls, failures: 5, rest: 2m, return: 1m }}
    identity: {{ sign: true }}
routes:
  - {{ name: in, when: {{ from: callers }}, to: [callees] }}
geo:
  country: {geo}/country.mmdb
  asn: {geo}/asn.mmdb
  rules: [ {{ name: abroad, when: {{ realm: outside, country: [KP] }}, action: reject }} ]
fraud:
  destinations: {root}/etc/destinations.csv
  home: [DE]
  rules:
    - {{ name: cost, sum: cost, by: trunk, over: 10000/1d, action: [reject, end-calls] }}
    - {{ name: scanner, count: refused, by: source, over: 20/1m, action: ban 1d }}
opinion: {{ url: "http://127.0.0.1:{service}/verdict", timeout: 500ms, on_error: accept }}
store:
  redis: {{ nodes: ["unix:{redis}"], key: "a key of the plays, of no worth elsewhere" }}
media_relays: [ {{ name: local, url: "ng+unix:{ng}" }} ]
cdr: [ {{ to: file, path: {cdr}, format: jsonl }} ]
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: off }}
"""


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"verdict":"accept"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def used(pid):
    """Times that its threads have gone to sleep, and seconds of processor."""
    sleeps = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as f:
            sleeps += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M)[1])
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rpartition(")")[2].split()
    return sleeps, (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def pace(process, seconds):
    """Wake-ups and seconds of work in a second."""
    before, began = used(process.pid), time.monotonic()
    select.select([], [], [], seconds)
    after, took = used(process.pid), time.monotonic() - began
    return (after[0] - before[0]) / took, (after[1] - before[1]) / took


def is_idle(tap, process, when, most):
    """A machine that is busy may make a look late, never more of them."""
    wakes, busy = pace(process, WINDOW)
    print(f"# {process.name} {when}: {wakes:.1f} wake-ups a second, {busy * 100:.1f} % of a processor", flush=True)
    tap.ok(wakes < most and busy <= BUSY, f"{process.name} {when}: fewer than {most} wake-ups a second, no work", f"{wakes:.1f}, {busy:.3f}")


def play(tap, folder):
    redis_path = os.path.join(folder, "redis.sock")
    redis = lib.Process("redis", ["redis-server", "--port", "0", "--unixsocket", redis_path, "--save", "", "--appendonly", "no"], folder)
    redis.wait_text("eady to accept connections")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key = os.path.join(folder, "sp.key")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    caller_port, callee_port = lib.free_port(CALLER, kind=2), lib.free_port(CALLEE, kind=2)
    site = Site(folder, CONFIG, out_port=lib.free_port(OUTSIDE), caller=CALLER, caller_port=caller_port, callee=CALLEE, callee_port=callee_port, geo=GEO,
                root=lib.ROOT, service=server.server_address[1], redis=redis_path, sp_key=key, state=folder, media_ports=4000)
    lib.Process("callee", ["sipp", "-sf", os.path.join(SIPP_DIR, "uas.xml"), "-nostdin", "-nd", "-default_behaviors", "all,-bye", "-i", CALLEE,
                           "-p", str(callee_port), "-t", "u1"], folder)
    site.start()
    lib.wait_for("the store", lambda: site.metric("sallyport_store_up") == 1)
    is_idle(tap, site.sbc, "before the first call", WAKES)
    is_idle(tap, site.relay, "before the first call", WAKES_RELAY)

    load = lib.Process("load", ["sipp", "-sf", os.path.join(SIPP_DIR, "uac.xml"), "-nostdin", "-nd", "-default_behaviors", "all,-bye", "-i", CALLER,
                                "-p", str(caller_port), "-t", "u1", "-s", "+4930", "-r", "100", "-m", str(CALLS), "-d", "300",
                                f"{OUTSIDE}:{site.v['out_port']}"], folder)
    lib.wait_for("the load's end", lambda: load.p.poll() is not None, 30)
    tap.ok(load.p.returncode == 0, f"{CALLS} calls", load.text()[:600] + load.text()[-1500:])
    site.wait_empty()
    site.wait_cdrs(CALLS)
    try:  # what is kept of a call for a while goes by timers of its own
        lib.wait_for("quiet", lambda: pace(site.sbc, 0.5)[0] < 2 * WAKES, 20)
    except TimeoutError:
        pass
    is_idle(tap, site.sbc, f"after {CALLS} calls", WAKES)
    is_idle(tap, site.relay, f"after {CALLS} calls", WAKES_RELAY)

    os.kill(redis.pid, signal.SIGSTOP)
    lib.wait_for("the store away", lambda: site.metric("sallyport_store_up") == 0)
    is_idle(tap, site.sbc, "with Redis frozen", WAKES_AWAY)
    os.kill(redis.pid, signal.SIGCONT)
    lib.wait_for("the store", lambda: site.metric("sallyport_store_up") == 1)
    tap.ok(site.metric("sallyport_never_total") == 0, "and the daemon still serves")


if __name__ == "__main__":
    import sip
    sip.main(play)
