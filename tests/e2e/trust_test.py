# SPDX-License-Identifier: Apache-2.0
"""A cache that others have changed: links, other owners, things that are no
files, files that are cut while they are mounted. Nothing outside is touched,
nobody hangs, no wrong byte is shown."""

import errno
import os
import signal
import socket
import stat
import subprocess

import harness
from fake_registry import FakeRegistry
from harness import CORRUPT, LOCAL, Layout, add_image
from tar_layer import dir, file, tar

NOBODY = 65534
FOLDERS = ("blobs", "blobs/sha256", "blobs/sha512", "imgmount", "imgmount/layers",
           "imgmount/trees", "imgmount/starts", "imgmount/partial",
           "imgmount/locks", "imgmount/mounts")


class Trust(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        self.content = "".join(f"{n}\n" for n in range(500_000)).encode()
        self.hub = FakeRegistry(layout, {"latest": add_image(
            layout, "latest", tar(dir("d"), file("d/f", self.content), dir("e"),
                                  file("e/f")))})
        self.addCleanup(self.hub.close)
        self.image = f"{self.hub.address}/app"
        self.out_of("imgpull", "-q", self.image)
        self.unmount(self.mount(self.image))
        for process in harness.processes_of("imgmount"):
            harness.await_end(process)  # its record and its profile

    def commands(self):
        """What writes to a cache."""
        return (("imgcache", "prune", "--all"), ("imgcache", "rm", self.image),
                ("imgcache", "evict", self.image), ("imgcache", "verify", "--repair"),
                ("imgpull", "-q", self.image),
                ("imgmount", self.image, self.mount_point()))


def snapshot(folder):
    """All that is there, and when it was changed."""
    return sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_size)
                  for path in [folder, *folder.rglob("*")])


