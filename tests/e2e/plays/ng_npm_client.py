#!/usr/bin/env python3
"""npm's rtpengine-client: its recorded bytes over UDP, TCP and WebSocket, answered as it can read them; the client itself where node has it."""
import json, os, shutil, socket, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
import lib
import ng_record
from ng_transports import Ws
from relay_ng import Relay, decode

ASAN = os.environ.get("SALLYPORT_ASAN") == "1"
SCRIPT = """
const { Client, TcpClient, WsClient } = require('rtpengine-client');
const [sdps, udp, tcp, http] = [JSON.parse(process.argv[2]), ...process.argv.slice(3).map(Number)];
const log = console.log;
console.log = () => {};
async function run(how, ask) {
  const id = {'call-id': how, 'from-tag': 'a'}, out = {};
  out.ping = (await ask('ping', {})).result;
  out.offer = (await ask('offer', {...id, sdp: sdps[0], ICE: 'remove'})).sdp;
  out.answer = (await ask('answer', {...id, 'to-tag': 'b', sdp: sdps[1], ICE: 'remove'})).sdp;
  out.query = Object.keys((await ask('query', id)).tags).sort();
  out.list = (await ask('list', {})).calls;
  out.statistics = (await ask('statistics', {})).statistics.currentstatistics.sessionstotal;
  out.block = (await ask('blockMedia', id)).result;
  out.delete = (await ask('delete', {...id, 'delete-delay': 0})).result;
  log(JSON.stringify({how, ...out}));
}
const ready = (c, event) => new Promise((ok, bad) => { c.once(event, ok); c.once('error', bad); });
(async () => {
  const u = new Client({timeout: 3000});
  await run('udp', (name, o) => u[name]({port: udp, host: '127.0.0.1'}, o));
  const t = new TcpClient({hostport: '127.0.0.1:' + tcp, timeout: 3000});
  await ready(t, 'listening');
  await run('tcp', (name, o) => t[name](o));
  const w = new WsClient({url: 'ws://127.0.0.1:' + http, timeout: 3000});
  await ready(w, 'listening');
  await run('ws', (name, o) => w[name](o));
  process.exit(0);
})().catch(e => { log(String(e)); process.exit(1); });
"""


def check(cookie, reply):
    """What the client does with a reply: the space stands at offset 36, and all of it came at once."""
    if len(reply) > 16384 or reply[36:37] != b" " or reply[:36] != cookie:
        return {"unreadable": reply[:60]}
    value, end = decode(reply, 37)
    return value if end == len(reply) else {"rest": reply[end:]}


def good(replies):
    """The recorded call went well."""
    by = {n: r for n, r in replies}
    return ("m=audio" in by["offer"]["sdp"] and "m=audio" in by["answer"]["sdp"] and
            set(by["query"]["tags"]) == {"a", "b"} and by["list"]["calls"] == ["npm-1"] and by["delete"]["result"] == "ok" and
            all(by[w]["result"] == "ok" for w in ("block media", "unblock media", "block DTMF", "unblock DTMF", "statistics")))


def replay(send, recv):
    out = []
    for step in ng_record.load("npm")[0]["steps"]:
        request = step["request"].encode("latin-1")
        send(request)
        out.append((decode(request, 37)[0]["command"], check(request[:36], recv())))
    return out


def real(tap, ports):
    """The package itself, where NODE_PATH or the folder of the tree has it."""
    if not shutil.which("node") or subprocess.run(["node", "-e", "require('rtpengine-client')"], cwd=lib.ROOT, stdout=subprocess.DEVNULL,
                                                  stderr=subprocess.DEVNULL).returncode:
        print("# node has no rtpengine-client here: only its bytes were tried")
        return
    sdps = json.dumps([ng_record.sdp(4000), ng_record.sdp(5000, who="bob")])
    p = subprocess.run(["node", "-e", SCRIPT, "x", sdps, *map(str, ports)], cwd=lib.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    got = [json.loads(l) for l in p.stdout.splitlines() if l.startswith('{"how"')]
    for how, g in zip(("udp", "tcp", "ws"), got + [{}] * 3):
        tap.ok(g.get("how") == how and g["ping"] == "pong" and "m=audio" in g["offer"] and "m=audio" in g["answer"] and g["query"] == ["a", "b"] and
               g["list"] == [how] and g["statistics"] == 1 and g["block"] == "ok" and g["delete"] == "ok", f"the client itself over {how}", p.stdout[-1500:])


def main():
    tap, folder = lib.Tap(), tempfile.mkdtemp(prefix="sallyport-npm-")
    try:
        udp, tcp, http = (lib.free_port() for _ in range(3))
        media = lib.free_port(span=100, even=True)
        p = lib.Process("relay", [lib.binary("sallyport-rtpproxy", ASAN), "--foreground", "--interface=pub/127.0.0.1", f"--listen-ng=127.0.0.1:{udp}",
                                  f"--listen-tcp-ng={tcp}", f"--listen-http={http}", "--delete-delay=0", f"--port-min={media}", f"--port-max={media + 99}"], folder)
        p.wait_text("event=ready")
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.connect(("127.0.0.1", udp))
        u.settimeout(3)
        got = replay(u.send, lambda: u.recv(65536))
        tap.ok(good(got), "its bytes over UDP", got)
        t = socket.create_connection(("127.0.0.1", tcp), 3)
        got = replay(t.sendall, lambda: t.recv(65536))
        tap.ok(good(got), "its bytes over TCP: each reply comes in one piece below 16 KiB", got)
        w = Ws(http, "ng.rtpengine.com")
        got = replay(lambda r: w.frame(2, r), lambda: w.recv()[1])
        tap.ok(w.good and good(got), "its bytes over WebSocket", got)
        real(tap, (udp, tcp, http))
        tap.ok(Relay(udp).sessions() == 0, "no call is left")
        tap.ok(p.stop() == 0, "the relay ends cleanly", p.text()[-1500:])
    finally:
        lib.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
