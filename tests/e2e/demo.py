#!/usr/bin/env python3
"""make demo: a phone outside (TLS, SRTP) calls a phone inside (UDP, RTP) through both daemons, and what was seen of it.

The phones are Debian's baresip. With --keep (make run) everything stays up, without the scripted calls, until Ctrl-C.
"""
import collections, os, shutil, signal, socket, ssl, subprocess, sys, time

import lib
from lib import rtp, ulaw_decode, wait_for
from sallyport_site import CONFIG, INSIDE, OUTSIDE, PHONE_OUT, STRANGER, Site, ladder, sip_lines

# Loopback addresses have countries in the tests' database: these are Cuba's.
FOREIGN = "127.0.20.66"
GEO = f"""
geo:
  country: {os.path.join(lib.ROOT, "tests", "data", "geo", "country.mmdb")}
  rules:
    - {{{{ name: not-from-there, when: {{{{ realm: outside, country: CU }}}}, action: reject, status: 403 }}}}
"""

NUMBER = "+4930555123"
SECONDS = 4  # of talk in the good call


def say(text=""):
    print(text, flush=True)


def stranger_call(site, address=STRANGER):
    """An INVITE over TLS from an address that no trunk has; the status line that came back."""
    context = ssl.create_default_context(cafile=site.ca.cert)
    context.check_hostname = False
    raw = socket.create_connection((OUTSIDE, site.v["tls_port"]), 5, source_address=(address, 0))
    with context.wrap_socket(raw) as s:
        host = "%s:%d" % s.getsockname()
        s.sendall((f"INVITE sip:+4930555000@{OUTSIDE} SIP/2.0\r\nVia: SIP/2.0/TLS {host};branch=z9hG4bKstranger;rport\r\n"
                   f"Max-Forwards: 70\r\nFrom: <sip:mallory@{address}>;tag=m1\r\nTo: <sip:+4930555000@{OUTSIDE}>\r\n"
                   f"Call-ID: stranger@{address}\r\nCSeq: 1 INVITE\r\nContact: <sip:mallory@{host};transport=tls>\r\n"
                   "Content-Length: 0\r\n\r\n").encode())
        data, end = b"", time.monotonic() + 8
        while time.monotonic() < end:
            try:
                got = s.recv(4096)
            except (socket.timeout, OSError):
                break
            if not got:
                break
            data += got
            finals = [l for l in data.split(b"\r\n") if l.startswith(b"SIP/2.0 ") and not l.startswith(b"SIP/2.0 1")]
            if finals:
                return finals[0].decode()
    return "no answer"


def prove_media(site, packets):
    """From the capture: (RTP pairs seen on both sides, how many were really encrypted outside, tone of the inside copy).

    The relay sends as a source of its own, whose numbers go on by one as the phone's do: the commonest step between a packet
    inside and the one that came outside just before it is that of all.
    """
    v = site.v
    outside, inside, steps, last = {}, {}, collections.Counter(), None
    for _, src, sport, dst, dport, payload in packets:
        r = rtp(payload)
        if not r:
            continue
        if src == PHONE_OUT and dst == OUTSIDE and v["media_out"] <= dport <= v["media_out_end"]:
            outside[r[1]], last = r[3], r[1]
        # By address as well as by port: the two sides' port ranges may overlap, and both phones have one address here.
        if src == INSIDE and dst == v["phone_in"] and v["media_in"] <= sport <= v["media_in_end"]:
            inside[r[1]] = r[3]
            if last is not None:
                steps[(r[1] - last) & 0xFFFF] += 1
    step = steps.most_common(1)[0][0] if steps else 0
    both = [(o, (o + step) & 0xFFFF) for o in outside if (o + step) & 0xFFFF in inside]
    secret = [(o, i) for o, i in both if inside[i] not in outside[o] and
              sum(a == b for a, b in zip(outside[o], inside[i])) < len(inside[i]) // 4]
    tone = lib.measure_tone([s for body in list(inside.values())[20:70] for s in ulaw_decode(body)], 8000)
    return len(both), len(secret), tone


def table(rows):
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(rows[0]))]
    for n, r in enumerate(rows):
        say("  " + "  ".join(str(c).ljust(w) for c, w in zip(r, widths)).rstrip())
        if not n:
            say("  " + "  ".join("-" * w for w in widths))


