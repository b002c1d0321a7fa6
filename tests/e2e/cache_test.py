# SPDX-License-Identifier: Apache-2.0
"""imgcache, with images from a registry and real mounts."""

import json
import os
import socket
import subprocess
import tarfile
import threading
import time

import harness
from harness import BIN, CORRUPT, LOCAL, NOT_FOUND, USAGE, Layout, add_image
from tar_layer import file, gzip, tar

BASE = tar(file("etc/base", b"base" * 5000))


class CacheOfTwo(harness.EndToEnd):
    """a and b share their base; both are pulled from a registry."""

    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.hub = self.registry()
        self.mirror(self.hub.address)
        for name in ("a", "b"):
            self.publish(name, name, name.encode() * 1000)

    def publish(self, name, tag, content):
        add_image(self.layout, tag, BASE, tar(file("own", content)))
        self.hub.push(f"oci:{self.layout.folder}:{tag}", f"library/{name}:latest")

    def pull(self, *images, **environment):
        self.out_of("imgpull", "-q", *images, **environment)

    def images(self):
        out = self.out_of("imgcache", "ls", "--format", "json")
        return {row["Image"]: row for row in map(json.loads, out.splitlines())}

    def room_for_one(self):
        """What the published layers of one image take, and some bytes more."""
        [row, *_] = self.images()
        rows = self.out_of("imgcache", "ls", "--layers", "--human=false", "--format",
                           "json").splitlines()
        return str(10 + sum(int(r["Compressed"]) for r in map(json.loads, rows)
                       if r["Image"] == row))

    def names(self):
        return sorted(self.images())

    def used_long_ago(self, name, seconds):
        """As if the image had been used so long ago only."""
        layout = json.loads((self.cache / "index.json").read_text())
        [digest] = [m["digest"] for m in layout["manifests"] if m["annotations"]
                    ["org.opencontainers.image.ref.name"].endswith(f"/{name}:latest")]
        then = time.time() - seconds
        for path in (self.cache / "imgmount/locks" / ("use-" + digest.replace(":", "-")),
                     self.cache / "blobs" / digest.replace(":", "/")):
            os.utime(path, (then, then))

    def layer(self, image, number):
        """The path of a layer's blob in the cache."""
        manifest = json.loads(self.out_of("imginspect", "--raw", "manifest", image))
        return self.cache / "blobs" / manifest["layers"][number]["digest"].replace(":", "/")

    def spoil(self, path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    # ls and du ----------------------------------------------------------------

    def test_ls_tells_images_what_they_share_and_where_they_are_mounted(self):
        self.pull("a", "b")
        folder = self.mount("a")
        rows = self.images()
        self.assertEqual(sorted(rows), ["a:latest", "b:latest"])
        self.assertEqual(rows["a:latest"]["Layers"], "2 (1 shared)")
        self.assertEqual(rows["a:latest"]["Mounted"], str(folder))
        self.assertEqual(rows["b:latest"]["Mounted"], "")
        table = self.out_of("imgcache", "ls").splitlines()
        self.assertEqual(table[0].split("  ")[0], "IMAGE")
        self.assertIn(str(folder), table[1])
        self.unmount(folder)
        self.assertEqual(self.images()["a:latest"]["Mounted"], "")

    def test_ls_counts_what_is_on_disk(self):
        self.pull("a", "b")
        out = self.out_of("imgcache", "ls", "--human=false", "--format",
                          "{{.Size}} {{.SharedSize}} {{.UniqueSize}}")
        (size_a, shared_a, own_a), (size_b, shared_b, own_b) = [
            map(int, line.split()) for line in out.splitlines()]
        self.assertEqual(size_a, shared_a + own_a)
        self.assertEqual(shared_a, shared_b)
        on_disk = sum(
            path.stat().st_size
            for top in ("blobs", "imgmount/layers", "imgmount/trees")
            for path in (self.cache / top).rglob("*") if path.is_file())
        self.assertEqual(own_a + own_b + shared_a, on_disk)
        total = self.out_of("imgcache", "du", "--human=false").splitlines()[-1]
        self.assertEqual(total.split()[0], "Total")
        self.assertEqual(int(total.split()[2]), on_disk)

    def test_ls_of_layers_says_how_many_images_have_each(self):
        self.pull("a", "b")
        out = self.out_of("imgcache", "ls", "--layers", "--no-trunc", "--format", "json")
        rows = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(r["Image"], r["Images"]) for r in rows],
                         [("a:latest", "2"), ("a:latest", "1"),
                          ("b:latest", "2"), ("b:latest", "1")])
        self.assertEqual(rows[0]["Layer"], "sha256:" + self.layer("a", 0).name)

    def test_du_tells_documents_from_layers_without_an_image(self):
        self.out_of("imghistory", "a")
        counts = {line.rsplit(None, 3)[0]: int(line.rsplit(None, 3)[1])
                  for line in self.out_of("imgcache", "du").splitlines()[1:]}
        self.assertEqual((counts["Layers"], counts["Manifests and configs"]), (0, 2))

    def test_ls_and_rm_know_the_platforms_of_an_index(self):
        own, shared = tar(file("own")), tar(file("shared"))
        manifests = [self.layout.add_image(
            harness.config_of([shared, layer], architecture=architecture),
            [self.layout.add_blob(gzip(x), harness.LAYER_GZIP) for x in (shared, layer)])
            for architecture, layer in (("riscv64", own), ("amd64", tar(file("other"))))]
        index = self.layout.add_index(manifests)
        self.layout.name("all", index)
        self.hub.push(f"oci:{self.layout.folder}:all", "library/all:latest", "--all")
        self.assertEqual(self.out_of("imginspect", "--platforms", "all"),
                         "linux/riscv64\nlinux/amd64\n")
        self.pull("--platform", "all", "all")
        raw = self.out_of("imginspect", "--raw", "index", "all")
        self.assertEqual(harness.digest_of(raw.encode()), index["digest"])
        self.pull("a")
        self.assert_fails(self.run_tool("imginspect", "--raw", "index", "a"), NOT_FOUND,
                          "without an index")
        self.out_of("imgcache", "rm", "a")
        self.assertEqual(len(self.out_of("imgcache", "ls", "--layers", "-q").split()), 3)
        config = json.loads(self.out_of("imginspect", "--platform=linux/amd64", "all"))[0]
        digits = config["Id"].removeprefix("sha256:")
        self.assertEqual(self.images()["all:latest"]["ID"], digits[:12])
        # The same image by itself, and as one of several platforms.
        self.pull(f"all@{manifests[1]['digest']}")
        self.assert_fails(self.run_tool("imgcache", "rm", digits), USAGE,
                          "all:latest", f"all@{manifests[1]['digest']}")

    def test_a_folder_without_a_cache_is_not_made_one_by_looking(self):
        folder = self.scratch / "typo"
        for words in (("ls", "--cache-dir", folder), ("--cache-dir", folder, "du")):
            self.assert_fails(self.run_tool("imgcache", *words), NOT_FOUND, str(folder))
            self.assertFalse(folder.exists())
        self.pull("a")
        self.assertEqual(
            self.out_of("imgcache", "--cache-dir", self.cache, "ls", "--format", "",
                        IMGMOUNT_CACHE=str(folder)).split()[0], "IMAGE")

    # rm and prune ---------------------------------------------------------------

    def test_rm_spares_what_others_share_and_the_other_still_mounts(self):
        self.pull("a", "b")
        base, own = self.layer("a", 0), self.layer("a", 1)
        self.assertIn("Untagged: a:latest\n", self.out_of("imgcache", "rm", "a"))
        self.assertTrue(base.exists())
        self.assertFalse(own.exists())
        self.assertEqual(self.names(), ["b:latest"])
        requests = len(self.hub.requests())
        folder = self.mount("b")
        self.assertEqual((folder / "own").read_bytes(), b"b" * 1000)
        self.assertEqual(len(self.hub.requests()), requests)

    def test_rm_names_the_mount_that_is_in_the_way(self):
        self.pull("a")
        folder = self.mount("a")
        self.assert_fails(self.run_tool("imgcache", "rm", "a"), LOCAL, "a",
                          f"imgmount -u {folder}")
        self.assertEqual((folder / "own").read_bytes(), b"a" * 1000)
        self.unmount(folder)
        self.out_of("imgcache", "rm", "a")
        self.assertEqual(self.names(), [])

    def test_rm_of_a_mistyped_image_suggests(self):
        self.pull("a")
        self.out_of("imgpull", "-q", f"{self.hub.address}/library/b")
        self.assert_fails(
            self.run_tool("imgcache", "rm", f"{self.hub.address}/librray/b:latest"),
            NOT_FOUND, "did you mean", "/library/b:latest?")

    def test_prune_removes_what_a_moved_tag_left_but_not_under_a_mount(self):
        self.pull("a")
        folder = self.mount("a")
        old = self.layer("a", 1)
        self.publish("a", "a2", b"newer" * 1000)
        self.pull("a")
        self.out_of("imgcache", "prune")
        self.assertTrue(old.exists())
        self.assertEqual((folder / "own").read_bytes(), b"a" * 1000)
        self.unmount(folder)
        out = self.out_of("imgcache", "prune")
        self.assertIn("Total reclaimed space: ", out)
        self.assertFalse(old.exists())
        folder = self.mount("a")
        self.assertEqual((folder / "own").read_bytes(), b"newer" * 1000)

    def test_prune_by_age(self):
        self.pull("a", "b")
        self.used_long_ago("a", 40 * 86400)
        would = self.out_of("imgcache", "prune", "--older-than", "30d", "-n")
        self.assertIn("Would untag: a:latest\n", would)
        own = self.layer("a", 1)
        self.assertRegex(
            would, f"\nlayer {own.name[:12]} +{own.stat().st_size}B +a:latest\n")
        self.assertNotIn("b:latest", would)
        self.assertEqual(self.names(), ["a:latest", "b:latest"])
        self.out_of("imgcache", "prune", "--older-than", "30d")
        self.assertEqual(self.names(), ["b:latest"])

    def test_prune_by_size_takes_the_least_recently_used_that_is_not_mounted(self):
        self.pull("a", "b")
        self.used_long_ago("a", 3600)
        self.mount("a")
        for dry in ("-n",), ():
            self.assert_fails(
                self.run_tool("imgcache", "prune", *dry, "--max-size", "1"),
                NOT_FOUND, "more than 1B", "in use: a:latest")
        self.assertEqual(self.names(), ["a:latest"])
        self.out_of("imgcache", "prune", "--max-size", "1G")

    def test_every_tool_takes_image_ids(self):
        self.pull("a", "b")
        id = self.images()["a:latest"]["ID"]
        before = len(self.hub.requests())
        for text in id, id[:6], f"sha256:{id}":
            self.assertEqual(self.out_of("imgcat", text, "own"), "a" * 1000)
            self.assertIn(id, self.out_of("imghistory", text))
            self.assertIn(id, self.out_of("imginspect", text))
            self.assertIn("own", self.out_of("imgdiff", text + "@1"))
            self.assertIn("/library/a:latest", self.out_of("imgpull", text))
            self.assertIn("/library/a:latest",
                          self.out_of("imgmount", "--explain", text))
        self.assertEqual((self.mount(id[:8]) / "own").read_bytes(), b"a" * 1000)
        self.assertEqual(self.hub.requests()[before:], [])
        # A name goes before an ID, and what is neither is asked for.
        self.layout = Layout(self.scratch / "named")
        self.publish(id[:8], "c", b"c")
        self.pull("docker.io/library/" + id[:8])
        self.assertEqual(self.out_of("imgcat", id[:8], "own"), "c")

    def test_nonsense_is_refused(self):
        self.pull("a")
        for arguments in (["prune", "--max-size", "20X"], ["prune", "--older-than", "30"],
                          ["ls", "--format", "{{.Nothing}}"], ["lss"], []):
            self.assert_fails(self.run_tool("imgcache", *arguments), USAGE)

    # --cache-max-size -----------------------------------------------------------

    def test_a_cap_is_kept_after_each_pull(self):
        self.pull("a")
        self.used_long_ago("a", 3600)
        self.assert_fails(
            self.run_tool("imgpull", "-q", "b", IMGMOUNT_CACHE_MAX_SIZE="1"),
            NOT_FOUND, "b:latest", "the cache may hold 1B")
        self.assertEqual(self.names(), ["a:latest"])
        self.pull("b", IMGMOUNT_CACHE_MAX_SIZE=self.room_for_one())
        self.assertEqual(self.names(), ["b:latest"])
        self.out_of("imgpull", "-q", "--cache-max-size", "1G", "a")
        self.assertEqual(self.names(), ["a:latest", "b:latest"])
        self.used_long_ago("b", 3600)
        folder = self.mount("b", "--cache-max-size", "1")  # nothing is pulled
        self.assertEqual(self.names(), ["a:latest", "b:latest"])
        done = self.run_tool("imgpull", "-q", "--cache-max-size",
                             self.room_for_one(), "a")
        self.assertEqual(done.returncode, 0)
        self.assertIn("warning: the cache has", done.stderr)
        self.assertEqual((folder / "own").read_bytes(), b"b" * 1000)
        self.assertEqual(self.names(), ["a:latest", "b:latest"])
        self.assert_fails(self.run_tool("imgpull", "--cache-max-size", "lots", "a"),
                          USAGE, "--cache-max-size: lots")

    def test_pulls_and_prunes_at_the_same_time_do_no_harm(self):
        jobs = []
        for _ in range(8):
            for command in (["imgpull", "-q", "a"], ["imgcache", "prune", "--all"],
                            ["imgpull", "-q", "b"]):
                jobs.append(subprocess.Popen(
                    [str(BIN / command[0]), *command[1:]], env=self.environment,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        for job in jobs:
            out, _ = job.communicate(timeout=120)
            self.assertEqual(job.returncode, 0, (job.args, out))
        for name in ("a", "b"):
            self.assertEqual((self.mount(name, at=name) / "own").read_bytes(),
                             name.encode() * 1000)
        self.out_of("imgcache", "verify")

    # verify ---------------------------------------------------------------------

    def test_verify_finds_all_intact(self):
        self.pull("a", "b")
        self.assertEqual(self.out_of("imgcache", "verify"),
                         "Checked 7 blobs, 3 layer indexes, 2 merged trees: all intact\n")

    def test_verify_names_what_is_damaged_and_repairs_it(self):
        self.pull("a", "b")
        layer = self.layer("b", 1)
        derived = self.cache / "imgmount/layers" / self.layer("a", 1).name
        config = json.loads(self.out_of("imginspect", "b"))[0]["Id"].replace(":", "/")
        tree = next((self.cache / "imgmount/trees").iterdir())
        for path in (layer, derived / "spans", self.cache / "blobs" / config, tree):
            self.spoil(path)
        done = self.run_tool("imgcache", "verify")
        self.assertEqual(done.returncode, CORRUPT, done.stderr)
        for path in (layer, derived, self.cache / "blobs" / config, tree):
            self.assertIn(f"{path.relative_to(self.cache)}: ", done.stdout)
        # A tag that has moved is no matter: what is repaired is what was there.
        self.publish("b", "b2", b"newer")
        out = self.out_of("imgcache", "verify", "--repair", "-q")
        self.assertTrue(out.endswith("all intact\n"), out)
        self.assert_cache_whole()
        folder = self.mount("b")
        self.assertEqual((folder / "own").read_bytes(), b"b" * 1000)

    def test_what_is_derived_is_repaired_without_a_registry(self):
        self.pull("a")
        self.hub.stop()
        derived = self.cache / "imgmount/layers" / self.layer("a", 1).name
        tree = next((self.cache / "imgmount/trees").iterdir())
        for path in (tree, derived / "spans"):
            self.spoil(path)
            out = self.out_of("imgcache", "verify", "--repair", "-q")
            self.assertTrue(out.endswith("all intact\n"), out)
        folder = self.mount("--pull=missing", "a")
        self.assertEqual((folder / "own").read_bytes(), b"a" * 1000)

    def test_what_cannot_be_fetched_stays_and_stays_reported(self):
        self.pull("a")
        layer = self.layer("a", 1)
        self.spoil(layer)
        spoilt = layer.read_bytes()
        self.hub.stop()
        done = self.run_tool("imgcache", "verify", "--repair", "-q")
        self.assertEqual(done.returncode, CORRUPT)
        for text in ("a:latest", self.hub.address, " damaged"):
            self.assertIn(text, done.stderr)
        self.assertEqual(
            done.stdout.count(f"{layer.relative_to(self.cache)}: "), 2, done.stdout)
        self.assertEqual(layer.read_bytes(), spoilt)
        self.assertEqual(list(self.cache.rglob("*damaged*")), [])
        folder = self.mount("--offline", "a")  # as before, but for some bytes
        self.assertEqual((folder / "etc/base").read_bytes(), b"base" * 5000)

    def test_what_no_image_needs_is_not_repaired_but_removed(self):
        self.pull("a", "b")
        layer = self.layer("b", 1)
        index = self.cache / "index.json"
        names = json.loads(index.read_text())
        names["manifests"] = [m for m in names["manifests"] if "/a:" in str(m)]
        index.write_text(json.dumps(names))
        self.spoil(layer)
        self.hub.stop()
        out = self.out_of("imgcache", "verify", "--repair", "-q")
        self.assertTrue(out.endswith("all intact\n"), out)
        self.assertFalse(layer.exists())

    def test_a_repair_that_fails_is_an_error_though_nothing_is_damaged_any_more(self):
        self.pull("a")
        index = self.cache / "index.json"
        index.write_text(index.read_text().replace("docker.io/library/a:latest", "Foo Bar"))
        self.spoil(next((self.cache / "imgmount/layers").iterdir()) / "spans")
        self.assertEqual(self.run_tool("imgcache", "verify", "--repair").returncode, CORRUPT)

    # export and import ------------------------------------------------------------

    def test_an_archive_goes_to_another_cache_and_to_skopeo(self):
        self.pull("a", "b")
        archive = self.scratch / "images.tar"
        self.out_of("imgcache", "export", "-o", archive, "a", "b:latest")
        with tarfile.open(archive) as opened:
            self.assertEqual(opened.getnames()[:2], ["oci-layout", "index.json"])
        other = str(self.scratch / "other")
        self.assertEqual(
            self.out_of("imgcache", "import", "-q", archive, IMGMOUNT_CACHE=other),
            "Imported: a:latest\nImported: b:latest\n")
        for name in ("a", "b"):
            self.assertEqual(
                self.out_of("imginspect", "--raw", "manifest", name, IMGMOUNT_CACHE=other),
                self.out_of("imginspect", "--raw", "manifest", name))
        self.hub.stop()
        folder = self.mount_point()
        self.out_of("imgmount", "b", folder, IMGMOUNT_CACHE=other)
        self.addCleanup(self.unmount, folder)
        self.assertEqual((folder / "own").read_bytes(), b"b" * 1000)
        subprocess.run(["skopeo", "copy", "--quiet",
                        f"oci-archive:{archive}:docker.io/library/a:latest",
                        f"dir:{self.scratch}/dir"], check=True)

    def test_the_same_images_make_the_same_archive(self):
        self.pull("a")
        for name in ("one", "two"):
            self.out_of("imgcache", "export", "-o", self.scratch / name, "a")
        self.assertEqual((self.scratch / "one").read_bytes(),
                         (self.scratch / "two").read_bytes())

    def test_a_damaged_layer_makes_no_archive(self):
        self.pull("a")
        self.spoil(self.layer("a", 1))
        archive = self.scratch / "images.tar"
        self.assert_fails(self.run_tool("imgcache", "export", "-o", archive, "a"),
                          CORRUPT, "damaged")
        self.assertFalse(archive.exists())

    def test_an_image_that_was_only_looked_at_is_not_exported(self):
        self.out_of("imghistory", "a")
        self.assert_fails(
            self.run_tool("imgcache", "export", "-o", self.scratch / "x", "a"),
            NOT_FOUND, "a")

    def test_a_skopeo_archive_with_a_tag_alone_needs_a_name(self):
        archive = self.scratch / "a.tar"
        subprocess.run(["skopeo", "copy", "--quiet", f"oci:{self.layout.folder}:a",
                        f"oci-archive:{archive}:latest"], check=True)
        self.assert_fails(self.run_tool("imgcache", "import", archive), USAGE, "--name")
        self.out_of("imgcache", "import", "-q", "--name", "app:1", archive)
        self.assertEqual(self.names(), ["app:1"])
        folder = self.mount("app:1")
        self.assertEqual((folder / "own").read_bytes(), b"a" * 1000)

    def test_a_name_with_another_digest_is_not_imported(self):
        self.pull("a")
        archive = self.scratch / "a.tar"
        self.out_of("imgcache", "export", "-o", archive, "a")
        digest = self.images()["a:latest"]["Digest"]
        false = "sha256:" + 64 * "0"
        self.assert_fails(
            self.run_tool("imgcache", "import", "-q", "--name", f"c@{false}", archive),
            CORRUPT, f"c@{false} is {digest}")
        self.assertEqual(self.names(), ["a:latest"])
        self.out_of("imgcache", "import", "-q", "--name", f"c@{digest}", archive)

    def test_archives_go_through_pipes(self):
        self.pull("a")
        for program in ("cat", "gzip"):
            other = self.scratch / program
            subprocess.run(
                ["bash", "-o", "pipefail", "-c",
                 f'"$0" export -o - a | {program} | '
                 f'"$0" import -q --cache-dir {other} -', str(BIN / "imgcache")],
                env=self.environment, check=True, stdout=subprocess.DEVNULL)
            self.assertEqual(
                self.out_of("imgcache", "ls", "-q", "--cache-dir", other), "a:latest\n")
            self.assert_cache_whole(other)

    def test_standard_output_is_written_where_it_is(self):
        self.pull("a")
        for name in ("-", "/dev/stdout"):
            subprocess.run(
                ["bash", "-ec", f'(echo one; "$0" export -o {name} a; echo two) > "$1"',
                 str(BIN / "imgcache"), str(self.scratch / "out")],
                env=self.environment, check=True)
            out = (self.scratch / "out").read_bytes()
            self.assertTrue(out.startswith(b"one\n") and out.endswith(b"two\n"))
        ours, theirs = socket.socketpair()
        with ours, theirs, open(self.scratch / "out", "rb") as archive:
            archive.seek(4)
            sender = threading.Thread(
                target=lambda: (ours.sendfile(archive, 4), ours.shutdown(socket.SHUT_WR)))
            sender.start()
            done = subprocess.run(
                [BIN / "imgcache", "import", "-q", "--cache-dir", self.scratch / "other", "-"],
                env=self.environment, stdin=theirs, stdout=subprocess.DEVNULL)
            sender.join()
        self.assertEqual(done.returncode, 0)

    def test_a_damaged_index_says_what_to_do_and_that_helps(self):
        self.pull("a", "b")
        index = self.cache / "index.json"
        index.write_text("{")
        for command in ("ls",), ("verify", "--repair"):
            self.assert_fails(self.run_tool("imgcache", *command), CORRUPT,
                              str(index), "remove it")
        index.unlink()
        layers = self.blobs()
        self.pull("a", "b")
        self.assertEqual(self.names(), ["a:latest", "b:latest"])
        self.assertEqual(self.blobs(), layers)


if __name__ == "__main__":
    harness.main()
