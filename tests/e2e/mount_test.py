# SPDX-License-Identifier: Apache-2.0
"""A mounted image shows what is in the image, to every program."""

import errno
import os
import pathlib
import re
import select
import signal
import subprocess
import time

import harness
from harness import Layout, NGINX, add_image, tar_layer
from tar_layer import (char_device, dir, fifo, file, hardlink, opaque, symlink,
                       tar, whiteout)


class TreeOfAnImage(harness.EndToEnd):
    """Compared with what umoci makes of the same layers."""

    def check(self, *layers):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", *layers)
        mounted = self.mount(f"oci:{layout.folder}:latest")
        self.assert_same_tree(mounted, self.unpack(layout.folder))
        return mounted

    def test_every_path_of_nginx_is_as_umoci_unpacks_it(self):
        mounted = self.mount(f"oci:{NGINX}:latest")
        self.assert_same_tree(mounted, self.unpack(NGINX))

    def test_every_type_of_file(self):
        self.check(tar(
            dir("d", mode=0o1777), file("d/setuid", b"x", mode=0o4755, uid=7, gid=8),
            file("empty"), symlink("absolute", "/etc/passwd"),
            symlink("dangling", "no/such"), fifo("pipe"),
            char_device("null", 1, 3), file("secret", b"s", mode=0),
            file("big-ids", uid=2_000_000_000, gid=2_000_000_001)))

    def test_hard_links_within_a_layer_and_across_layers(self):
        self.check(
            tar(file("a", b"one"), hardlink("b", "a"), dir("d"), hardlink("d/c", "a")),
            tar(file("b", b"two"), hardlink("e", "b")))

    def test_extended_attributes(self):
        self.check(
            tar(file("f", b"x", xattrs={"user.one": "1", "user.two": "z" * 3000}),
                dir("d", xattrs={"user.dir": "yes"}), file("none")),
            tar(file("g", xattrs={"security.capability":
                                  "\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"})))

    def test_whiteouts_hide_files_and_whole_directories(self):
        self.check(
            tar(dir("d"), file("d/a"), file("d/b"), dir("e"), dir("e/f"),
                file("e/f/g"), file("top")),
            tar(dir("d"), whiteout("d/a"), whiteout("e"), whiteout("top")))

    def test_a_directory_removed_and_made_again_starts_empty(self):
        self.check(tar(dir("d"), file("d/old"), dir("d/sub"), file("d/sub/x")),
                   tar(whiteout("d")), tar(dir("d"), file("d/new")))

    def test_an_opaque_directory_hides_what_was_below(self):
        self.check(
            tar(dir("d"), file("d/old"), dir("d/sub"), file("d/sub/x")),
            tar(dir("d", mode=0o700), opaque("d"), file("d/new"), dir("d/sub")))

    def test_a_file_replaces_a_directory_and_the_other_way(self):
        self.check(tar(dir("a"), file("a/b"), file("c"), symlink("l", "a")),
                   tar(file("a", b"now a file"), dir("c"), file("c/d"), dir("l")))

    def test_a_directory_over_a_directory_merges_and_takes_the_new_metadata(self):
        self.check(tar(dir("d"), file("d/a")),
                   tar(dir("d", mode=0o711, uid=5, mtime=1_500_000_000.5),
                       file("d/b")))

    def test_a_later_entry_of_the_same_name_wins(self):
        self.check(tar(file("a", b"first"), file("b", b"x"), file("a", b"second")))

    def test_names_of_all_kinds(self):
        self.check(tar(
            file("na\u00efve"), file("nai\u0308ve"), file("with space"),
            file("new\nline"), file("-rf"), file("x" * 255), file("tab\there"),
            dir("deep"), *(dir("/".join(["deep"] * n)) for n in range(2, 60))))

    def test_names_that_are_no_utf8(self):
        name = b"caf\xe9".decode(errors="surrogateescape")
        mounted = self.mount_of_raw_name(name)
        self.assertEqual((mounted / name).read_bytes(), b"x")

    def mount_of_raw_name(self, name):
        import io
        import tarfile
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT,
                          errors="surrogateescape") as archive:
            info, data = file(name, b"x")
            archive.addfile(info, io.BytesIO(data))
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", out.getvalue())
        return self.mount(f"oci:{layout.folder}:latest")

    def test_large_and_compressible_files(self):
        pattern = bytes(range(256)) * 4096
        self.check(tar(file("zeros", bytes(30_000_000)),
                       file("pattern", pattern * 20), file("after", b"end")))

    def test_negative_and_fractional_times(self):
        mounted = self.check(tar(file("old", mtime=-1.5), file("new", mtime=1.25)))
        self.assertEqual((mounted / "new").stat().st_mtime_ns, 1_250_000_000)


