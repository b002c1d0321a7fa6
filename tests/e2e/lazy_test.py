# SPDX-License-Identifier: Apache-2.0
"""Mounts whose bytes come when they are read."""

import errno
import json
import os
import pathlib
import random
import signal
import subprocess
import threading

import harness
import oci_layout
import stargz_layer
import tar_layer
from fake_registry import FakeRegistry
from harness import MB

SAMPLES = harness.TOP / "tests/golden/toc"


class LazyLayers(harness.EndToEnd):
    """An image of one layer with a table of contents, from a registry that knows
    ranges."""

    def setUp(self):
        super().setUp()
        self.layout = oci_layout.Layout(self.scratch / "layout")
        self.log = self.scratch / "log"

    def serve(self, manifest):
        self.hub = FakeRegistry(self.layout, {"latest": manifest})
        self.addCleanup(self.hub.close)
        self.image = f"{self.hub.address}/app"
        document = json.loads(
            pathlib.Path(self.layout.blob_path(manifest["digest"])).read_text())
        [self.layer] = document["layers"]
        self.path = f"/v2/app/blobs/{self.layer['digest']}"

    def serve_layer(self, blob, tar, descriptor):
        added = self.layout.add_blob(blob, descriptor["mediaType"])
        self.serve(self.layout.add_image(harness.config_of([tar]),
                                         [{**descriptor, **added}]))

    def mount_lazily(self, *options, fill="no"):
        return self.mount(self.image, f"--fill={fill}", f"--log={self.log}", *options)

    def read(self, folder, name):
        return (folder / name).read_bytes()

    def error_of(self, folder, name):
        with self.assertRaises(OSError) as failed:
            self.read(folder, name)
        return failed.exception.errno

    def layer_blob(self):
        return self.cache / "blobs" / self.layer["digest"].replace(":", "/")


