#!/usr/bin/env python3
"""sallyport explain against a daemon: what it says of a call is what the daemon then does to it; of a message, of a call that happened, offline."""
import json, os, random, re, socket, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lib, sip

CONFIG = """\
version: 1
node: {{ name: sbc.play.example }}
realms:
  outside:
    trust: none
    listen: [ {{ transport: udp, address: 127.0.100.1, port: {port} }} ]
    media: {{ address: 127.0.100.1, ports: 50000-50100 }}
    media_policy: plain
    admission: edge
    acl: {{ allow: [127.0.1.0/24, 127.0.2.0/24], deny: [127.0.2.66], default: reject }}
  inside:
    trust: high
    listen: [ {{ transport: udp, address: 127.0.101.1, port: {port} }} ]
    media: {{ address: 127.0.101.1, ports: 50000-50100 }}
    media_policy: plain
    acl: {{ allow: [127.0.3.0/24], default: deny }}
media_policies: {{ plain: {{ rtp: allow, srtp: forbid }} }}
admission:
  edge:
    requests: {{ per_source: 8/1h, burst: 8 }}
    calls: {{ per_caller: {{ rate: 4/1h, burst: 4 }}, per_destination: {{ sessions: 3 }} }}
numbers: {{ in: [ {{ match: "^0(\\\\d+)$", to: "+49\\\\1" }} ] }}
trunks:
  carrier: {{ realm: outside, peers: [ {{ target: "sip:127.0.1.1:{peer}" }} ], identify: {{ source: [127.0.1.0/24] }}, numbers: {{ in: in }}, limits: {{ sessions: 9 }} }}
  pbx: {{ realm: inside, peers: [ {{ target: "sip:127.0.3.1:{peer}" }} ], identify: {{ source: [127.0.3.0/24] }} }}
routes:
  - {{ name: emergency, when: {{ number: ["^112$"] }}, to: [carrier], priority: emergency }}
  - {{ name: in, when: {{ from: carrier, number: ["^\\\\+4930"] }}, to: [pbx] }}
  - {{ name: out, when: {{ from: pbx, number: ["^\\\\+"] }}, to: [carrier] }}
  - {{ name: never, when: {{}}, reject: {{ status: 603, reason: "Not here" }} }}
""" + sip.OBSERVE
CASES, SEED = 48, 5


