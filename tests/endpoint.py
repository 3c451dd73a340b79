"""An HTTP server of the test's own that answers what a test tells it to."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Script:
    """What the server was asked, and the function that answers: body -> (status, headers, JSON or text)."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.paths = []
        self.headers = []
        self.url = ""


@contextlib.contextmanager
def serve(answer):
    script = Script(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.requests.append(body)
            script.paths.append(self.path)
            script.headers.append(dict(self.headers))
            status, headers, content = script.answer(body)
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    with running(Handler) as address:
        script.url = f"{address}/v1"
        yield script


@contextlib.contextmanager
def running(handler):
    """An HTTP server of this machine with this handler, by its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
