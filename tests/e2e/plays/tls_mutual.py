#!/usr/bin/env python3
"""Client certificates off, optional, required; whose they may be (RFC 5922); SNI; the least version of a certificate."""
import os, ssl, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

CONFIG = """\
version: 1
node: {{ name: sbc.test }}
certificates:
  edge:  {{ chain: {edge[0]}, key: !file {edge[1]} }}
  other: {{ chain: {other[0]}, key: !file {other[1]}, min_version: "1.3" }}
  apart: {{ chain: {apart[0]}, key: !file {apart[1]} }}
trust_anchors:
  carrier-ca: {ca}
realms:
  outside:
    trust: none
    listen:
      - {{ transport: tls, address: 127.0.0.1, port: {off}, certificate: edge, client_certificate: off }}
      - {{ transport: tls, address: 127.0.0.1, port: {optional}, certificate: edge, client_certificate: optional }}
      - {{ transport: tls, address: 127.0.0.1, port: {required}, certificate: edge, client_certificate: required }}
      - {{ transport: tls, address: 127.0.0.1, port: {second}, certificate: other, client_certificate: off }}
    media: {{ anchor: off }}
    acl: {{ allow: [127.0.0.0/8], default: reject }}
  apart:
    trust: none
    listen: [ {{ transport: tls, address: 127.0.0.1, port: {alone}, certificate: apart }} ]
    media: {{ anchor: off }}
trunks:
  carrier:
    realm: outside
    peers: [ {{ target: "sips:carrier.test" }} ]
    tls: {{ certificate: edge, verify: carrier-ca }}
    identify: {{ certificate_name: carrier.test }}
  phones: {{ realm: apart, peers: [ {{ target: "sip:127.0.0.1:5099;transport=tls" }} ], identify: {{ source: [127.0.0.1/32] }} }}
routes:
  - {{ when: {{ from: carrier }}, to: [carrier] }}
""" + sip.OBSERVE


def reach(port, context, name=None):
    """Final status of an OPTIONS; 0: the connection did not come up, or was closed."""
    try:
        s = sip.Stream(sip.HOST, port, context, name)
        return s.ask(sip.options(transport="TLS"))
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return 0


def names(port, context, name):
    s = sip.Stream(sip.HOST, port, context, name)
    return [v for k, v in s.s.getpeercert()["subjectAltName"] if k == "DNS"]


def play(tap, folder):
    ca, stranger_ca = lib.Authority(os.path.join(folder, "ca")), lib.Authority(os.path.join(folder, "stranger"))
    issue = ca.issue
    sbc = sip.Sbc(folder, CONFIG, edge=issue("edge", "DNS:edge.test"), other=issue("other", "DNS:other.test,DNS:*.wild.test"),
                  apart=issue("apart", "DNS:apart.test"), ca=ca.cert, **{n: lib.free_port() for n in ("off", "optional", "required", "second", "alone")}).start()
    v = sbc.v
    carrier = issue("carrier", "URI:sip:carrier.test")
    clients = {
        "none": (None, (403, 403, 0), "no_certificate"),
        "the trunk's": (carrier, (403, 200, 200), None),
        "the trunk's, by a DNS name": (issue("c2", "DNS:CARRIER.test"), (403, 200, 200), None),
        "another name": (issue("c3", "URI:sip:somebody.test"), (403, 403, 403), None),
        "a DNS name beside a sip URI of another": (issue("c4", "URI:sip:somebody.test,DNS:carrier.test"), (403, 403, 403), None),
        "a wildcard": (issue("c5", "DNS:*.test"), (403, 403, 403), None),
        "the common name beside other names": (issue("carrier.test", "DNS:somebody.test"), (403, 403, 403), None),
        "one that is over": (issue("c6", "URI:sip:carrier.test", ended=True), (403, 0, 0), "expired"),
        "one of a strange authority": (stranger_ca.issue("c7", "URI:sip:carrier.test"), (403, 0, 0), "untrusted"),
    }
    for name, (certificate, want, reason) in clients.items():
        context = sip.tls_context(ca, certificate)
        before = sbc.metric("sallyport_tls_handshakes_total", result=reason) if reason else 0
        got = tuple(reach(v[p], context) for p in ("off", "optional", "required"))
        tap.ok(got == want, f"{name}: off, optional, required → {want} (0: closed in the handshake)", f"got {got}")
        if reason:
            sbc.wait_metric(before + want.count(0), "sallyport_tls_handshakes_total", result=reason)
            tap.ok(sbc.metric("sallyport_tls_handshakes_total", result=reason) == before + want.count(0), f"{name}: counted as {reason}")

    # The same over TLS 1.2.
    twelve = dict(maximum=ssl.TLSVersion.TLSv1_2)
    tap.ok(reach(v["required"], sip.tls_context(ca, carrier, **twelve)) == 200, "TLS 1.2 with the trunk's certificate")
    tap.ok(reach(v["required"], sip.tls_context(ca, None, **twelve)) == 0, "TLS 1.2 with none")

    # Resumption: where nobody is asked for a certificate; and such a session opens no door elsewhere.
    def resume(port, context, other):
        first = sip.Stream(sip.HOST, port, context)
        first.ask(sip.options(transport="TLS"))
        session = first.s.session
        first.close()
        try:
            raw = sip.socket.create_connection((sip.HOST, other), 5)
            again = sip.Stream.__new__(sip.Stream)
            again.s, again.data = context.wrap_socket(raw, session=session), b""
            return again.s.session_reused, again.ask(sip.options(transport="TLS"))
        except (ssl.SSLError, OSError):
            return False, 0

    for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        known, nobody = sip.tls_context(ca, carrier, maximum=maximum), sip.tls_context(ca, None, maximum=maximum)
        tap.ok(resume(v["off"], nobody, v["off"]) == (True, 403), f"{maximum.name}: a session is resumed where no certificate is asked for")
        tap.ok(resume(v["required"], known, v["required"]) == (False, 200), f"{maximum.name}: who shows a certificate shows it each time")
        tap.ok(resume(v["off"], nobody, v["required"]) == (False, 0), f"{maximum.name}: a session of a listener without certificates opens none that requires them")

    # SNI.
    plain = sip.tls_context(ca)
    for name, want in (("edge.test", "edge.test"), ("other.test", "other.test"), ("OTHER.test", "other.test"), ("a.wild.test", "other.test"),
                       ("a.b.wild.test", "edge.test"), ("unknown.test", "edge.test"), (None, "edge.test"), ("apart.test", "edge.test")):
        tap.ok(want in names(v["off"], plain, name), f"SNI {name}: the certificate of {want}")
    tap.ok("other.test" in names(v["second"], plain, None), "without SNI: the listener's own certificate")
    tap.ok(reach(v["off"], sip.tls_context(ca, **twelve), "edge.test") == 403, "TLS 1.2 with the one certificate")
    tap.ok(reach(v["off"], sip.tls_context(ca, **twelve), "other.test") == 0, "but not with the one whose least version is 1.3")

    tap.ok(reach(v["required"], sip.tls_context(ca, carrier)) == 200, "and the daemon still serves")
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
