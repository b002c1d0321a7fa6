# SPDX-License-Identifier: Apache-2.0
"""Documents and layers that mean harm: an error that names the thing, in little
memory. (What a tar can do wrong, entry by entry, is in tests/cases.)"""

import json
import os
import subprocess
import sys
import zlib

import harness
import tar_layer
from harness import Layout, CORRUPT, NOT_FOUND, UNSUPPORTED
from oci_layout import CONFIG, INDEX, MANIFEST, digest_of
from tar_layer import file, symlink, tar

MIB = 1 << 20
# ARCHITECTURE.md, section 9. Sanitizers take several times as much for the same.
MOST_MEMORY = 256 * MIB * (6 if os.environ.get("IMGMOUNT_SANITIZE") else 1)

# In a process of its own, since a child counts what its parent had at the fork.
RUN_AND_MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as peak:
    peak.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


class Hostile(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")

    def try_to_mount(self, name="latest"):
        """Runs imgmount; returns what it ended with, if it stayed small."""
        folder = self.mount_point()
        args = [str(harness.BIN / "imgmount"), "-q", "--platform", "linux/amd64",
                f"oci:{self.layout.folder}:{name}", str(folder)]
        peak = self.scratch / "peak"
        done = subprocess.run(
            [sys.executable, "-c", RUN_AND_MEASURE, str(peak), *args],
            env=self.environment, stdin=subprocess.DEVNULL, text=True,
            stderr=subprocess.PIPE, errors="surrogateescape", timeout=120)
        self.addCleanup(self.unmount, folder)
        self.assertLess(int(peak.read_text()) * 1024, MOST_MEMORY)
        return subprocess.CompletedProcess(args, done.returncode, None, done.stderr)

    def refuses(self, status, *names):
        self.assert_fails(self.try_to_mount(), status, *names)
        self.assertFalse(os.path.ismount(self.mount_point()))

    def shows(self):
        done = self.try_to_mount()
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.mount_point()


class Documents(Hostile):
    def name_manifest(self, data, media_type=MANIFEST):
        self.layout.name("latest", self.layout.add_blob(data, media_type))

    def name_config(self, data):
        """An image whose config is these bytes."""
        layer = tar(file("f"))
        self.layout.name("latest", self.layout.add_json({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.layout.add_blob(data, CONFIG),
            "layers": [self.layout.add_blob(layer, harness.LAYER)]}, MANIFEST))

    def test_should_fail_manifest_100000_deep(self):
        self.name_manifest(b'{"schemaVersion":2,"x":' + b"[" * 100_000 +
                           b"]" * 100_000 + b"}")
        self.refuses(CORRUPT, "manifest", "deep")

    def test_should_fail_config_100000_deep(self):
        self.name_config(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
        self.refuses(CORRUPT, "config", "deep")

    def test_should_fail_manifest_of_a_gigabyte(self):
        self.sparse_document(MANIFEST)
        self.refuses(CORRUPT)

    def test_should_fail_index_of_a_gigabyte(self):
        self.sparse_document(INDEX)
        self.refuses(CORRUPT)

    def sparse_document(self, media_type):
        digest = "sha256:" + "5" * 64
        with open(self.layout.blob_path(digest), "wb") as blob:
            blob.write(b"{")
            blob.truncate(1 << 30)
        self.layout.name("latest", {"mediaType": media_type, "digest": digest,
                                    "size": 1 << 30})

    def test_should_fail_config_of_more_than_16_mib(self):
        self.name_config(b'{"x":"' + b"y" * (17 * MIB) + b'"}')
        self.refuses(CORRUPT)

    def test_should_fail_json_of_too_many_values(self):
        self.name_config(b'{"x":[' + b"1," * 2_000_000 + b"1]}")
        self.refuses(CORRUPT, "config")

    def test_should_fail_config_without_diff_ids(self):
        self.name_config(b'{"os":"linux","architecture":"amd64"}')
        self.refuses(CORRUPT, "rootfs")

    def test_should_fail_config_whose_diff_id_is_wrong(self):
        self.name_config(json.dumps({
            "os": "linux", "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(b"x")]}}).encode())
        self.refuses(CORRUPT, "diff ID")

    def test_should_fail_schema_1(self):
        self.name_manifest(
            json.dumps({"schemaVersion": 1, "name": "library/old", "tag": "latest",
                        "fsLayers": [{"blobSum": digest_of(b"x")}]}).encode(),
            "application/vnd.docker.distribution.manifest.v1+json")
        self.refuses(UNSUPPORTED, "schema 1", "re-push")

    def test_should_fail_index_of_artifacts_only(self):
        manifest = harness.add_image(Layout(self.scratch / "other"), "x", tar())
        self.layout.name("latest", self.layout.add_index([
            {**manifest, "platform": {"os": "unknown", "architecture": "unknown"},
             "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}]))
        self.refuses(UNSUPPORTED, "artifacts")

    def test_should_fail_index_of_other_platforms_only(self):
        manifest = harness.add_image(self.layout, "x", tar())
        self.layout.name("latest", self.layout.add_index([
            {**manifest, "platform": {"os": "plan9", "architecture": "mips"}}]))
        self.refuses(NOT_FOUND, "plan9/mips")

    def test_should_fail_indexes_nested_without_end(self):
        inner = harness.add_image(self.layout, "x", tar(file("f")))
        for _ in range(20):
            inner = self.layout.add_index([inner])
        self.layout.name("latest", inner)
        done = self.try_to_mount()
        self.assertIn(done.returncode, (CORRUPT, UNSUPPORTED), done.stderr)

    def test_a_nested_index_with_attestations_is_an_image(self):
        image = harness.add_image(self.layout, "x", tar(file("f", b"image")))
        attestation = self.layout.add_json({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.layout.add_blob(b"{}", CONFIG),
            "layers": [self.layout.add_blob(b"{}", "application/vnd.in-toto+json")],
        }, MANIFEST)
        inner = self.layout.add_index([
            {**attestation,
             "platform": {"os": "unknown", "architecture": "unknown"},
             "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                             "vnd.docker.reference.digest": image["digest"]}},
            image])
        self.layout.name("latest", self.layout.add_index([inner]))
        self.assertEqual((self.shows() / "f").read_bytes(), b"image")

    def test_every_media_type_of_a_layer(self):
        layer = tar(file("f", b"layer"))
        for number, media_type in enumerate((
                harness.LAYER, harness.LAYER + "+gzip", harness.LAYER + "+zstd",
                "application/vnd.oci.image.layer.nondistributable.v1.tar",
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")):
            compress = (tar_layer.gzip if media_type.endswith("gzip") else
                        tar_layer.zstd if media_type.endswith("zstd") else bytes)
            name = f"n{number}"
            self.layout.name(name, self.layout.add_image(
                harness.config_of([layer]),
                [self.layout.add_blob(compress(layer), media_type)]))
            mounted = self.mount(f"oci:{self.layout.folder}:{name}")
            self.assertEqual((mounted / "f").read_bytes(), b"layer", media_type)
            self.unmount(mounted)

    def test_should_fail_media_types_that_are_no_layers(self):
        layer = tar(file("f"))
        for media_type in ("application/vnd.oci.image.layer.v1.tar+encrypted",
                           "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
                           "application/vnd.in-toto+json",
                           "application/vnd.cncf.helm.chart.content.v1.tar+gzip"):
            self.layout.name("latest", self.layout.add_image(
                harness.config_of([layer]),
                [self.layout.add_blob(layer, media_type)]))
            self.refuses(UNSUPPORTED, media_type)
            self.layout.named.clear()


class Bombs(Hostile):
    def name_blob(self, blob, media_type=harness.LAYER):
        self.layout.name("latest", self.layout.add_image(
            harness.config_of([b""]), [self.layout.add_blob(blob, media_type)]))

    def test_should_fail_a_zstd_bomb(self):
        zeros = subprocess.Popen(["head", "-c", "3G", "/dev/zero"],
                                 stdout=subprocess.PIPE)
        blob = subprocess.run(["zstd", "-q", "-c"], stdin=zeros.stdout, check=True,
                              stdout=subprocess.PIPE).stdout
        zeros.stdout.close()
        zeros.wait()
        self.name_blob(blob)
        self.refuses(UNSUPPORTED, "far more than a layer of this size can need")

    def test_should_fail_a_gzip_bomb_in_constant_memory(self):
        compress = zlib.compressobj(9, zlib.DEFLATED, 31)
        piece = bytes(16 * MIB)
        blob = b"".join(compress.compress(piece) for _ in range(128))
        self.name_blob(blob + compress.flush())
        self.refuses(CORRUPT, "diff ID")

    def test_should_fail_a_window_of_2_gib(self):
        self.name_blob(b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00")
        self.refuses(UNSUPPORTED, "window")

    def test_should_fail_names_out_of_proportion(self):
        layer = tar(*(symlink(f"l{n}", f"{n:08}" + "x" * 4000)
                      for n in range(50_000)))
        harness.add_image(self.layout, "latest", layer)
        self.refuses(UNSUPPORTED, "memory")

    def test_should_fail_xattrs_out_of_proportion(self):
        layer = tar(*(file(f"f{n}", xattrs={"user.x": f"{n:08}" + "x" * 60_000})
                      for n in range(3000)))
        harness.add_image(self.layout, "latest", layer)
        self.refuses(UNSUPPORTED, "memory")


if __name__ == "__main__":
    harness.main()
