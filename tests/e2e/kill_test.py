# SPDX-License-Identifier: Apache-2.0
"""Pulls and mounts that end by SIGKILL, and many at a time: no byte that has
arrived is fetched again, and everything comes out right."""

import hashlib
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

import harness
from fake_registry import FakeRegistry
from harness import MB, NGINX, Layout, add_image, layer_of
from tar_layer import gzip


PIECE = 64 << 10


class Layers(harness.EndToEnd):
    """Notes who is asked for which bytes of layers. `sizes`: theirs, by digest."""

    def setUp(self):
        super().setUp()
        self.sizes = {}
        self.asked = []

    def note(self, request):
        digest = request.path.rpartition("/")[2]
        if digest in self.sizes and request.command == "GET":
            asked = re.match(r"bytes=(\d+)-(\d*)",
                             request.headers.get("Range", "bytes=0-"))
            pieces = range(int(asked[1]) // PIECE,
                           (int(asked[2] or self.sizes[digest] - 1)) // PIECE + 1)
            there = self.pieces_there(digest).intersection(pieces)
            # What somebody had asked before it was killed may be read here after
            # its successor has written more.
            if not there or not self.has_ended(request.connection):
                self.asked.append((digest, pieces, there))

    def has_ended(self, connection):
        """Whether a client that waits for its answer ends instead."""
        connection.settimeout(10)
        try:
            return connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        finally:
            connection.settimeout(None)

    def pieces_there(self, digest):
        """Those of which the map says so (meta/partial/piece_map.h)."""
        path = self.cache / "imgmount/partial" / (digest.partition(":")[2] + ".map")
        try:
            states = path.read_bytes()[64:]
        except FileNotFoundError:
            return set()
        return {piece for piece, state in enumerate(states) if state == 1}

    def assert_no_byte_asked_for_twice(self):
        for digest, pieces, there in self.asked:
            self.assertEqual(there, set(), (digest, pieces))

    def assert_no_piece_asked_for_twice(self):
        """By whom nobody killed."""
        asked = [(digest, piece) for digest, pieces, _ in self.asked for piece in pieces]
        self.assertEqual(len(asked), len(set(asked)))


class KilledAtRandomMoments(Layers):
    """Pulls and mounts of nginx, killed so many times in all."""

    KILLS = 24  # scripts/test --long has more

    def setUp(self):
        super().setUp()
        layout = Layout(NGINX)
        index = json.loads((NGINX / "index.json").read_text())
        manifest = index["manifests"][0]
        self.hub = FakeRegistry(layout, {"latest": manifest})
        self.addCleanup(self.hub.close)
        self.image = f"{self.hub.address}/nginx"
        with open(layout.blob_path(manifest["digest"]), encoding="utf-8") as document:
            self.sizes = {layer["digest"]: layer["size"]
                          for layer in json.load(document)["layers"]}
        self.hub.answer = self.note

    def start(self, tool):
        """A pull, by imgpull or imgmount."""
        where = [self.mount_point()] if tool == "imgmount" else []
        return subprocess.Popen([harness.BIN / tool, "-q", self.image, *where],
                                env=self.environment, stdout=subprocess.DEVNULL)

    def run_once(self, tool, moment=None):
        """Lets it end, or kills it and what it left in the background after so
        many seconds. Not a byte may be asked for that was there. Returns whether
        it was killed."""
        self.asked.clear()
        process = self.start(tool)
        try:
            # Not to synchronise: the kill is to come at an odd moment.
            process.wait(timeout=moment or 120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if moment:
            for daemon in harness.processes_of(tool):
                harness.kill(daemon)
        self.hub.drain()
        self.assert_no_byte_asked_for_twice()
        self.assert_no_piece_asked_for_twice()
        killed = process.returncode == -signal.SIGKILL
        self.assertTrue(killed or process.returncode == 0, process.returncode)
        return killed

    def contents(self, folder):
        """A hash over names, metadata and contents of a tree."""
        with subprocess.Popen(
                ["tar", "-C", folder, "--sort=name", "--format=posix", "--xattrs",
                 "--pax-option=delete=atime,delete=ctime", "-cf", "-", "."],
                stdout=subprocess.PIPE) as archive:
            digest = hashlib.file_digest(archive.stdout, "sha256").hexdigest()
        self.assertEqual(archive.returncode, 0)
        return digest

    def remove_cache(self):
        subprocess.run(["rm", "-rf", self.cache], check=True)

    def test_a_pull_goes_on_and_comes_out_right(self):
        began = time.monotonic()
        self.run_once("imgpull")
        whole_pull = time.monotonic() - began
        mounted = self.mount(self.image, "--offline")
        self.assert_same_tree(mounted, self.unpack(NGINX))
        expected = self.contents(mounted)
        self.unmount(mounted)

        chance = random.Random(5)
        kills = 0
        while kills < self.KILLS:
            self.remove_cache()
            for _ in range(chance.choice((1, 1, 2, 3))):
                kills += self.run_once(chance.choice(("imgpull", "imgmount")),
                                       moment=chance.uniform(0, whole_pull))
                self.unmount_dead()
                self.assert_cache_whole()
            self.run_once(chance.choice(("imgpull", "imgmount")))
            if not os.path.ismount(self.mount_point()):
                self.mount(self.image, "--offline")
            self.assertEqual(self.contents(self.mount_point()), expected)
            self.unmount(self.mount_point())
            self.out_of("imgcache", "verify")

    def unmount_dead(self):
        point = str(self.scratch / "mnt")  # which cannot be looked at
        if any(line.split()[1] == point
               for line in pathlib.Path("/proc/mounts").read_text().splitlines()):
            self.out_of("imgmount", "-u", point)


class ManyAtOnce(Layers):
    """Twenty processes: pulls and mounts of five images with shared layers."""

    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        shared = [layer_of(n, 3 * MB) for n in range(2)]
        own = [layer_of(10 + n, 3 * MB) for n in range(5)]
        self.sizes = {harness.digest_of(gzip(x)): len(gzip(x)) for x in shared + own}
        self.hub = FakeRegistry(layout, {
            f"v{n}": add_image(layout, f"v{n}", *shared, own[n]) for n in range(5)})
        self.addCleanup(self.hub.close)
        self.hub.answer = self.note
        self.processes = []

    def start(self, n):
        tool = ("imgpull", "imgmount")[n % 2]
        where = []
        if tool == "imgmount":
            where = [self.mount_point(f"mnt{n}")]
            self.addCleanup(self.unmount, where[0])
        return subprocess.Popen(
            [harness.BIN / tool, "-q", f"{self.hub.address}/app:v{n % 5}", *where],
            env=self.environment, stdout=subprocess.DEVNULL)

    def check_all(self):
        self.out_of("imgcache", "verify")
        self.assert_no_byte_asked_for_twice()
        for n in range(1, 20, 2):
            self.assertEqual(sorted(os.listdir(self.scratch / f"mnt{n}")),
                             sorted(["d0", "d1", f"d{10 + n % 5}"]))

    def test_each_layer_crosses_the_wire_once(self):
        self.processes = [self.start(n) for n in range(20)]
        self.assertEqual([p.wait(timeout=120) for p in self.processes], [0] * 20)
        self.check_all()
        self.assert_no_piece_asked_for_twice()
        self.assertEqual({digest for digest, _, _ in self.asked}, set(self.sizes))

    def test_some_are_killed_and_start_again(self):
        chance = random.Random(5)
        pieces_sent = itertools.count()

        all_started = threading.Event()

        def at_work():
            return [p for p in self.processes if p.poll() is None] or self.processes

        def answer(request):
            self.note(request)
            all_started.wait(120)
            status, headers, body = self.hub.honest(request)
            if request.path.rpartition("/")[2] not in self.sizes:
                return None

            def pieces():
                for start in range(0, len(body), MB // 4):
                    if next(pieces_sent) % 8 == 5:
                        chance.choice(at_work()).kill()
                    yield body[start:start + MB // 4]
            return status, {**headers, "Content-Length": str(len(body))}, pieces()

        self.hub.answer = answer
        self.processes = [self.start(n) for n in range(20)]
        all_started.set()
        for n, process in enumerate(self.processes):
            status = process.wait(timeout=120)
            self.assertIn(status, (0, -signal.SIGKILL))
        self.assertGreater(sum(p.returncode != 0 for p in self.processes), 3)
        self.hub.answer = self.note
        for n, process in enumerate(self.processes):
            mounted = n % 2 and os.path.ismount(self.scratch / f"mnt{n}")
            if process.returncode != 0 and not mounted:
                self.assertEqual(self.start(n).wait(timeout=120), 0)
        self.check_all()


if __name__ == "__main__":
    harness.main()
