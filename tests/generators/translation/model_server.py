"""A server of translation models like Mozilla's: a list of records, and the files, packed with zstd."""

import contextlib
import hashlib
import json
from http.server import BaseHTTPRequestHandler

from tests.endpoint import running

BLOCK = 2**17


def zstd(content):
    """A zstd frame of blocks that are stored as they are."""
    parts = [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)] or [b""]
    frame = b"\x28\xb5\x2f\xfd\xa0" + len(content).to_bytes(4, "little")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        frame += (len(part) << 3 | last).to_bytes(3, "little") + part
    return frame


class ModelServer:
    """``files``: content by place. ``faults``: what to do wrong at the next requests of a place, each once.

    A fault is a status, or "cut" (half of the content, then the connection is closed).
    """

    def __init__(self):
        self.files, self.records, self.faults, self.asked = {}, [], {}, []
        self.url = ""

    def add(self, source, target, kind, content, version="2.0", architecture="base", digest=None):
        name = f"{kind}.{source}{target}.{'bin' if kind in ('model', 'lex') else 'spm'}"
        place = f"files/{version}/{architecture}/{name}.zst"
        self.files[place] = zstd(content)
        self.records.append(
            {
                "name": name,
                "fileType": kind,
                "sourceLanguage": source,
                "targetLanguage": target,
                "version": version,
                "architecture": architecture,
                "decompressedHash": digest or hashlib.sha256(content).hexdigest(),
                "attachment": {"location": place, "hash": "", "size": 0, "filename": name},
            }
        )
        return place

    def content(self, path):
        if path == "/v1/":
            return json.dumps({"capabilities": {"attachments": {"base_url": f"{self.url}/"}}}).encode()
        if path.endswith("/records"):
            return json.dumps({"data": self.records}).encode()
        return self.files.get(path.lstrip("/"))


@contextlib.contextmanager
def serve_models():
    models = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            ranged = self.headers.get("Range")
            models.asked.append((self.path, ranged))
            faults = models.faults.get(self.path.lstrip("/"), [])
            fault = faults.pop(0) if faults else None
            content = models.content(self.path)
            if content is None or isinstance(fault, int):
                self.send_response(fault or 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(ranged.removeprefix("bytes=").rstrip("-")) if ranged else 0
            self.send_response(206 if ranged else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + len(content) // 2] if fault == "cut" else content[start:])
            self.close_connection = fault == "cut"

        def log_message(self, *_):
            pass

    with running(Handler) as address:
        models.url = address
        yield models
