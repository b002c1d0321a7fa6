# SPDX-License-Identifier: Apache-2.0
"""imgdiff of random image pairs against diff(1) of what umoci unpacks."""

import os
import random
import shutil
import subprocess

import harness
from harness import Layout, add_image
from tar_layer import dir, file, opaque, symlink, tar, whiteout

NAMES = "abcdef"


class RandomImage:
    """Layers that fit each other: what one removes was there."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tree = {}  # path -> "dir", "file", "link"

    def directories(self):
        return [""] + [p for p, kind in self.tree.items() if kind == "dir"]

    def below(self, path):
        return [p for p in self.tree if p.startswith(path + "/")]

    def forget(self, path):
        for gone in [path, *self.below(path)]:
            self.tree.pop(gone, None)

    def layer(self):
        entries = {}
        for _ in range(self.random.randrange(1, 12)):
            folder = self.random.choice(self.directories())
            name = self.random.choice(NAMES)
            path = f"{folder}/{name}" if folder else name
            # A path is touched once in a layer, and so is what lies below it.
            if any(path == p or path.startswith(p + "/") or
                   p.startswith(path + "/") for p in entries if p):
                continue
            entries[path] = self.step(path)
        return tar(*(entry for step in entries.values() for entry in step))

    def step(self, path):
        kind = self.random.choice(["dir", "file", "file", "link", "gone",
                                   "opaque", "replaced"])
        mtime = self.random.randrange(2_000_000_000)
        was = self.tree.get(path)
        if kind == "gone" and was:
            self.forget(path)
            return [whiteout(path)]
        if kind == "opaque" and was == "dir":
            for gone in self.below(path):
                self.tree.pop(gone)
            self.tree[path + "/new"] = "file"
            return [dir(path), opaque(path), file(path + "/new", b"new")]
        if kind == "replaced" and was:
            self.forget(path)
            kind = "dir" if was != "dir" else "file"
        if kind in ("gone", "opaque", "replaced"):
            kind = "file"
        if kind == "dir" or was == "dir":
            # A file instead of a directory is what "replaced" makes.
            self.tree[path] = "dir"
            return [dir(path, mode=self.random.choice([0o755, 0o700]),
                        mtime=mtime)]
        self.tree[path] = kind
        if kind == "link":
            return [symlink(path, self.random.choice(NAMES), mtime=mtime)]
        content = self.random.choice(["", "1", "2", "same size", "other one"])
        return [file(path, content.encode(), mtime=mtime)]


class DiffOfRandomImages(harness.EndToEnd):
    def changes(self, *operands):
        """{path: kind}, without what lies below a path that came, went or is
        of another type."""
        done = self.run_tool("imgdiff", "-q", "--ignore",
                             "mode,owner,mtime,xattr", "--what", *operands)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 1 if done.stdout else 0)
        changes = {}
        for line in done.stdout.splitlines():
            kind, what, path = line.split(" ", 2)
            folder = os.path.dirname(path)
            while folder != "/" and folder not in changes:
                folder = os.path.dirname(folder)
            if folder == "/":
                changes[path] = kind
        return changes

    def expected(self, a, b):
        """The same by diff(1)."""
        done = subprocess.run(
            ["diff", "-rq", "--no-dereference", str(a), str(b)],
            env={**os.environ, "LC_ALL": "C"}, stdout=subprocess.PIPE, text=True)
        self.assertIn(done.returncode, (0, 1))
        changes = {}
        for line in done.stdout.splitlines():
            words = line.split(" ")
            if words[0] == "Only":
                folder = words[2].removesuffix(":")
                side = b if folder == str(b) or folder.startswith(f"{b}/") else a
                path = f"{folder}/{words[3]}".removeprefix(str(side))
                changes[path] = "A" if side == b else "D"
            else:
                path = next(w for w in words if w.startswith(f"{a}/"))
                changes[path.removeprefix(str(a))] = "C"
        return changes

    def test_finds_the_paths_that_diff_finds(self):
        for seed in range(25):
            with self.subTest(seed=seed):
                layout = Layout(self.scratch / f"layout{seed}")
                image = RandomImage(seed)
                base = [image.layer() for _ in range(3)]
                fork = dict(image.tree)
                add_image(layout, "a", *base, *[image.layer() for _ in range(3)])
                image.tree = fork
                add_image(layout, "b", *base, *[image.layer() for _ in range(4)])
                stranger = RandomImage(seed + 1000)
                add_image(layout, "c", *[stranger.layer() for _ in range(4)])
                unpacked = {}
                for name in "abc":
                    shutil.rmtree(self.scratch / f"bundle-{name}",
                                  ignore_errors=True)
                    unpacked[name] = self.unpack(layout.folder, name)
                for x, y in ("ab", "ba", "ac"):
                    expected = self.expected(unpacked[x], unpacked[y])
                    images = [f"oci:{layout.folder}:{n}" for n in (x, y)]
                    self.assertEqual(self.changes(*images), expected)
                    # An image against a directory, and two directories.
                    self.assertEqual(self.changes(images[0], unpacked[y]),
                                     expected)
                    self.assertEqual(self.changes(unpacked[x], unpacked[y]),
                                     expected)

    def test_an_image_against_its_mount_is_the_same(self):
        layout = Layout(self.scratch / "layout")
        image = RandomImage(7)
        add_image(layout, "a", *[image.layer() for _ in range(5)])
        name = f"oci:{layout.folder}:a"
        for at, options in (("plain", []), ("provenance", ["--provenance"])):
            mounted = self.mount(name, *options, at=at)
            self.assertEqual(self.out_of("imgdiff", name, mounted), "")


class ContentOfImages(harness.EndToEnd):
    def test_a_patch_makes_one_tree_of_the_other(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "a", tar(dir("etc"), file("etc/motd", b"1\n2\n3\n"),
                                   file("etc/gone", b"x\n"), symlink("l", "a"),
                                   file("run", b"#!/bin/sh\n"),
                                   file("with space", b"1\n"),
                                   file("quo\"te\n", b"1\n")))
        add_image(layout, "b", tar(dir("etc"), file("etc/motd", b"1\n2\n4\n5"),
                                   file("new", b""), symlink("l", "b"),
                                   file("run", b"#!/bin/sh\n", mode=0o755),
                                   file("with space", b"2\n"),
                                   file("quo\"te\n", b"2\n")))
        a = self.unpack(layout.folder, "a")
        b = self.unpack(layout.folder, "b")
        done = self.run_tool("imgdiff", "-q", "--content", "--blame",
                             f"oci:{layout.folder}:a", f"oci:{layout.folder}:b")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(self.git_apply(done.stdout, a).stderr, "")
        self.assertEqual(subprocess.run(
            ["diff", "-r", "--no-dereference", a, b]).returncode, 0)
        self.assertTrue(os.access(a / "run", os.X_OK))

    def git_apply(self, patch, folder, *options):
        return subprocess.run(
            ["git", "apply", "--unsafe-paths", "-p1", *options, "-"], cwd=folder,
            input=patch, text=True, errors="surrogateescape", stderr=subprocess.PIPE,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": "/"})

    def test_a_patch_with_the_bytes_of_files_that_are_no_text(self):
        layout = Layout(self.scratch / "layout")
        noise = os.urandom(100_000)
        for name, changed, more in (
                ("a", noise, [file("gone", b"\0" + noise[:52])]),
                ("b", noise[:5000] + b"\0new" + noise[5001:],
                 [file("new", bytes(200_000)), file("new1", b"\0")])):
            add_image(layout, name, tar(
                dir("d"), file("d/changed", b"\0" + changed), file("text", name.encode()),
                file("mode", b"\0" + name.encode(), mode=0o755 if name == "b" else 0o644),
                *more))
        trees = {name: self.unpack(layout.folder, name) for name in "ab"}
        images = [f"oci:{layout.folder}:{name}" for name in "ab"]

        def assert_same(a, b):
            self.assertEqual(subprocess.run(["diff", "-r", a, b]).returncode, 0)

        binary = self.run_tool("imgdiff", "-q", "--binary", *images)
        self.assertEqual((binary.returncode, binary.stderr), (1, ""))
        subprocess.run(["cp", "-a", trees["a"], self.scratch / "copy"], check=True)
        self.assertEqual(self.git_apply(binary.stdout, trees["a"]).stderr, "")
        assert_same(trees["a"], trees["b"])
        self.assertEqual(self.git_apply(binary.stdout, trees["a"], "-R").stderr, "")
        assert_same(trees["a"], self.scratch / "copy")
        # Without the bytes, the rest of a patch can be applied.
        text = self.run_tool("imgdiff", "-q", "--content", *images).stdout
        left_out = [f"--exclude={name}" for name in
                    ("d/changed", "gone", "new", "new1", "mode")]
        self.assertEqual(self.git_apply(text, trees["a"], *left_out).stderr, "")
        self.assertEqual((trees["a"] / "text").read_text(), "b")


class PackagesOfRpm(harness.EndToEnd):
    """Databases that the real rpm makes, and what it says is in them."""

    DATABASE = "/usr/lib/sysimage/rpm"

    def build(self, name, version, release="1", epoch=None):
        spec = self.scratch / f"{name}.spec"
        spec.write_text(
            f"Name: {name}\nVersion: {version}\nRelease: {release}\n"
            + (f"Epoch: {epoch}\n" if epoch else "") +
            "Summary: A test\nLicense: none\nBuildArch: noarch\n"
            "%description\nA test.\n%files\n")
        top = self.scratch / "rpmbuild"
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}",
                        str(spec)], check=True, env=self.environment,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return top / f"RPMS/noarch/{name}-{version}-{release}.noarch.rpm"

    def rpm(self, root, *args):
        return subprocess.run(["rpm", "--root", str(root), "--dbpath", self.DATABASE, *args],
                              check=True, stdout=subprocess.PIPE, text=True).stdout

    def install(self, layout, name, *packages):
        """An image whose layer has rpm's database; returns what rpm says."""
        root = self.scratch / name
        root.mkdir()
        self.rpm(root, "--initdb")
        # Debian 12's rpm wants to be told that this is no system of its own.
        forced = [o for o in ("--force-debian",) if o in self.rpm(root, "--help")]
        self.rpm(root, "--install", *forced, "--nodeps", *map(str, packages))
        said = dict(line.split() for line in self.rpm(
            root, "--query", "--all", "--queryformat", "%{NAME} %{EVR}\\n").splitlines())
        folder = self.DATABASE.lstrip("/")
        add_image(layout, name, tar(*[
            file(f"{folder}/{path.name}", path.read_bytes())
            for path in sorted((root / folder).iterdir()) if path.is_file()]))
        return said

    def test_came_went_and_changed(self):
        layout = Layout(self.scratch / "layout")
        same = self.build("same", "1")
        a = self.install(layout, "a", same, self.build("gone", "0.1"),
                         self.build("changed", "1.0", "3"), self.build("epoch", "2.0"))
        b = self.install(layout, "b", same, self.build("came", "3~rc1", "0.1"),
                         self.build("changed", "1.10", "1"),
                         self.build("epoch", "1.0", "1", epoch=1))
        self.assertEqual((len(a), len(b)), (4, 4))
        expected = []
        for name in sorted(a.keys() | b.keys()):
            if name not in b:
                expected.append(f"D {name} {a[name]}")
            elif name not in a:
                expected.append(f"A {name} {b[name]}")
            elif a[name] != b[name]:
                expected.append(f"C {name} {a[name]} -> {b[name]}")
        self.assertEqual(len(expected), 4)
        done = self.run_tool("imgdiff", "-q", "--packages", f"oci:{layout.folder}:a",
                             f"oci:{layout.folder}:b")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(done.stdout.splitlines(), expected)


if __name__ == "__main__":
    harness.main()
