# SPDX-License-Identifier: Apache-2.0
"""A registry that lies: serves a layout's blobs under any repository, and
answers what a test tells it to."""

import collections
import http.client
import http.server
import pathlib
import re
import socket
import ssl
import threading

PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<what>[^/]+)$")


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connections = 0  # that are not over
        self.changed = threading.Condition()

    def _count(self, more):
        with self.changed:
            self.connections += more
            self.changed.notify_all()

    def process_request(self, *arguments):
        self._count(1)
        super().process_request(*arguments)

    def process_request_thread(self, *arguments):
        super().process_request_thread(*arguments)
        self._count(-1)

    def handle_error(self, *_):
        pass  # a client that went away; a test looks at what the client says


class _Server6(_Server):
    address_family = socket.AF_INET6


class FakeRegistry:
    """`tags`: manifest descriptors by tag. `answer`, when set, is called with
    each request (a handler: .path, .headers) and may return (status, headers,
    body) in place of the truth; a body may be an iterator of pieces. One that is
    shorter than its Content-Length ends the connection. `sent` counts the bytes of
    bodies by path. `tls` is a certificate and its key; `clients` the CA of the
    certificates that clients must have, with TLS up to the version `newest`."""

    def __init__(self, layout, tags, host="127.0.0.1", tls=None, clients=None,
                 newest=ssl.TLSVersion.TLSv1_3):
        self.layout = layout
        self.tags = tags
        self.answer = None
        self.requests = []
        self.sent = collections.Counter()
        server = _Server6 if ":" in host else _Server
        self._server = server((host, 0), self._handler())
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, tls))
            context.maximum_version = newest
            if clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients)
            self._server.socket = context.wrap_socket(self._server.socket,
                                                      server_side=True)
        self._server.daemon_threads = True
        self.address = "%s:%d" % (f"[{host}]" if ":" in host else host,
                                  self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def drain(self):
        """Waits until no client is connected, and what those who have ended had
        sent has been answered; the kernel may have kept it until now."""
        last = http.client.HTTPConnection(*self._server.server_address[:2])
        last.request("GET", "/v2/")
        last.getresponse()  # so all that connected before it are counted
        last.close()
        with self._server.changed:
            if not self._server.changed.wait_for(
                    lambda: self._server.connections == 0, timeout=60):
                raise TimeoutError(f"{self._server.connections} clients stay connected")

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

    def honest(self, request):
        """The truth, or the part of it that the request's Range asks for."""
        status, headers, body = self.truth(request.path)
        wanted = re.match(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if status == 200 and wanted:
            first = int(wanted[1])
            last = min(int(wanted[2] or len(body)), len(body) - 1)
            headers = {**headers, "Content-Range":
                       f"bytes {first}-{last}/{len(body)}"}
            status, body = 206, body[first:last + 1]
        return status, headers, body

    def cut(self, request, limit):
        """An honest answer whose connection breaks after so many bytes."""
        status, headers, body = self.honest(request)
        return status, {**headers, "Content-Length": str(len(body))}, body[:limit]

    def stall(self, request, limit):
        """An honest answer that is silent after so many bytes."""
        status, headers, body = self.honest(request)

        def pieces():
            yield body[:limit]
            request.rfile.read(1)  # ends when the client has gone
        return status, {**headers, "Content-Length": str(len(body))}, pieces()

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
                status, headers, body = answer or fake.honest(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                sent = 0
                try:
                    if self.command != "HEAD":
                        for piece in [body] if isinstance(body, bytes) else body:
                            self.wfile.write(piece)
                            sent += len(piece)
                            fake.sent[self.path] += len(piece)
                except ConnectionError:
                    pass  # the client has heard enough
                if sent < int(headers.get("Content-Length", 0)):
                    self.close_connection = True

            do_HEAD = do_POST = do_GET

            def log_message(self, *_):
                pass

        return Handler
