# SPDX-License-Identifier: Apache-2.0
"""Image layouts and archives as other tools write them: which of their entries
is the image, and what is said where none is."""

import json
import os
import subprocess
import tarfile

import harness
from harness import CORRUPT, NOT_FOUND, Layout, config_of
from oci_layout import LAYER_GZIP, MANIFEST
from tar_layer import dir, file, gzip, hardlink, tar, whiteout

ARTIFACT = "application/spdx+json"


class EntryOfALayout(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.images = {arch: self.image(arch) for arch in ("arm64", "amd64")}

    def image(self, arch, **more):
        layer = tar(file("arch", arch.encode()))
        return {**self.layout.add_image(
            config_of([layer], architecture=arch),
            [self.layout.add_blob(gzip(layer), LAYER_GZIP)]), **more}

    def artifact(self, **more):
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": ARTIFACT,
            "config": self.layout.add_blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self.layout.add_blob(b"[]", ARTIFACT)]}
        return {**self.layout.add_json(manifest, MANIFEST), **more}

    def signature(self):
        """As cosign writes it: only its layers tell."""
        return self.layout.add_image(
            config_of([]), [self.layout.add_blob(
                b"{}", "application/vnd.dev.cosign.simplesigning.v1+json")])

    def index(self, *entries, name=None):
        entries = [dict(e) for e in entries]
        if name:
            for entry in entries:
                entry["annotations"] = {
                    "org.opencontainers.image.ref.name": name,
                    **entry.get("annotations", {})}
        with open(self.layout.folder + "/index.json", "w") as out:
            json.dump({"schemaVersion": 2, "manifests": entries}, out)

    def archive(self):
        path = self.scratch / "layout.tar"
        with tarfile.open(path, "w") as out:
            out.add(self.layout.folder, ".")
        return path

    def texts(self, reference=""):
        """The same layout as a folder and as an archive."""
        return (f"oci:{self.layout.folder}{reference}",
                f"oci-archive:{self.archive()}{reference}")

    def assert_shows(self, image, arch, *options):
        folder = self.mount(image, *options)
        self.assertEqual((folder / "arch").read_text(), arch)
        self.unmount(folder)

    def test_platforms_are_chosen_from(self):
        arm64, amd64 = self.images["arm64"], self.images["amd64"]
        silent = [{k: v for k, v in e.items() if k != "platform"} for e in (arm64, amd64)]
        for entries in (arm64, amd64), silent:
            for name in None, "t":
                self.index(*entries, name=name)
                for image in self.texts(":t" if name else ""):
                    with self.subTest(image, entries=entries):
                        self.assert_shows(image, "amd64")
                        self.assert_shows(image, "arm64", "--platform", "linux/arm64")
                        self.assert_fails(
                            self.run_tool("imginspect", "--platform", "linux/s390x", image),
                            NOT_FOUND, "there is linux/arm64, linux/amd64")
        folder = self.mount(self.texts()[0], "--platform", "all")
        self.assertEqual(sorted(os.listdir(folder)), ["linux-amd64", "linux-arm64"])

    def test_what_is_no_image_is_no_choice(self):
        image = {**self.images["amd64"], "annotations": {
            "org.opencontainers.image.ref.name": "docker.io/library/app:1"}}
        others = {
            "referrer": self.artifact(artifactType=ARTIFACT),
            "artifact": self.artifact(),
            "attestation": {**self.artifact(), "platform": {
                "os": "unknown", "architecture": "unknown"}},
            "unknown type": self.layout.add_blob(b"<a/>", "application/xml"),
            "signature": self.signature(),
        }
        for name, other in others.items():
            self.index(other, image)
            for text in self.texts():
                with self.subTest(name, text=text):
                    self.assert_shows(text, "amd64")
            self.assertEqual(
                self.out_of("imgcache", "import", "-q", self.archive()),
                "Imported: app:1\n")

    def test_an_image_may_name_its_configs_type_as_its_artifacts(self):
        kind = "application/vnd.oci.image.config.v1+json"
        index = self.layout.add_index(
            [{**e, "artifactType": kind} for e in self.images.values()])
        self.index(index)
        for image in self.texts():
            self.assert_shows(image, "amd64")
            self.assert_shows(image, "arm64", "--platform", "linux/arm64")

    def test_features_that_nobody_has_come_last(self):
        nydus = {**self.images["arm64"], "platform": {
            "os": "linux", "architecture": "amd64",
            "os.features": ["nydus.remoteimage.v1"]}}
        self.index(self.layout.add_index([nydus, self.images["amd64"]]))
        for image in self.texts():
            self.assert_shows(image, "amd64")

    def test_sizes_bind(self):
        for wrong in 0, 1:
            self.index({**self.images["amd64"], "size": wrong})
            for image in self.texts():
                self.assert_fails(self.run_tool("imginspect", image), CORRUPT,
                                  f"its descriptor says {wrong}")
            self.index(self.layout.add_index([{**self.images["amd64"], "size": wrong}]))
            for image in self.texts():
                self.assert_fails(self.run_tool("imginspect", image), CORRUPT,
                                  f"its descriptor says {wrong}")

    def test_many_names_stand_one_on_a_line(self):
        names = ["a:1", "b:1", "c:1", "d:1"]
        self.index(*({**self.images["amd64"], "annotations": {
            "org.opencontainers.image.ref.name": name}} for name in names))
        for image in self.texts():
            done = self.run_tool("imginspect", image)
            self.assertEqual(done.returncode, NOT_FOUND)
            self.assertEqual(done.stderr.splitlines()[1:], [f'  "{n}"' for n in names])

    def test_import_takes_platforms_together_and_what_has_a_name(self):
        self.index(*self.images.values(), name="docker.io/library/app:1")
        self.assertEqual(self.out_of("imgcache", "import", "-q", self.archive()),
                         "Imported: app:1\n")
        for arch in self.images:
            self.assert_shows("app:1", arch, "--offline", "--platform", "linux/" + arch)
        named = {**self.images["amd64"], "annotations": {
            "org.opencontainers.image.ref.name": "docker.io/library/app:2"}}
        self.index(self.images["arm64"], named)
        done = self.run_tool("imgcache", "import", "-q", self.archive())
        self.assertEqual((done.returncode, done.stdout), (0, "Imported: app:2\n"))
        self.assertIn("warning: left out", done.stderr)
        self.assertIn(self.images["arm64"]["digest"], done.stderr)

    def test_full_names_tell_equal_tags_apart(self):
        def saved(name, arch):
            return {**self.images[arch], "annotations": {
                "io.containerd.image.name": f"docker.io/library/{name}:latest",
                "org.opencontainers.image.ref.name": "latest"}}
        self.index(saved("a", "amd64"), saved("b", "arm64"))
        self.assertEqual(self.out_of("imgcache", "import", "-q", self.archive()),
                         "Imported: a:latest\nImported: b:latest\n")
        for image in self.texts():
            self.assert_fails(self.run_tool("imginspect", image), NOT_FOUND,
                              "docker.io/library/a:latest")
        self.assert_shows(self.texts(":docker.io/library/b:latest")[0], "arm64")


class LayersAlone(harness.EndToEnd):
    """A layer may link to files of lower ones, as `RUN ln` gives it."""

    def test_links_to_lower_files_are_shown_as_the_files(self):
        layers = [tar(dir("a"), file("a/foo", b"foo", mode=0o640)),
                  tar(dir("a"), hardlink("a/bar", "a/foo"), file("a/other", b"x")),
                  tar(hardlink("moved", "a/foo"), whiteout("a/foo"))]
        layout = Layout(self.scratch / "layout")
        harness.add_image(layout, "latest", *layers)
        image = f"oci:{layout.folder}"
        folder = self.mount(image, "--all")
        expected = self.unpack(layout.folder)
        for alone, name in ("01", "a/bar"), ("02", "moved"):
            shown = folder / "layers" / alone / name
            self.assertEqual(shown.read_text(), "foo")
            self.assertEqual(os.stat(shown).st_mode, os.stat(expected / "a/bar").st_mode)
        self.assertEqual(sorted(os.listdir(folder / "layers/01/a")), ["bar", "other"])
        subprocess.run(["tar", "-cf", "/dev/null", "-C", folder, "."], check=True)
        at = self.mount(image, "--layer", "1", "--provenance", at="alone")
        self.assertEqual((at / "a/bar").read_text(), "foo")
        self.assertEqual(os.getxattr(at / "a/bar", "user.imgmount.layer"), b"0")
        self.assertEqual(os.getxattr(at / "a/other", "user.imgmount.layer"), b"1")


if __name__ == "__main__":
    harness.main()
