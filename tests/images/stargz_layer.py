# SPDX-License-Identifier: Apache-2.0
"""Writes eStargz layers, with tables of contents that may lie.

The format: https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
"""

import gzip
import hashlib
import json
import struct

import tar_layer

ANNOTATION = "containerd.io/snapshot/stargz/toc.digest"


def _member(data):
    return gzip.compress(data, mtime=0)


def _digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files, change=lambda entries: None):
    """Of regular files, content by name. `change` may edit the TOC's entries.
    Returns the blob, its tar, and the annotations that vouch for the TOC."""
    blob = b""
    tar = b""
    entries = []
    for name, content in files.items():
        header = tar_layer.tar(tar_layer.file(name, content))[:512]
        rest = bytes(-len(content) % 512)
        blob += _member(header)
        entries.append({
            "name": name, "type": "reg", "size": len(content), "mode": 0o644,
            "modtime": "2020-09-13T12:26:40Z", "offset": len(blob),
            "digest": _digest_of(content), "chunkDigest": _digest_of(content)})
        blob += _member(content)
        if rest:
            blob += _member(rest)
        tar += header + content + rest
    change(entries)
    toc = json.dumps({"version": 1, "entries": entries}).encode()
    end = tar_layer.tar(tar_layer.file("stargz.index.json", toc))
    offset = len(blob)
    footer = (b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + struct.pack("<H", 26) +
              b"SG" + struct.pack("<H", 22) + b"%016xSTARGZ" % offset +
              b"\x01\x00\x00\xff\xff" + bytes(8))
    return blob + _member(end) + footer, tar + end, {ANNOTATION: _digest_of(toc)}
