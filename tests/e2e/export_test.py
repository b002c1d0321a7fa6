# SPDX-License-Identifier: Apache-2.0
"""imgcat and imgexport: what is in an image, without a mount."""

import io
import os
import pathlib
import subprocess
import tarfile

import harness
from harness import BIN, Layout, NGINX, NOT_FOUND, USAGE, add_image
from tar_layer import (char_device, dir, fifo, file, hardlink, symlink, tar,
                       whiteout)

MIB = 1 << 20


def rich_layers():
    """All that a file can be, in layers that hide some of it."""
    return (
        tar(dir("./", mode=0o711),
            dir("bin"), file("bin/tool", b"#!tool", mode=0o4755),
            hardlink("bin/same", "bin/tool"),
            dir("etc"), file("etc/motd", b"first"), file("etc/gone", b"gone"),
            symlink("sbin", "bin"), symlink("etc/absolute", "/etc/motd"),
            symlink("etc/out", "../../../../etc/motd"),
            symlink("etc/loop", "loop"), symlink("caf\u00e9", "etc"),
            dir("tmp", mode=0o1777), fifo("tmp/pipe"),
            char_device("tmp/null", 1, 3)),
        tar(file("etc/motd", b"second", mode=0o600, uid=7, gid=8,
                 xattrs={"user.note": "of the second"}),
            whiteout("etc/gone"),
            hardlink("bin/third", "bin/tool"),
            file("large", os.urandom(3 * MIB + 1), uid=3_000_000),
            file("empty"), file("caf\u0065\u0301", b"decomposed")),
    )