class LayerFormats(harness.EndToEnd):
    def check(self, media_type, compress):
        layer = tar(dir("d"), file("d/f", b"content " * 100_000), file("last", b"!"))
        layout = Layout(self.scratch / "layout")
        layout.name("latest", layout.add_image(
            harness.config_of([layer]),
            [layout.add_blob(compress(layer), media_type)]))
        mounted = self.mount(f"oci:{layout.folder}:latest")
        self.assertEqual((mounted / "d/f").read_bytes(), b"content " * 100_000)
        self.assertEqual((mounted / "last").read_bytes(), b"!")

    def test_plain_tar(self):
        self.check(harness.LAYER, lambda x: x)

    def test_gzip(self):
        self.check(harness.LAYER_GZIP, tar_layer.gzip)

    def test_gzip_of_several_members(self):
        self.check(harness.LAYER_GZIP, lambda x: b"".join(
            tar_layer.gzip(x[at:at + 100_000]) for at in range(0, len(x), 100_000)))

    def test_zstd(self):
        self.check(harness.LAYER + "+zstd", tar_layer.zstd)

    def test_a_media_type_that_says_tar_over_gzip_bytes(self):
        self.check("application/vnd.docker.image.rootfs.diff.tar", tar_layer.gzip)


class ClosedStreams(harness.EndToEnd):
    def run_closed(self, streams, *command):
        words = [str(harness.BIN / command[0]), *map(str, command[1:])]
        return subprocess.run(["bash", "-c", f'exec "$@" {streams}', "-", *words],
                              env=self.environment, timeout=60,
                              stderr=subprocess.DEVNULL).returncode

    def test_mounting_returns_and_writing_is_still_an_error(self):
        image = f"oci:{NGINX}:latest"
        folder = self.mount_point()
        self.addCleanup(self.unmount, folder)
        self.assertEqual(self.run_closed("<&- >&- 2>&-", "imgmount", image, folder), 0)
        self.assertTrue(os.path.ismount(folder))
        self.assertEqual(self.run_closed(">&-", "imginspect", image), 2)

    def test_a_mount_keeps_no_descriptor_of_whom_it_was_started_by(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        folder = self.mount_point()
        self.addCleanup(self.unmount, folder)
        subprocess.run([str(harness.BIN / "imgmount"), f"oci:{NGINX}:latest", str(folder)],
                       env=self.environment, check=True, timeout=60, pass_fds=[write],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        self.assertTrue(os.path.ismount(folder))
        ready, _, _ = select.select([read], [], [], 60)
        self.assertTrue(ready, "somebody still holds the pipe")
        self.assertEqual(os.read(read, 1), b"")

    def test_what_cannot_be_written_is_an_error(self):
        for command in (("imgcache", "ls"), ("imgcache", "du"), ("imgcache", "verify"),
                        ("imgcache", "prune", "-n"), ("imgmount", "--explain", "nginx"),
                        ("imgpull", f"oci:{NGINX}:latest"), ("imghistory", "--help"),
                        ("imgdiff", "--version")):
            with self.subTest(command=command):
                self.assertEqual(self.run_closed(">/dev/full", *command), 2)


class AMountedImage(harness.EndToEnd):
    """Is a file system like any other."""

    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        add_image(self.layout, "latest", tar(
            dir("bin"),
            file("bin/run", pathlib.Path("/usr/bin/true").read_bytes(), mode=0o755),
            file("data", bytes(range(256)) * 1000),
            file("with-xattr", xattrs={"user.greeting": "hello"}),
            symlink("link", "data")))
        self.image = f"oci:{self.layout.folder}:latest"

    def program(self, *args):
        return subprocess.run([str(a) for a in args], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def test_a_name_that_is_too_long_is_called_that(self):
        mounted = self.mount(self.image)
        with self.assertRaises(FileNotFoundError):
            os.stat(mounted / ("x" * 255))
        with self.assertRaises(OSError) as caught:
            os.stat(mounted / ("x" * 256))
        self.assertEqual(caught.exception.errno, errno.ENAMETOOLONG)

    def test_df_and_findmnt_know_it(self):
        mounted = self.mount(self.image)
        self.assertIn(str(mounted), self.program("df", mounted))
        self.assertEqual(
            self.program("findmnt", "-n", "-o", "FSTYPE", mounted).strip(),
            "fuse.imgmount")

    def test_find_tar_cp_and_getfattr_work(self):
        mounted = self.mount(self.image)
        self.assertEqual(len(self.program("find", mounted, "-ls").splitlines()), 6)
        self.program("tar", "--xattrs", "-C", mounted, "-cf",
                     self.scratch / "out.tar", ".")
        self.program("cp", "-a", mounted, self.scratch / "copy")
        self.assert_same_tree(mounted, self.scratch / "copy")
        self.assertIn('user.greeting="hello"', self.program(
            "getfattr", "--absolute-names", "-d", mounted / "with-xattr"))
        self.assertEqual(self.program("getfattr", "-d", mounted / "data"), "")

    def test_programs_run_from_it(self):
        mounted = self.mount(self.image)
        self.program(mounted / "bin/run")

    def test_it_can_be_mapped(self):
        import mmap
        mounted = self.mount(self.image)
        with open(mounted / "data", "rb") as data:
            with mmap.mmap(data.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                self.assertEqual(mapped[1000:1256], bytes(range(256))[232:] +
                                 bytes(range(256))[:232])

    def test_nothing_can_be_written(self):
        mounted = self.mount(self.image)
        for write in (lambda: open(mounted / "data", "ab"),
                      lambda: (mounted / "new").mkdir(),
                      lambda: (mounted / "data").unlink(),
                      lambda: os.chmod(mounted / "data", 0o600)):
            with self.assertRaises(OSError) as caught:
                write()
            self.assertEqual(caught.exception.errno, errno.EROFS)

    def test_it_is_mounted_nosuid_and_nodev(self):
        options = self.program("findmnt", "-n", "-o", "OPTIONS",
                               self.mount(self.image)).strip().split(",")
        for option in ("ro", "nosuid", "nodev"):
            self.assertIn(option, options)

    def test_uid_and_gid_options_give_every_file_to_one_owner(self):
        mounted = self.mount(self.image, "-o", "uid=1234,gid=77")
        status = (mounted / "data").stat()
        self.assertEqual((status.st_uid, status.st_gid), (1234, 77))

    def test_umount_ends_it(self):
        mounted = self.mount(self.image)
        self.program("umount", mounted)
        self.assertEqual(list(mounted.iterdir()), [])

    def foreground(self):
        mounted = self.mount_point()
        process = subprocess.Popen(
            [str(harness.BIN / "imgmount"), "-f", self.image, str(mounted)],
            env=self.environment, stdin=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        while not os.path.ismount(mounted):
            self.assertIsNone(process.poll())
        return process, mounted

    def unmount_when_idle(self, mounted):
        """In the foreground nothing tells when imgmount has done with looking
        at its own mount, and until then it is busy."""
        while (done := subprocess.run(
                ["fusermount3", "-u", str(mounted)], stderr=subprocess.PIPE,
                text=True)).returncode != 0:
            self.assertIn("busy", done.stderr)

    def test_in_the_foreground_signals_and_unmounting_end_it_cleanly(self):
        for end in (lambda p, m: p.send_signal(signal.SIGTERM),
                    lambda p, m: p.send_signal(signal.SIGINT),
                    lambda p, m: self.unmount_when_idle(m)):
            process, mounted = self.foreground()
            self.assertEqual((mounted / "data").stat().st_size, 256_000)
            end(process, mounted)
            self.assertEqual(process.wait(timeout=60), 0)
            self.assertFalse(os.path.ismount(mounted))

    def add_large_files(self):
        content = [os.urandom(3 << 20) for _ in range(5)]
        add_image(self.layout, "large",
                  tar(*(file(f"f{n}", c) for n, c in enumerate(content))))
        self.image = f"oci:{self.layout.folder}:large"
        return content

    def read_like_a_program(self, mounted, content):
        for n in (3, 0, 4, 1):
            with open(mounted / f"f{n}", "rb", buffering=0) as data:
                os.posix_fadvise(data.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                data.seek(1 << 20)
                self.assertEqual(data.read(4096), content[n][1 << 20:][:4096])

    def another_isal(self):
        """A folder with the ISA-L that imgmount loads, but for its build ID."""
        loaded = subprocess.run(["ldd", harness.BIN / "imgmount"], check=True, text=True,
                                stdout=subprocess.PIPE).stdout
        library = pathlib.Path(re.search(r"=> (\S*/libisal\S+)", loaded)[1])
        notes = subprocess.run(["readelf", "-n", library], check=True, text=True,
                               stdout=subprocess.PIPE).stdout
        build_id = bytes.fromhex(re.search(r"Build ID: (\w+)", notes)[1])
        folder = self.scratch / "lib"
        folder.mkdir()
        (folder / library.name).write_bytes(
            library.read_bytes().replace(build_id, build_id[::-1]))
        return folder

    def test_states_that_another_isal_saved_are_not_used(self):
        content = self.add_large_files()
        other = {"LD_LIBRARY_PATH": str(self.another_isal())}
        made = []
        self.addCleanup(self.unmount, self.mount_point())
        for environment in ({}, {}, other, other, {}):
            self.assertIn("all intact", self.out_of("imgcache", "verify", **environment))
            self.out_of("imgmount", self.image, self.mount_point(), **environment)
            self.assertEqual((self.mount_point() / "f2").read_bytes(), content[2])
            self.unmount(self.mount_point())
            [spans] = (self.cache / "imgmount/layers").glob("*/spans")
            made.append(spans.stat().st_ino)
        self.assertEqual([a == b for a, b in zip(made, made[1:])],
                         [True, False, True, False])

    def test_spans_are_cut_where_a_program_reads(self):
        content = self.add_large_files()
        process, mounted = self.foreground()
        self.read_like_a_program(mounted, content)
        [spans] = (self.cache / "imgmount/layers").glob("*/spans")
        before = spans.stat()
        deadline = time.monotonic() + 60
        while spans.stat().st_ino == before.st_ino:
            self.assertLess(time.monotonic(), deadline)
        self.assertGreater(spans.stat().st_size, before.st_size)
        for n in range(5):  # by the old ones, which it has still open
            self.assertEqual((mounted / f"f{n}").read_bytes(), content[n])
        self.unmount_when_idle(mounted)
        self.assertEqual(process.wait(timeout=60), 0)
        self.out_of("imgcache", "verify")
        process, mounted = self.foreground()
        self.read_like_a_program(mounted, content)
        for n in range(5):
            self.assertEqual((mounted / f"f{n}").read_bytes(), content[n])
        self.unmount_when_idle(mounted)
        self.assertEqual(process.wait(timeout=60), 0)

    def test_what_a_program_reads_as_it_starts_is_remembered(self):
        content = self.add_large_files()
        folder = self.cache / "imgmount/starts"

        def start():
            process, mounted = self.foreground()
            self.read_like_a_program(mounted, content)
            self.unmount_when_idle(mounted)
            self.assertEqual(process.wait(timeout=60), 0)
            [starts] = folder.iterdir()
            return starts

        starts = start()
        known = starts.read_bytes()
        self.assertLess(len(known), 1000)
        self.assertEqual(start().read_bytes(), known)
        self.out_of("imgcache", "verify")
        starts.write_bytes(known[:-1])
        done = self.run_tool("imgcache", "verify")
        self.assertEqual(done.returncode, harness.CORRUPT, done.stderr)
        self.assertIn(starts.name, done.stdout)
        self.assertEqual(start().read_bytes(), known)
        self.out_of("imgcache", "prune")  # the layout's images are not its own
        self.assertEqual(list(folder.iterdir()), [])

    def test_it_can_be_mounted_at_two_places(self):
        one, two = self.mount(self.image), self.mount(self.image, at="two")
        self.assert_same_tree(one, two)
        self.unmount(one)
        self.assertEqual((two / "data").stat().st_size, 256_000)

    def test_mounting_again_shows_the_same(self):
        first = self.program("find", self.mount(self.image), "-printf", "%P %i %T@\n")
        self.unmount(self.scratch / "mnt")
        again = self.program("find", self.mount(self.image), "-printf", "%P %i %T@\n")
        self.assertEqual(sorted(first.splitlines()), sorted(again.splitlines()))

    def test_a_mount_of_a_layer_shows_the_image_as_of_it(self):
        add_image(self.layout, "two", tar(file("a")), tar(file("b"), whiteout("a")))
        at_0 = self.mount(f"oci:{self.layout.folder}:two@0")
        self.assertEqual(os.listdir(at_0), ["a"])
        at_1 = self.mount(f"oci:{self.layout.folder}:two", at="two")
        self.assertEqual(os.listdir(at_1), ["b"])

    def test_damaged_derived_files_are_made_anew(self):
        self.unmount(self.mount(self.image))
        derived = [p for folder in ("layers", "trees")
                   for p in (self.cache / "imgmount" / folder).rglob("*")
                   if p.is_file() and p.stat().st_size > 0]
        self.assertTrue(derived)
        for path in derived:
            good = path.read_bytes()
            middle = len(good) // 2
            path.write_bytes(good[:middle] + bytes([good[middle] ^ 0xff]) +
                             good[middle + 1:])
            mounted = self.mount(self.image)
            self.assertEqual((mounted / "data").read_bytes(),
                             bytes(range(256)) * 1000, path)
            self.unmount(mounted)


if __name__ == "__main__":
    harness.main()
