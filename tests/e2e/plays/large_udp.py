#!/usr/bin/env python3
"""A request too large for UDP goes by TCP with a Via that says so; where TCP is refused, by UDP after all; the next small one by UDP."""
import os, socket, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, party, sip

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: udp, address: 127.0.0.1, port: {out} }} ]
    media: {{ anchor: off }}
    media_policy: plain
    header_rules: subject
  inside:
    trust: high
    listen:
      - {{ transport: udp, address: 127.0.0.2, port: {udp} }}
      - {{ transport: tcp, address: 127.0.0.2, port: {tcp} }}
    media: {{ anchor: off }}
    media_policy: plain
    header_rules: subject
media_policies:
  plain: {{ rtp: allow, srtp: forbid }}
header_rules:
  subject: {{ carry: [Subject] }}
trunks:
  phones: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:5099" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.2:{pbx}" }} ] }}
routes:
  - {{ when: {{ from: phones }}, to: [pbx] }}
""" + sip.OBSERVE

LONG = "Subject: " + "long " * 300


def play(tap, folder):
    pbx = party.Party("127.0.0.2")
    phone = party.Party("127.0.0.1")
    sbc = sip.Sbc(folder, CONFIG, out=lib.free_port(), udp=lib.free_port("127.0.0.2"), tcp=lib.free_port("127.0.0.2"), pbx=pbx.port).start()
    to, uri = ("127.0.0.1", sbc.v["out"]), "sip:1234@sbc.test"

    # Nobody takes TCP at the PBX: the kernel refuses, and the datagram goes at once.
    began = time.monotonic()
    a, b, invite, ok = party.talk(phone, pbx, to, uri, headers=(LONG,))
    tap.ok(ok.status == 200 and len(invite.data) > 1300 and invite.get("Via").startswith("SIP/2.0/UDP "),
           "TCP is refused: a large INVITE goes by UDP", invite.get("Via"))
    tap.ok(time.monotonic() - began < 1.5, "and the caller does not wait for it")
    party.hang_up(a, b)
    sbc.stop()

    # Now it listens.
    stream = party.Party("127.0.0.2", "tcp", port=pbx.port)
    sbc.start()
    a = party.Call(phone, to, uri).invite(headers=(LONG,))
    invite = stream.expect("INVITE")
    tap.ok(invite.get("Via").startswith(f"SIP/2.0/TCP 127.0.0.2:{sbc.v['tcp']};branch=") and len(invite.data) > 1300,
           "a large INVITE goes by TCP, and its Via says so", invite.get("Via"))
    stream.answer(invite, 200, "OK", stream.sdp(), headers=())
    ok = a.status()
    tap.ok(ok.status == 200, "its answer comes back down that connection")
    b = party.Call(stream, invite=invite)
    got = []
    for p in (pbx, stream):
        try:
            got.append(p.expect("ACK", seconds=2).method)
        except TimeoutError:
            pass
    tap.ok(got == ["ACK"], "its ACK arrives once")
    phone.send(a.request("BYE"), a.to)
    for p in (pbx, stream):
        try:
            bye = p.expect("BYE", seconds=2)
        except TimeoutError:
            continue
        tap.ok(p is pbx or "transport=tcp" in stream.contact, "the BYE goes where the Contact says")
        p.answer(bye, 200)
        break
    phone.expect(200)
    a = party.Call(phone, to, uri).invite()
    invite = pbx.expect("INVITE")
    tap.ok(invite.get("Via").startswith("SIP/2.0/UDP "), "the next small INVITE goes by UDP")
    pbx.answer(invite, 486, "Busy")
    pbx.expect("ACK")
    tap.ok(a.status().status == 486, "and is answered")
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
