"""The part of the Hugging Face hub that an upload of a dataset talks to, on the loopback address."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What the server holds and saw: files by repository, how repositories were made, tokens, commit messages."""

    token: str
    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    refuse: str = ""


@contextmanager
def serve_hub(token: str) -> Iterator[Hub]:
    """Serve a hub that knows one token; names ending in .parquet are taken as large files."""
    hub = Hub(token=token)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                chunks = []
                while size := int(self.rfile.readline().strip() or b"0", 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(chunks)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def answer(self, value: Any, status: int = 200) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_PUT(self) -> None:
            hub.blobs[self.path.rpartition("/")[2]] = self.body()
            self.answer({})

        def do_POST(self) -> None:
            body = self.body()
            if self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.answer({"error": "Invalid username or password."}, 401)
            elif hub.refuse:
                self.answer({"error": hub.refuse}, 403)
            elif self.path == "/api/repos/create":
                made = json.loads(body)
                hub.created.append(made)
                repo = f"{made['organization']}/{made['name']}"
                hub.files.setdefault(repo, {})
                self.answer({"url": f"{hub.url}/datasets/{repo}", "name": repo})
            elif self.path == "/api/validate-yaml":
                self.answer({"errors": [], "warnings": []})
            elif self.path.endswith("/preupload/main"):
                asked = json.loads(body)["files"]
                kinds = {True: "lfs", False: "regular"}
                self.answer(
                    {"files": [
                        {"path": file["path"], "uploadMode": kinds[file["path"].endswith(".parquet")],
                         "shouldIgnore": False} for file in asked
                    ]}
                )  # fmt: skip
            elif self.path.endswith("/info/lfs/objects/batch"):
                objects = [
                    {"oid": o["oid"], "size": o["size"], "actions": {"upload": {"href": f"{hub.url}/lfs/{o['oid']}"}}}
                    for o in json.loads(body)["objects"]
                ]
                self.answer({"transfer": "basic", "objects": objects})
            elif self.path.endswith("/commit/main"):
                repo = self.path.removeprefix("/api/datasets/").removesuffix("/commit/main")
                for line in map(json.loads, body.splitlines()):
                    value = line["value"]
                    if line["key"] == "header":
                        hub.messages.append(value["summary"])
                    elif line["key"] == "file":
                        hub.files[repo][value["path"]] = base64.b64decode(value["content"])
                    elif line["key"] == "lfsFile":
                        hub.files[repo][value["path"]] = hub.blobs[value["oid"]]
                self.answer({"commitUrl": f"{hub.url}/datasets/{repo}/commit/1", "commitOid": "1" * 40})
            else:
                self.answer({"error": f"unknown {self.path}"}, 404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hub
        server.shutdown()
