#!/usr/bin/env python3
"""baresip to baresip through the SBC and its relay, in every pairing of how their media is protected: SRTP with keys in the SDP (SDES, GCM),
SRTP keyed by DTLS with ICE and one port for RTP and RTCP, and plain RTP. Both hear each other's tone, the CDR says what was spoken."""
import fcntl, os, socket, struct, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from sallyport_site import Site

HERE = "127.0.0.1"  # baresip lets the kernel choose the source, and on loopback that is it
REALMS = {"sdes": "127.0.0.10", "dtls": "127.0.0.11", "plain": "127.0.0.12"}
KINDS = ("sdes", "dtls", "plain")
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
trust_anchors: {{ demo: {ca} }}
realms:
  sdes:
    trust: low
    listen: [ {{ transport: tls, address: 127.0.0.10, port: {sdes_port}, certificate: edge, client_certificate: off }} ]
    media: {{ address: 127.0.0.10, ports: {sdes_media}-{sdes_media_end} }}
    media_policy: keys-in-sdp
  dtls:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.0.11, port: {dtls_port} }} ]
    media: {{ address: 127.0.0.11, ports: {dtls_media}-{dtls_media_end}, ice: lite, bundle: accept }}
    media_policy: webrtc
  plain:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.0.12, port: {plain_port} }} ]
    media: {{ address: 127.0.0.12, ports: {plain_media}-{plain_media_end} }}
    media_policy: plain
