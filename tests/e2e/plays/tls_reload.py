#!/usr/bin/env python3
"""Certificates are swapped while connections live: by the command, by SIGHUP; a broken file changes nothing; memory stays flat."""
import os, shutil, signal, ssl, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

SWAPS = int(os.environ.get("SALLYPORT_SWAPS", 200))
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
  phones: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:5099;transport=tls" }} ], identify: {{ source: [{source}] }} }}
routes:
  - {{ when: {{ from: phones }}, to: [phones] }}
""" + sip.OBSERVE


def serial(port, context):
    s = sip.Stream(sip.HOST, port, context)
    number = s.s.getpeercert()["serialNumber"]
    assert s.ask(sip.options(transport="TLS")) == 200
    s.close()
    return number


def play(tap, folder):
    ca = lib.Authority(os.path.join(folder, "ca"))
    sets = [ca.issue(f"sbc{i}", "DNS:sbc.test") for i in range(3)]
    pem, key = os.path.join(folder, "edge.pem"), os.path.join(folder, "edge.key")

    def use(i):
        shutil.copy(sets[i][0], pem)
        shutil.copy(sets[i][1], key)

    use(0)
    sbc = sip.Sbc(folder, CONFIG, tls=lib.free_port(), pem=pem, key=key, source="127.0.0.1/32").start()
    port, context = sbc.v["tls"], sip.tls_context(ca)
    phone = sip.Stream(sip.HOST, port, context)
    first = phone.s.getpeercert()["serialNumber"]
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "a phone is connected")

    use(1)
    tap.ok(serial(port, context) == first, "a new file alone changes nothing")
    reply = sbc.control("reload")
    tap.ok(reply["ok"] is True and reply["errors"] == [], "reload by the command", reply)
    second = serial(port, context)
    tap.ok(second != first, "a new connection sees the new certificate")
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, "the old connection lives")

    use(2)
    sbc.process.p.send_signal(signal.SIGHUP)
    lib.wait_for("the second reload", lambda: sbc.control("status")["generation"] == 2)
    third = serial(port, context)
    tap.ok(third not in (first, second), "reload by SIGHUP")

    # Broken: key of another certificate, half a file, a mistake in the configuration, a change that needs a restart.
    shutil.copy(sets[0][1], key)
    reply = sbc.control("reload")
    tap.ok(reply["ok"] is False and any("key" in e for e in reply["errors"]), "a key that does not fit is refused, with its reason", reply)
    use(2)
    with open(pem, "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nMIIB\n")
    tap.ok(sbc.control("reload")["ok"] is False, "half a certificate is refused")
    use(2)
    sbc.template += "nonsense: true\n"
    sbc.write()
    reply = sbc.control("reload")
    tap.ok(reply["ok"] is False and any("nonsense" in e for e in reply["errors"]), "a mistake is refused, with its place", reply)
    sbc.template = sbc.template.replace("nonsense: true\n", "")
    sbc.write(tls=lib.free_port())
    reply = sbc.control("reload")
    tap.ok(reply["ok"] is False and any("restart" in e and "listen" in e for e in reply["errors"]), "another port needs a restart, and that is said", reply)
    sbc.write(tls=port)
    tap.ok(serial(port, context) == third and phone.ask(sip.options(transport="TLS")) == 200, "all goes on as it was")

    # Something other than certificates is taken up too.
    sbc.write(source="127.0.0.9/32")
    tap.ok(sbc.control("reload")["ok"] is True and phone.ask(sip.options(transport="TLS")) == 403, "a changed rule holds for the next request on the old connection")
    sbc.write(source="127.0.0.1/32")
    tap.ok(sbc.control("reload")["ok"] is True and phone.ask(sip.options(transport="TLS")) == 200, "and back")

    # A table that takes long to read: who calls does not wait for it.
    table, plain = os.path.join(folder, "prefixes.csv"), sbc.template
    with open(table, "w") as f:
        f.write("prefix\n" + "".join(f"{n}\n" for n in range(1000000, 1400000)))
    sbc.template = plain.replace("routes:\n", f"routes:\n  - {{{{ when: {{{{ from: phones, prefixes: {table} }}}}, to: [phones] }}}}\n")
    sbc.write()
    done, took, waits = [], [], []

    def reload():
        began = time.monotonic()
        done.append(sbc.control("reload"))
        took.append(time.monotonic() - began)

    asker = threading.Thread(target=reload)
    asker.start()
    while asker.is_alive():
        began = time.monotonic()
        assert phone.ask(sip.options(transport="TLS")) == 200
        waits.append(time.monotonic() - began)
    asker.join()
    print(f"# read in {took[0] * 1000:.0f} ms; {len(waits)} requests answered meanwhile, the slowest in {max(waits) * 1000:.1f} ms")
    tap.ok(done[0]["ok"] is True and len(waits) >= 10 and max(waits) < took[0] / 2, "a reload that takes long makes nobody wait", f"{took} {max(waits)} {done}")
    sbc.template = plain
    sbc.write()
    assert sbc.control("reload")["ok"] is True

    rss = []
    for i in range(SWAPS):
        use(i % 3)
        assert sbc.control("reload")["ok"] is True
        if i % 10 == 0:
            serial(port, context)
        if i in (SWAPS // 4, SWAPS - 1):
            # A few seconds later the contexts of before have gone too.
            rss.append(sbc.process.rss_kib())
    print(f"# RSS after {SWAPS // 4} and {SWAPS} swaps: {rss} KiB")
    tap.ok(rss[1] - rss[0] < 1024 or sbc.asan, f"memory is flat over {SWAPS} swaps", rss)
    tap.ok(phone.ask(sip.options(transport="TLS")) == 200, f"the first connection lives after {SWAPS} swaps, and the daemon still serves")
    tap.ok(sbc.metric("sallyport_config_generation") >= SWAPS, "the generation is counted")
    tap.ok(sbc.stop() == 0, "it ends in order")


sip.main(play)
