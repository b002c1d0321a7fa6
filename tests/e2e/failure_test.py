# SPDX-License-Identifier: Apache-2.0
"""What goes wrong is said in one line that names it, with a documented exit
status; nothing half-written keeps a final name, and nothing stays mounted."""

import os
import pathlib
import signal
import subprocess

import harness
import oci_layout
from fake_registry import FakeRegistry
from harness import (CORRUPT, DENIED, LOCAL, MOUNT, NOT_FOUND, UNAVAILABLE,
                     UNSUPPORTED, USAGE, Layout, LAYER_GZIP, add_image,
                     config_of)
from tar_layer import dir, file, gzip, tar

LAYER = tar(dir("d"), file("d/f", os.urandom(300_000)))


class FailingPull(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.manifest = add_image(self.layout, "latest", LAYER)
        self.blob = harness.digest_of(gzip(LAYER))
        self.hub = FakeRegistry(self.layout, {"latest": self.manifest})
        self.addCleanup(self.hub.close)
        self.image = f"{self.hub.address}/app"

    def check(self, status, *names, image=None):
        """Both the pull and the mount fail, and leave nothing behind."""
        folder = self.mount_point()
        for tool, args in ("imgpull", ()), ("imgmount", (folder,)):
            done = self.run_tool(tool, "-q", image or self.image, *args)
            self.assert_fails(done, status, *names)
            self.assertFalse(os.path.ismount(folder))
            self.assert_cache_whole()

    def serve_blob(self, status, headers, body):
        self.hub.answer = lambda r: (
            (status, headers, body) if self.blob in r.path else None)

    def publish(self, layers, config=None, **changes):
        """Points the tag at an image of these layer blobs."""
        descriptors = [{**self.layout.add_blob(gzip(x), LAYER_GZIP), **changes}
                       for x in layers]
        self.hub.tags["latest"] = self.layout.add_image(
            config or config_of(layers), descriptors)


class WrongBytes(FailingPull):
    def test_a_wrong_blob(self):
        good = gzip(LAYER)
        self.serve_blob(200, {}, good[:1000] + b"\0\0\0\0" + good[1004:])
        self.check(CORRUPT, self.blob.split(":")[1][:12])

    def test_a_blob_that_is_longer_than_its_size(self):
        self.serve_blob(200, {}, gzip(LAYER) + b"more")
        self.check(CORRUPT, self.blob.split(":")[1][:12])

    def test_a_blob_that_is_shorter_than_its_size(self):
        self.serve_blob(200, {}, gzip(LAYER)[:-100])
        self.check(CORRUPT, self.blob.split(":")[1][:12])

    def test_a_truncated_gzip_stream_under_a_right_digest(self):
        cut = gzip(LAYER)[:-1000]
        descriptor = self.layout.add_blob(cut, LAYER_GZIP)
        self.hub.tags["latest"] = self.layout.add_image(
            config_of([LAYER]), [descriptor])
        self.check(CORRUPT, descriptor["digest"].split(":")[1][:12])

    def test_a_truncated_tar_under_right_digests(self):
        cut = LAYER[:100_000]
        self.publish([cut])
        self.check(CORRUPT, harness.digest_of(gzip(cut)).split(":")[1][:12])

    def test_a_wrong_diff_id(self):
        self.publish([LAYER], config_of([LAYER + bytes(512)]))
        self.check(CORRUPT, "diff ID")

    def test_too_few_diff_ids(self):
        self.publish([LAYER, tar(file("x"))], config_of([LAYER]))
        self.check(CORRUPT, "diff")

    def test_too_many_diff_ids(self):
        self.publish([LAYER], config_of([LAYER, LAYER]))
        self.check(CORRUPT, "diff")

    def test_a_manifest_that_is_no_json(self):
        self.hub.tags["latest"] = self.layout.add_blob(b"{", oci_layout.MANIFEST)
        self.check(CORRUPT, self.hub.address)

    def test_a_manifest_that_is_not_the_digest_asked_for(self):
        other = add_image(self.layout, "other", tar(file("x")))
        body = pathlib.Path(self.layout.blob_path(other["digest"])).read_bytes()
        self.hub.answer = lambda r: (
            (200, {"Content-Type": other["mediaType"]}, body)
            if "/manifests/" in r.path else None)
        self.check(CORRUPT, self.manifest["digest"].split(":")[1][:12],
                   image=f"{self.image}@{self.manifest['digest']}")

    def test_an_unknown_media_type_of_a_layer(self):
        self.publish([LAYER], mediaType="application/x-cpio")
        self.check(UNSUPPORTED, "application/x-cpio")

    def test_an_unknown_media_type_of_a_manifest(self):
        self.hub.tags["latest"] = self.layout.add_blob(
            b'{"schemaVersion": 2, "mediaType": "application/x-manifest"}',
            "application/x-manifest")
        self.check(UNSUPPORTED, "application/x-manifest")

    def test_no_manifest_for_the_platform(self):
        self.hub.tags["latest"] = self.layout.add_index(
            [{**self.manifest, "platform": {"architecture": "riscv64", "os": "linux"}}])
        self.check(NOT_FOUND, "linux/amd64")


class RegistryAnswers(FailingPull):
    def answering(self, status, headers=None):
        self.hub.answer = lambda r: (status, headers or {}, b"")

    def test_401(self):
        self.answering(401, {"WWW-Authenticate": 'Basic realm="x"'})
        self.check(DENIED, self.hub.address)

    def test_401_without_a_challenge(self):
        self.answering(401)
        self.check(DENIED, self.hub.address)

    def test_403(self):
        self.answering(403)
        self.check(DENIED, self.hub.address)

    def test_404(self):
        self.answering(404)
        self.check(NOT_FOUND, "app")

    def test_429(self):
        self.answering(429, {"Retry-After": "0"})
        self.check(UNAVAILABLE, self.hub.address)

    def test_500(self):
        self.answering(500, {"Retry-After": "0"})
        self.check(UNAVAILABLE, self.hub.address)

    def test_a_500_that_passes_is_retried(self):
        asked = []

        def answer(request):
            if self.blob in request.path:
                asked.append(request.path)
                if len(asked) < 3:
                    return 500, {"Retry-After": "0"}, b""
            return None
        self.hub.answer = answer
        self.out_of("imgpull", self.image)
        self.assertEqual(len(asked), 3)

    def test_a_connection_that_breaks_is_resumed_where_it_broke(self):
        whole = gzip(LAYER)
        ranges = []

        def answer(request):
            if self.blob not in request.path:
                return None
            ranges.append(request.headers.get("Range"))
            if len(ranges) == 1:
                return 200, {"Content-Length": str(len(whole))}, whole[:200_000]
            return None
        self.hub.answer = answer
        self.out_of("imgpull", self.image)
        self.assertEqual(ranges, [None, "bytes=200000-"])
        self.assert_cache_whole()

    def test_no_such_tag(self):
        self.check(NOT_FOUND, "no-such-tag", image=self.image + ":no-such-tag")

    def test_no_such_host(self):
        self.check(UNAVAILABLE, "no-such-host.invalid",
                   image="no-such-host.invalid/app")

    def test_nobody_listens(self):
        self.hub.close()
        self.check(UNAVAILABLE, self.hub.address)

    def test_an_html_page_in_place_of_a_registry(self):
        page = b"<html>Welcome</html>"
        self.hub.answer = lambda r: (200, {"Content-Type": "text/html"}, page)
        self.check(CORRUPT, self.hub.address, "web page")


class CommandLine(harness.EndToEnd):
    def test_a_malformed_reference_is_refused(self):
        for image in ("Nginx", "nginx:", "a//b", "nginx@sha256:12", "-"):
            self.assert_fails(self.run_tool("imgpull", image), USAGE)

    def test_a_directory_has_no_layers_to_tell_of(self):
        self.assert_fails(self.run_tool("imgdiff", self.scratch), LOCAL, "directory")

    def test_an_unknown_option_is_refused(self):
        for tool in sorted(os.listdir(harness.BIN)):
            done = self.run_tool(tool, "--no-such-option", "a", "b")
            usage = 2 if tool == "imgdiff" else USAGE  # as of diff(1)
            self.assertEqual(done.returncode, usage, tool)
            self.assertIn("no-such-option", done.stderr)

    def test_help_says_what_the_tool_does_and_shows_examples(self):
        for tool in sorted(os.listdir(harness.BIN)):
            out = self.out_of(tool, "--help")
            self.assertIn("Examples", out, tool)
            self.assertIn(tool + " ", out)


class FailingMount(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", LAYER)
        self.image = f"oci:{layout.folder}:latest"

    def check(self, status, folder, *options, names=()):
        done = self.run_tool("imgmount", *options, self.image, folder)
        self.assert_fails(done, status, *(names or [str(folder)]))
        self.assert_cache_whole()

    def test_the_mount_point_is_missing(self):
        self.check(MOUNT, self.scratch / "no-such-folder")

    def test_the_mount_point_is_a_file(self):
        (self.scratch / "file").touch()
        self.check(MOUNT, self.scratch / "file")

    def test_the_mount_point_is_busy(self):
        mounted = self.mount(self.image)
        self.check(MOUNT, mounted)
        self.unmount(mounted)  # the second attempt put nothing on top

    def test_of_several_at_a_time_one_is_mounted(self):
        self.out_of("imgpull", "-q", self.image)
        folder = self.mount_point()
        self.addCleanup(self.unmount, folder)
        for _ in range(5):
            mounts = [subprocess.Popen([harness.BIN / "imgmount", self.image, folder],
                                       env=self.environment, stderr=subprocess.PIPE)
                      for _ in range(8)]
            messages = [mount.communicate()[1].decode() for mount in mounts]
            self.assertEqual(sorted(mount.returncode for mount in mounts),
                             [0] + 7 * [MOUNT], messages)
            self.out_of("imgmount", "-u", folder)
            self.assertFalse(os.path.ismount(folder))

    def test_a_late_end_leaves_the_next_mount_alone(self):
        folder = self.mount(self.image)
        [old] = harness.processes_of("imgmount")
        os.kill(old, signal.SIGSTOP)
        self.unmount(folder)
        self.mount(self.image)
        os.kill(old, signal.SIGCONT)
        harness.await_end(old)
        self.assertTrue(os.path.ismount(folder))

    def test_no_dev_fuse(self):
        dev = self.scratch / "dev"
        dev.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(dev)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(dev)], check=True)
        subprocess.run(["cp", "-a", "/dev/null", "/dev/urandom", str(dev)],
                       check=True)
        subprocess.run(["mount", "--bind", str(dev), "/dev"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/dev"], check=True)
        folder = self.mount_point()
        self.check(MOUNT, folder, names=["/dev/fuse"])
        self.assertFalse(os.path.ismount(folder))

    def test_unmounting_several_goes_on_after_one_that_is_not_mounted(self):
        mounted = [self.mount(self.image, at=name) for name in ("one", "two")]
        done = self.run_tool("imgmount", "-u", mounted[0], self.mount_point(), mounted[1])
        self.assert_fails(done, MOUNT, str(self.mount_point()))
        self.assertFalse(any(map(os.path.ismount, mounted)))

    def test_what_nothing_would_be_done_with(self):
        for words in (("--layer", "-1", "nginx", "DIR"), ("DIR", "-l"),
                      ("--explain",), ("DIR",)):
            with self.subTest(words=words):
                self.assert_fails(self.run_tool("imgmount", *words), USAGE)

    def test_an_unknown_mount_option(self):
        self.check(USAGE, self.mount_point(), "-o", "colour=red",
                   names=["colour"])

    def test_no_such_layout_and_no_such_name_in_it(self):
        folder = self.mount_point()
        for image in (f"oci:{self.scratch}/nowhere:x", self.image + "-not"):
            done = self.run_tool("imgmount", image, folder)
            self.assert_fails(done, NOT_FOUND, image.split(":")[1])
            self.assertFalse(os.path.ismount(folder))


class FullDisk(FailingPull):
    def on_disk_of(self, size, test):
        self.cache.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs",
                        str(self.cache)], check=True)
        try:
            return test()
        finally:
            subprocess.run(["umount", str(self.cache)], check=True)

    def test_the_cache_runs_full_at_any_time(self):
        def pull():
            done = self.run_tool("imgpull", "-q", self.image)
            if done.returncode != 0:
                self.assert_fails(done, LOCAL, "No space left on device")
            self.assert_cache_whole()
            return done.returncode
        sizes = range(16 << 10, 1 << 20, 16 << 10)
        results = [self.on_disk_of(size, pull) for size in sizes]
        self.assertEqual(results, sorted(results, reverse=True))
        self.assertEqual((results[0], results[-1]), (LOCAL, 0))

    def test_a_mount_of_an_image_that_does_not_fit(self):
        self.on_disk_of(64 << 10, lambda: self.check(LOCAL, "No space left on device"))

    def unmount_to_the_end(self, mounted):
        """Without a record of the mount, imgcache does not wait for it."""
        daemons = harness.processes_of("imgmount")
        self.unmount(mounted)
        for daemon in daemons:
            harness.await_end(daemon)

    def test_what_is_cached_can_be_mounted_and_removed(self):
        def use():
            self.out_of("imgpull", "-q", self.image)
            with self.assertRaises(OSError), open(self.cache / "filler", "wb") as filler:
                while True:
                    filler.write(bytes(4096))
            self.unmount_to_the_end(self.mount(self.image))
            self.out_of("imgcache", "rm", self.image)
            self.assertEqual(self.out_of("imgcache", "ls", "-q"), "")
            self.assertEqual(self.blobs(), [])
        self.on_disk_of(4 << 20, use)

    def test_what_is_cached_can_be_mounted_where_nothing_can_be_written(self):
        def use():
            self.out_of("imgpull", "-q", self.image)
            subprocess.run(["mount", "-o", "remount,ro", str(self.cache)], check=True)
            mounted = self.mount(self.image)
            self.assert_same_tree(mounted, self.unpack(self.layout.folder))
            self.assertIn(self.image, self.out_of("imgcache", "ls"))
            self.out_of("imghistory", self.image)
            self.unmount_to_the_end(mounted)
            self.assert_fails(self.run_tool("imgcache", "rm", self.image), LOCAL,
                              "Read-only file system")
        self.on_disk_of(4 << 20, use)

    def test_the_cache_may_not_be_written(self):
        self.cache.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs",
                        str(self.cache)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(self.cache)])
        self.check(LOCAL, str(self.cache))


if __name__ == "__main__":
    harness.main()
