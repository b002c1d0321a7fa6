# SPDX-License-Identifier: Apache-2.0
"""Networks and servers that misbehave: what is transient is overcome, without
fetching a byte twice that has arrived."""

import contextlib
import json
import random
import select
import shutil
import socket
import threading
import time

import harness
import login_test
from fake_registry import FakeRegistry
from harness import MB, Layout, add_image, layer_of
from tar_layer import file, gzip, tar


# What another run goes on with is whole.
PIECE = 64 << 10


class BadNetwork(harness.EndToEnd):
    SIZE = 3 * MB

    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.layer = layer_of(0, self.SIZE)
        self.blob = gzip(self.layer)
        self.digest = harness.digest_of(self.blob)
        self.manifest = add_image(self.layout, "latest", self.layer)
        self.hub = self.serve()
        self.image = f"{self.hub.address}/app"
        self.ranges = []

    def serve(self, **options):
        registry = FakeRegistry(self.layout, {"latest": self.manifest}, **options)
        self.addCleanup(registry.close)
        return registry

    def on_blob(self, answer):
        """Lets `answer(request, how often it was asked before)` answer for the
        layer."""
        def answer_all(request):
            if self.digest not in request.path:
                return None
            self.ranges.append(request.headers.get("Range"))
            return answer(request, len(self.ranges) - 1)
        self.hub.answer = answer_all

    def bytes_sent(self):
        return self.hub.sent[f"/v2/app/blobs/{self.digest}"]

    def check(self, *options):
        """The pull succeeds and the tree is right; returns what was printed."""
        printed = self.out_of("imgpull", "--progress=plain", *options, self.image)
        self.assert_cache_whole()
        mounted = self.mount(self.image, "--offline")
        self.assertEqual((mounted / "d0/f").read_bytes(),
                         random.Random(0).randbytes(self.SIZE))
        return printed


class MisbehavingServers(BadNetwork):
    def test_one_that_closes_early(self):
        self.on_blob(lambda request, n: self.hub.cut(request, MB) if n == 0 else None)
        self.check()
        self.assertEqual(self.ranges, [None, f"bytes={MB}-"])
        self.assertEqual(self.bytes_sent(), len(self.blob))

    def test_one_that_ignores_ranges(self):
        def answer(request, n):
            status, headers, body = self.hub.truth(request.path)
            if n == 0:
                return self.hub.cut(request, MB)
            return status, headers, body
        self.on_blob(answer)
        self.check()
        self.assertEqual(len(self.ranges), 2)

    def test_one_that_sends_the_wrong_range(self):
        def answer(request, n):
            if n == 0:
                return self.hub.cut(request, MB)
            if n > 1:
                return None
            size = len(self.blob)
            return (206, {"Content-Range": f"bytes {2 * MB}-{size - 1}/{size}"},
                    self.blob[2 * MB:])
        self.on_blob(answer)
        self.check()

    def test_one_that_stalls(self):
        self.on_blob(lambda request, n: self.hub.stall(request, MB) if n == 0 else None)
        self.check("--pull-progress-timeout=1s")
        self.assertEqual(self.ranges, [None, f"bytes={MB}-"])
        self.assertEqual(self.bytes_sent(), len(self.blob))

    def test_one_that_stalls_for_good(self):
        self.on_blob(lambda request, n: self.hub.stall(request, 0))
        done = self.run_tool("imgpull", "-q", self.image,
                             IMGMOUNT_PULL_PROGRESS_TIMEOUT="1s")
        self.assert_fails(done, harness.UNAVAILABLE, self.hub.address,
                          "nothing arrived for 1 second")
        self.assertEqual(len(self.ranges), 5)

    def test_one_that_sends_a_byte_now_and_then(self):
        def drip(request, n):
            status, headers, body = self.hub.honest(request)

            def pieces():
                for i in range(len(body)):
                    yield body[i:i + 1]
                    time.sleep(0.1)
            return status, {**headers, "Content-Length": str(len(body))}, pieces()
        self.on_blob(drip)
        done = self.run_tool("imgpull", "-q", "--pull-progress-timeout=1s", self.image)
        self.assert_fails(done, harness.UNAVAILABLE, self.hub.address,
                          "next to nothing arrived for 1 second")
        self.assertEqual(len(self.ranges), 5)
        self.on_blob(lambda request, n: None)
        self.check()

    def test_one_that_is_slow_but_never_silent(self):
        # The whole takes longer than the limit on silence.
        def answer(request, n):
            status, headers, body = self.hub.honest(request)
            step = len(body) // 12 + 1

            def pieces():
                for start in range(0, len(body), step):
                    time.sleep(0.5)
                    yield body[start:start + step]
            return status, {**headers, "Content-Length": str(len(body))}, pieces()
        self.on_blob(answer)
        self.check("--pull-progress-timeout=5s")
        self.assertEqual(len(self.ranges), 1)

    def test_the_limit_on_silence_is_a_duration(self):
        done = self.run_tool("imgpull", "--pull-progress-timeout=soon", self.image)
        self.assert_fails(done, harness.USAGE, "--pull-progress-timeout: soon")

    def test_one_that_wants_us_to_wait(self):
        self.on_blob(lambda request, n: (429, {"Retry-After": "1"}, b"")
                     if n == 0 else None)
        self.assertIn(": Retrying in 1 second\n", self.check())

    def test_one_that_is_out_of_order_for_a_while(self):
        self.on_blob(lambda request, n: ((502, {"Retry-After": "0"}, b"<html>")
                                         if n < 3 else None))
        self.check()
        self.assertEqual(len(self.ranges), 4)

    def test_one_that_breaks_down_for_good_and_comes_back_another_day(self):
        self.on_blob(lambda request, n: self.hub.cut(request, MB) if n == 0
                     else (503, {"Retry-After": "0"}, b""))
        done = self.run_tool("imgpull", "-q", self.image)
        self.assert_fails(done, harness.UNAVAILABLE, self.hub.address, "503")
        self.on_blob(lambda request, n: None)
        self.check()
        self.assertLess(self.bytes_sent(), len(self.blob) + PIECE, "the rest is enough")

    def test_a_cdn_whose_signed_address_expires_in_mid_download(self):
        cdn = self.serve()
        valid = []

        def sign(request, n):
            valid[:] = [f"sig{n}"]
            return 307, {"Location":
                         f"http://{cdn.address}{request.path}?X-Signature=sig{n}"}, b""

        def answer(request):
            path, _, signature = request.path.partition("?X-Signature=")
            request.path = path
            if signature not in valid:
                return 403, {}, b""
            valid.clear()
            return cdn.cut(request, MB)
        self.on_blob(sign)
        cdn.answer = answer
        self.check()
        self.assertEqual(cdn.sent[f"/v2/app/blobs/{self.digest}"], len(self.blob))
        self.assertEqual(self.ranges[1], f"bytes={MB}-")

    def test_a_storage_that_refuses_to_go_on_where_an_earlier_run_ended(self):
        for status in 416, 400, 403, 501:
            with self.subTest(status=status):
                shutil.rmtree(self.cache, ignore_errors=True)
                self.hub = self.serve()
                self.image = f"{self.hub.address}/app"
                self.ranges.clear()
                self.on_blob(lambda request, n: self.hub.cut(request, MB) if n == 0
                             else (404, {}, b""))
                self.assertNotEqual(self.run_tool("imgpull", self.image).returncode, 0)
                self.ranges.clear()
                storage = self.serve()
                storage.answer = lambda request: (
                    (status, {}, b"<Error/>") if "Range" in request.headers else None)
                self.on_blob(lambda request, n: (
                    307, {"Location": f"http://{storage.address}{request.path}"}, b""))
                self.check()
                self.assertEqual(self.ranges, [f"bytes={MB // PIECE * PIECE}-", None])
                self.unmount(self.mount_point())

    def test_a_token_that_expires_in_mid_pull(self):
        tokens = []

        def answer(request):
            if request.path.startswith("/token"):
                tokens.append(f"token{len(tokens)}")
                return 200, {}, json.dumps({"token": tokens[-1]}).encode()
            # A token is good for two requests.
            if not tokens or uses.get(tokens[-1], 0) >= 2 or (
                    request.headers.get("Authorization") != f"Bearer {tokens[-1]}"):
                return 401, {"WWW-Authenticate":
                             f'Bearer realm="http://{self.hub.address}/token",'
                             'service="s",scope="repository:app:pull"'}, b""
            uses[tokens[-1]] = uses.get(tokens[-1], 0) + 1
            if self.digest in request.path:
                return self.hub.cut(request, MB)
            return None
        uses = {}
        self.hub.answer = answer
        self.check()
        self.assertGreater(len(tokens), 2)
        self.assertEqual(self.bytes_sent(), len(self.blob))

    def test_one_that_speaks_ipv6(self):
        self.hub = self.serve(host="::1")
        self.image = f"{self.hub.address}/app"
        self.check()