class LazyMounts(LazyLayers):
    """Bytes come when they are read."""

    SMALL = 40  # files of 50 kB

    def setUp(self):
        super().setUp()
        numbers = random.Random(7)
        self.files = {f"d/{n}": numbers.randbytes(50_000) for n in range(self.SMALL)}
        self.files["large"] = numbers.randbytes(8 * MB)
        layer = tar_layer.without_padding(tar_layer.tar(
            tar_layer.dir("d"),
            *(tar_layer.file(name, content) for name, content in self.files.items())))
        plain = oci_layout.Layout(self.scratch / "plain")
        harness.add_image(plain, "latest", layer)
        subprocess.run(
            ["skopeo", "copy", "--quiet", "--dest-compress",
             "--dest-compress-format=zstd:chunked", f"oci:{plain.folder}:latest",
             f"oci:{self.layout.folder}:latest"], check=True)
        index = json.loads(pathlib.Path(self.layout.folder, "index.json").read_text())
        self.serve(index["manifests"][0])

    def test_what_is_not_read_is_not_fetched(self):
        folder = self.mount_lazily()
        self.assertEqual(sorted(os.listdir(folder / "d")),
                         sorted(name[2:] for name in self.files if name != "large"))
        self.assertLess(self.hub.sent[self.path], MB)
        self.assertEqual(self.read(folder, "d/7"), self.files["d/7"])
        self.assertLess(self.hub.sent[self.path], MB)
        self.assertFalse(self.layer_blob().exists())
        for name, content in self.files.items():
            self.assertEqual(self.read(folder, name), content, name)
        self.assertLessEqual(self.hub.sent[self.path], self.layer["size"],
                             "no byte comes twice")

    def test_it_looks_as_when_all_is_here(self):
        lazy = self.mount_lazily()
        self.environment["IMGMOUNT_CACHE"] = str(self.scratch / "other-cache")
        eager = self.mount(self.image, "--eager", at="eager")
        self.assert_same_tree(lazy, eager)

    def test_the_rest_comes_while_nobody_waits(self):
        folder = self.mount(self.image)
        while not self.layer_blob().exists():
            pass
        self.assertEqual(self.read(folder, "large"), self.files["large"])
        self.unmount(folder)
        self.hub.requests.clear()
        self.out_of("imgpull", "--pull=missing", "-q", self.image)
        self.assertNotIn(self.path, " ".join(self.hub.requests))
        self.out_of("imgcache", "verify")
        self.assertEqual(self.hub.sent[self.path], self.layer["size"])

    def test_a_pull_beside_a_mount_fetches_the_rest(self):
        folder = self.mount_lazily()
        self.read(folder, "d/0")
        self.out_of("imgpull", "-q", self.image)
        self.assertTrue(self.layer_blob().exists())
        self.assertEqual(self.hub.sent[self.path], self.layer["size"],
                         "each byte once")
        for name, content in self.files.items():
            self.assertEqual(self.read(folder, name), content, name)
        self.unmount(folder)
        self.out_of("imgcache", "verify")

    def test_a_server_without_ranges(self):
        self.hub.answer = lambda request: self.hub.truth(request.path)
        folder = self.mount_lazily()
        for name, content in self.files.items():
            self.assertEqual(self.read(folder, name), content, name)

    def test_a_server_that_sends_other_bytes(self):
        folder = self.mount_lazily()

        def lie(request):
            status, headers, body = self.hub.honest(request)
            if request.path == self.path:
                body = bytes(byte ^ 1 for byte in body)
            return status, headers, body
        self.hub.answer = lie
        self.assertEqual(self.error_of(folder, "d/0"), errno.EIO)
        self.assertIn("layer 0: span", self.log.read_text())
        self.hub.answer = None
        self.assertEqual(self.read(folder, "d/0"), self.files["d/0"])

    def test_a_registry_that_is_away(self):
        folder = self.mount_lazily("--read-timeout=1s")
        self.read(folder, "d/0")
        self.hub.answer = lambda request: (503, {}, b"")
        self.assertEqual(self.error_of(folder, "large"), errno.EIO)
        self.assertIn("layer " + self.layer["digest"][7:19], self.log.read_text())
        self.assertEqual(self.read(folder, "d/0"), self.files["d/0"])
        self.hub.answer = None
        self.assertEqual(self.read(folder, "large"), self.files["large"])

    def test_paths_are_those_of_where_it_was_started(self):
        folder = self.mount_point()
        self.addCleanup(self.unmount, folder)
        name = self.scratch.name + "-cache"
        (self.scratch / "auth.json").write_text('{"auths": {}}')
        subprocess.run(
            [harness.BIN / "imgmount", "-q", "--fill=no", "--cache-dir", name,
             "--authfile", "auth.json", self.image, folder], cwd=self.scratch,
            env=self.environment, check=True)
        # By a process that is somewhere else.
        self.assertEqual(self.read(folder, "large"), self.files["large"])
        self.assertFalse(os.path.exists("/" + name))
        self.assertTrue((self.scratch / name).is_dir())

    def test_mounting_again_asks_nobody(self):
        folder = self.mount_lazily()
        self.read(folder, "d/0")
        self.unmount(folder)
        self.hub.requests.clear()
        folder = self.mount_lazily()
        os.listdir(folder / "d")
        self.assertEqual(self.read(folder, "d/0"), self.files["d/0"])
        self.assertEqual(self.hub.requests, [])

    def test_who_waits_can_be_killed(self):
        folder = self.mount_lazily()
        asked = threading.Event()

        def stall(request):
            if request.path != self.path:
                return None
            asked.set()
            return self.hub.stall(request, 0)
        self.hub.answer = stall
        with subprocess.Popen(["cat", folder / "large"],
                              stdout=subprocess.DEVNULL) as reader:
            self.assertTrue(asked.wait(60))
            reader.kill()
            self.assertEqual(reader.wait(60), -signal.SIGKILL)
        # Others are served meanwhile, and when it is over.
        self.assertIn("large", os.listdir(folder))

    def test_the_server_dies_while_reads_wait(self):
        folder = self.mount_lazily()
        asked = threading.Event()

        def stall(request):
            if request.path != self.path or asked.is_set():
                return None
            asked.set()
            return self.hub.stall(request, 0)
        self.hub.answer = stall
        with subprocess.Popen(["sha256sum", folder / "large"],
                              stdout=subprocess.PIPE, text=True) as reader:
            self.assertTrue(asked.wait(60))
            [keeper] = harness.processes_of("imgmount")
            [server] = harness.children_of(keeper)
            harness.kill(server)
            out, _ = reader.communicate(timeout=60)
        self.assertEqual(out.split()[0],
                         oci_layout.digest_of(self.files["large"])[7:])


