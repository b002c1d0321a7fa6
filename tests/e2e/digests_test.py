# SPDX-License-Identifier: Apache-2.0
"""The digest of an image is the one that skopeo sees, whatever it comes from."""

import json
import os
import pathlib
import subprocess

import harness
from harness import Layout, add_image
from tar_layer import dir, file, tar, whiteout


class DigestsAreSkopeos(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.layers = [tar(dir("d"), file("d/f", b"one" * 50_000), file("d/g")),
                       tar(whiteout("d/g"), file("h", b"two"))]
        self.manifest = add_image(self.layout, "v1", *self.layers)
        self.oci = f"oci:{self.layout.folder}:v1"

    def copy(self, source, destination, *options):
        subprocess.run(["skopeo", "copy", "--quiet", *options, source, destination],
                       check=True, stdout=subprocess.DEVNULL)

    def digest_of(self, image, *options):
        return subprocess.run(
            ["skopeo", "inspect", "--format={{.Digest}}", *options, image],
            check=True, capture_output=True, text=True).stdout.strip()

    def check(self, image, *options):
        self.check_digest(image, self.digest_of(image, *options))

    def check_digest(self, image, seen):
        self.assertIn(f"Digest: {seen}\n", self.out_of("imgpull", image))
        mounted = self.mount(image, at=f"mnt{len(os.listdir(self.scratch))}")
        self.assertEqual(sorted(os.listdir(mounted)), ["d", "h"])
        self.assertEqual(os.listdir(mounted / "d"), ["f"])

    def test_oci(self):
        self.check(self.oci)

    def test_oci_archive(self):
        archive = f"oci-archive:{self.scratch}/a.tar:v1"
        self.copy(self.oci, archive)
        self.check(archive)

    def test_docker_archive_of_skopeo_plain_and_gzipped(self):
        self.copy(self.oci, f"docker-archive:{self.scratch}/a.tar:app:1")
        self.check(f"docker-archive:{self.scratch}/a.tar")
        self.check(f"docker-archive:{self.scratch}/a.tar:app:1")
        # skopeo 1.9 cannot read it compressed.
        seen = self.digest_of(f"docker-archive:{self.scratch}/a.tar")
        subprocess.run(["gzip", self.scratch / "a.tar"], check=True)
        self.check_digest(f"docker-archive:{self.scratch}/a.tar.gz", seen)

    def docker_archive(self, files, config, layers):
        """A file of `docker save` with these contents by path."""
        manifest = [{"Config": config, "RepoTags": ["app:1"], "Layers": layers}]
        archive = self.scratch / "saved.tar"
        archive.write_bytes(tar(*(file(path, data) for path, data in files.items()),
                                file("manifest.json", json.dumps(manifest).encode())))
        self.check(f"docker-archive:{archive}:app:1")

    def config(self):
        path = self.layout.blob_path(self.manifest["digest"])
        digest = json.loads(pathlib.Path(path).read_text())["config"]["digest"]
        return digest.partition(":")[2], pathlib.Path(
            self.layout.blob_path(digest)).read_bytes()

    def test_docker_archive_of_docker_before_25(self):
        id, config = self.config()
        names = [f"{n:064x}/layer.tar" for n in range(len(self.layers))]
        files = {f"{id}.json": config, **dict(zip(names, self.layers))}
        for name in names:
            files[name.replace("layer.tar", "VERSION")] = b"1.0"
        self.docker_archive(files, f"{id}.json", names)

    def test_docker_archive_of_docker_since_25(self):
        id, config = self.config()
        blob = "blobs/sha256/"
        names = [blob + harness.digest_of(x).partition(":")[2] for x in self.layers]
        files = {blob + id: config, **dict(zip(names, self.layers)),
                 "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        self.docker_archive(files, blob + id, names)

    def test_docker_archive_of_podman_with_several_images(self):
        other = Layout(self.scratch / "other")
        add_image(other, "x", tar(file("other")))
        podman = ["podman", "--root", self.scratch / "root", "--runroot",
                  self.scratch / "run", "--storage-driver=vfs"]
        for image, name in (self.oci, "app:1"), (f"oci:{other.folder}:x", "app:2"):
            archive = self.scratch / f"{name[-1]}.tar"
            self.copy(image, f"docker-archive:{archive}:{name}")
            subprocess.run([*podman, "load", "-q", "-i", archive], check=True,
                           stdout=subprocess.DEVNULL)
        subprocess.run([*podman, "save", "-q", "-m", "-o", self.scratch / "m.tar",
                        "app:1", "app:2"], check=True)
        self.check(f"docker-archive:{self.scratch}/m.tar:docker.io/library/app:1")
        done = self.run_tool("imgpull", f"docker-archive:{self.scratch}/m.tar:app:3")
        self.assert_fails(done, harness.NOT_FOUND, "app:1", "app:2", "app:3")

    def test_a_registry(self):
        registry = self.registry()
        tls = "--tls-verify=false"
        registry.push(self.oci, "app:oci")
        registry.push(self.oci, "app:docker", "--format=v2s2")
        self.layout.name("all", self.layout.add_index([self.manifest]))
        registry.push(f"oci:{self.layout.folder}:all", "app:index", "--all")
        for tag in "oci", "docker", "index":
            self.check(f"docker://{registry.address}/app:{tag}", tls)


if __name__ == "__main__":
    harness.main()