class DroppingLink:
    """Leads to a port on loopback; each connection ends when so many bytes have
    come back over it. `passed` counts them all."""

    def __init__(self, port, limit):
        self.port, self.limit, self.passed, self.connections = port, limit, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "localhost:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                client = self.listener.accept()[0]
                self.connections += 1
                threading.Thread(target=self.carry, args=(client,), daemon=True).start()
        except OSError:
            pass  # stop() was called

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def carry(self, client):
        target = socket.create_connection(("127.0.0.1", self.port))
        with client, target, contextlib.suppress(ConnectionError):
            other_end = {client: target, target: client}
            left = self.limit
            while left > 0:
                for end in select.select(list(other_end), [], [])[0]:
                    data = end.recv(min(left, 1 << 16))
                    if not data:
                        return
                    other_end[end].sendall(data)
                    if end is target:
                        left -= len(data)
                        self.passed += len(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass  # until it has seen the end: what was sent has arrived


class ALinkThatDrops(login_test.RealRegistry):
    """Every 5 MB."""

    CONTENT = random.Random(0).randbytes(32 * MB)
    LAYER = tar(file("f", CONTENT))

    def link_to(self, registry):
        link = DroppingLink(int(registry.rpartition(":")[2]), 5 * MB)
        self.addCleanup(link.stop)
        return link

    def check(self, link):
        mounted = self.mount(f"{link.address}/app:v1")
        self.assertEqual((mounted / "f").read_bytes(), self.CONTENT)
        self.assertGreater(link.connections, 6)
        self.assertLessEqual(link.passed, 1.02 * len(gzip(self.LAYER)))

    def test_costs_next_to_nothing_over_http_1(self):
        self.check(self.link_to(self.start()))

    def test_costs_next_to_nothing_over_tls_and_http_2(self):
        link = self.link_to(self.start(**self.tls()))
        self.trust(link.address)
        self.check(link)
        log = (self.scratch / "registry/log").read_text()
        self.assertRegex(log, r'"GET /v2/app/blobs/\S+ HTTP/2\.0" 206')


if __name__ == "__main__":
    harness.main()
