#!/usr/bin/env python3
"""Calls that change while they last, between user agents that nobody here wrote: linphone outside (TLS, SRTP), baresip and SIPp inside
(UDP, RTP). Hold and resume from either side, another codec, early media, late offer, attended and blind transfer."""
import os, re, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip
from sallyport_site import INSIDE, OUTSIDE, PHONE_IN, Site

BOB, CARL, SIPP, DAVE = "+4930111", "+4930222", "+4930333", "+4930444"
SIPP_DIR = os.path.join(lib.ROOT, "tests", "e2e", "sipp")
CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
certificates:
  edge: {{ chain: {edge_pem}, key: !file {edge_key} }}
trust_anchors: {{ demo: {ca} }}
realms:
  outside:
    trust: low
    listen: [ {{ transport: tls, address: {outside}, port: {tls_port}, certificate: edge, client_certificate: off }} ]
    media: {{ address: {outside}, ports: {media_out}-{media_out_end} }}
    media_policy: secret
  inside:
    trust: high
    listen: [ {{ transport: udp, address: {inside}, port: {udp_port} }} ]
    media: {{ address: {inside}, ports: {media_in}-{media_in_end} }}
    media_policy: plain
media_policies:
  secret: {{ rtp: forbid, srtp: require, keying: [sdes], codecs: {{ allow: [PCMU, PCMA, telephone-event] }} }}
  plain: {{ rtp: allow, srtp: forbid, codecs: {{ allow: [PCMU, PCMA, telephone-event] }} }}
trunks:
  phones:
    realm: outside
    peers: [ {{ target: "sip:127.0.0.1:{phone_out_port};transport=tls" }} ]
    tls: {{ certificate: edge, verify: off }}
    identify: {{ source: [127.0.0.1/32] }}
{habits}
  bob: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{bob_port}" }} ], identify: {{ source: [127.0.0.1/32] }} }}
  carl: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{carl_port}" }} ], identify: {{ source: [127.0.0.201/32] }} }}
  sipp: {{ realm: inside, peers: [ {{ target: "sip:127.0.0.1:{sipp_port}" }} ], identify: {{ source: [127.0.0.202/32] }} }}
routes:
  - {{ when: {{ number: ["^\\\\+4930111$"] }}, to: [bob] }}
  - {{ when: {{ number: ["^\\\\+4930222$"] }}, to: [carl] }}
  - {{ when: {{ number: ["^\\\\+4930333$"] }}, to: [sipp] }}
  - {{ when: {{ from: inside }}, to: [phones] }}
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


class Stage:
    def __init__(self, folder):
        self.site = Site(folder, CONFIG, asan=True, bob_port=lib.free_port(PHONE_IN), carl_port=lib.free_port(PHONE_IN),
                         sipp_port=lib.free_port(PHONE_IN), habits="    refer: local")
        self.lin = lib.Linphone(folder, "linphone", "127.0.0.1", "alice", self.site.ca.cert)
        self.site.start()
        self.tone = os.path.join(folder, "440.wav")
        lib.write_tone(self.tone, 440, seconds=60)
        self.bob = self.phone("bob", BOB, 600, self.site.v["bob_port"])
        self.carl = self.phone("carl", CARL, 900, self.site.v["carl_port"])
        self.calls = 0

    def phone(self, name, number, tone, port):
        return lib.Phone(self.site.dir, name, PHONE_IN, "<sip:" + number + "@{address}:{port}>;regint=0;answermode=auto;audio_codecs=PCMU/8000/1,PCMA/8000/1",
                         tone=tone, transports="udp", sip_port=port)

    def acks(self):
        """ACKs that the SBC has seen and sent."""
        return self.site.sbc.text().count('start="ACK ')

    def uri(self, number):
        return f"sip:{number}@{OUTSIDE}:{self.site.v['tls_port']};transport=tls"

    def call_out(self, number):
        """linphone calls and plays its tone."""
        call = self.lin.call(self.uri(number))
        self.lin.wait_state(call, "LinphoneCallStreamsRunning")
        self.lin.command(f"incall-player-start {self.tone} {call}")
        self.calls += 1
        return call

    def sipp(self, name, scenario, *args):
        v = self.site.v
        argv = ["sipp", "-sf", os.path.join(SIPP_DIR, scenario), "-nostdin", "-nd", "-m", "1", "-i", PHONE_IN, "-p", str(v["sipp_port"]), "-t", "u1", "-mi", PHONE_IN,
                "-mp", str(lib.free_port(PHONE_IN, span=4, even=True)), "-recv_timeout", "10000", "-timeout", "30", "-trace_err",
                "-error_file", os.path.join(self.site.dir, name + ".err"), *args]
        return lib.Process(name, argv, self.site.dir)