class Evicted(LazyLayers):
    """An image as anybody publishes it, of which the bytes have gone."""

    def setUp(self):
        super().setUp()
        numbers = random.Random(8)
        self.files = {f"{n}": numbers.randbytes(500_000) for n in range(20)}
        tar = tar_layer.tar(*(tar_layer.file(*file) for file in self.files.items()))
        self.serve_layer(tar_layer.gzip(tar), tar, {"mediaType": oci_layout.LAYER_GZIP})
        self.out_of("imgpull", "-q", self.image)
        self.reclaimed = self.out_of("imgcache", "evict", self.image)
        self.hub.requests.clear()
        self.hub.sent.clear()

    def test_a_read_fetches_what_it_needs(self):
        self.assertIn("Evicted: " + self.layer["digest"], self.reclaimed)
        self.assertFalse(self.layer_blob().exists())
        self.assertIn("% here", self.out_of("imgcache", "ls"))
        folder = self.mount_lazily()
        self.assertEqual(len(os.listdir(folder)), len(self.files))
        self.assertEqual(self.hub.requests, [], "mounting needs no registry")
        self.assertEqual(self.read(folder, "7"), self.files["7"])
        self.assertLess(self.hub.sent[self.path], self.layer["size"] // 2)
        for name, content in self.files.items():
            self.assertEqual(self.read(folder, name), content, name)
        self.unmount(folder)
        self.out_of("imgcache", "verify")

    def test_other_bytes_are_not_shown(self):
        folder = self.mount_lazily()

        def lie(request):
            status, headers, body = self.hub.honest(request)
            return status, headers, bytes(byte ^ 1 for byte in body)
        self.hub.answer = lie
        self.assertEqual(self.error_of(folder, "3"), errno.EIO)
        self.hub.answer = None
        self.assertEqual(self.read(folder, "3"), self.files["3"])

    def test_it_becomes_whole_again(self):
        folder = self.mount_lazily(fill="idle")
        while not self.layer_blob().exists():
            pass
        self.assertEqual(self.read(folder, "0"), self.files["0"])
        self.unmount(folder)
        self.out_of("imgcache", "verify")

    def test_pieces_that_a_power_cut_took(self):
        folder = self.mount_lazily()
        self.read(folder, "5")
        self.unmount(folder)
        partial = self.cache / "imgmount/partial" / self.layer["digest"][7:]
        size = partial.stat().st_size
        os.truncate(partial, 0)
        os.truncate(partial, size)
        folder = self.mount_lazily()
        self.assertEqual(self.read(folder, "5"), self.files["5"])

    def test_a_power_cut_before_the_rest_has_come(self):
        folder = self.mount_lazily()
        self.read(folder, "5")
        self.unmount(folder)
        partial = self.cache / "imgmount/partial" / self.layer["digest"][7:]
        size = partial.stat().st_size
        os.truncate(partial, 0)
        os.truncate(partial, size)
        folder = self.mount_lazily(fill="idle")
        while not self.layer_blob().exists():
            self.assertEqual(self.log.read_text(), "")
        for name, content in self.files.items():
            self.assertEqual(self.read(folder, name), content, name)


class Samples(LazyLayers):
    """Layers as other programs converted them: each format and generation."""

    def check(self, name):
        blob = (SAMPLES / f"{name}.blob").read_bytes()
        manifest = json.loads((SAMPLES / f"{name}.json").read_text())
        unpack = "gzip" if blob.startswith(b"\x1f\x8b") else "zstd"
        tar = subprocess.run([unpack, "-dc"], input=blob, check=True,
                             stdout=subprocess.PIPE).stdout
        self.serve_layer(blob, tar, manifest["layers"][0])
        lazy = self.mount_lazily()
        self.assertFalse(self.layer_blob().exists())
        self.environment["IMGMOUNT_CACHE"] = str(self.scratch / "other-cache")
        eager = self.mount(self.image, "--eager", at="eager")
        done = subprocess.run([harness.TOP / "scripts/compare-trees", lazy, eager],
                              stdout=subprocess.PIPE, text=True)
        # These tell times in seconds.
        rounded = [] if name.startswith("podman") else [
            "'etc/fraction': mtime: 1600000001000000000 != 1600000000750000000"]
        self.assertEqual(done.stdout.splitlines(), rounded)

    def test_estargz(self):
        self.check("estargz")

    def test_estargz_with_a_prefetch_landmark(self):
        self.check("estargz-prefetch")

    def test_estargz_of_shared_members(self):
        self.check("estargz-min-chunk")

    def test_zstd_of_the_first_generation(self):
        self.check("stargz-zstd")

    def test_zstd_as_podman_4_writes_it(self):
        self.check("podman-4.3")

    def test_zstd_as_podman_5_writes_it(self):
        self.check("podman-5.4")


class Lies(LazyLayers):
    """Tables of contents that something vouches for, and that are wrong."""

    FILES = {"a": b"first" * 1000, "b": b"second" * 1000}

    def serve_toc(self, change):
        blob, tar, annotations = stargz_layer.layer(self.FILES, change)
        self.serve_layer(blob, tar, {"mediaType": oci_layout.LAYER_GZIP,
                                     "annotations": annotations})

    def test_a_mode_that_the_tar_has_not(self):
        self.serve_toc(lambda entries: entries[0].update(mode=0o4755))
        folder = self.mount_lazily(fill="idle")
        while "table of contents" not in self.log.read_text():
            pass
        self.assertEqual(self.error_of(folder, "b"), errno.EIO)
        self.unmount(folder)
        done = self.run_tool("imgcache", "verify")
        self.assertIn("table of contents", done.stdout + done.stderr)
        folder = self.mount_lazily()
        self.assertEqual(os.stat(folder / "a").st_mode & 0o7777, 0o644)
        self.assertEqual(self.read(folder, "a"), self.FILES["a"])

    def test_a_toc_that_is_not_the_annotated_one(self):
        blob, tar, annotations = stargz_layer.layer(self.FILES)
        annotations[stargz_layer.ANNOTATION] = oci_layout.digest_of(b"another")
        self.serve_layer(blob, tar, {"mediaType": oci_layout.LAYER_GZIP,
                                     "annotations": annotations})
        folder = self.mount_lazily()
        self.assertTrue(self.layer_blob().exists(), "it was pulled as a whole")
        self.assertEqual(self.read(folder, "b"), self.FILES["b"])

    def test_contents_that_are_swapped(self):
        def swap(entries):
            for key in ("offset", "digest", "chunkDigest", "size"):
                entries[0][key], entries[1][key] = entries[1][key], entries[0][key]
        self.serve_toc(swap)
        folder = self.mount_lazily()
        self.assertEqual(self.read(folder, "a"), self.FILES["a"],
                         "no entry can come before the last one's data")


if __name__ == "__main__":
    harness.main()
