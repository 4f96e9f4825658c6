#!/usr/bin/env python3
"""Somebody else is asked of calls (docs/opinion.md): an HTTP service that accepts, refuses, sends elsewhere, lies, is slow, goes away and comes back."""
import http.server, json, os, sys, threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from party import Call, Party, hang_up, talk
from sallyport_site import OUTSIDE, Site

CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: udp, address: {outside}, port: {out_port} }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: plain-or-srtp
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain-or-srtp
trunks:
  callers: {{ realm: outside, peers: [ {{ target: "sip:127.0.0.1:5060" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  callees: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{phone_in_port}" }} ] }}
  others: {{ realm: inside, peers: [ {{ target: "sip:{phone_in}:{other_port}" }} ] }}
routes:
  - {{ name: emergency, priority: emergency, when: {{ from: outside, number: ["^112$"] }}, to: [callees] }}
  - {{ name: in, when: {{ from: outside }}, to: [callees] }}
opinion:
  url: http://127.0.0.1:{service}/verdict
  timeout: 500ms
  on_error: {on_error}
  trunks: [others]
  breaker: {{ failures: 3, rest: 500ms }}
media_relays:
  - {{ name: local, url: "ng+unix:{ng}" }}
cdr:
  - {{ to: file, path: {cdr}, format: jsonl }}
timers: {{ t1: 50ms, t4: 100ms }}
observe:
  control: {control}
  http: [ {{ address: 127.0.0.1, port: {http_port}, pages: [metrics, health] }} ]
  log: {{ level: info, sip: off }}
"""


class Service:
    """Answers what `answer` says: (status, body), or waits for `release`."""

    def __init__(self, port):
        self.gone = False
        self.questions, self.answer, self.slow = [], (200, b'{"verdict":"accept"}'), threading.Event()
        self.slow.set()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                service.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if service.gone:  # over a connection that was open when it went
                    self.close_connection = True
                    return
                status, body = service.answer
                service.slow.wait(20)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.gone = True
        self.slow.set()
        self.server.shutdown()
        self.server.server_close()


class Stage:
    def __init__(self, folder):
        self.port = lib.free_port("127.0.0.1")
        self.service = Service(self.port)
        self.caller, self.callee, self.other = Party("127.0.0.1"), Party("127.0.0.1"), Party("127.0.0.1")
        self.site = Site(folder, CONFIG, asan=True, out_port=lib.free_port(OUTSIDE), phone_in_port=self.callee.port, other_port=self.other.port,
                         service=self.port, on_error="reject")
        self.site.start()
        self.to = (OUTSIDE, self.site.v["out_port"])

    def uri(self, number="+4930555123"):
        return f"sip:{number}@{OUTSIDE}:{self.site.v['out_port']}"

    def goes_on(self, callee=None, number="+4930555123"):
        a, b, _, ok = talk(self.caller, callee or self.callee, self.to, self.uri(number))
        return ok.status == 200 and hang_up(a, b).status == 200

    def refused(self):
        return Call(self.caller, self.to, self.uri()).invite().status()

    def results(self, result):
        return self.site.metric("sallyport_opinions_total", result=result)


def verdicts(tap, st):
    service = st.service
    tap.ok(st.goes_on() and st.results("accept") == 1, "a call that the service accepts goes on")
    q = service.questions[0]
    tap.ok(q["trunk"] == "callers" and q["number"] == "+4930555123" and q["source"] == "127.0.0.1" and q["cause"] == "dialled", "the question says who calls whom", str(q))
    service.answer = (200, b'{"verdict":"reject","status":608,"reason":"Not This One"}')
    m = st.refused()
    tap.ok(m.start == "SIP/2.0 608 Not This One", "a call that it rejects gets its status and reason", m.start)
    tap.ok(st.site.metric("sallyport_refused_total", stage="opinion", rule="opinion", status="608") == 1, "counted with its stage")
    tap.ok(lib.wait_for("the record", lambda: [c for c in st.site.cdrs() if c["cause"] == "policy:opinion"]), "and in its record")
    service.answer = (200, b'{"verdict":"route","trunk":"others"}')
    tap.ok(st.goes_on(st.other) and st.results("route") == 1, "a call that it sends elsewhere goes there")
    tap.ok(st.goes_on(number="112") and len(service.questions) == 3, "of an emergency call it is not asked")


def lies(tap, st):
    """The breaker rests after three in a row; a good answer in between keeps it closed."""
    service, good = st.service, (200, b'{"verdict":"accept"}')
    for n, (name, answer) in enumerate((("a trunk that it may not name", (200, b'{"verdict":"route","trunk":"callers"}')), ("a page", (200, b"<html>")),
                                        ("much too much", (200, b'{"verdict":"accept","more":"' + b"x" * 100000 + b'"}')), ("an error", (500, b"oops")),
                                        ("a redirect", (302, b"")), ("nothing", (200, b"")))):
        service.answer = answer
        m = st.refused()
        tap.ok(m.status == 503, f"{name}: no answer, and on_error refuses", m.start)
        if n % 2:
            service.answer = good
            tap.ok(st.goes_on(), "the next call is asked about as ever")
    st.service.answer = good


def slow_and_gone(tap, st):
    service = st.service
    service.slow.clear()
    m = st.refused()
    tap.ok(m.status == 503 and st.results("late") == 1, "a service that is slow: the call does not wait", m.start)
    service.slow.set()
    tap.ok(st.goes_on(), "what it says too late is nobody's")
    service.stop()
    tap.ok([st.refused().status for _ in range(3)] == [503] * 3, "it is gone: on_error refuses")
    st.site.sbc.wait_text(r"event=opinion_rests")
    tap.ok(st.site.metric("sallyport_opinion_up") == 0, "it is left alone, which is an alarm")
    st.site.write(on_error="accept")
    tap.ok(st.site.command("reload").returncode == 0 and st.goes_on(), "on_error: accept lets calls go on without it")
    st.service = Service(st.port)
    lib.wait_for("it to be asked again", lambda: st.goes_on() and st.site.metric("sallyport_opinion_up") == 1)
    tap.ok(st.service.questions, "it is back, one call has tried it")


def play(tap, folder):
    st = Stage(folder)
    verdicts(tap, st)
    lies(tap, st)
    slow_and_gone(tap, st)
    st.site.wait_empty()
    tap.ok(st.site.stop() == (0, 0), "both end in order, with nothing leaked", st.site.sbc.text()[-3000:])
    st.service.stop()


if __name__ == "__main__":
    sip.main(play)