def hears(phone, hertz, seconds=10):
    """What the phone hears now becomes this tone (None: silence)."""
    last, sizes = [None], []

    def look():
        path = phone.heard()
        if not path:
            return False
        last[0] = lib.tone_now(path)
        sizes.append(os.path.getsize(path))
        if hertz:
            return abs(last[0][0] - hertz) < hertz * 0.03 and last[0][1] > 0.05
        return last[0][1] < 0.01 or sizes[-3:-1] == [sizes[-1]] * 2  # silence, or nothing is recorded any more
    try:
        return lib.wait_for(f"{hertz} Hz", look, seconds, 0.2)
    except TimeoutError:
        print(f"# {phone.name} hears {last[0]}, wanted {hertz}")
        return False


def both_ways(phone, seconds=15):
    """Its display shows media in both directions, again and again."""
    mark = len(phone.process.text())

    def look():
        rates = re.findall(r"audio=(\d+)/(\d+) \(bit/s\)", phone.process.text()[mark:])
        return len(rates) > 20 and all(int(n) > 30000 for n in rates[-1])
    try:
        return lib.wait_for("media both ways", look, seconds, 0.2)
    except TimeoutError:
        print(f"# {phone.name}: {phone.process.text()[-200:]}")
        return False


def hold_and_resume(tap, st):
    call = st.call_out(BOB)
    tap.ok(hears(st.bob, 440), "linphone outside (TLS, SRTP) talks to baresip inside (UDP, RTP)")
    st.lin.command(f"call-pause {call}")
    st.lin.wait_state(call, "LinphoneCallPaused")
    tap.ok(hears(st.bob, None), "held by linphone: baresip hears nothing")
    st.lin.command(f"call-resume {call}")
    st.lin.wait_state(call, "LinphoneCallStreamsRunning")
    st.lin.command(f"incall-player-start {st.tone} {call}")
    tap.ok(hears(st.bob, 440), "resumed by linphone: baresip hears it again")
    st.bob.command("hold")
    st.lin.wait_state(call, "LinphoneCallPausedByRemote")
    tap.ok(True, "held by baresip: linphone knows")
    st.bob.command("resume")
    st.lin.wait_state(call, "LinphoneCallStreamsRunning")
    tap.ok(hears(st.bob, 440), "resumed by baresip: both talk")
    # Both hold; who held first resumes first.
    st.lin.command(f"call-pause {call}")
    st.lin.wait_state(call, "LinphoneCallPaused")
    acks = st.acks()
    st.bob.command("hold")
    lib.wait_for("the second hold to be through", lambda: st.acks() > acks + 1)
    st.lin.command(f"call-resume {call}")
    st.lin.wait_state(call, "LinphoneCallPausedByRemote", "LinphoneCallStreamsRunning")
    st.bob.command("resume")
    st.lin.wait_state(call, "LinphoneCallStreamsRunning")
    st.lin.command(f"incall-player-start {st.tone} {call}")
    tap.ok(hears(st.bob, 440), "both held and resumed: both talk")
    st.lin.command(f"terminate {call}")
    cdr = st.site.wait_cdrs(st.calls)[-1]
    tap.ok(cdr["status"] == 200 and cdr["ended_by"] == "caller", "one CDR, ended by linphone", cdr)
    st.bob.wait_event("CALL_CLOSED")


