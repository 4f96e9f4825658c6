#!/usr/bin/env python3
"""Clients that are killed in the midst of what they do: connections that break with a hundred INVITE transactions open, in a handshake, in
half a message. What they began ends by its timers; who is connected meanwhile notices nothing."""
import os, socket, struct, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Party, hang_up, talk
from sallyport_site import OUTSIDE, Site

ROUNDS, INVITES = 20, 100
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge, client_certificate: off }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies:
  plain: {{ rtp: allow, srtp: forbid }}
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:{phone_out}:{phone_out_port};transport=tls" }} ], tls: {{ verify: off }} }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ] }}
  nobody: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{silent_port}" }} ], identify: {{ source: [127.0.0.203/32] }} }}
routes:
  - {{ when: {{ number: ["^silent"] }}, to: [nobody] }}
  - {{ when: {{ from: callers }}, to: [callees] }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: warn, sip: off }}
"""


def kill(s):
    """As when the client's machine loses power and comes back: a reset, and no close_notify."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def play(tap, folder):
    callee = Party("127.0.0.1")
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # takes INVITEs and says nothing
    silent.bind(("127.0.0.1", 0))
    site = Site(folder, CONFIG, asan=True, phone_in_port=callee.port, silent_port=silent.getsockname()[1])
    site.start()
    to = (OUTSIDE, site.v["tls_port"])
    uri = f"sip:+4930555@{OUTSIDE}:{site.v['tls_port']}"
    context = sip.tls_context(site.ca)
    caller = Party("127.0.0.1", "tls", client_context=context)
    a, b, _, _ = talk(caller, callee, to, uri)
    fds = len(os.listdir(f"/proc/{site.sbc.pid}/fd"))
    for n in range(ROUNDS):
        s = context.wrap_socket(socket.create_connection(to, 8))
        via = "127.0.0.1:%d" % s.getsockname()[1]
        s.sendall(b"".join(sip.request("INVITE", f"sip:silent{n}@{OUTSIDE}", via=via, transport="TLS", call=f"k{n}-{i}") for i in range(INVITES)))
        s.recv(4096)  # the first 100s: they have arrived
        kill(s)
    tap.ok(True, f"{ROUNDS} connections were reset with up to {INVITES} INVITE transactions open on each")
    for octets in (b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        raw = socket.create_connection(to, 8)
        raw.sendall(octets)
        kill(raw)
    half = context.wrap_socket(socket.create_connection(to, 8))
    half.sendall(sip.options(f"sip:{OUTSIDE}", transport="TLS")[:100])
    kill(half)
    a.party.send(a.request("OPTIONS"), a.to)
    asked = callee.expect("OPTIONS")
    callee.answer(asked, 200, "OK")
    tap.ok(caller.expect(200).status == 200, "a call that is up beside them goes on")
    tap.ok(hang_up(a, b).status == 200, "and is hung up in order")
    other = Party("127.0.0.1", "tls", client_context=context)
    a, b, _, _ = talk(other, callee, to, uri)
    tap.ok(hang_up(a, b).status == 200, "a new client calls as ever")
    site.wait_empty(30)
    tap.ok(True, "all that they began has ended: no call, no transaction is left")
    caller.close(), other.close()
    lib.wait_for("the descriptors of the dead", lambda: len(os.listdir(f"/proc/{site.sbc.pid}/fd")) <= fds, 15, 0.2)
    tap.ok(True, "and no descriptor")
    started = site.metric("sallyport_calls_ended_total")
    tap.ok(len(site.wait_cdrs(int(started))) == started, "one CDR for each call that was begun")
    tap.ok(site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    tap.ok(site.stop() == (0, 0), "both daemons end in order, with nothing leaked", site.sbc.text()[-3000:])
    silent.close()


if __name__ == "__main__":
    sip.main(play)
