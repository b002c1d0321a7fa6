"""Networks and servers that misbehave: what is transient is overcome, without
fetching a byte twice that has arrived."""

import json
import os
import random
import re
import signal
import subprocess
import time

import harness
from fake_registry import FakeRegistry
from harness import Layout, add_image
from tar_layer import dir, file, gzip, tar

MB = 1_000_000
# How often the test of killed pulls kills; more of them by hand.
KILLS = int(os.environ.get("IMGMOUNT_KILLS", "12"))


def layer_of(seed, size):
    """A layer that gzip does not make smaller."""
    return tar(dir(f"d{seed}"), file(f"d{seed}/f", random.Random(seed).randbytes(size)))


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
        self.assertEqual(self.bytes_sent(), len(self.blob), "the rest is enough")

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
                return 403, {}, b"<Error>Request has expired</Error>"
            valid.clear()
            return cdn.cut(request, MB)
        self.on_blob(sign)
        cdn.answer = answer
        self.check()
        self.assertEqual(cdn.sent[f"/v2/app/blobs/{self.digest}"], len(self.blob))
        self.assertEqual(self.ranges[1], f"bytes={MB}-")

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


class OnATerminal(BadNetwork):
    COLUMNS = 40

    def start(self):
        return harness.Terminal(
            self, [harness.BIN / "imgpull", self.image],
            {**self.environment, "TERM": "xterm"}, columns=self.COLUMNS)

    def test_ctrl_c_leaves_the_terminal_clean_and_keeps_what_was_downloaded(self):
        self.on_blob(lambda request, n: self.hub.cut(request, MB) if n == 0
                     else (503, {"Retry-After": "50"}, b""))
        terminal = self.start()
        terminal.read_until(": Retrying in ")
        terminal.press("\x03")
        self.assertEqual(terminal.read_to_the_end(), 130)
        shown = terminal.shown.replace("^C", "")
        lines = re.sub(r"\x1b\[[0-9]*[A-Z]", "", shown).split("\r\n")
        self.assertEqual(lines.pop(), "", "the cursor is below what was shown")
        self.assertTrue(lines.pop().endswith("interrupted"))
        for line in lines[3:]:
            self.assertLessEqual(len(line.strip("\r")), self.COLUMNS)
        self.assertNotIn("\x1b[?", shown, "no mode of the terminal is changed")

        self.on_blob(lambda request, n: None)
        self.check()
        self.assertEqual(self.bytes_sent(), len(self.blob))

    def test_a_pull_ends_with_one_line_a_layer(self):
        terminal = self.start()
        self.assertEqual(terminal.read_to_the_end(), 0)
        final = terminal.shown.rpartition("\x1b[J")[2].split("\r\n")
        id = self.digest.split(":")[1][:12]
        self.assertEqual(final[0], f"{id}: Pull complete")
        self.assertEqual(final[1], f"Digest: {self.manifest['digest']}")


class ALinkThatDrops(BadNetwork):
    SIZE = 32 * MB

    def test_every_5_mb_costs_next_to_nothing(self):
        self.on_blob(lambda request, n: self.hub.cut(request, 5 * MB))
        self.check()
        self.assertGreater(len(self.ranges), 5)
        self.assertLessEqual(sum(self.hub.sent.values()), 1.02 * len(self.blob))


class KilledPulls(harness.EndToEnd):
    def test_sigkill_at_any_moment_loses_nothing_that_was_written(self):
        layout = Layout(self.scratch / "layout")
        layers = [layer_of(n, size) for n, size in enumerate((9 * MB, 4 * MB, 2 * MB))]
        manifest = add_image(layout, "latest", *layers)
        hub = FakeRegistry(layout, {"latest": manifest})
        self.addCleanup(hub.close)
        sizes = {harness.digest_of(gzip(x)): len(gzip(x)) for x in layers}
        asked = []

        def note(request):
            digest = request.path.rpartition("/")[2]
            if digest in sizes:
                start = re.match(r"bytes=(\d+)-", request.headers.get("Range", "bytes=0-"))
                asked.append((digest, int(start[1])))
        hub.answer = note
        moments = random.Random(5)
        kills, runs = 0, 0
        while kills < KILLS:
            there = {digest: self.bytes_there(digest) for digest in sizes}
            asked.clear()
            pull = subprocess.Popen(
                [str(harness.BIN / "imgpull"), "-q", f"{hub.address}/app"],
                env=self.environment, stdout=subprocess.DEVNULL)
            try:
                # Not to synchronise: the kill is to come at an odd moment.
                pull.wait(timeout=moments.uniform(0, 0.2))
            except subprocess.TimeoutExpired:
                pull.send_signal(signal.SIGKILL)
                pull.wait()
                kills += 1
            self.assert_cache_whole()
            for digest, start in asked:
                self.assertEqual(start, there[digest], digest)
            if pull.returncode == 0:
                self.check_tree(f"{hub.address}/app", layers)
                subprocess.run(["rm", "-rf", str(self.cache)], check=True)
                runs += 1
            else:
                self.assertEqual(pull.returncode, -signal.SIGKILL)
        self.out_of("imgpull", "-q", f"{hub.address}/app")
        self.check_tree(f"{hub.address}/app", layers)

    def bytes_there(self, digest):
        name = digest.partition(":")[2]
        for folder in "imgmount/partial", "blobs/sha256":
            path = self.cache / folder / name
            if path.exists():
                return path.stat().st_size
        return 0

    def check_tree(self, image, layers):
        self.out_of("imgcache", "verify")
        mounted = self.mount(image, "--offline")
        for n, layer in enumerate(layers):
            self.assertIn((mounted / f"d{n}/f").read_bytes(), layer)
        self.unmount(mounted)


class ManyAtOnce(harness.EndToEnd):
    def test_twenty_processes_fetch_each_shared_layer_once(self):
        layout = Layout(self.scratch / "layout")
        shared = [layer_of(n, MB) for n in range(2)]
        tags = {f"v{n}": add_image(layout, f"v{n}", *shared, layer_of(10 + n, MB))
                for n in range(5)}
        hub = FakeRegistry(layout, tags)
        self.addCleanup(hub.close)
        mounts = []
        for n in range(20):
            folder = self.mount_point(f"mnt{n}")
            self.addCleanup(self.unmount, folder)
            mounts.append(subprocess.Popen(
                [str(harness.BIN / "imgmount"), "-q", f"{hub.address}/app:v{n % 5}",
                 str(folder)], env=self.environment))
        self.assertEqual([m.wait(timeout=120) for m in mounts], [0] * 20)
        self.assert_cache_whole()
        for n in range(20):
            self.assertEqual(sorted(os.listdir(self.scratch / f"mnt{n}")),
                             sorted(["d0", "d1", f"d{10 + n % 5}"]))
        blobs = [r for r in hub.requests if r.startswith("GET") and "/blobs/" in r]
        layers = {harness.digest_of(gzip(x)) for x in
                  shared + [layer_of(10 + n, MB) for n in range(5)]}
        for digest in layers:
            self.assertEqual(sum(digest in r for r in blobs), 1, digest)


if __name__ == "__main__":
    harness.main()
