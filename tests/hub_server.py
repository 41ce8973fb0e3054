"""A small server that speaks the Hugging Face hub's protocol for one repository, and can misbehave."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "5be7df9619b54f4e2667b2755bc6a756675b5cd7"
PIECE = 1000


class Hub(ThreadingHTTPServer):
    """served: bytes sent of each file. What it does wrong is set by the tests."""

    def __init__(self, folder: Path, repo: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.repo = folder, repo
        self.served: Counter[str] = Counter()
        self.starts: dict[str, int] = {}  # of each large file, the byte that was asked for first
        self.requests = 0
        self.refusal: tuple[int, str] | None = None  # a status and the hub's error code, for every file
        self.budget: int | None = None  # bytes of large files that are sent before connections break
        self.breaks = 0  # connections that break before the next piece
        self.slow_s = 0.0  # between two pieces
        self.portal = False  # answers everything with a page, as a hotel's network does
        self.garbled = ""  # name of a file that is sent with its last byte changed
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client may hang up."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spend(self, wanted: int) -> int:
        with self.lock:
            if self.breaks:
                self.breaks -= 1
                return 0
            if self.budget is None:
                return wanted
            allowed = min(wanted, self.budget)
            self.budget -= allowed
            return allowed


@contextmanager
def serve(folder: Path, repo: str = "maker/tiny-wan") -> Iterator[Hub]:
    """A hub with this folder as the only repository."""
    with Hub(folder, repo) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.server.requests += 1
        if self.server.portal:
            return self.reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"})
        path = unquote(urlsplit(self.path).path).lstrip("/")
        if path.startswith("cdn/"):
            return self.send_file(path.removeprefix("cdn/"))
        prefix, _, rest = path.removeprefix("api/models/").partition(self.server.repo)
        if prefix or not rest:
            return self.refuse(401 if path.startswith("api/") else 404, "RepoNotFound")
        kind, revision, *name = rest.strip("/").split("/", 2)
        if revision != COMMIT:
            return self.refuse(404, "RevisionNotFound")
        if kind == "tree":
            return self.reply(200, json.dumps(self.tree()).encode(), {"Content-Type": "application/json"})
        return self.resolve(name[0])

    def resolve(self, name: str) -> None:
        """A small file itself; for a large one, what it is and where it lies."""
        path = self.server.folder / name
        if self.server.refusal:
            return self.refuse(*self.server.refusal)
        if not path.is_file():
            return self.refuse(404, "EntryNotFound")
        if not _large(path):
            return self.send_file(name)
        facts = {"X-Linked-Etag": f'"{_oid(path)}"', "X-Linked-Size": str(path.stat().st_size)}
        return self.reply(302, b"", {"X-Repo-Commit": COMMIT, "Location": f"/cdn/{name}"} | facts)

    def send_file(self, name: str) -> None:
        path = self.server.folder / name
        data = path.read_bytes()
        if name == self.server.garbled:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{_oid(path)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if _large(path):
            self.server.starts.setdefault(name, start)
        for at in range(start, len(data), PIECE):
            piece = data[at : at + PIECE]
            sent = self.server.spend(len(piece)) if _large(path) else len(piece)
            time.sleep(self.server.slow_s)
            self.wfile.write(piece[:sent])
            self.server.served[name] += sent
            if sent < len(piece):
                self.wfile.flush()
                self.close_connection = True
                return

    def tree(self) -> list[dict[str, object]]:
        entries: list[dict[str, object]] = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "vae"}]
        for path in sorted(p for p in self.server.folder.rglob("*") if p.is_file()):
            size = path.stat().st_size
            entry = {"type": "file", "path": path.relative_to(self.server.folder).as_posix(), "size": size}
            large = {"oid": "1" * 40, "lfs": {"oid": _oid(path), "size": size, "pointerSize": 134}}
            entries.append(entry | (large if _large(path) else {"oid": _oid(path)}))
        return entries

    def refuse(self, status: int, code: str) -> None:
        self.reply(status, b"{}", {"X-Error-Code": code, "Content-Type": "application/json"})

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _large(path: Path) -> bool:
    """Whether the hub keeps it with Git LFS."""
    return path.suffix in {".safetensors", ".bin"} or path.name == "tokenizer.json"


def _oid(path: Path) -> str:
    data = path.read_bytes()
    return (
        hashlib.sha256(data).hexdigest() if _large(path) else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    )
