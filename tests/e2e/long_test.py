# SPDX-License-Identifier: Apache-2.0
"""What takes minutes: images of a million entries and of large files, and
hundreds of killed pulls. scripts/test --long runs it; ctest does not."""

import os
import subprocess

import hostile_test
import harness
import kill_test
from harness import LAYER_GZIP

MIB = 1 << 20


def header(name, size=0):
    """One ustar header; quicker than tarfile a million times."""
    block = bytearray(512)
    block[:len(name)] = name
    block[100:107] = b"0000644"
    block[108:115] = block[116:123] = b"0000000"
    block[124:136] = (b"%011o\0" % size if size < 1 << 33
                      else b"\x80" + size.to_bytes(11, "big"))
    block[136:147] = b"%011o" % 1_600_000_000
    block[148:156] = b"        "
    block[156:157] = b"0"
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


class LargeImages(hostile_test.Hostile):
    def name_layer(self, pieces):
        """One gzip layer of these pieces, which need not fit into memory."""
        path = self.scratch / "layer"
        with open(path, "wb") as out:
            gzip = subprocess.Popen(["gzip", "-1n"], stdin=subprocess.PIPE, stdout=out)
            sha256 = subprocess.Popen(["sha256sum"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
            for piece in pieces:
                gzip.stdin.write(piece)
                sha256.stdin.write(piece)
            gzip.stdin.close()
            diff_id = sha256.communicate()[0].split()[0].decode()
            self.assertEqual(gzip.wait(), 0)
        digest = subprocess.run(["sha256sum", path], check=True,
                                stdout=subprocess.PIPE).stdout.split()[0].decode()
        layer = self.layout.add_file(path, "sha256:" + digest, LAYER_GZIP)
        config = harness.config_of([])
        config["rootfs"]["diff_ids"] = ["sha256:" + diff_id]
        self.layout.name("latest", self.layout.add_image(config, [layer]))

    def test_a_million_entries(self):
        self.name_layer(header(b"d%03d/f%07d" % (n % 1000, n))
                        for n in range(1_000_000))
        mounted = self.shows()
        self.assertEqual(len(os.listdir(mounted)), 1000)
        found = subprocess.run(["find", mounted, "-type", "f", "-printf", "x"],
                               check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(len(found), 1_000_000)

    def test_a_directory_of_500000(self):
        self.name_layer(header(b"d/%07d" % n) for n in range(500_000))
        names = os.listdir(self.shows() / "d")
        self.assertEqual(sorted(names), ["%07d" % n for n in range(500_000)])

    def test_a_file_of_9_gib(self):
        size = 9 << 30

        def pieces():
            yield header(b"large", size)
            for n in range(size // MIB):
                yield n.to_bytes(8, "big") * (MIB // 8)

        self.name_layer(pieces())
        mounted = self.shows()
        self.assertEqual((mounted / "large").stat().st_size, size)
        with open(mounted / "large", "rb") as large:
            for n in (9 * 1024 - 1, 0, 4096, 8191, 8192, 5000):
                self.assertEqual(os.pread(large.fileno(), 16, n * MIB),
                                 n.to_bytes(8, "big") * 2)
                self.assertEqual(os.pread(large.fileno(), 8, n * MIB + MIB - 8),
                                 n.to_bytes(8, "big"))

    def test_a_directory_10000_deep_with_every_directory_listed(self):
        def pieces():
            for n in range(1, 10_001):
                path = b"d/" * n
                record = b" path=" + path + b"\n"
                length = len(record)
                while len(str(length)) + len(record) != length:
                    length += 1
                body = str(length).encode() + record
                pax = bytearray(header(b"pax", len(body)))
                pax[156:157] = b"x"
                pax[148:156] = b" " * 8
                pax[148:156] = b"%06o\0 " % sum(pax)
                entry = bytearray(header(b"d/"))
                entry[156:157] = b"5"
                entry[148:156] = b" " * 8
                entry[148:156] = b"%06o\0 " % sum(entry)
                yield bytes(pax) + body + bytes(-len(body) % 512) + bytes(entry)

        self.name_layer(pieces())
        folder = os.open(self.shows(), os.O_RDONLY)
        for _ in range(10_000):
            inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        self.assertEqual(os.listdir(folder), [])
        os.close(folder)


class KilledVeryOften(kill_test.KilledAtRandomMoments):
    KILLS = 300


if __name__ == "__main__":
    harness.main()
