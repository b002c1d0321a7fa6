# SPDX-License-Identifier: Apache-2.0
"""A user without any privilege mounts, reads and unmounts."""

import os
import shutil
import subprocess

import harness
from fake_registry import FakeRegistry
from harness import NGINX, Layout, add_image
from tar_layer import dir, file, tar

NOBODY = 65534


class UnprivilegedUser(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        # A user's own machine: /dev/fuse open to all, as Debian sets it up;
        # tools where everyone may run them; a home that is his.
        dev = self.scratch / "dev"
        dev.mkdir()
        for command in (["mount", "-t", "tmpfs", "tmpfs", dev],
                        ["mknod", "-m", "666", dev / "fuse", "c", "10", "229"],
                        ["mount", "--bind", dev / "fuse", "/dev/fuse"]):
            subprocess.run(list(map(str, command)), check=True)
        # Lazily: a daemon whose mount just ended may still be closing it.
        for point in (dev, "/dev/fuse"):
            self.addCleanup(subprocess.run, ["umount", "--lazy", str(point)], check=True)
        self.tools = self.scratch / "bin"
        shutil.copytree(harness.BIN, self.tools)
        self.home = self.scratch / "home"
        self.folder = self.mount_point()
        for path in (self.home, self.folder):
            shutil.chown(path, NOBODY, NOBODY)
        self.environment.pop("IMGMOUNT_CACHE")

    def as_user(self, *command):
        return subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
             "--clear-groups", *map(str, command)], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=120)

    def check(self, *command):
        done = self.as_user(*command)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_mounts_lists_reads_everything_and_unmounts(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(
            dir("root", mode=0o700), file("root/secret", b"s3cret", mode=0o600),
            file("shadow", b"none", mode=0)))
        self.check(self.tools / "imgmount", f"oci:{layout.folder}:latest", self.folder)
        self.assertEqual(
            self.check("stat", "-c", "%a %u %n", self.folder / "root/secret"),
            f"600 0 {self.folder}/root/secret\n")
        self.assertEqual(self.check("cat", self.folder / "root/secret"), "s3cret")
        self.assertEqual(self.check("cat", self.folder / "shadow"), "none")
        self.check("fusermount3", "-u", self.folder)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertTrue((self.home / ".cache/imgmount/oci-layout").is_file())

    def test_who_is_root_of_a_user_namespace_has_the_users_cache(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(file("f", b"text")))
        self.assertEqual(
            self.check("unshare", "-r", self.tools / "imgcat", "-q",
                       f"oci:{layout.folder}:latest", "f"), "text")
        self.assertTrue((self.home / ".cache/imgmount/oci-layout").is_file())

    def test_reads_every_file_of_nginx_and_sees_true_owners_and_modes(self):
        shutil.chown(self.scratch, NOBODY)
        self.check(self.tools / "imgmount", f"oci:{NGINX}:latest", self.folder)
        self.addCleanup(self.as_user, "fusermount3", "-u", self.folder)
        self.check("find", self.folder, "-type", "f", "-exec", "cksum", "{}", "+")
        mode = self.check("stat", "-c", "%a %u %G", self.folder / "etc/shadow")
        self.assertEqual(mode, "640 0 shadow\n")

    def test_roots_cache_serves_him_too_and_is_kept_from_removal_meanwhile(self):
        layout = Layout(self.scratch / "layout")
        hub = FakeRegistry(layout, {"latest": add_image(layout, "latest", tar(
            file("f", b"read")))})
        self.addCleanup(hub.close)
        image = f"{hub.address}/app"
        roots = {"IMGMOUNT_CACHE": str(self.cache)}
        self.out_of("imgpull", "-q", image, **roots)
        self.environment.update(roots)
        self.check(self.tools / "imgmount", image, self.folder)
        self.assertEqual(self.check("cat", self.folder / "f"), "read")
        self.assertIn(image, self.check(self.tools / "imgcache", "ls"))
        self.assert_fails(self.run_tool("imgcache", "rm", image), harness.LOCAL, "in use")
        self.check(self.tools / "imgmount", "-u", self.folder)
        self.out_of("imgcache", "rm", image)

    def test_another_users_cache_is_refused_and_its_images_read_as_it_says(self):
        layout = Layout(self.scratch / "layout")
        hub = FakeRegistry(layout, {"latest": add_image(layout, "latest", tar(
            file("f", b"read" * 100_000)))})
        self.addCleanup(hub.close)
        image = f"{hub.address}/app"
        self.out_of("imgpull", "-q", image, IMGMOUNT_CACHE=str(self.cache))
        for path in [self.cache, *self.cache.rglob("*")]:
            os.chown(path, 12345, 12345)
        self.environment["IMGMOUNT_CACHE"] = str(self.cache)
        for command in (("imgmount", image, self.folder), ("imgcache", "ls")):
            done = self.as_user(self.tools / command[0], *command[1:])
            self.assertEqual(done.returncode, harness.LOCAL, done.stderr)
            self.assertIn(f"{self.cache}: this cache belongs to user 12345",
                          done.stderr)
            self.assertIn(f"oci:{self.cache}:NAME", done.stderr)
        self.environment.pop("IMGMOUNT_CACHE")
        self.check(self.tools / "imgmount", f"oci:{self.cache}:{image}:latest",
                   self.folder)
        self.addCleanup(self.as_user, "fusermount3", "-u", self.folder)
        self.assertEqual(self.check("cat", self.folder / "f"), "read" * 100_000)

    def test_allow_root_lets_nobody_else_in_whatever_the_kernel_has_cached(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(dir("d"), file("d/f", b"for root")))
        for options in ("allow_root", "allow_root,default_permissions"):
            self.out_of("imgmount", "-o", options, f"oci:{layout.folder}:latest",
                        self.folder, IMGMOUNT_CACHE=str(self.cache))
            for _ in range(2):
                self.assertEqual((self.folder / "d/f").read_bytes(), b"for root")
                self.assertEqual(os.listdir(self.folder / "d"), ["f"])
                for command in ("cat", "stat"):
                    done = self.as_user(command, self.folder / "d/f")
                    self.assertIn("Permission denied", done.stderr, (options, command))
                done = self.as_user("ls", self.folder / "d")
                self.assertIn("Permission denied", done.stderr, options)
            self.unmount(self.folder)

    def test_others_are_kept_out(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(file("f")))
        self.check(self.tools / "imgmount", f"oci:{layout.folder}:latest", self.folder)
        self.addCleanup(self.as_user, "fusermount3", "-u", self.folder)
        with self.assertRaises(PermissionError):
            (self.folder / "f").stat()  # not even root, without allow_other

    def test_a_mount_point_of_someone_else_is_refused(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(file("f")))
        shutil.chown(self.folder, 0, 0)
        done = self.as_user(self.tools / "imgmount", f"oci:{layout.folder}:latest",
                            self.folder)
        self.assertEqual(done.returncode, harness.MOUNT, done.stderr)
        self.assertIn(str(self.folder), done.stderr)


if __name__ == "__main__":
    harness.main()
