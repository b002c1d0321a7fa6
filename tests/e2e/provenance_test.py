# SPDX-License-Identifier: Apache-2.0
"""Which layer a file is from, and an image's layers and states as folders."""

import json
import os
import stat
import subprocess
import tarfile

import harness
from harness import Layout, LAYER_GZIP, NGINX, add_image, config_of
from tar_layer import dir, file, gzip, opaque, symlink, tar, whiteout


def blob(folder, digest):
    return folder / "blobs" / digest.replace(":", "/")


class StraightReading:
    """An image's layer tars, applied one by one in the plainest way."""

    def __init__(self, folder):
        index = json.loads((folder / "index.json").read_text())
        self.manifest_bytes = blob(folder, index["manifests"][0]["digest"]).read_bytes()
        self.manifest = json.loads(self.manifest_bytes)
        self.config_bytes = blob(folder, self.manifest["config"]["digest"]).read_bytes()
        config = json.loads(self.config_bytes)
        self.created_by = [step["created_by"] for step in config["history"]
                           if not step.get("empty_layer")]
        self.digests = [layer["digest"] for layer in self.manifest["layers"]]
        # After each layer: {path: (layer that it is from, is a directory)}.
        self.states = []
        tree = {}
        for number, digest in enumerate(self.digests):
            with tarfile.open(blob(folder, digest)) as archive:
                entries = [(os.path.normpath("/" + e.name), e) for e in archive]
            for path, _ in entries:
                folder_, name = os.path.split(path)
                if name == ".wh..wh..opq":
                    self.remove_below(tree, folder_)
                elif name.startswith(".wh.") and not name.startswith(".wh..wh."):
                    hidden = os.path.join(folder_, name[4:])
                    self.remove_below(tree, hidden)
                    tree.pop(hidden, None)
            for path, entry in entries:
                if os.path.basename(path).startswith(".wh."):
                    continue
                if not entry.isdir():
                    self.remove_below(tree, path)
                origin = number
                if entry.islnk():
                    origin = tree[os.path.normpath("/" + entry.linkname)][0]
                tree[path] = (origin, entry.isdir())
            self.states.append(dict(tree))

    @staticmethod
    def remove_below(tree, path):
        for gone in [p for p in tree if p.startswith(path.rstrip("/") + "/")
                     and p != "/"]:
            tree.pop(gone)

    def hidden_in(self, path, shown):
        """The layer that hides what the layers up to `shown` have there."""
        origin, is_directory = self.states[shown][path]
        for number in range(shown + 1, len(self.states)):
            there = self.states[number].get(path)
            if there is None or there[1] != is_directory:
                return number
            if not is_directory and there[0] != origin:
                return number
        return None


def xattrs(path):
    return {name.removeprefix("user.imgmount."): os.getxattr(path, name).decode()
            for name in os.listxattr(path) if name.startswith("user.imgmount.")}


