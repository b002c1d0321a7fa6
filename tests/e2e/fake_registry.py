"""A registry that lies: serves a layout's blobs under any repository, and
answers what a test tells it to."""

import http.server
import pathlib
import re
import threading

PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<what>[^/]+)$")


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that went away; a test looks at what the client says


class FakeRegistry:
    """`tags`: manifest descriptors by tag. `answer`, when set, is called with
    each request (a handler: .path, .headers) and may return (status, headers,
    body) in place of the truth."""

    def __init__(self, layout, tags):
        self.layout = layout
        self.tags = tags
        self.answer = None
        self.requests = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def truth(self, path):
        """What an honest registry answers: (status, headers, body)."""
        if path == "/v2/":
            return 200, {}, b"{}"
        match = PATH.match(path)
        if not match:
            return 404, {}, b""
        descriptor = self.tags.get(match["what"]) or {
            "digest": match["what"],
            "mediaType": self._media_type_of(match["what"])}
        try:
            body = pathlib.Path(
                self.layout.blob_path(descriptor["digest"])).read_bytes()
        except OSError:
            code = "MANIFEST_UNKNOWN" if match["kind"] == "manifests" else "BLOB_UNKNOWN"
            return 404, {}, b'{"errors":[{"code":"%s"}]}' % code.encode()
        return 200, {"Content-Type": descriptor["mediaType"],
                     "Docker-Content-Digest": descriptor["digest"]}, body

    def _media_type_of(self, digest):
        for descriptor in self.tags.values():
            if descriptor["digest"] == digest:
                return descriptor["mediaType"]
        return "application/octet-stream"

    def _handler(fake):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                fake.requests.append(f"{self.command} {self.path}")
                answer = fake.answer and fake.answer(self)
                status, headers, body = answer or fake.truth(self.path)
                start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if start and status == 200 and not answer:
                    first = int(start[1])
                    headers = {**headers, "Content-Range":
                               f"bytes {first}-{len(body) - 1}/{len(body)}"}
                    status, body = 206, body[first:]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    if self.command != "HEAD":
                        self.wfile.write(body)
                except ConnectionError:
                    pass  # the client has heard enough
                if len(body) < int(headers.get("Content-Length", 0)):
                    self.close_connection = True

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler
