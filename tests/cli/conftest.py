"""A node's API as the contract describes it, on a real HTTP server."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from mesh.cli.main import meshctl

LOAD = {
    "cpu": 0.123,
    "mem": 0.5,
    "rx_bps": 2_100_000,
    "tx_bps": 95_000_000,
    "capacity_bps": 1_000_000_000,
    "players": 42,
    "streams": 1,
    "loop_lag_ms": 1.5,
    "ill": "",
    "relays": 0,
    "usable": True,
}


FULL = "disk of node.data_dir is full"


def node(name, status="alive", zone="fra", http="http://10.0.0.1:8080", ill=""):
    urls = {"rtmp": "rtmp://10.0.0.1:1935", "http": http}
    return {"id": name * 32, "name": name, "zone": zone, "status": status, "incarnation": 1, "urls": urls,
            "load": LOAD | {"ill": ill}, "links": {}}  # fmt: skip


STREAM = {
    "stream": "live/demo",
    "leader": "a",
    "epoch": 3,
    "head": 1000,
    "standby": [],
    "replicas": [
        {"node": "b", "supplier": "a", "depth": 1, "head": 998},
        {"node": "c", "supplier": "b", "depth": 2, "head": None},
    ],
    "players": 43,
    "kbps": 2100,
    "video": "h264 1280x720",
    "audio": "aac 48000x2",
    "state": "live",
}
LEAF = {"node": "c", "supplier": "b", "depth": 2, "head": None, "players": None, "replicas": []}
TREE = STREAM | {
    "replicas": [{"node": "b", "supplier": "a", "depth": 1, "head": 999, "players": 1, "replicas": [LEAF]}],
    "partial": ["c"],
}
ORPHAN = {"stream": "live/orphan", "leader": None, "epoch": 1, "head": None, "standby": [], "players": 0, "kbps": 0,
          "video": "", "audio": "", "state": "stalled", "replicas": [
              {"node": "b", "supplier": None, "depth": 0, "head": 5, "players": 2, "replicas": []}]}  # fmt: skip
SILENT = dict.fromkeys(("lag_ms", "skips", "losses", "rtt_ms", "jitter_ms", "loss"))
HOP = {"lag_ms": 12, "skips": 3, "losses": 1, "rtt_ms": 12.5, "jitter_ms": 3.46, "loss": 0.02}
QUALITY = {
    "hops": [
        {"stream": "live/demo", "node": "b", "supplier": "a"} | HOP,
        {"stream": "live/demo", "node": "c", "supplier": "b"} | SILENT,
    ],
    "partial": ["c"],
}
WEIGHTS = {"zone": 100, "rtt": 20, "stream": 5, "cpu": 1, "players": 0.5}
CANDIDATES = [
    {"node": "b", "zone": "ams", "role": "", "lost": "is in another zone", "score": 105.25,
     "terms": {"zone": 1, "rtt": 0, "stream": 1, "cpu": 0.25, "players": 0}},
    {"node": "c", "zone": "fra", "role": "replica", "lost": "has a busier CPU", "score": 0.9,
     "terms": {"zone": 0, "rtt": 0, "stream": 0, "cpu": 0.9, "players": 0}},
    {"node": "a", "zone": "fra", "role": "leader", "lost": "", "score": 0.1285,
     "terms": {"zone": 0, "rtt": 0, "stream": 0, "cpu": 0.125, "players": 0.007}},
]  # fmt: skip
ROUTE = {
    "action": "redirect",
    "node": "a",
    "url": "http://10.0.0.1:8080/live/demo.flv",
    "reasons": ["a leads the stream", "b does not have the stream"],
}
LARGE = {"large": {"others": 984}}
"""What the route of a session says besides."""
REFUSAL = {"action": "refuse", "status": 404, "reasons": ["no node has live/none"]}


OPEN = dict.fromkeys(("control", "gossip", "media"), "open")
EXAMINATION = {
    "node": "a",
    "mesh": "mesh",
    "secret": True,
    "mdns": True,
    "advertise": "",
    "protocol": 1,
    "addresses": [
        {"address": "10.0.0.1:7400", "port": "control", "open": ["b", "c"], "refused": [], "silent": []},
        {"address": "172.17.0.1:7400", "port": "control", "open": [], "refused": ["b"], "silent": ["c"]},
    ],
    "seeds": [{"seed": "b.example", "address": "10.0.0.2:7400", "verdict": "open", "node": "b", "trouble": ""}],
    "peers": [
        {"node": "b", "status": "alive", "address": "10.0.0.2", "age_ms": 312, "rtt_ms": 0.42, "loss": 0.01,
         "ports": OPEN},
        {"node": "c", "status": "dead", "address": "10.0.0.3", "age_ms": None, "rtt_ms": None, "loss": None,
         "ports": {}, "trouble": "has another secret than this node"},
    ],
    "troubles": [],
    "suspects": [{"suspect": "secret", "where": "10.0.0.3:7400", "says": "has another secret than this node"}],
}  # fmt: skip


def answer(path, query):
    """The status and the body at this address."""
    match path.split("/"):
        case ["", "api", "v1", "nodes"]:
            return 200, {"nodes": [node("a"), node("b", "draining", ""), node("c", "dead"), node("d", ill=FULL)]}
        case ["", "api", "v1", "streams"]:
            return 200, {"streams": [STREAM, ORPHAN]}
        case ["", "api", "v1", "streams", "live", name]:
            found = {"demo": TREE, "orphan": ORPHAN}.get(name)
            return (200, found) if found else (404, {"error": f"no node has live/{name}"})
        case ["", "api", "v1", "quality"]:
            return 200, QUALITY
        case ["", "api", "v1", "doctor"]:
            return 200, EXAMINATION
        case ["", "api", "v1", "route"]:
            if query["stream"] == "live/none":
                return 200, REFUSAL
            return 200, ROUTE | (
                {"weights": WEIGHTS, "candidates": CANDIDATES} | LARGE.get(query.get("sid"), {})
                if query.get("explain")
                else {}
            ) | {"asked": query}
    return 500, "not JSON"


def obey(path, query):
    """The status and the body of a call that changes something."""
    match path.split("/"):
        case ["", "api", "v1", "nodes", "b" | "c" as name, "drain" | "undrain" as order]:
            return 200, {"node": name, "order": order}
        case ["", "api", "v1", "streams", "live", "demo", "switch"]:
            return 200, {"node": query["node"], "order": "switch", "stream": "live/demo"}
        case ["", "api", "v1", "streams", "live", "demo", "preload"]:
            return 200, {"node": query.get("node", "c"), "order": "preload", "stream": "live/demo"}
    return 404, {"error": "no node 'x'"}


class Answering(BaseHTTPRequestHandler):
    def do_GET(self, replies=answer):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, reply = replies(url.path, query)
        body = (json.dumps(reply, separators=(",", ":")) if isinstance(reply, dict) else reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET(obey)

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="session")
def api() -> Iterator[str]:
    """The URL of such a node."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def served() -> Iterator[Callable[[bytes], str]]:
    """Makes a server that sends these bytes to whoever connects, and gives its URL."""
    threads = []

    def serve(listener: socket.socket, answer: bytes) -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(answer)

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        threads.append(threading.Thread(target=serve, args=(listener, answer)))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(5)


@pytest.fixture
def run(api):
    """Run meshctl against it."""

    def invoke(*args: str) -> Result:
        return CliRunner().invoke(meshctl, args, env={"MESHCTL_URL": api})

    return invoke