def play(tap, folder):
    port = lib.free_port("127.0.100.1", kind=socket.SOCK_DGRAM)
    sbc = sip.Sbc(folder, CONFIG, port=port, peer=lib.free_port("127.0.1.1", kind=socket.SOCK_DGRAM)).start()
    binary = lib.binary("sallyport", sbc.asan)

    def run(*args):
        return subprocess.run([binary, "explain", "-c", sbc.config, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)

    def explain(*args):
        done = run("--json", *args)
        return json.loads(done.stdout) if done.stdout else {"error": done.stderr}

    dice, differ, seen, sockets = random.Random(SEED), [], {}, {}

    def speak(source, to, message, call):
        """The final answer's status, 100 where it is on its way, 0 where nothing is said."""
        if source not in sockets:
            sockets[source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sockets[source].bind((source, 0))
        s, status, end = sockets[source], 0, time.monotonic() + 0.5
        s.sendto(message, to)
        while status < 200 and time.monotonic() < end:
            s.settimeout(max(0.01, end - time.monotonic()))
            try:
                got = s.recv(65536)
            except (TimeoutError, socket.timeout):
                break
            if f"\r\nCall-ID: {call}\r\n".encode() in got:       # not the repetition of an older answer
                status = max(status, int(got.split(b" ")[1]))
        return status

    for i in range(CASES):
        source = dice.choice(["127.0.1.1", "127.0.1.7", "127.0.2.2", "127.0.2.66", "127.0.3.1", "127.0.9.9"])
        inside = dice.random() < 0.35 if source != "127.0.3.1" else dice.random() < 0.9
        realm, host = ("inside", "127.0.101.1") if inside else ("outside", "127.0.100.1")
        number, caller = dice.choice(["030555", "+4930777", "112", "999", "+1555"]), dice.choice(["200", "201"])
        media = dice.choice(["rtp", "srtp", None])
        said = explain("--from", source, "--realm", realm, "--number", number, "--caller", caller, *(["--media", media] if media else []))
        if "verdict" not in said:
            differ.append((source, realm, number, said))
            continue
        proto, extra = ("RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n") if media == "srtp" else ("RTP/AVP", "")
        body = (f"v=0\r\no=- 1 1 IN IP4 {source}\r\ns=-\r\nc=IN IP4 {source}\r\nt=0 0\r\nm=audio 20000 {proto} 8\r\n{extra}").encode() if media else b""
        message = (f"INVITE sip:{number}@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {source}:5060;rport;branch=z9hG4bK{i}\r\nMax-Forwards: 70\r\n"
                   f"From: <sip:{caller}@{source}>;tag=t{i}\r\nTo: <sip:{number}@{host}>\r\nCall-ID: c{i}\r\nCSeq: 1 INVITE\r\nContact: <sip:{source}>\r\n"
                   + ("Content-Type: application/sdp\r\n" if media else "") + f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        status = speak(source, (host, port), message, f"c{i}")
        v = said["verdict"]
        want = {"allow": (100, 502, 503), "drop": (0,)}.get(v["outcome"]) or (v["status"],)      # nobody is there to take what is let in
        seen[v["outcome"], v["stage"]] = seen.get((v["outcome"], v["stage"]), 0) + 1
        if status not in want:
            differ.append((source, realm, number, caller, media, v, status))
    tap.ok(not differ, f"{CASES} calls by chance end as explain had said", "\n".join(map(str, differ[:6])))
    stages = {s for o, s in seen}
    tap.ok({"acl", "rate", "identify", "admission", "route", "media"} <= stages, "among them every kind of end", seen)
    tap.ok(sbc.metric("sallyport_policy_total", stage="acl", outcome="allow") > 0, "and /metrics counts the questions, explained ones not",
           sbc.metric("sallyport_policy_total", stage="acl"))

    table = run("--from", "127.0.3.1", "--number", "112").stdout
    tap.ok(re.search(r"^route +allow +emergency +\S+sallyport\.yaml:\d+$", table, re.M) and "emergency call, to carrier" in table,
           "the table names the rule, its file and line, and where the call would go", table)
    with open(os.path.join(folder, "invite.txt"), "w") as f:
        f.write("INVITE sip:999@127.0.101.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.3.1:5060;branch=z9hG4bKx\nMax-Forwards: 70\nFrom: <sip:7@127.0.3.1>;tag=x\n"
                "To: <sip:999@127.0.101.1>\nCall-ID: x\nCSeq: 1 INVITE\nContact: <sip:127.0.3.1>\nContent-Length: 0\n\n")
    said = explain("--message", os.path.join(folder, "invite.txt"), "--from", "127.0.3.1")
    tap.ok(said.get("verdict", {}).get("rule") == "never" and said["verdict"]["status"] == 603, "a message from a file is judged as one from the wire", said)
    record = lib.wait_for("a record", lambda: next((json.loads(line) for name in os.listdir(folder) if name.startswith("cdr.jsonl")
                                                    for line in open(os.path.join(folder, name)) if '"policy:never"' in line), None))
    said = explain("--call", record["call"])
    tap.ok(said.get("then", {}).get("cause") == "policy:never" and "verdict" in said, "a call that happened is told as of then and of now", said)
    before = explain("--from", "127.0.1.1", "--number", "030555", "--realm", "outside", "--caller", "200")
    fresh = explain("--offline", "--from", "127.0.1.1", "--number", "030555", "--realm", "outside", "--caller", "200")
    tap.ok(before.get("verdict", {}).get("outcome") == "reject" and fresh.get("verdict", {}).get("outcome") == "allow",
           "the daemon knows what it has counted, --offline only the rules", (before, fresh))
    for name, args in (("an address that is none", ["--from", "nowhere", "--number", "1"]), ("a realm that is none", ["--from", "127.0.3.1", "--number", "1", "--realm", "moon"]),
                       ("no number", ["--from", "127.0.3.1"]), ("a time that is none", ["--from", "127.0.3.1", "--number", "1", "--at", "noon"])):
        done = run(*args)
        tap.ok(done.returncode == 2 and done.stderr.startswith("sallyport: "), f"said and refused: {name}", done)
    tap.ok(sbc.control("status")["refused_total"] > 0 and sbc.stop() == 0, "it ends in order")
    for s in sockets.values():
        s.close()


sip.main(play)