def late_offer(tap, st):
    dave = lib.Phone(st.site.dir, "dave", "127.0.0.1", "<sip:" + DAVE + "@{address}:{port};transport=tls>;regint=0;mediaenc=srtp-mand;answermode=auto"
                     ";audio_codecs=PCMU/8000/1,PCMA/8000/1", tone=500, certificate=st.site.phone_cert, authority=st.site.ca.cert,
                     sip_port=st.site.v["phone_out_port"] - 1)
    caller = st.sipp("late", "late_early.xml", f"{INSIDE}:{st.site.v['udp_port']}", "-s", DAVE)
    status = caller.p.wait(40)
    st.calls += 1
    tap.ok(status == 0, "SIPp inside calls baresip outside without an offer; then another codec, hold, and an offer asked for by re-INVITE", caller.text()[-1500:])
    cdr = st.site.wait_cdrs(st.calls)[-1]
    tap.ok(cdr["status"] == 200 and cdr["ended_by"] == "caller", "one CDR, ended by SIPp", cdr)
    dave.stop()


def is_bound(port):
    """Does anyone receive UDP there?"""
    with open("/proc/net/udp") as f:
        return any(line.split()[1].endswith(f":{port:04X}") for line in f.readlines()[1:])


def early_media(tap, st):
    callee = st.sipp("early", "early_media.xml")
    lib.wait_for("SIPp listens", lambda: is_bound(st.site.v["sipp_port"]), 10, 0.05)
    call = st.lin.call(st.uri(SIPP))
    st.lin.wait_state(call, "LinphoneCallOutgoingEarlyMedia")
    tap.ok(True, "linphone has early media from SIPp")
    st.lin.wait_state(call, "LinphoneCallStreamsRunning")
    st.lin.command(f"terminate {call}")
    st.calls += 1
    tap.ok(callee.p.wait(15) == 0, "then the answer, and linphone hangs up", callee.text()[-800:])
    cdr = st.site.wait_cdrs(st.calls)[-1]
    tap.ok(cdr["status"] == 200 and "early_media" in cdr, "the CDR knows when early media began", cdr)


def attended_transfer(tap, st):
    first = st.call_out(BOB)
    tap.ok(hears(st.bob, 440), "linphone talks to bob")
    st.lin.command(f"call-pause {first}")
    st.lin.wait_state(first, "LinphoneCallPaused")
    second = st.call_out(CARL)
    tap.ok(hears(st.carl, 440), "and asks carl")
    st.lin.command(f"call-transfer {first} {second}")
    # This baresip throws away frames whose timestamps lie behind those before, whoever sends them: ours never do.
    tap.ok(hears(st.carl, 600, 15), "attended transfer: carl hears bob's tone")
    # By its display: what it records ends with the first hold.
    tap.ok(both_ways(st.bob), "attended transfer: bob sends and receives")
    lib.wait_for("linphone's calls to end", lambda: st.lin.state(first) == st.lin.state(second) == "gone", 20, 0.2)
    tap.ok(True, "linphone is out of it")
    st.bob.hangup()
    st.site.wait_empty(40)
    tap.ok(True, "hung up by bob: nothing is left")
    return first


def blind_transfer(tap, st):
    call, mark = st.call_out(BOB), len(st.site.sbc.text())
    tap.ok(hears(st.bob, 440), "linphone talks to bob again")
    st.bob.command("transfer", f"sip:{CARL}@{INSIDE}:{st.site.v['udp_port']}")
    lib.wait_for("the transfer to be done", lambda: "event=transfer_done" in st.site.sbc.text()[mark:], 15)
    st.lin.command(f"incall-player-start {st.tone} {call}")  # the change of media has ended its player
    tap.ok(hears(st.carl, 440, 15), "blind transfer by bob: linphone talks to carl")
    st.bob.wait_event("CALL_CLOSED")
    st.lin.command(f"terminate {call}")
    st.site.wait_empty(40)
    tap.ok(True, "nothing is left of the transfer")


def play(tap, folder):
    st = Stage(folder)
    for part in (hold_and_resume, late_offer, early_media, attended_transfer, blind_transfer):
        if len(sys.argv) > 1 and part.__name__ not in sys.argv[1:]:
            continue
        began = time.monotonic()
        part(tap, st)
        print(f"# {part.__name__}: {time.monotonic() - began:.1f} s")
    st.site.wait_empty(40)
    tap.ok(st.site.metric("sallyport_never_total") == 0, "nothing that was believed impossible happened")
    st.lin.stop(), st.bob.stop(), st.carl.stop()
    tap.ok(st.site.stop() == (0, 0), "both daemons end in order, with nothing leaked", st.site.sbc.text()[-3000:])


if __name__ == "__main__":
    sip.main(play)
