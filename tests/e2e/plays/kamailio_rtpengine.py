#!/usr/bin/env python3
"""Debian's Kamailio with its rtpengine module and an ordinary configuration drives our relay for SIPp calls with media, over UDP and WebSocket."""
import os, shutil, struct, subprocess, sys, tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib
from relay_ng import Relay

ASAN = os.environ.get("SALLYPORT_ASAN") == "1"
CALLS = 3

CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
dns=no
rev_dns=no
use_dns_cache=no
listen=udp:127.0.0.1:{sip}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
{lwsc}loadmodule "rtpengine.so"
{wsapi}modparam("rtpengine", "rtpengine_sock", "{ng}")

request_route {{
	if (!mf_process_maxfwd_header("10")) {{
		sl_send_reply("483", "Too Many Hops");
		exit;
	}}
	if (is_method("CANCEL")) {{
		if (t_check_trans()) t_relay();
		exit;
	}}
	if (has_totag()) {{
		loose_route();
		if (is_method("BYE")) rtpengine_delete("delete-delay=0");
		t_relay();
		exit;
	}}
	if (is_method("INVITE")) {{
		record_route();
		rtpengine_manage("{flags}");
		t_on_reply("MEDIA");
	}}
	$du = "sip:127.0.0.1:{callee}";
	t_relay();
}}

