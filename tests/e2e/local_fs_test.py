# SPDX-License-Identifier: Apache-2.0
"""A mount answers as a local file system would: by every way to read, and to
everything that would change it; and other file systems can stand on it."""

import ctypes
import errno
import hashlib
import mmap
import os
import random
import stat
import subprocess
import threading

import harness
import tar_layer
from harness import Layout, NGINX, add_image
from tar_layer import dir, fifo, file, hardlink, symlink, tar

KIB, MIB = 1 << 10, 1 << 20
# On, before and after: a page, a checksum's block, a read of the kernel's, a
# span, and several spans.
SIZES = sorted({max(0, size + more) for size in
                (0, 4 * KIB, 256 * KIB, MIB, 4 * MIB, 9 * MIB)
                for more in (-1, 0, 1)})


def content(size):
    """Some bytes, some of them repeated; the same for the same size."""
    source = random.Random(size)
    piece = source.randbytes(min(size, 100_000))
    return (piece * (size // max(1, len(piece)) + 1))[:size]


class EveryWayToRead(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")

    def mount_files(self, compress, media_type):
        layer = tar(*(file(f"of-{size}", content(size)) for size in SIZES))
        self.layout.name("latest", self.layout.add_image(
            harness.config_of([layer]),
            [self.layout.add_blob(compress(layer), media_type)]))
        return self.mount(f"oci:{self.layout.folder}:latest")

    def check_sizes(self, compress, media_type=harness.LAYER):
        mounted = self.mount_files(compress, media_type)
        for size in SIZES:
            path = mounted / f"of-{size}"
            expected = content(size)
            self.assertEqual(path.stat().st_size, size)
            with open(path, "rb", buffering=0) as opened:
                # From the end to the front: nothing is read in its order.
                for at in range(size - size % 77_777, -1, -77_777):
                    self.assertEqual(os.pread(opened.fileno(), 77_777, at),
                                     expected[at:at + 77_777])
                self.assertEqual(os.pread(opened.fileno(), 10, size), b"")
                self.assertEqual(os.pread(opened.fileno(), 10, size + 5000), b"")
            self.assertEqual(path.read_bytes(), expected)

    def test_sizes_around_boundaries_in_plain_tar(self):
        self.check_sizes(lambda x: x)

    def test_sizes_around_boundaries_in_gzip(self):
        self.check_sizes(tar_layer.gzip, harness.LAYER_GZIP)

    def test_sizes_around_boundaries_in_zstd(self):
        self.check_sizes(tar_layer.zstd, harness.LAYER + "+zstd")

    def test_sizes_around_boundaries_in_bzip2(self):
        self.check_sizes(tar_layer.bzip2)

    def test_sizes_around_boundaries_in_xz(self):
        self.check_sizes(tar_layer.xz)

    def test_mmap_o_direct_sendfile_and_copy_file_range(self):
        mounted = self.mount_files(tar_layer.gzip, harness.LAYER_GZIP)
        for size in SIZES:
            expected = content(size)
            fd = os.open(mounted / f"of-{size}", os.O_RDONLY)
            direct = os.open(mounted / f"of-{size}", os.O_RDONLY | os.O_DIRECT)
            sent = os.open(self.scratch / "sent", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            copied = os.open(self.scratch / "copied",
                             os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            try:
                if size > 0:
                    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped:
                        self.assertEqual(mapped[-1:], expected[-1:])
                        self.assertEqual(mapped[:], expected)
                    with mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE) as private:
                        private[0:1] = bytes([expected[0] ^ 1])
                        self.assertEqual(os.pread(fd, 1, 0), expected[:1])
                page = mmap.mmap(-1, 64 * KIB)  # aligned, as O_DIRECT wants
                read = b""
                while n := os.preadv(direct, [page], len(read)):
                    read += page[:n]
                self.assertEqual(hashlib.sha256(read).digest(),
                                 hashlib.sha256(expected).digest())
                offset = 0
                while n := os.sendfile(sent, fd, offset, MIB):
                    offset += n
                self.assertEqual(os.pread(sent, size + 1, 0), expected)
                left = size
                while left > 0:
                    try:
                        n = os.copy_file_range(fd, copied, left)
                    except OSError as e:
                        # Across file systems the kernel may refuse, whatever
                        # they are; programs then copy themselves.
                        self.assertIn(e.errno, (errno.EXDEV, errno.EOPNOTSUPP))
                        break
                    self.assertGreater(n, 0)
                    left -= n
                else:
                    self.assertEqual(os.pread(copied, size + 1, 0), expected)
            finally:
                for each in (fd, direct, sent, copied):
                    os.close(each)

    def test_64_readers_at_once(self):
        mounted = self.mount_files(tar_layer.gzip, harness.LAYER_GZIP)
        wrong = []

        def read(seed):
            source = random.Random(seed)
            for _ in range(12):
                size = source.choice(SIZES)
                expected = content(size)
                with open(mounted / f"of-{size}", "rb", buffering=0) as opened:
                    at = source.randrange(size + 1)
                    length = source.randrange(1, 300_000)
                    if os.pread(opened.fileno(), length, at) != expected[at:at + length]:
                        wrong.append((size, at, length))

        readers = [threading.Thread(target=read, args=(n,)) for n in range(64)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self.assertEqual(wrong, [])

    def test_sparse_files_of_all_forms(self):
        source = self.scratch / "source"
        source.mkdir()
        with open(source / "s", "wb") as sparse:
            for n in range(30):
                sparse.seek(n * 200_000)
                sparse.write(b"data %d" % n)
            sparse.truncate(9 * MIB)
        with open(source / "hole", "wb") as hole:
            hole.truncate(5 * MIB)
        expected = (source / "s").read_bytes()
        for form in ("--format=gnu", "--format=posix --sparse-version=0.0",
                     "--format=posix --sparse-version=0.1",
                     "--format=posix --sparse-version=1.0"):
            layer = subprocess.run(
                ["tar", "--sparse", *form.split(), "-C", source, "-cf", "-", "."],
                check=True, stdout=subprocess.PIPE).stdout
            name = form.replace("--", "").replace(" ", "-").replace("=", "")
            add_image(self.layout, name, layer)
            mounted = self.mount(f"oci:{self.layout.folder}:{name}")
            self.assertEqual((mounted / "s").read_bytes(), expected, form)
            self.assertEqual((mounted / "hole").read_bytes(), bytes(5 * MIB))
            self.assertLess((mounted / "s").stat().st_blocks * 512, 2 * MIB)
            self.assertEqual((mounted / "hole").stat().st_blocks, 0)
            self.assertEqual(self.data_of(mounted / "s"), self.data_of(source / "s"),
                             form)
            with open(mounted / "hole", "rb") as hole:
                with self.assertRaises(OSError) as caught:
                    os.lseek(hole.fileno(), 0, os.SEEK_DATA)
                self.assertEqual(caught.exception.errno, errno.ENXIO)
                self.assertEqual(os.lseek(hole.fileno(), 7, os.SEEK_HOLE), 7)
            # cp --sparse=auto goes by the same answers.
            subprocess.run(["cp", mounted / "s", self.scratch / "copy"], check=True)
            self.assertEqual((self.scratch / "copy").read_bytes(), expected)
            self.unmount(mounted)

    def data_of(self, path):
        """Where data starts and ends, by SEEK_DATA and SEEK_HOLE."""
        runs, at = [], 0
        with open(path, "rb") as opened:
            while True:
                try:
                    at = os.lseek(opened.fileno(), at, os.SEEK_DATA)
                except OSError as e:
                    self.assertEqual(e.errno, errno.ENXIO)
                    return runs
                end = os.lseek(opened.fileno(), at, os.SEEK_HOLE)
                runs.append((at, end))
                at = end

    def test_a_file_of_more_than_8_gib(self):
        size = (9 << 30) + 5
        source = self.scratch / "source"
        source.mkdir()
        with open(source / "large", "wb") as large:
            large.truncate(size)
            for at in (0, (4 << 30) - 3, 1 << 33, size - 4):
                large.seek(at)
                large.write(b"here")
        layer = subprocess.run(
            ["tar", "--sparse", "-C", source, "-cf", "-", "."], check=True,
            stdout=subprocess.PIPE).stdout
        add_image(self.layout, "large", layer)
        mounted = self.mount(f"oci:{self.layout.folder}:large")
        self.assertEqual((mounted / "large").stat().st_size, size)
        with open(mounted / "large", "rb") as large:
            for at in (0, (4 << 30) - 3, 1 << 33, size - 4):
                self.assertEqual(os.pread(large.fileno(), 4, at), b"here")
            self.assertEqual(os.pread(large.fileno(), 10, (1 << 33) - 5),
                             b"\0\0\0\0\0here\0")
            self.assertEqual(os.pread(large.fileno(), 10, size), b"")


class EveryWayToWrite(harness.EndToEnd):
    def test_is_refused_with_erofs(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(
            dir("d"), dir("empty"), file("f", b"x", xattrs={"user.k": "v"}),
            symlink("l", "f"), hardlink("h", "f"), fifo("p"), file("d/g")))
        mounted = self.mount(f"oci:{layout.folder}:latest")
        libc = ctypes.CDLL(None, use_errno=True)
        f, new = str(mounted / "f"), str(mounted / "new")

        def call(function, *args):
            if function(*args) == -1:
                raise OSError(ctypes.get_errno(), function.__name__)

        before = subprocess.run(["find", mounted, "-ls"], check=True,
                                stdout=subprocess.PIPE).stdout
        for name, attempt in {
                "open to write": lambda: os.open(f, os.O_WRONLY),
                "open to read and write": lambda: os.open(f, os.O_RDWR),
                "open to append": lambda: os.open(f, os.O_WRONLY | os.O_APPEND),
                "open and truncate": lambda: os.open(f, os.O_RDONLY | os.O_TRUNC),
                "create": lambda: os.open(new, os.O_WRONLY | os.O_CREAT),
                "open unnamed": lambda: os.open(mounted, os.O_TMPFILE | os.O_RDWR),
                "truncate": lambda: os.truncate(f, 0),
                "mkdir": lambda: os.mkdir(new),
                "mknod": lambda: os.mknod(new, stat.S_IFCHR | 0o600, os.makedev(1, 3)),
                "mkfifo": lambda: os.mkfifo(new),
                "symlink": lambda: os.symlink("f", new),
                "link": lambda: os.link(f, new),
                "rename": lambda: os.rename(f, new),
                "rename over": lambda: os.replace(f, mounted / "h2"),
                "unlink": lambda: os.unlink(f),
                "rmdir": lambda: os.rmdir(mounted / "empty"),
                "chmod": lambda: os.chmod(f, 0o600),
                "chown": lambda: os.chown(f, 1, 1),
                "lchown": lambda: os.lchown(mounted / "l", 1, 1),
                "utime": lambda: os.utime(f, (1, 1)),
                "setxattr": lambda: os.setxattr(f, "user.k", b"w"),
                "removexattr": lambda: os.removexattr(f, "user.k"),
                "access to write": lambda: call(libc.access, f.encode(), os.W_OK),
        }.items():
            with self.assertRaises(OSError, msg=name) as caught:
                attempt()
            self.assertEqual(caught.exception.errno, errno.EROFS, name)
        # A device or fifo is not the file system's to write.
        os.close(os.open(mounted / "p", os.O_RDWR | os.O_NONBLOCK))
        self.assertEqual(before, subprocess.run(
            ["find", mounted, "-ls"], check=True, stdout=subprocess.PIPE).stdout)


class OtherFileSystems(harness.EndToEnd):
    """Stand on a mount, as the README says how."""

    def overlay(self, lower):
        writable = self.mount_point("writable")
        upper = self.mount_point("upper")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", upper], check=True)
        self.addCleanup(subprocess.run, ["umount", upper], check=True)
        (upper / "upper").mkdir()
        (upper / "work").mkdir()
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={lower},upperdir={upper}/upper,workdir={upper}/work",
             writable], check=True)
        self.addCleanup(subprocess.run, ["umount", writable], check=True)
        return writable

    def test_a_writable_overlay(self):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(
            dir("d", mode=0o750, uid=3, mtime=1_500_000_000.25),
            file("d/f", b"lower" * 100_000, mode=0o4711, uid=5, gid=6,
                 mtime=1_400_000_000.5, xattrs={"user.k": "v"}),
            file("d/gone", b"x"), hardlink("d/link", "d/f"), dir("d/sub"),
            file("d/sub/x", b"1"), symlink("s", "d/f"),
            file("sparse", bytes(3 * MIB))))
        lower = self.mount(f"oci:{layout.folder}:latest")
        writable = self.overlay(lower)
        # The root is the upper folder's own.
        self.assert_same_tree(lower, writable, "--skip", ".")
        # Copied up with all that is known of it.
        os.chmod(writable / "d/f", 0o4755)
        status = (writable / "d/f").stat()
        self.assertEqual((status.st_uid, status.st_gid, status.st_mtime_ns),
                         (5, 6, 1_400_000_000_500_000_000))
        self.assertEqual(os.getxattr(writable / "d/f", "user.k"), b"v")
        with open(writable / "d/f", "r+b") as changed:
            changed.write(b"UPPER")
        self.assertEqual((writable / "d/f").read_bytes(),
                         b"UPPER" + (b"lower" * 100_000)[5:])
        (writable / "d/gone").unlink()
        (writable / "d/new").write_bytes(b"new")
        (writable / "d/sub/x").rename(writable / "d/sub/y")
        subprocess.run(["rm", "-r", writable / "d/sub"], check=True)
        (writable / "d/sub").mkdir()
        self.assertEqual(os.listdir(writable / "d/sub"), [])
        self.assertEqual(sorted(os.listdir(writable / "d")),
                         ["f", "link", "new", "sub"])
        # And the image is what it was.
        self.assertEqual((lower / "d/f").read_bytes(), b"lower" * 100_000)
        self.assertEqual((lower / "d/sub/x").read_bytes(), b"1")

    def test_a_program_in_a_writable_overlay_of_nginx(self):
        writable = self.overlay(self.mount(f"oci:{NGINX}:latest"))
        done = subprocess.run(
            ["chroot", writable, "sh", "-c",
             "echo changed > /etc/motd && rm -r /usr/share/doc &&"
             " mkdir /var/new && cat /etc/motd"],
            check=True, stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout, "changed\n")

    def test_chroot(self):
        mounted = self.mount(f"oci:{NGINX}:latest")
        done = subprocess.run(
            ["chroot", mounted, "sh", "-c", "pwd; . /etc/os-release; echo $ID;"
             " touch /x 2>&1 | grep -o Read-only"],
            check=True, stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout.split(), ["/", "debian", "Read-only"])

    def test_bwrap(self):
        mounted = self.mount(f"oci:{NGINX}:latest")
        done = subprocess.run(
            ["bwrap", "--ro-bind", mounted, "/", "--dev", "/dev", "--proc", "/proc",
             "--tmpfs", "/tmp", "sh", "-c",
             ". /etc/os-release; echo $ID; echo x > /tmp/x; cat /tmp/x;"
             " head -c 3 /dev/zero | wc -c"],
            check=True, stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout.split(), ["debian", "x", "3"])


class LargeShapes(harness.EndToEnd):
    def mount_layers(self, *layers):
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", *layers)
        return self.mount(f"oci:{layout.folder}:latest")

    def test_200_layers(self):
        mounted = self.mount_layers(*(
            tar(file(f"f{n}", b"%d" % n), file("last", b"%d" % n),
                *([tar_layer.whiteout(f"f{n - 1}")] if n % 2 else []))
            for n in range(200)))
        self.assertEqual((mounted / "last").read_bytes(), b"199")
        self.assertEqual(sorted(os.listdir(mounted)),
                         sorted(["last"] + [f"f{n}" for n in range(1, 200, 2)]))

    def test_a_directory_10000_deep(self):
        mounted = self.mount_layers(tar(file("d/" * 10_000 + "f", b"deep")))
        folder = os.open(mounted, os.O_RDONLY)
        for _ in range(10_000):
            inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        opened = os.open("f", os.O_RDONLY, dir_fd=folder)
        self.assertEqual(os.read(opened, 10), b"deep")
        os.close(opened)
        os.close(folder)

    def test_a_directory_of_50000(self):
        mounted = self.mount_layers(tar(*(file(f"d/{n:05}") for n in range(50_000))))
        self.assertEqual(sorted(os.listdir(mounted / "d")),
                         [f"{n:05}" for n in range(50_000)])
        self.assertTrue((mounted / "d/49999").exists())
        self.assertFalse((mounted / "d/50000").exists())


if __name__ == "__main__":
    harness.main()
