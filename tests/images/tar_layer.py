# SPDX-License-Identifier: Apache-2.0
"""Small layers, written as the tree that they hold:

    tar(dir("etc"), file("etc/motd", b"hello"), symlink("m", "etc/motd"))
"""

import bz2
import gzip as gzip_module
import io
import lzma
import subprocess
import tarfile

EPOCH = 1_600_000_000


def _entry(name, kind, data=b"", xattrs=None, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    info.mtime = EPOCH
    for key, value in fields.items():
        setattr(info, key, value)
    for key, value in (xattrs or {}).items():
        info.pax_headers["SCHILY.xattr." + key] = value
    return info, data


def dir(name, mode=0o755, **fields):
    return _entry(name, tarfile.DIRTYPE, mode=mode, **fields)


def file(name, data=b"", mode=0o644, **fields):
    return _entry(name, tarfile.REGTYPE, data, mode=mode, **fields)


def symlink(name, target, **fields):
    return _entry(name, tarfile.SYMTYPE, linkname=target, mode=0o777, **fields)


def hardlink(name, target, **fields):
    return _entry(name, tarfile.LNKTYPE, linkname=target, **fields)


def fifo(name, mode=0o644, **fields):
    return _entry(name, tarfile.FIFOTYPE, mode=mode, **fields)


def char_device(name, major, minor, mode=0o600):
    return _entry(name, tarfile.CHRTYPE, devmajor=major, devminor=minor,
                  mode=mode)


def whiteout(path):
    folder, _, name = path.rpartition("/")
    return file(f"{folder}/.wh.{name}" if folder else ".wh." + name)


def opaque(folder):
    return file(folder + "/.wh..wh..opq")


def tar(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def without_padding(data):
    """A tar that ends as Go's do: Podman 4.3 makes no zstd:chunked of one that
    goes on."""
    used = len(data.rstrip(b"\0"))
    return data[:(used + 511) // 512 * 512 + 1024]


def gzip(data):
    return gzip_module.compress(data, mtime=0)


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


bzip2 = bz2.compress
xz = lzma.compress