onreply_route[MEDIA] {{
	if (has_body("application/sdp")) rtpengine_manage("{flags}");
}}
"""
FLAGS = "replace-origin replace-session-connection ICE=remove trust-address symmetric RTP/AVP"

CALLER = """\
<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller with media">
<send retrans="500"><![CDATA[
INVITE sip:callee@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[call_number]
To: callee <sip:callee@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<nop><action><exec rtp_stream="{tone},-1,8,PCMA/8000"/></action></nop>
<pause milliseconds="{pause}"/>
<nop><action><exec rtp_stream="pause"/></action></nop>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
"""


def modules():
    for folder in ("/usr/lib/x86_64-linux-gnu/kamailio/modules/", "/usr/lib/aarch64-linux-gnu/kamailio/modules/"):
        if os.path.isdir(folder):
            return folder
    return "/usr/lib/kamailio/modules/"


def packets(relay, call):
    """RTP packets accepted from each tag of a call."""
    tags = relay.ask("query", call_id=call).get("tags", {})
    return {t: sum(s["stats"]["packets"] for m in v["medias"] for s in m["streams"][:1]) for t, v in tags.items()}


def is_bound(port):
    with open("/proc/net/udp") as f:
        return any(line.split()[1].endswith(":%04X" % port) for line in f.readlines()[1:])


def drive(tap, folder, relay, how, sock, before):
    """CALLS calls through a Kamailio that reaches the relay at `sock`."""
    sip, caller, callee = (lib.free_port() for _ in range(3))
    caller_rtp, callee_rtp = (lib.free_port(span=40, even=True) for _ in range(2))
    folder = os.path.join(folder, how)
    os.mkdir(folder)
    config = os.path.join(folder, "kamailio.cfg")
    with open(config, "w") as f:
        f.write(CONFIG.format(sip=sip, ng=sock, callee=callee, flags=FLAGS, modules=modules(), lwsc='loadmodule "lwsc.so"\n' if how == "WebSocket" else "",
                              wsapi='modparam("rtpengine", "wsapi", "lwsc")\n' if how == "WebSocket" else ""))
    pings = counter(relay, "totalpingcount")
    kam = lib.Process("kamailio", ["kamailio", "-f", config, "-DD", "-E", "-w", folder, "-Y", folder, "-m", "32", "-M", "8"], folder)
    if how == "UDP":
        lib.wait_for("Kamailio to find the relay", lambda: counter(relay, "totalpingcount") > pings or kam.p.poll() is not None)
        tap.ok(kam.p.poll() is None, f"{how}: Kamailio starts and its rtpengine module accepts the relay's pong", kam.text()[-2000:])
    else:  # it connects with the first call
        lib.wait_for("Kamailio to listen", lambda: is_bound(sip) or kam.p.poll() is not None)
        tap.ok(kam.p.poll() is None, f"{how}: Kamailio starts", kam.text()[-2000:])
    uas = lib.Process("callee", ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(callee), "-mi", "127.0.0.1", "-mp", str(callee_rtp),
                                 "-rtp_echo", "-nostdin"], folder)
    # An even number of packets of A-law: rtp_stream reads raw samples.
    with open(os.path.join(folder, "tone.raw"), "wb") as f:
        f.write(struct.pack("B", 0x55) * 160 * 50)
    with open(os.path.join(folder, "caller.xml"), "w") as f:
        f.write(CALLER.replace("{tone}", os.path.join(folder, "tone.raw")).replace("{pause}", "2000"))
    uac = lib.Process("caller", ["sipp", f"127.0.0.1:{sip}", "-sf", os.path.join(folder, "caller.xml"), "-i", "127.0.0.1", "-p", str(caller),
                                 "-mi", "127.0.0.1", "-mp", str(caller_rtp),
                                 "-m", str(CALLS), "-r", "10", "-nostdin", "-timeout", "30", "-timeout_error", "-trace_err",
                                 "-error_file", os.path.join(folder, "caller.err")], folder)
    calls = lib.wait_for("calls in the relay", lambda: (lambda c: c if len(c) == CALLS else None)(relay.ask("list")["calls"]))
    tap.ok(len(calls) == CALLS, f"{how}: Kamailio's offers made a session for each call")

    def both_ways():
        got = [packets(relay, c) for c in calls]
        return got if all(len(g) == 2 and min(g.values()) > 20 for g in got) else None

    got = lib.wait_for("media both ways", both_ways, 10, 0.2)
    tap.ok(bool(got), f"{how}: media flows both ways in all calls")
    status = uac.p.wait(40)
    err = os.path.join(folder, "caller.err")
    tap.ok(status == 0, f"{how}: SIPp's calls end well", uac.text()[-1500:] + (open(err).read() if os.path.exists(err) else ""))
    lib.wait_for("an empty relay", lambda: relay.sessions() == 0)
    tap.ok(relay.ask("list")["calls"] == [], f"{how}: Kamailio's deletes left nothing in the relay")
    s = relay.ask("statistics")["statistics"]
    tap.ok(s["controlstatistics"]["totaloffercount"] == CALLS + before and s["controlstatistics"]["totalanswercount"] == CALLS + before and
           s["totalstatistics"]["regularterminatedsessions"] == CALLS + before and s["interfaces"][0]["ports"]["used"] == 0,
           f"{how}: the statistics tell the same", s)
    uas.stop(), kam.stop()


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-kamailio-")
    for tool in ("kamailio", "sipp"):
        if not shutil.which(tool):
            print(f"1..0 # SKIP {tool} is not installed")
            return 0
    try:
        ng, http = (lib.free_port() for _ in range(2))
        media = lib.free_port(span=200, even=True)
        p = lib.Process("relay", [lib.binary("sallyport-rtpproxy", ASAN), "--foreground", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{ng}",
                                  f"--listen-http={http}", f"--port-min={media}", f"--port-max={media + 199}", "--log-level=debug"], folder)
        p.wait_text(r"event=ready")
        relay = Relay(ng)
        drive(tap, folder, relay, "UDP", f"udp:127.0.0.1:{ng}", 0)
        if os.path.exists(os.path.join(modules(), "lwsc.so")):
            drive(tap, folder, relay, "WebSocket", f"ws://127.0.0.1:{http}", CALLS)
        else:
            print("# kamailio-lwsc-modules is not installed: no WebSocket")
        tap.ok("event=refused" not in p.text(), "no command was refused", p.text()[-1500:])
        tap.ok(p.stop() == 0, "the relay ends cleanly", p.text()[-1500:])
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


def counter(relay, name):
    return relay.ask("statistics")["statistics"]["controlstatistics"][name]


if __name__ == "__main__":
    sys.exit(main())