class ProvenanceOfNginx(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.image = f"oci:{NGINX}:latest"
        self.straight = StraightReading(NGINX)

    def check_tree(self, mounted, shown, hidden_in):
        seen = 0
        for folder, folders, files in os.walk(mounted):
            for name in [".", *folders, *files]:
                path = os.path.normpath(os.path.join(folder, name))
                if not (os.path.isdir(path) or os.path.isfile(path)) or \
                        os.path.islink(path):
                    continue
                inside = "/" + os.path.relpath(path, mounted)
                inside = os.path.normpath(inside)
                if inside not in self.straight.states[shown]:
                    self.assertEqual(xattrs(path), {}, "no layer lists it")
                    continue
                layer = self.straight.states[shown][inside][0]
                expected = {"layer": str(layer),
                            "digest": self.straight.digests[layer],
                            "created_by": self.straight.created_by[layer]}
                hides = hidden_in(inside)
                if hides is not None:
                    expected["hidden_in"] = str(hides)
                self.assertEqual(xattrs(path), expected, inside)
                seen += 1
        self.assertGreater(seen, 3000)

    def test_every_path_names_the_layer_it_is_from(self):
        last = len(self.straight.states) - 1
        self.check_tree(self.mount(self.image, "--provenance"), last,
                        lambda path: None)

    def test_of_every_path_of_a_state_it_is_known_what_hides_it(self):
        mounted = self.mount(self.image + "@1", "--provenance")
        self.check_tree(mounted, 1,
                        lambda path: self.straight.hidden_in(path, 1))

    def test_without_the_option_there_is_none(self):
        mounted = self.mount(self.image)
        self.assertEqual(xattrs(mounted / "etc/passwd"), {})

    def test_imghistory_tells_it_of_a_path(self):
        states = self.straight.states
        for path in ["/etc/passwd", "/etc/nginx/nginx.conf",
                     "/usr/share/doc/perl-base"]:
            expected = []
            before = None
            for number, state in enumerate(states):
                now = state.get(path)
                if now and not before:
                    expected.append((str(number), "A"))
                elif before and not now:
                    expected.append((str(number), "D"))
                elif now and now != before:
                    expected.append((str(number), "C"))
                before = now
            out = self.out_of("imghistory", "-q", "--path", path, self.image)
            rows = [line.split() for line in out.splitlines()]
            self.assertEqual(rows[0][:3], ["LAYER", "CHANGE", "MODE"])
            self.assertEqual([(r[0], r[1]) for r in rows[1:]], expected, path)
        self.assert_fails(
            self.run_tool("imghistory", "-q", "--path", "/none", self.image),
            harness.NOT_FOUND, "/none", "no layer")


class AllOfAnImage(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.layers = [
            tar(dir("etc"), file("etc/a", b"1"), file("etc/b", b"2"),
                dir("d"), file("d/x", b"x")),
            tar(file("etc/a", b"changed"), whiteout("etc/b"), whiteout("d")),
            tar(dir("d"), file("d/y", b"y"), symlink("l", "etc/a")),
        ]
        add_image(self.layout, "v1", *self.layers)
        self.image = f"oci:{self.layout.folder}:v1"

    def unpack_layers(self, count):
        """The first `count` layers, as umoci sees them."""
        name = f"first{count}"
        add_image(self.layout, name, *self.layers[:count])
        return self.unpack(self.layout.folder, name)

    def test_is_one_mount(self):
        mounted = self.mount(self.image, "--all")
        self.assertEqual(sorted(os.listdir(mounted)),
                         ["asof", "config.json", "history.txt", "layers",
                          "manifest.json", "rootfs"])
        for folder in ("asof", "layers"):
            self.assertEqual(sorted(os.listdir(mounted / folder)),
                             ["00", "01", "02"])
        for number in range(3):
            expected = self.unpack_layers(number + 1)
            self.assertEqual(subprocess.run(
                ["diff", "-r", "--no-dereference", expected,
                 mounted / f"asof/0{number}"]).returncode, 0)
            if number == 2:
                self.assertEqual(subprocess.run(
                    ["diff", "-r", "--no-dereference", expected,
                     mounted / "rootfs"]).returncode, 0)
        done = subprocess.run(
            ["diff", "-rq", mounted / "asof/00", mounted / "asof/01"],
            stdout=subprocess.PIPE, text=True)
        self.assertEqual(len(done.stdout.splitlines()), 3, done.stdout)
        index = json.loads(
            (self.scratch / "layout/index.json").read_text())["manifests"][0]
        folder = self.scratch / "layout"
        manifest = blob(folder, index["digest"]).read_bytes()
        self.assertEqual((mounted / "manifest.json").read_bytes(), manifest)
        config = json.loads(manifest)["config"]["digest"]
        self.assertEqual((mounted / "config.json").read_bytes(),
                         blob(folder, config).read_bytes())
        history = self.out_of("imghistory", "--no-trunc", "--human=false",
                              self.image)
        self.assertEqual((mounted / "history.txt").read_text(), history)

    def check_layer_1(self, folder):
        self.assertEqual(sorted(os.listdir(folder)), ["d", "etc"])
        self.assertEqual((folder / "etc/a").read_bytes(), b"changed")
        for path in ("d", "etc/b"):
            st = os.lstat(folder / path)
            self.assertTrue(stat.S_ISCHR(st.st_mode))
            self.assertEqual(st.st_rdev, 0)

    def test_a_layer_alone_shows_its_whiteouts(self):
        self.check_layer_1(self.mount(self.image, "--all", at="all") / "layers/01")
        self.check_layer_1(self.mount(self.image, "--layer", 1))
        self.assert_fails(
            self.run_tool("imgmount", "--layer", 3, self.image,
                          self.mount_point("none")),
            harness.NOT_FOUND, "layer 3")

    def test_inode_numbers_are_distinct(self):
        mounted = self.mount(self.image, "--all")
        seen = {}
        for folder, folders, files in os.walk(mounted):
            for name in folders + files:
                path = os.path.join(folder, name)
                number = os.lstat(path).st_ino
                self.assertNotIn(number, seen, (path, seen.get(number)))
                seen[number] = path

    def test_as_of_a_layer_it_has_those_layers(self):
        mounted = self.mount(self.image + "@1", "--all", "--provenance")
        self.assertEqual(sorted(os.listdir(mounted / "layers")), ["00", "01"])
        self.assertFalse((mounted / "rootfs/l").exists())
        self.assertEqual(xattrs(mounted / "layers/00/etc/b")["hidden_in"], "1")
        self.assertEqual(xattrs(mounted / "layers/01/etc/a")["layer"], "1")

    def test_platforms_stand_side_by_side(self):
        manifests = []
        for architecture, variant in (("amd64", None), ("arm", "v7")):
            layer = tar(file("arch", architecture.encode()))
            config = config_of([layer], architecture=architecture)
            if variant:
                config["variant"] = variant
            manifests.append(self.layout.add_image(
                config, [self.layout.add_blob(gzip(layer), LAYER_GZIP)]))
        attestation = {**manifests[0], "platform": {"os": "unknown",
                                                    "architecture": "unknown"}}
        self.layout.name("multi",
                         self.layout.add_index([*manifests, attestation]))
        image = f"oci:{self.layout.folder}:multi"
        mounted = self.mount(image, "--platform", "all")
        self.assertEqual(sorted(os.listdir(mounted)),
                         ["linux-amd64", "linux-arm-v7"])
        self.assertEqual((mounted / "linux-amd64/arch").read_text(), "amd64")
        self.assertEqual((mounted / "linux-arm-v7/arch").read_text(), "arm")
        both = self.mount(image, "--platform", "all", "--all", at="both")
        self.assertEqual((both / "linux-arm-v7/layers/00/arch").read_text(),
                         "arm")
        one = self.mount(self.image, "--platform", "all", at="one")
        self.assertEqual(os.listdir(one), ["linux-amd64"])
        self.assert_fails(
            self.run_tool("imgmount", "--platform", "all", "--layer", 0, image,
                          self.mount_point("none")), harness.USAGE, "--layer")

    def test_the_only_image_is_shown_for_any_platform_with_a_warning(self):
        for options, warned in (((), False), (("--platform", "linux/amd64"), False),
                                (("--platform", "linux/s390x"), True)):
            done = self.run_tool("imginspect", *options, self.image)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("warning: " in done.stderr, warned, done.stderr)
        self.assertIn("no image for linux/s390x; this one is for linux/amd64",
                      done.stderr)

    def test_layers_are_layers_of_overlayfs(self):
        add_image(self.layout, "stack",
                  tar(dir("d"), file("d/old"), file("gone"), file("kept", b"kept")),
                  tar(dir("d"), opaque("d"), file("d/new"), whiteout("gone")))
        folder = self.mount("--all", f"oci:{self.layout.folder}:stack")
        overlay = self.mount_point("overlay")
        for options in ("ro", "ro,userxattr"):
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                            f"{options},lowerdir={folder}/layers/01:{folder}/layers/00",
                            overlay], check=True)
            try:
                self.assert_same_tree(overlay, folder / "rootfs")
            finally:
                subprocess.run(["umount", overlay], check=True)

    def test_a_platform_that_cannot_be_had_is_left_out(self):
        manifests = {}
        for architecture in ("amd64", "arm64", "s390x"):
            layer = tar(file("arch", architecture.encode()))
            descriptor = self.layout.add_blob(gzip(layer), LAYER_GZIP)
            if architecture != "amd64":
                os.unlink(self.layout.blob_path(descriptor["digest"]))
            manifests[architecture] = self.layout.add_image(
                config_of([layer], architecture=architecture), [descriptor])
        self.layout.name("some", self.layout.add_index(list(manifests.values())))
        folder = self.mount_point()
        done = self.run_tool("imgmount", "-q", "--platform", "all",
                             f"oci:{self.layout.folder}:some", folder)
        self.addCleanup(self.unmount, folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 2, lines)
        for line, architecture in zip(lines, ("arm64", "s390x")):
            self.assertTrue(line.startswith(
                f"imgmount: warning: left out linux/{architecture}: "), line)
        self.assertEqual(os.listdir(folder), ["linux-amd64"])
        self.assertEqual((folder / "linux-amd64/arch").read_text(), "amd64")

        self.layout.name("none", self.layout.add_index([manifests["arm64"]]))
        self.assert_fails(
            self.run_tool("imgmount", "-q", "--platform", "all",
                          f"oci:{self.layout.folder}:none", self.mount_point("none")),
            harness.NOT_FOUND, "linux/arm64")

    def test_platforms_of_a_registry_need_no_second_look(self):
        hub = self.registry()
        layer = tar(file("arch", b"amd64"))
        manifest = self.layout.add_image(
            config_of([layer]), [self.layout.add_blob(gzip(layer), LAYER_GZIP)])
        self.layout.name("multi", self.layout.add_index([manifest]))
        hub.push(f"oci:{self.layout.folder}:multi", "app:multi", "--all")
        image = f"{hub.address}/app:multi"
        self.mount(image, "--platform", "all")
        asked = len(hub.requests())
        self.mount(image, "--platform", "all", at="again")
        self.assertEqual(len(hub.requests()), asked)


if __name__ == "__main__":
    harness.main()
