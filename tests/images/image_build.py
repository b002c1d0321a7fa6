# SPDX-License-Identifier: Apache-2.0
"""Builds a real image the way `docker build` does: a root file system by
mmdebstrap, then steps run in it, each one's changes becoming a layer.

A step's changes are found by inode number and ctime, which no program in the
root can forge; a path that is gone becomes a whiteout. Times later than the
build's epoch become the epoch, so that two builds from the same packages give
nearly the same layers. Needs root: it runs chroot and mounts /proc and /dev.
"""

import atexit
import datetime
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading

import oci_layout
from oci_layout import Layout, LAYER_GZIP

# What the machine lends to a running step; no part of the image.
LENT = {"etc/resolv.conf", "etc/hosts"}


def enter_mount_namespace():
    """Runs this program again where its mounts are its own and end with it."""
    if os.environ.get("IMAGE_BUILD_NAMESPACE"):
        return
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]}: run this as root: it unpacks Debian packages")
    os.environ["IMAGE_BUILD_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable] + sys.argv)


class Build:
    def __init__(self, layout, suite="bookworm"):
        self.layout = Layout(layout)
        self.work = tempfile.mkdtemp(
            prefix="image-build.", dir=os.path.dirname(os.path.abspath(layout)))
        # Never into the machine's /dev and /proc, which are mounted in there.
        atexit.register(subprocess.run,
                        ["rm", "-rf", "--one-file-system", self.work])
        os.chmod(self.work, 0o755)  # apt fetches as a user of its own
        self.root = self.work + "/root"
        self.history = []
        self.layers = []
        self.diff_ids = []
        self.config = {}
        self._bootstrap(suite)

    def _bootstrap(self, suite):
        _run(["mmdebstrap", "--variant=minbase", suite, self.root])
        self.epoch = int(os.stat(self.root + "/usr/lib/os-release").st_mtime)
        self._write("etc/hostname", "localhost\n")
        # As in Docker's Debian images: a build starts no services.
        self._write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        for name in ("resolv.conf", "hosts"):
            shutil.copyfile("/etc/" + name, f"{self.root}/etc/{name}")
        self.seen = {}
        self._add_layer(f"# mmdebstrap --variant=minbase '{suite}'",
                        "mmdebstrap")
        for place in ("proc", "dev"):
            subprocess.run(["mount", "--rbind", "/" + place,
                            f"{self.root}/{place}"], check=True)

    def _write(self, path, text, mode=0o644):
        full = f"{self.root}/{path}"
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full, mode)

    # The steps -----------------------------------------------------------

    def set(self, instruction, **config):
        """A metadata-only step: a row of history and fields of the config."""
        for key, value in config.items():
            if isinstance(value, dict):
                self.config.setdefault(key, {}).update(value)
            elif key == "Env":
                self.config.setdefault(key, []).extend(value)
            else:
                self.config[key] = value
        self._add_history(instruction, "buildkit.dockerfile.v0",
                          empty_layer=True)

    def run(self, command, replaced=()):
        """A RUN step. `replaced`: directories that the step made anew, whose
        layer says so by an opaque marker."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "HOME": "/root",
            "SOURCE_DATE_EPOCH": str(self.epoch),
            **{k: v for k, v in os.environ.items() if k.endswith("_proxy")},
            **dict(e.split("=", 1) for e in self.config.get("Env", [])),
        }
        _run(["chroot", self.root, "/bin/sh", "-ec", command], environment)
        self._add_layer(f"RUN /bin/sh -c {command} # buildkit",
                        "buildkit.dockerfile.v0", replaced)

    def copy(self, path, text, mode=0o755):
        """A COPY step of one file."""
        self._write(path, text, mode)
        folder, name = os.path.split(path)
        self._add_layer(f"COPY {name} /{folder} # buildkit",
                        "buildkit.dockerfile.v0")

    def finish(self, name):
        """Writes config and manifest; `name` and NAME-index point at them,
        the second by an index that has other platforms beside."""
        document = {
            "architecture": "amd64", "os": "linux", "created": self._now(),
            "config": self.config, "history": self.history,
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
        }
        image = self.layout.add_image(document, self.layers)
        # For the choice of a platform only; its programs are amd64's.
        other = self.layout.add_image(
            {**document, "architecture": "arm64", "variant": "v8"}, self.layers)
        self.layout.name(name, image)
        self.layout.name(name + "-index", self.layout.add_index([other, image]))
        subprocess.run(["umount", "-lR", self.root + "/proc",
                        self.root + "/dev"], check=True)

    # Layers ----------------------------------------------------------------

    def _now(self):
        time = datetime.datetime.fromtimestamp(self.epoch + len(self.history),
                                               datetime.timezone.utc)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _add_history(self, created_by, comment, **more):
        self.history.append({"created": self._now(), "created_by": created_by,
                             "comment": comment, **more})
        print(f"  {created_by[:70]}", flush=True)

    def _walk(self):
        """Every path of the root: (inode, ctime) by path, parents first."""
        device = os.lstat(self.root).st_dev
        found = {}

        def visit(folder):
            with os.scandir(f"{self.root}/{folder}") as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    path = folder + entry.name
                    status = entry.stat(follow_symlinks=False)
                    if path in LENT or stat.S_ISSOCK(status.st_mode):
                        continue
                    if folder == "dev/":  # made by the runtime
                        continue
                    if status.st_dev != device:
                        # A mount of ours: the directory below is as it was.
                        if path in self.seen:
                            found[path] = self.seen[path]
                        continue
                    found[path] = (status.st_ino, status.st_ctime_ns)
                    if entry.is_dir(follow_symlinks=False):
                        visit(path + "/")

        visit("")
        return found

    def _add_layer(self, created_by, comment, replaced=()):
        now = self._walk()
        changed = {p for p in now if now[p] != self.seen.get(p)}
        # All names of a hard-linked file, so that they stay one file.
        inodes = {now[p][0] for p in changed}
        changed |= {p for p in now if now[p][0] in inodes}
        marks = []
        for directory in replaced:
            marks.append(directory + "/.wh..wh..opq")
            changed |= {p for p in now
                        if p == directory or p.startswith(directory + "/")}
        hidden = set(replaced)
        for path in self.seen:  # parents first
            parent, name = os.path.split(path)
            if path in now:
                continue
            if parent in hidden or any(parent.startswith(h + "/") for h in hidden):
                continue
            # Below a directory that became a file there is nothing to hide.
            if not parent or os.path.isdir(f"{self.root}/{parent}") and \
                    not os.path.islink(f"{self.root}/{parent}"):
                marks.append(os.path.join(parent, ".wh." + name))
            hidden.add(path)
        self._write_layer(sorted(changed), sorted(marks))
        self.seen = now
        self._add_history(created_by, comment)

    def _write_layer(self, paths, marks):
        marks_root = tempfile.mkdtemp(dir=self.work)
        for mark in marks:
            os.makedirs(os.path.dirname(f"{marks_root}/{mark}"), exist_ok=True)
            open(f"{marks_root}/{mark}", "wb").close()
        lists = []
        for listed in (marks, paths):
            with tempfile.NamedTemporaryFile(dir=self.work,
                                             delete=False) as file:
                file.write(b"".join(os.fsencode(p) + b"\0" for p in listed))
                lists.append(file.name)
        tar = subprocess.Popen(
            ["tar", "--create", "--format=pax", "--numeric-owner",
             "--pax-option=delete=atime,delete=ctime", "--xattrs",
             "--xattrs-include=*", f"--mtime=@{self.epoch}", "--clamp-mtime",
             "--no-recursion", "--null", "--verbatim-files-from",
             "-C", marks_root, "-T", lists[0], "-C", self.root, "-T", lists[1]],
            stdout=subprocess.PIPE)
        packed = tempfile.NamedTemporaryFile(dir=self.work, delete=False)
        gzip = subprocess.Popen(["gzip", "-n", "-6"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
        diff_id, digest = hashlib.sha256(), hashlib.sha256()
        writer = threading.Thread(target=_copy,
                                  args=(gzip.stdout, packed, digest))
        writer.start()
        _copy(tar.stdout, gzip.stdin, diff_id)
        gzip.stdin.close()
        writer.join()
        packed.close()
        if tar.wait() != 0 or gzip.wait() != 0:
            sys.exit("tar or gzip failed")
        self.diff_ids.append("sha256:" + diff_id.hexdigest())
        self.layers.append(self.layout.add_file(
            packed.name, "sha256:" + digest.hexdigest(), LAYER_GZIP))


def _run(command, environment=None):
    """Runs quietly; what it printed is shown when it fails."""
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace")
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nfailed: {' '.join(command)}")


def _copy(source, sink, hashed):
    while data := source.read(1 << 20):
        hashed.update(data)
        sink.write(data)


def build_once(folder, key_files, build):
    """Calls build(new folder) unless `folder` was built by these same files;
    it gets its name only when it is whole."""
    key = hashlib.sha256()
    for path in [__file__, oci_layout.__file__, *key_files]:
        with open(path, "rb") as file:
            key.update(file.read())
    stamp = folder + "/made-by"
    if _read(stamp) == key.hexdigest():
        return
    enter_mount_namespace()
    os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
    with open(folder + ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _read(stamp) == key.hexdigest():
            return  # another run has built it meanwhile
        print(f"Building {folder}", flush=True)
        new = folder + ".new"
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        build(new)
        with open(new + "/made-by", "w", encoding="ascii") as file:
            file.write(key.hexdigest())
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(new, folder)


def _read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None
