# SPDX-License-Identifier: Apache-2.0
"""Debian's package: what cpack makes is installed into a clean root, does its
main job there, and leaves nothing behind."""

import os
import platform
import re
import subprocess

import harness
from harness import BIN, NGINX

BUILD = BIN.parent
TOOLS = ("imgcache", "imgcat", "imgdiff", "imgexport", "imghistory", "imginspect",
         "imgmount", "imgpull")
DEBIAN = platform.freedesktop_os_release()
# What dpkg and mount(8) write themselves.
OTHERS = re.compile(r"var/lib/dpkg/|var/log/dpkg\.log|run/mount")


class Package(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        subprocess.run(["cpack", "--config", str(BUILD / "CPackConfig.cmake"),
                        "-B", str(self.scratch / "package")],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        [self.package] = (self.scratch / "package").glob("imgmount_*.deb")

    def field(self, name):
        return subprocess.run(["dpkg-deb", "-f", str(self.package), name], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    def in_root(self, *command):
        done = subprocess.run(
            ["chroot", str(self.root), *command], stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def make_clean_root(self):
        """Debian's essential packages and those that ours depends on."""
        self.root = self.scratch / "root"
        depends = [re.split(r"[ :(|]", one.strip())[0]
                   for one in self.field("Depends").split(",")]
        subprocess.run(["mmdebstrap", "--quiet", "--variant=essential",
                        "--include=" + ",".join(depends), DEBIAN["VERSION_CODENAME"],
                        str(self.root)],
                       check=True)
        subprocess.run(["mount", "-t", "proc", "proc", str(self.root / "proc")], check=True)
        self.addCleanup(subprocess.run, ["umount", str(self.root / "proc")], check=True)
        if not (self.root / "dev/fuse").exists():
            os.mknod(self.root / "dev/fuse", 0o20666, os.makedev(10, 229))

    def files(self):
        return {path for path in subprocess.run(
                    ["find", ".", "-xdev", "-printf", "%P\\n"], cwd=self.root, check=True,
                    stdout=subprocess.PIPE, text=True).stdout.splitlines()
                if not OTHERS.match(path)}

    def test_installs_mounts_and_goes_from_a_clean_root(self):
        self.make_clean_root()
        (self.root / "mnt/image").mkdir()
        before = self.files()
        (self.root / "imgmount.deb").write_bytes(self.package.read_bytes())
        self.in_root("dpkg", "--install", "/imgmount.deb")
        (self.root / "imgmount.deb").unlink()

        for tool in TOOLS:
            self.in_root(tool, "--version")
        registry = self.registry()
        registry.push(f"oci:{NGINX}:latest", "library/nginx:latest")
        image = f"{registry.address}/library/nginx"
        self.in_root("imgmount", image, "/mnt/image")
        self.assertIn("NAME", self.in_root("cat", "/mnt/image/etc/os-release"))
        self.assertIn("nginx version", self.in_root("chroot", "/mnt/image", "nginx", "-v"))
        self.assertIn("/mnt/image", self.in_root("imgmount", "-l"))
        self.in_root("imgmount", "-u", "/mnt/image")
        self.in_root("mount", "-t", "fuse.imgmount", image, "/mnt/image")
        self.in_root("umount", "/mnt/image")

        self.in_root("dpkg", "--remove", "imgmount")
        self.assertEqual({path for path in self.files() - before
                          if not path.startswith("var/cache/imgmount")}, set())
        self.assertTrue((self.root / "var/cache/imgmount").is_dir())
        self.in_root("dpkg", "--purge", "imgmount")
        self.assertEqual(self.files(), before)

    def test_its_version_tells_the_debian_and_its_name_the_architecture(self):
        architecture = subprocess.run(["dpkg", "--print-architecture"], check=True,
                                      stdout=subprocess.PIPE, text=True).stdout.strip()
        debian = "~deb" + DEBIAN["VERSION_ID"]
        self.assertRegex(self.package.name,
                         rf"^imgmount_[0-9.]+-[0-9]+{debian}_{architecture}\.deb$")
        self.assertIn(debian, self.field("Version"))

    def test_has_what_a_package_of_debian_has(self):
        listed = subprocess.run(["dpkg-deb", "-c", str(self.package)], check=True,
                                stdout=subprocess.PIPE, text=True).stdout
        owners = {line.split()[1] for line in listed.splitlines()}
        self.assertEqual(owners, {"root/root"})
        names = {line.split()[5].removeprefix("./") for line in listed.splitlines()}
        doc = {f"usr/share/doc/imgmount/{name}" for name in
               ("copyright", "changelog.gz", "changelog.Debian.gz", "README.md")}
        expected = {f"usr/share/man/man1/{tool}.1.gz" for tool in TOOLS} | doc | {
            f"usr/share/bash-completion/completions/{tool}" for tool in TOOLS} | {
            f"usr/share/fish/vendor_completions.d/{tool}.fish" for tool in TOOLS} | {
            "usr/share/zsh/vendor-completions/_imgmount", "usr/sbin/mount.imgmount",
            "usr/sbin/mount.fuse.imgmount", "usr/share/man/man8/mount.imgmount.8.gz"}
        self.assertEqual(expected - names, set())
        # It is no upload to Debian.
        done = subprocess.run(["lintian", "--fail-on", "error,warning", "--suppress-tags",
                               "initial-upload-closes-no-bugs", str(self.package)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    harness.main()
