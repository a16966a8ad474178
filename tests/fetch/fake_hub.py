"""A loopback stand-in for the Hugging Face Hub: just what publishing a dataset asks of it."""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any

import yaml


class FakeHub:
    """Repositories by name: ``{"private": bool, "files": {path: bytes}}``."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, Any]] = {}
        self.token = "hf_test"
        self.status = 0
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = f"{body.get('organization') or 'me'}/{body['name']}"
        if name in self.repositories:
            told = "You already created this dataset repo"
            return 409, {"error": told, "url": f"{self.url}/datasets/{name}"}
        private = bool(body.get("private")) or body.get("visibility") == "private"
        self.repositories[name] = {"private": private, "files": {}}
        return 200, {"url": f"{self.url}/datasets/{name}"}

    def commit(self, name: str, lines: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        files = self.repositories[name]["files"]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                files.pop(value["path"], None)
        return 200, {"commitUrl": f"{self.url}/datasets/{name}/commit/1", "commitOid": "1" * 40}

    def info(self, name: str) -> tuple[int, dict[str, Any]]:
        repository = self.repositories.get(name)
        if repository is None:
            return 404, {"error": "Repository not found"}
        return 200, {
            "id": name,
            "private": repository["private"],
            "sha": "0" * 40,
            "tags": [],
            "siblings": [{"rfilename": path} for path in repository["files"]],
        }

    def tree(self, name: str, wanted: list[str] | None = None) -> tuple[int, Any]:
        """Every file with its folders, or the ``wanted`` ones."""
        files = self.repositories[name]["files"]
        found = {
            path: {"type": "file", "path": path, "size": len(data), "oid": "2" * 40}
            for path, data in files.items()
        }
        for path in files:
            for folder in PurePosixPath(path).parents:
                if str(folder) != ".":
                    entry = {"type": "directory", "path": str(folder), "size": 0, "oid": "3" * 40}
                    found[str(folder)] = entry
        return 200, [found[path] for path in sorted(found) if wanted is None or path in wanted]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes) -> None:
        path = self.path.split("?")[0]
        if self.hub.status:
            status, answer = self.hub.status, {"error": "told to refuse"}
        elif self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            status, answer = 401, {"error": "Invalid credentials"}
        else:
            status, answer = self._route(path, body)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        if asked := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            status, data = 206, data[int(asked[1]) : int(asked[2]) + 1]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _route(self, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/repos/create":
            return self.hub.create(json.loads(body))
        if path == "/api/validate-yaml":
            yaml.safe_load(json.loads(body)["content"].split("---")[1])
            return 200, {"errors": [], "warnings": []}
        if path.startswith("/datasets/"):
            _, _, user, short, _, _, *inside = path.split("/")
            return 200, self.hub.repositories[f"{user}/{short}"]["files"]["/".join(inside)]
        parts = path.removeprefix("/api/datasets/").split("/")
        name = "/".join(parts[:2])
        what = parts[2] if len(parts) > 2 else ""
        if what == "preupload":
            files = json.loads(body)["files"]
            return 200, {
                "files": [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in files
                ]
            }
        if what == "commit":
            return self.hub.commit(name, [json.loads(line) for line in body.splitlines()])
        if what == "paths-info":
            wanted = urllib.parse.parse_qs(body.decode()).get("paths")
            wanted = wanted or json.loads(body)["paths"]
            return self.hub.tree(name, wanted)
        if what == "tree":
            return self.hub.tree(name)
        return self.hub.info(name)