media_policies:
  keys-in-sdp: {{ rtp: forbid, srtp: require, keying: [sdes], suites: [AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_80] }}
  webrtc: {{ rtp: forbid, srtp: require, keying: [dtls], rtcp_mux: require }}
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  sdes: {{ realm: sdes, peers: [ {{ target: "sip:127.0.0.1:{sdes_peer};transport=tls" }} ], tls: {{ certificate: edge, verify: off }}, identify: {{ source: [127.0.0.1/32] }} }}
  dtls: {{ realm: dtls, peers: [ {{ target: "sip:127.0.0.1:{dtls_peer}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  plain: {{ realm: plain, peers: [ {{ target: "sip:127.0.0.1:{plain_peer}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ when: {{ number: ["^sdes$"] }}, to: [sdes] }}
  - {{ when: {{ number: ["^dtls$"] }}, to: [dtls] }}
  - {{ when: {{ number: ["^plain$"] }}, to: [plain] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
timers: {{ t1: 100ms, t4: 500ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: on }}
"""
ACCOUNT = {
    "sdes": "<sip:{{user}}@{address}:{port};transport=tls>;regint=0;mediaenc=srtp-mand",
    "dtls": "<sip:{{user}}@{address}:{port}>;regint=0;mediaenc=dtls_srtp;medianat=ice",
    "plain": "<sip:{{user}}@{address}:{port}>;regint=0",
}
# What the CDR says of the leg.
KEYING = {"sdes": "sdes", "dtls": "dtls", "plain": None}


def has_network():
    """An address that is not loopback: baresip gathers no candidates without one, and ICE would never begin."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _, name in socket.if_nameindex():
            try:
                got = fcntl.ioctl(s.fileno(), 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
            except OSError:
                continue
            if got[20] != 127:
                return True
    return False


class Stage:
    def __init__(self, folder):
        span, v = 100, {}
        for kind, address in REALMS.items():
            v[kind + "_port"] = lib.free_port(address)
            v[kind + "_media"] = lib.free_port(address, span=span, even=True)
            v[kind + "_media_end"] = v[kind + "_media"] + span - 1
            v[kind + "_peer"] = lib.free_port(HERE, span=2) + (kind == "sdes")  # baresip: TLS on the port after
        self.ice = has_network()
        self.site = Site(folder, CONFIG if self.ice else CONFIG.replace(", ice: lite, bundle: accept", ""), asan=True, **v)
        self.site.start()
        self.callers = {k: self.phone("caller-" + k, k, 440 + 40 * i) for i, k in enumerate(KINDS)}
        self.callees = {k: self.phone(k, k, 640 + 60 * i, called=True) for i, k in enumerate(KINDS)}
        self.tone = {p.name: hertz for p, hertz in self.tones.items()}
        self.calls = 0

    tones = {}

    def phone(self, name, kind, tone, called=False):
        v = self.site.v
        account = (ACCOUNT[kind] if self.ice else ACCOUNT[kind].replace(";medianat=ice", "")).replace("{{user}}", name) + (";answermode=auto" if called else "") + ";audio_codecs=PCMU/8000/1"
        extra = "module dtls_srtp.so\nmodule ice.so\nrtcp_mux yes\n" if kind == "dtls" else ""
        p = lib.Phone(self.site.dir, name, HERE, account, tone=tone, certificate=self.site.phone_cert, authority=self.site.ca.cert,
                      sip_port=v[kind + "_peer"] - (kind == "sdes") if called else None, extra=extra)
        self.tones[p] = tone
        return p

    def uri(self, kind, callee):
        return f"sip:{callee}@{REALMS[kind]}:{self.site.v[kind + '_port']}" + (";transport=tls" if kind == "sdes" else "")


def hears(phone, hertz, seconds=8):
    """The tone that the phone hears now is this one."""
    last = [None]

    def look():
        path = phone.heard()
        last[0] = lib.tone_now(path) if path else None
        return last[0] and abs(last[0][0] - hertz) < hertz * 0.03 and last[0][1] > 0.05
    try:
        return lib.wait_for(f"{hertz} Hz", look, seconds, 0.1)
    except TimeoutError:
        print(f"# {phone.name} hears {last[0]}, wanted {hertz}")
        return False


def media_is(cdr, leg, kind):
    """That leg of the record, as its kind has it. What this baresip offers by SDES has one suite, no GCM; it answers ours with GCM."""
    m = [x for x in cdr.get("media", []) if x["leg"] == leg]
    suite = {"plain": "", "sdes": "AEAD_AES_256_GCM" if leg == "egress" else "AES_CM_128_HMAC_SHA1_80"}.get(kind)
    return len(m) == 1 and m[0].get("keying") == KEYING[kind] and m[0]["packets"] > 0 and suite in (None, m[0].get("srtp_suite", ""))


def round_of(tap, st, pairs):
    """Calls side by side: each caller and each callee is in one of them."""
    heard = {}
    for a, b in pairs:
        st.callers[a].dial(st.uri(a, b))
    for a, b in pairs:
        up = True
        try:
            st.callers[a].wait_event("CALL_ESTABLISHED", 15)
        except TimeoutError as e:
            up = False
            print("#", str(e).replace("\n", "\n# "))
        caller, callee = st.callers[a], st.callees[b]
        there = up and hears(callee, st.tone[caller.name])
        back = up and hears(caller, st.tone[callee.name])
        heard[a, b] = bool(there), bool(back)
    for a, b in pairs:
        st.callers[a].hangup()
    for a, b in pairs:
        st.callees[b].wait_event("CALL_CLOSED", 10)
    st.calls += len(pairs)
    cdrs = st.site.wait_cdrs(st.calls)[-len(pairs):]
    for a, b in pairs:
        tap.ok(all(heard[a, b]), f"{a} calls {b}: both hear each other", heard[a, b])
        mine = [c for c in cdrs if c["ingress_trunk"] == a and c["egress_trunk"] == b]
        tap.ok(len(mine) == 1 and media_is(mine[0], "ingress", a) and media_is(mine[0], "egress", b), f"{a} calls {b}: the CDR says how each leg was keyed", mine)


def play(tap, folder):
    st = Stage(folder)
    for shift in range(len(KINDS)):
        round_of(tap, st, [(a, KINDS[(i + shift) % len(KINDS)]) for i, a in enumerate(KINDS)])
    if st.ice:
        tap.ok(st.site.relay_metric("sallyport_relay_ice_selections_total") >= 3, "phones with ICE nominate paths",
               st.site.relay_metric("sallyport_relay_ice_selections_total"))
    st.site.wait_empty(20)
    tap.ok(st.site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    for p in (*st.callers.values(), *st.callees.values()):
        p.stop()
    tap.ok(st.site.stop() == (0, 0), "both daemons end in order, with nothing leaked", st.site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
