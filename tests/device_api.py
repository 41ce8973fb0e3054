"""ZeroGPU's own side, as its `spaces` client speaks to it: a server that lends a GPU that is not there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit


@dataclass
class DeviceApi:
    """asked: (path, parameters) of every call. left_s: what a visitor has left; more is refused. idle: whether the fork
    that had the GPU before may go on with it. pid: of the last fork.
    """

    address: str = ""
    left_s: int = 10_000
    idle: bool = True
    pid: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, path: str, parameters: dict[str, str]) -> tuple[int, object]:
        self.asked.append((path, parameters))
        self.pid = int(parameters.get("pid", self.pid))
        if path != "/schedule":
            return 200, {}
        if int(parameters["durationSeconds"]) > self.left_s:
            return 429, {"left": self.left_s, "wait": 3600}
        return 200, {"idle": self.idle, "nvidiaIndex": 0, "nvidiaUUID": "none", "allowToken": "token"}


@contextmanager
def lending() -> Iterator[DeviceApi]:
    """A DeviceApi at work, at its address."""
    api = DeviceApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            url = urlsplit(self.path)
            status, told = api.answer(url.path, dict(parse_qsl(url.query)))
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        api.address = f"http://127.0.0.1:{server.server_port}"
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