def show_calls(cdrs):
    rows = [("call", "from", "to", "result", "keying", "cipher suite outside", "inside", "talk", "packets", "lost")]
    for c in cdrs:
        media = c.get("media", [])
        sides = ("ingress", "egress") if c.get("ingress_realm") == "outside" else ("egress", "ingress")
        out, ins = ([m for m in media if m.get("leg") == leg] or [{}] for leg in sides)
        rows.append((c.get("call", ""), c.get("from_number", ""), c.get("to_number", c.get("number_as_dialled", "")),
                     f"{c.get('status', '')} {c.get('cause', '')}", out[0].get("keying", "-"), out[0].get("srtp_suite", "-"),
                     ("RTP" if ins[0] and not ins[0].get("srtp_suite") else ins[0].get("srtp_suite", "-")) if media else "-",
                     f"{c.get('duration_ms', 0) / 1000:.1f} s" if c.get("answer") else "-",
                     sum(m.get("packets", 0) for m in media) or "-", sum(m.get("lost", 0) for m in media) if media else "-"))
    table(rows)


def main(folder, keep):
    shutil.rmtree(folder, ignore_errors=True)
    config = CONFIG.replace("allow: [{phone_out}/32]", "allow: [{phone_out}/32, 127.0.20.0/24]") + GEO
    site = Site(folder, config)
    say("Sallyport demo: a phone outside (TLS, SRTP) calls a phone inside (UDP, RTP) through two processes.\n")
    say(f"  configuration   {os.path.relpath(site.config)}")
    site.start()
    say(f"  relay           pid {site.relay.pid}, control socket {os.path.relpath(site.v['ng'])}")
    say(f"  SBC             pid {site.sbc.pid}, outside tls {OUTSIDE}:{site.v['tls_port']}, inside udp {site.v['inside']}:{site.v['udp_port']}")
    inside = site.inside_phone("bob", NUMBER)
    site_url = site.metrics_url()
    if keep:
        say(f"  inside phone    baresip at {site.v['phone_in']}:{site.v['phone_in_port']}, answers by itself")
        say(f"\nCall it over TLS from {PHONE_OUT}: {site.dial_uri(NUMBER)}   (CA: {os.path.relpath(site.ca.cert)})")
        say(f"  status    build/sallyport status -s {os.path.relpath(site.v['control'])}")
        say(f"  calls     build/sallyport calls -s {os.path.relpath(site.v['control'])}")
        say(f"  metrics   {site_url}\n  CDRs      {os.path.relpath(site.v['cdr'])}\n\nCtrl-C ends it.")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
        return 0

    good = True

    def check(ok, text):
        nonlocal good
        good &= bool(ok)
        say(f"  {'ok ' if ok else 'BAD'}  {text}")

    capture = lib.Capture(folder)
    alice = site.outside_phone("alice")
    mark = len(site.sbc.text())
    alice.dial(site.dial_uri(NUMBER))
    alice.wait_event("CALL_ESTABLISHED")
    # Talk until the far end has heard enough, then hang up: both recordings grow while it lasts.
    wait_for("media", lambda: inside.heard() and os.path.getsize(inside.heard()) > SECONDS * 16000, 20)
    live = site.command("calls").stdout
    alice.hangup()
    alice.wait_event("CALL_CLOSED")
    cdrs = site.wait_cdrs(1)
    trace = sip_lines(site.sbc.text()[mark:])
    capture.stop()

    # The other way: our offer names the suites, our client checks the phone's certificate.
    dave = site.outside_phone("+49301", tone=500, called=True)
    heard_before = inside.heard()
    inside.dial(f"sip:+49301@{INSIDE}:{site.v['udp_port']}")
    inside.wait_event("CALL_ESTABLISHED")
    wait_for("media the other way", lambda: dave.heard() and inside.heard() != heard_before and
             min(os.path.getsize(dave.heard()), os.path.getsize(inside.heard())) > SECONDS * 8000, 20)
    inside.hangup()
    inside.wait_event("CALL_CLOSED")
    cdrs = site.wait_cdrs(2)

    plain = site.outside_phone("carol", srtp=False)
    plain.dial(site.dial_uri(NUMBER))
    refusal = plain.wait_event("CALL_CLOSED").get("param", "")
    answer = stranger_call(site)
    foreign = stranger_call(site, FOREIGN)
    cdrs = site.wait_cdrs(3)
    turned_away = site.sbc.wait_text(rf"event=(refused realm=\S+ source={STRANGER}\S* method=INVITE .*)", 5).group(1)
    from_abroad = site.sbc.wait_text(rf"event=(refused realm=\S+ source={FOREIGN}\S* .*)", 5).group(1)
    alice.stop(), dave.stop(), plain.stop(), inside.stop()

    say("\nThe calls, from the CDRs:\n")
    show_calls(cdrs)
    say(f"\n  turned away before it was a call: {turned_away}")
    say(f"  turned away for where it is from: {from_abroad}")
    say("\n`sallyport calls` while the first one lasted:\n")
    say("\n".join("  " + l for l in live.rstrip().splitlines()))
    say("\nThe ladder of the good call:\n")
    say("\n".join("  " + l for l in ladder(trace, ("phone outside (TLS)", "sallyport", "phone inside (UDP)"),
                                          lambda m: m.get("realm") == "outside").splitlines()))
    say("\nWhat was heard:\n")
    heard_in, heard_out = lib.measure_wav(heard_before), lib.measure_wav(alice.heard())
    back_in, back_out = lib.measure_wav(inside.heard()), lib.measure_wav(dave.heard())
    check(abs(heard_in[0] - 440) < 440 * 0.02, f"inside heard  {heard_in[0]:.1f} Hz at level {heard_in[1]:.2f}, {heard_in[2]:.1%} of it pure tone (sent: 440 Hz)")
    check(abs(heard_out[0] - 600) < 600 * 0.02, f"outside heard {heard_out[0]:.1f} Hz at level {heard_out[1]:.2f}, {heard_out[2]:.1%} of it pure tone (sent: 600 Hz)")
    check(abs(back_in[0] - 500) < 500 * 0.02 and abs(back_out[0] - 600) < 600 * 0.02,
          f"the call from inside to outside: {back_in[0]:.1f} Hz inside (sent: 500), {back_out[0]:.1f} Hz outside (sent: 600)")
    say("\nWhat was checked:\n")
    check(cdrs[0].get("status") == 200, "the good call was answered and ended by the caller")
    if capture.p:
        pairs, secret, tone = prove_media(site, capture.packets())
        check(pairs >= 50 and secret == pairs, f"capture: {pairs} packets seen on both sides, {secret} of them encrypted outside")
        check(abs(tone[0] - 440) < 9, f"capture: the same packets inside are plain PCMU with a tone of {tone[0]:.1f} Hz")
    else:
        say("  --   capture: tcpdump may not listen here (needs root or sudo), so nothing is proven of the wire")
    check("488" in refusal, f"a call that offered plain RTP was refused: {refusal}")
    check(answer.startswith("SIP/2.0 403"), f"a call from {STRANGER}, which is no trunk's: {answer}")
    check(foreign.startswith("SIP/2.0 403") and "country=CU" in from_abroad and "rule=not-from-there" in from_abroad,
          f"a call from {FOREIGN}, whose country may not call: {foreign}")
    status = site.status()
    check(status.get("calls") == 0, "no call is left in the tables")
    say(f"\nThe CDR of the good call ({os.path.relpath(site.v['cdr'])}):\n")
    with open(site.v["cdr"] if os.path.exists(site.v["cdr"]) else site.v["cdr"] + ".open") as f:
        say("  " + f.readline().strip())
    say(f"\nWhile it runs (`make run` keeps it running): metrics at {site_url}, `build/sallyport status -s {os.path.relpath(site.v['control'])}`")
    say("\nThe demo went well." if good else f"\nThe demo failed. Logs are in {os.path.relpath(folder)}/")
    return 0 if good else 1


if __name__ == "__main__":
    os.chdir(lib.ROOT)
    code = 1
    keep = "--keep" in sys.argv[1:]
    if keep:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        code = main(os.path.join(lib.ROOT, "build", "demo"), keep)
    except (RuntimeError, TimeoutError, subprocess.TimeoutExpired, OSError) as e:
        say(f"\nThe demo failed: {e}")
    finally:
        lib.stop_all()
    sys.exit(code)
