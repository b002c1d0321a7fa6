# SPDX-License-Identifier: Apache-2.0
"""What imghistory, imginspect and imgdiff print."""

import json
import os
import tarfile

import harness
from harness import Layout, NGINX, add_image
from tar_layer import dir, file, symlink, tar, whiteout


def document(digest):
    return json.loads((NGINX / "blobs" / digest.replace(":", "/")).read_text())


class HistoryOfNginx(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.hub = self.registry()
        self.hub.push(f"oci:{NGINX}:latest", "library/nginx:latest")
        self.mirror(self.hub.address)
        index = json.loads((NGINX / "index.json").read_text())
        self.manifest = document(index["manifests"][0]["digest"])
        self.config_digest = self.manifest["config"]["digest"]
        self.config = document(self.config_digest)

    def rows(self, *options):
        out = self.out_of("imghistory", "--format", "json", *options, "nginx")
        return [json.loads(line) for line in out.splitlines()]

    def layer_rows(self):
        steps = list(reversed(self.config["history"]))
        return [row for row, step in zip(self.rows(), steps)
                if not step.get("empty_layer")]

    def bytes_added(self):
        """Bytes of file contents and of symlinks' targets in each layer, newest
        first."""
        sizes = []
        for layer in self.manifest["layers"]:
            path = NGINX / "blobs" / layer["digest"].replace(":", "/")
            with tarfile.open(path) as archive:
                sizes.append(sum(
                    len(os.fsencode(e.linkname)) if e.issym() else e.size
                    for e in archive if e.isfile() or e.issym()))
        return sizes[::-1]

    def test_it_has_a_row_for_every_step_newest_first(self):
        lines = self.out_of("imghistory", "nginx").splitlines()
        self.assertEqual(lines[0].split(),
                         ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"])
        rows = lines[1:]
        self.assertEqual(len(rows), len(self.config["history"]))
        self.assertTrue(rows[0].startswith(self.config_digest[7:19] + " "))
        for row in rows[1:]:
            self.assertTrue(row.startswith("<missing> "), row)
        self.assertIn('CMD ["nginx" "-g" "daemon off;"]', rows[0])
        self.assertIn(" 0B ", rows[0])
        long_step = next(r for r in rows if "groupadd" in r)
        self.assertIn("\u2026", long_step)

    def test_no_trunc_shows_the_whole_of_it(self):
        out = self.out_of("imghistory", "--no-trunc", "nginx")
        self.assertIn(self.config_digest, out)
        for step in self.config["history"]:
            self.assertIn(step["created_by"], out)

    def test_quiet_prints_the_ids_only(self):
        self.assertEqual(
            self.out_of("imghistory", "-q", "nginx").splitlines(),
            [self.config_digest[7:19]] +
            ["<missing>"] * (len(self.config["history"]) - 1))

    def test_sizes_are_marked_until_a_layer_is_here_and_then_exact(self):
        for row in self.layer_rows():
            self.assertTrue(row["Size"].startswith("~"), row)
        self.out_of("imgpull", "-q", "nginx")
        out = self.out_of("imghistory", "--human=false", "nginx")
        sizes = [int(word) for line in out.splitlines()[1:]
                 for word in [line.split()[-2]]]
        steps = list(reversed(self.config["history"]))
        self.assertEqual([s for s, step in zip(sizes, steps)
                          if not step.get("empty_layer")], self.bytes_added())
        self.assertNotIn("~", self.out_of("imghistory", "nginx"))

    def test_inspect_prints_dockers_json(self):
        out = self.out_of("imginspect", "nginx")
        self.assertTrue(out.startswith('[\n    {\n        "Id": "sha256:'), out[:80])
        [image] = json.loads(out)
        self.assertEqual(image["Id"], self.config_digest)
        self.assertEqual(image["RepoTags"], ["nginx:latest"])
        self.assertEqual(image["Created"], self.config["created"])
        self.assertEqual((image["Os"], image["Architecture"]), ("linux", "amd64"))
        self.assertEqual(image["RootFS"], {
            "Type": "layers", "Layers": self.config["rootfs"]["diff_ids"]})
        for key in ("Env", "Cmd", "Entrypoint", "ExposedPorts", "Labels",
                    "StopSignal"):
            self.assertEqual(image["Config"][key], self.config["config"][key])

    def test_inspect_of_a_missing_image_prints_an_empty_array(self):
        done = self.run_tool("imginspect",
                             f"{self.hub.address}/library/nginx:nowhere")
        self.assertEqual((done.returncode, done.stdout), (harness.NOT_FOUND, "[]\n"))


class DiffOfImages(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        add_image(
            self.layout, "one",
            tar(dir("etc"), file("etc/a", b"1"), file("etc/b", b"2"),
                file("same", b"x")),
            tar(dir("etc"), file("etc/a", b"changed"), whiteout("etc/b"),
                file("new", b"n")))
        add_image(self.layout, "two", tar(dir("etc", mode=0o700), file("etc/a", b"1"),
                                          file("same", b"x"), symlink("s", "same")))

    def image(self, name):
        return f"oci:{self.layout.folder}:{name}"

    def diff(self, *args):
        """What imgdiff prints; it ends as diff(1) does."""
        done = self.run_tool("imgdiff", "-q", *args)
        self.assertEqual(done.returncode, 1 if done.stdout else 0, done.stderr)
        return done.stdout

    def test_of_one_image_says_what_each_layer_did(self):
        out = self.out_of("imgdiff", "-q", self.image("one"))
        lines = [line for line in out.splitlines() if line[:2] in ("A ", "C ", "D ")]
        self.assertEqual(lines, ["A /etc", "A /etc/a", "A /etc/b", "A /same",
                                 "C /etc/a", "D /etc/b", "A /new"])

    def test_of_two_images(self):
        self.assertEqual(self.diff(self.image("one"), self.image("two")),
                         "C /etc\nC /etc/a\nD /new\nA /s\n")

    def test_of_two_layers(self):
        self.assertEqual(self.diff(self.image("one@0"), self.image("one@1")),
                         "C /etc/a\nD /etc/b\nA /new\n")

    def test_of_an_image_with_itself_is_empty(self):
        self.assertEqual(self.diff(self.image("one"), self.image("one")), "")

    def test_as_json(self):
        out = self.diff("--json", self.image("one@0"), self.image("one@1"))
        self.assertEqual([(d["kind"], d["path"]) for d in json.loads(out)],
                         [("C", "/etc/a"), ("D", "/etc/b"), ("A", "/new")])

    def test_of_a_missing_image_is_trouble(self):
        self.assert_fails(
            self.run_tool("imgdiff", "-q", self.image("one"), self.image("three")),
            2, "three")


class MistypedImages(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        add_image(layout, "v1.2", tar(file("f", b"1")))
        self.layout = f"oci:{layout.folder}"
        self.hub = self.registry()
        self.hub.push(f"{self.layout}:v1.2", "library/nginx:1.25")
        self.registries_conf.write_text(
            f'[[registry]]\nprefix = "docker.io"\nlocation = "{self.hub.address}"\n'
            'insecure = true\n')
        self.out_of("imgpull", "-q", "nginx:1.25")

    def run_all(self, image, *options):
        for tool, arguments in (("imgmount", (self.mount_point(),)), ("imgpull", ()),
                                ("imginspect", ()), ("imghistory", ()), ("imgdiff", ()),
                                ("imgdiff", ("nginx:1.25",))):
            done = self.run_tool(tool, *options, image, *arguments)
            status = 2 if tool == "imgdiff" else harness.NOT_FOUND
            yield done, status

    def test_a_cached_image_of_a_similar_name_is_suggested(self):
        for image in ("ngnix:1.25", "nginx:1.52", "nginx", "nginxx"):
            for done, status in self.run_all(image):
                self.assert_fails(done, status, image, "; did you mean nginx:1.25?")

    def test_it_costs_no_request(self):
        for options in ("--offline",), ("--pull=never",):
            asked = len(self.hub.requests())
            for done, status in self.run_all("ngnix:1.25", *options):
                self.assert_fails(done, status, "; did you mean nginx:1.25?")
            self.assertEqual(len(self.hub.requests()), asked)

    def test_nothing_is_suggested_where_nothing_is_similar_or_the_platform_is_missing(self):
        for done, status in self.run_all("mysql"):
            self.assert_fails(done, status, "mysql")
            self.assertNotIn("did you mean", done.stderr)
        self.hub.push(f"{self.layout}:v1.2", "library/nginx:1.26")
        done = self.run_tool("imginspect", "--platform", "linux/s390x", "nginx:1.26")
        self.assertNotIn("did you mean", done.stderr)

    def test_a_layout_tells_the_names_that_it_has(self):
        for done, status in self.run_all(self.layout + ":v1.3"):
            self.assert_fails(done, status, "v1.3", "there is", "v1.2")


if __name__ == "__main__":
    harness.main()
