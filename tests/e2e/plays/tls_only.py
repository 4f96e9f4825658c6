#!/usr/bin/env python3
"""A realm with TLS alone answers nothing else; what is not TLS, old or half a handshake is closed and counted."""
import os, socket, ssl, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
certificates:
  edge: {{ chain: {pem}, key: !file {key} }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: tls, address: 127.0.0.1, port: {tls}, certificate: edge }} ]
    media: {{ anchor: off }}
trunks:
  phones: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:5099;transport=tls" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ when: {{ from: phones }}, to: [phones] }}
limits: {{ half_open: 1s, message: 1s, idle: 60s }}
""" + sip.OBSERVE


def silent(port):
    """No datagram comes back from this UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        s.connect((sip.HOST, port))
        try:
            s.send(sip.options(transport="UDP"))
            return s.recv(65536) == b""
        except ConnectionRefusedError:
            return True  # the kernel says that nobody is there; no SIP answer
        except socket.timeout:
            return True


def old_version(port, version):
    p = subprocess.run(["openssl", "s_client", "-connect", f"{sip.HOST}:{port}", version, "-cipher", "ALL:@SECLEVEL=0"], input=b"",
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10)
    return p.returncode


def weak_cipher(port, cipher):
    p = subprocess.run(["openssl", "s_client", "-connect", f"{sip.HOST}:{port}", "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0"], input=b"",
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10)
    return p.returncode


def play(tap, folder):
    ca = lib.Authority(os.path.join(folder, "ca"))
    pem, key = ca.issue("sbc.test", "DNS:sbc.test")
    sbc = sip.Sbc(folder, CONFIG, tls=lib.free_port(), pem=pem, key=key).start()
    port, good = sbc.v["tls"], sip.tls_context(ca)
    phone = sip.Stream(sip.HOST, port, good)
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "a phone over TLS is answered")

    tap.ok(silent(port), "UDP to the TLS port: silence")
    tap.ok(silent(5060), "UDP to 5060: silence")

    # What is not TLS.
    for n, (name, data) in enumerate((("a SIP request", sip.options()), ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n"),
                                      ("noise", bytes(range(128, 256)) * 4), ("CRLF", b"\r\n\r\n"))):
        s = sip.Stream(sip.HOST, port).send(data)
        tap.ok(s.is_closed(), f"{name} on the TLS port: closed without a byte")
        sbc.wait_metric(n + 1, "sallyport_tls_handshakes_total", realm="outside", result="plain")
    tap.ok(sbc.metric("sallyport_tls_handshakes_total", result="plain") == 4, "and each is counted")

    # Old and weak.
    for version in ("-tls1", "-tls1_1"):
        tap.ok(old_version(port, version) != 0, f"{version[1:]} is refused")
    sbc.wait_metric(2, "sallyport_tls_handshakes_total", result="version")
    tap.ok(sbc.metric("sallyport_tls_handshakes_total", result="version") == 2, "and counted as such")
    for cipher in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "NULL"):
        tap.ok(weak_cipher(port, cipher) != 0, f"{cipher} is refused")
    tap.ok(old_version(port, "-tls1_2") == 0 and old_version(port, "-tls1_3") == 0, "TLS 1.2 and 1.3 come up")

    # Half a handshake, and a message that never ends.
    mute, half = sip.Stream(sip.HOST, port), sip.Stream(sip.HOST, port).send(b"\x16\x03\x01\x02\x00\x01\x00")
    silent_up, slow = sip.Stream(sip.HOST, port, good), sip.Stream(sip.HOST, port, good).send(b"OPTIONS sip:a SIP/2.0\r\nVia")
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "an established phone does not notice")
    tap.ok(mute.is_closed(), "a connection that says nothing is closed")
    tap.ok(half.is_closed(), "one that stops within the handshake is closed")
    tap.ok(silent_up.is_closed(), "one that says nothing after the handshake is closed")
    tap.ok(slow.is_closed(), "one whose message is not whole in time is closed")
    tap.ok(sbc.metric("sallyport_closed_half_open_total") == 3 and sbc.metric("sallyport_closed_slow_message_total") == 1,
           "and counted by their reasons")

    # Renegotiation by the client (TLS 1.2).
    p = subprocess.run(["openssl", "s_client", "-connect", f"{sip.HOST}:{port}", "-tls1_2"], input=b"R\n", stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=10)
    tap.ok(b"Secure Renegotiation IS" in p.stdout and (b"no renegotiation" in p.stdout or b"error" in p.stdout.lower()),
           "renegotiation by the client is refused", p.stdout[-800:].decode("utf-8", "replace"))
    tap.ok(b"Compression: NONE" in p.stdout, "no compression")

    # Everything at once: many broken ones beside a good one.
    bad = [sip.Stream(sip.HOST, port) for _ in range(60)]
    for i, s in enumerate(bad):
        s.send(os.urandom(50) if i % 2 else b"\x16\x03\x01\x00\x10" + os.urandom(16))
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "beside sixty broken ones the phone is served")
    for s in bad:
        s.recv()  # an alert, or nothing; then the end
    tap.ok(all(s.is_closed() for s in bad), "all of which are closed")
    tap.ok(sip.Stream(sip.HOST, port, good).ask(sip.options(transport="TLS")) == 200, "and the daemon still serves")
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