class WithoutAMount(harness.EndToEnd):
    def rich_image(self):
        layout = Layout(self.scratch / "layout")
        self.layers = rich_layers()
        add_image(layout, "latest", *self.layers)
        self.layout = layout.folder
        return f"oci:{layout.folder}:latest"

    def bytes_of(self, tool, *args, status=0):
        done = subprocess.run(
            [str(BIN / tool), *map(str, args)], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def extract(self, archive, name="extracted"):
        folder = self.scratch / name
        folder.mkdir()
        subprocess.run(
            ["tar", "-C", str(folder), "--xattrs", "--xattrs-include=*",
             "--same-owner", "-xp"], input=archive, check=True)
        return folder

    def podman(self, *args, **more):
        return subprocess.run(
            ["podman", "--root", str(self.scratch / "podman"), "--runroot",
             str(self.scratch / "podman-run"), "--storage-driver", "vfs", *args],
            check=True, stdout=subprocess.PIPE, **more).stdout

    # imgexport -----------------------------------------------------------------

    def test_an_export_is_the_tree_that_umoci_unpacks(self):
        archive = self.bytes_of("imgexport", self.rich_image())
        self.assert_same_tree(self.extract(archive), self.unpack(self.layout))
        self.assertEqual(archive,
                         self.bytes_of("imgexport", f"oci:{self.layout}:latest"))

    def test_holes_stay_holes(self):
        (self.scratch / "files").mkdir()
        with open(self.scratch / "files/sparse", "wb") as file:
            for at, data in ((300_000, b"abc"), (5 * MIB, os.urandom(70_000))):
                file.seek(at)
                file.write(data)
            file.truncate(64 * MIB)
        (self.scratch / "files/hole").touch()
        os.truncate(self.scratch / "files/hole", 64 * MIB)
        layer = subprocess.run(
            ["tar", "-C", str(self.scratch / "files"), "--format=pax", "-S", "-c", "."],
            check=True, stdout=subprocess.PIPE).stdout
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", layer)
        archive = self.bytes_of("imgexport", f"oci:{layout.folder}:latest")
        self.assertLess(len(archive), MIB)
        extracted = self.extract(archive)
        self.assert_same_tree(extracted, self.scratch / "files")
        for name in ("sparse", "hole"):
            self.assertLess((extracted / name).stat().st_blocks * 512, MIB)

    def test_an_export_of_nginx_is_what_umoci_and_podman_have(self):
        out = self.scratch / "nginx.tar"
        self.out_of("imgexport", f"oci:{NGINX}:latest", "-o", out)
        ours = self.extract(out.read_bytes())
        self.assert_same_tree(ours, self.unpack(NGINX))

        image = self.podman("pull", "--quiet", f"oci:{NGINX}:latest").decode().strip()
        container = self.podman("create", image).decode().strip()
        theirs = self.extract(self.podman("export", container), "theirs")
        # Its export has no entry for the root, and whole seconds.
        self.assert_same_tree(ours, theirs, "--skip", ".", "--seconds")

    def test_podman_imports_an_export(self):
        archive = self.bytes_of("imgexport", self.rich_image())
        self.podman("import", "--quiet", "-", "flat", input=archive)
        mounted = self.podman("image", "mount", "flat").decode().strip()
        self.assert_same_tree(mounted, self.unpack(self.layout), "--skip", ".")

    def test_an_export_as_of_a_layer_and_of_a_subtree(self):
        image = self.rich_image()
        as_of = tarfile.open(fileobj=io.BytesIO(
            self.bytes_of("imgexport", image + "@0")))
        self.assertIn("etc/gone", as_of.getnames())
        self.assertEqual(as_of.extractfile("etc/motd").read(), b"first")
        for path in ("bin", "/bin/", "sbin", "sbin/../bin"):
            part = tarfile.open(fileobj=io.BytesIO(
                self.bytes_of("imgexport", "--path", path, image)))
            self.assertEqual(sorted(part.getnames()),
                             ["bin", "bin/same", "bin/third", "bin/tool"])
            linked = [m for m in part if m.islnk()]
            self.assertEqual(len(linked), 2)
        one = tarfile.open(fileobj=io.BytesIO(
            self.bytes_of("imgexport", "--path", "etc/absolute", image)))
        self.assertEqual(one.getnames(), ["etc/motd"])
        self.assertEqual(one.getmember("etc/motd").pax_headers,
                         {"SCHILY.xattr.user.note": "of the second"})
        self.assert_fails(self.run_tool("imgexport", "-q", "--path", "nope", image),
                          NOT_FOUND, "nope", image)

    def test_a_tar_does_not_go_to_a_terminal(self):
        terminal = harness.Terminal(
            self, [BIN / "imgexport", self.rich_image()], self.environment)
        self.assertEqual(terminal.read_to_the_end(), USAGE)
        self.assertIn("-o FILE", terminal.shown)

    def test_a_failed_export_leaves_no_file(self):
        out = self.scratch / "out.tar"
        self.assert_fails(
            self.run_tool("imgexport", "-q", "--path", "nope", "-o", out,
                          self.rich_image()), NOT_FOUND)
        self.assertEqual([p for p in self.scratch.iterdir() if "out.tar" in p.name],
                         [])

    # imgcat --------------------------------------------------------------------

    def test_cat_writes_bytes_and_follows_links_inside_the_image(self):
        image = self.rich_image()
        large = tarfile.open(fileobj=io.BytesIO(self.layers[1])).extractfile("large")
        self.assertEqual(self.bytes_of("imgcat", image, "/large"), large.read())
        self.assertEqual(
            self.bytes_of("imgcat", image, "etc/motd", "/etc/absolute", "etc/out",
                          "caf\u00e9/motd", "sbin/third", "empty"),
            b"second" * 4 + b"#!tool")
        self.assertEqual(self.bytes_of("imgcat", image + "@0", "/etc/motd"), b"first")

    def test_cat_names_what_has_no_bytes(self):
        image = self.rich_image()
        for path, words in (("etc", "is a directory"), ("/", "is a directory"),
                            ("etc/gone", "no such file in"),
                            ("etc/loop", "no such file in"),
                            ("tmp/pipe", "no regular file"),
                            ("tmp/null", "no regular file")):
            self.assert_fails(self.run_tool("imgcat", "-q", image, path), NOT_FOUND, path,
                              words)
        # The others are written all the same.
        self.assertEqual(self.bytes_of("imgcat", image, "etc/motd", "etc", "etc/motd",
                                       status=NOT_FOUND), b"second" * 2)

    def test_an_image_never_seen_costs_a_pull_and_no_mount(self):
        hub = self.registry()
        hub.push(f"oci:{NGINX}:latest", "library/nginx:latest")
        self.mirror(hub.address)

        def requests_of(tool, *args):
            before = len(hub.requests())
            self.bytes_of(tool, "--cache-dir", self.scratch / ("of-" + tool), *args)
            # In how many ranges a large layer comes depends on the moment.
            return sorted(set(hub.requests()[before:]))

        pull = requests_of("imgpull", "-q", "nginx")
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        self.assertEqual(requests_of("imgcat", "-q", "nginx", "/etc/os-release"), pull)
        self.assertEqual(
            requests_of("imgexport", "-q", "nginx", "-o", self.scratch / "x"), pull)
        self.assertEqual(pathlib.Path("/proc/self/mountinfo").read_text(), mounts)
        self.assertEqual(harness.processes_of("imgcat"), [])


if __name__ == "__main__":
    harness.main()