class OtherFolders(Trust):
    def test_links_in_the_place_of_folders_are_refused(self):
        for folder in FOLDERS:
            # All that is looked for is there: it could be removed.
            path, outside = self.cache / folder, self.scratch / "outside"
            path.rename(outside)
            path.symlink_to(outside)
            before = snapshot(outside)
            for command in self.commands():
                self.assert_fails(self.run_tool(*command), LOCAL, str(path), "link")
            self.assertEqual(snapshot(outside), before, folder)
            path.unlink()
            outside.rename(path)

    def test_roots_commands_refuse_another_users_cache_full_of_links(self):
        outside = self.scratch / "outside"
        outside.mkdir()
        for folder in ("blobs/sha256", "imgmount/layers", "imgmount/locks"):
            path = self.cache / folder
            path.rename(outside / path.name)
            path.symlink_to(outside / path.name)
        for path in [self.cache, *self.cache.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        before = snapshot(outside) + snapshot(self.cache)
        for command in self.commands():
            self.assert_fails(self.run_tool(*command), LOCAL, str(self.cache),
                              "belongs to nobody", "--cache-dir")
        self.assertEqual(snapshot(outside) + snapshot(self.cache), before)

    def test_a_folder_of_somebody_elses_is_refused(self):
        os.chown(self.cache / "imgmount/trees", NOBODY, NOBODY)
        for command in self.commands():
            self.assert_fails(self.run_tool(*command), LOCAL,
                              f"{self.cache}/imgmount/trees", "belongs to nobody")

    def test_a_folder_that_others_may_write_is_refused(self):
        (self.cache / "imgmount/layers").chmod(0o777)
        for command in self.commands():
            self.assert_fails(self.run_tool(*command), LOCAL,
                              f"{self.cache}/imgmount/layers", "chmod go-w")

    def test_the_cache_itself_may_be_a_link(self):
        link = self.scratch / "link"
        link.symlink_to(self.cache)
        self.out_of("imgcache", "rm", self.image, IMGMOUNT_CACHE=str(link))
        self.assertEqual(self.blobs(), [])

    def test_a_cache_is_made_for_its_owner_whatever_the_umask(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        made = self.scratch / "new/cache"
        self.out_of("imgcache", "ls", IMGMOUNT_CACHE=str(made))
        self.out_of("imgcache", "ls", IMGMOUNT_CACHE=str(made))
        self.assertEqual(stat.S_IMODE(made.stat().st_mode), 0o755)


class NoFiles(Trust):
    """Something else in the place of each file of the cache in turn."""

    def replace_each(self, make):
        files = [path for path in sorted(self.cache.rglob("*")) if path.is_file()]
        self.assertGreater(len(files), 9)
        for path in files:
            saved = self.scratch / "saved"
            path.rename(saved)
            make(path)
            self.try_all(path)
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
            saved.rename(path)

    def try_all(self, path):
        folder = self.mount_point()
        done = self.run_tool("imgmount", "-q", self.image, folder)
        if done.returncode == 0:  # it was not needed, or made anew
            try:
                self.assertEqual((folder / "d/f").read_bytes(), self.content, path)
            except OSError as failure:  # the layer is only opened then
                self.assertEqual(failure.errno, errno.EIO)
                self.assertTrue(path.parent.name == "sha256" or
                                path.name == "spans" and path.is_dir(), path)
            finally:
                self.unmount(folder)
        else:
            self.assertIn(done.returncode, (LOCAL, CORRUPT), (path, done.stderr))
            self.assertIn(str(path), done.stderr)
        for command in (("ls",), ("verify",)):
            done = self.run_tool("imgcache", *command)
            self.assertIn(done.returncode, (0, LOCAL, CORRUPT), (path, done.stderr))

    def test_pipes(self):
        self.replace_each(os.mkfifo)

    def test_sockets(self):
        def make(path):
            # Its address would be too long otherwise.
            parent = os.open(path.parent, os.O_PATH)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(f"/proc/self/fd/{parent}/{path.name[:40]}")
            os.close(parent)
            path.with_name(path.name[:40]).rename(path)
        self.replace_each(make)

    def test_devices(self):
        self.replace_each(lambda path: os.mknod(
            path, 0o644 | stat.S_IFCHR, os.makedev(1, 5)))  # /dev/zero

    def test_folders(self):
        self.replace_each(lambda path: path.mkdir())


class CutFiles(Trust):
    """A file of the cache that is cut while it is mapped is SIGBUS: EIO in the
    end, and the log says why."""

    def setUp(self):
        super().setUp()
        self.log = self.scratch / "log"

    def mount_and_cut(self, folder):
        """Cuts all files below that folder of the cache once the mount has read
        a little."""
        mounted = self.mount(self.image, "--no-push", "--log", self.log)
        self.assertEqual(self.read(mounted, 0), self.content[:4096])
        for path in (self.cache / folder).rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
        return mounted

    def read(self, mounted, offset):
        with open(mounted / "d/f", "rb") as opened:
            return os.pread(opened.fileno(), 4096, offset)

    def assert_eio(self, call, *args):
        with self.assertRaises(OSError) as failed:
            call(*args)
        self.assertEqual(failed.exception.errno, errno.EIO)

    def and_mounting_again_helps(self, mounted):
        self.unmount(mounted)
        self.assertEqual((self.mount(self.image) / "d/f").read_bytes(), self.content)

    def test_span_tables_are_made_anew(self):
        mounted = self.mount_and_cut("imgmount/layers")
        offset = len(self.content) - 4096
        self.assertEqual(self.read(mounted, offset), self.content[offset:])
        self.assertIn("a file of the cache was cut", self.log.read_text())
        self.and_mounting_again_helps(mounted)

    def test_trees(self):
        mounted = self.mount_and_cut("imgmount/trees")
        self.assert_eio(os.listdir, mounted / "e")
        self.assertTrue(os.path.ismount(mounted))
        self.assertIn("a file of the cache was cut", self.log.read_text())
        self.and_mounting_again_helps(mounted)

    def test_blobs(self):
        mounted = self.mount_and_cut("blobs")
        self.assert_eio(self.read, mounted, len(self.content) - 4096)
        self.assertTrue(os.path.ismount(mounted))
        self.assertIn("truncated data", self.log.read_text())
        self.unmount(mounted)
        self.out_of("imgcache", "verify", "--repair")
        self.and_mounting_again_helps(mounted)

    def test_in_the_foreground_the_mount_ends_and_says_why(self):
        folder = self.mount_point()
        process = subprocess.Popen(
            [harness.BIN / "imgmount", "-f", "--no-push", self.image, folder],
            env=self.environment, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        while not os.path.ismount(folder):
            self.assertIsNone(process.poll())
        for path in (self.cache / "imgmount/trees").iterdir():
            os.truncate(path, 0)
        with self.assertRaises(OSError):
            os.listdir(folder / "d")
        self.assertIn("a file of the cache was cut", process.communicate()[1])
        self.assertEqual(process.returncode, -signal.SIGBUS)
        subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    harness.main()
