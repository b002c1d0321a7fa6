# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the built tools, a scratch folder, images,
registries and mounts.

Every test program runs in mount and process namespaces of its own: whatever it
mounts or starts ends with it, however it ends. Root is needed for that.
"""

import fcntl
import hashlib
import os
import pathlib
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/images"))

from oci_layout import Layout, LAYER, LAYER_GZIP, digest_of  # noqa: E402
import tar_layer  # noqa: E402

BIN = pathlib.Path(os.environ.get("IMGMOUNT_BIN", TOP / "build/release/bin"))
NGINX = TOP / "build/images/nginx"

# Exit statuses, as the README has them.
NOT_FOUND, LOCAL, UNAVAILABLE, DENIED, CORRUPT, UNSUPPORTED = 1, 2, 3, 4, 5, 6
MOUNT, USAGE = 32, 64

MB = 1_000_000


def main():
    if os.environ.get("IMGMOUNT_TEST_NAMESPACE"):
        # Of the machine's own mounts of images, nothing is to be seen here.
        subprocess.run(["umount", "--all", "--lazy", "--types", "fuse.imgmount"])
        unittest.main()
    if os.geteuid() != 0:
        sys.exit("end-to-end tests mount and unshare: run them as root")
    os.environ["IMGMOUNT_TEST_NAMESPACE"] = "1"
    # The shell is process 1 there: it takes in what daemons leave behind.
    os.execvp("unshare", [
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
        "sh", "-c", '"$@"; exit $?', "sh", sys.executable, *sys.argv])


def children_of(pid):
    """The processes that it made, without those that have ended."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue  # no process, or it has ended
        if entry.name.isdigit() and int(parent) == pid and state != "Z":
            found.append(int(entry.name))
    return found


def processes_of(tool):
    """Who runs one of the built tools; of a mount its keeper, not its server."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "exe").samefile(BIN / tool):
                found.append(int(entry.name))
        except OSError:
            pass  # it has ended
    servers = {child for pid in found for child in children_of(pid)}
    return [pid for pid in found if pid not in servers]


def await_end(pid, first=lambda process: None):
    """Returns when it has ended. `first` is done with its descriptor before."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    first(process)
    select.select([process], [], [])
    os.close(process)


def kill(pid):
    """SIGKILL. Returns when it has ended, and who it started with it: the server
    of a mount notices that its keeper is gone, and unmounts."""
    servers = []

    def stop_and_kill(process):
        signal.pidfd_send_signal(process, signal.SIGSTOP)  # it starts no more
        servers.extend(children_of(pid))
        signal.pidfd_send_signal(process, signal.SIGKILL)

    await_end(pid, stop_and_kill)
    for server in servers:
        await_end(server)


def config_of(layers, **more):
    """A config over uncompressed layers."""
    return {
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
        "created": "2020-09-13T12:26:40Z",
        "history": [{"created": "2020-09-13T12:26:40Z", "created_by": f"step {n}"}
                    for n in range(len(layers))],
        "rootfs": {"type": "layers", "diff_ids": [digest_of(x) for x in layers]},
        **more,
    }


def layer_of(seed, size):
    """A layer of one file, dSEED/f, that gzip does not make smaller."""
    return tar_layer.tar(
        tar_layer.dir(f"d{seed}"),
        tar_layer.file(f"d{seed}/f", random.Random(seed).randbytes(size)))


def add_image(layout, name, *layers):
    """An image of gzip layers, named; returns its manifest's descriptor."""
    descriptors = [layout.add_blob(tar_layer.gzip(x), LAYER_GZIP) for x in layers]
    manifest = layout.add_image(config_of(layers), descriptors)
    layout.name(name, manifest)
    return manifest


class EndToEnd(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="imgmount-e2e.")
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.scratch.chmod(0o755)
        self.cache = self.scratch / "cache"
        self.registries_conf = self.scratch / "registries.conf"
        self.registries_conf.touch()
        (self.scratch / "home").mkdir()
        self.environment = {
            **os.environ, "HOME": str(self.scratch / "home"),
            "IMGMOUNT_CACHE": str(self.cache),
            "CONTAINERS_REGISTRIES_CONF": str(self.registries_conf),
        }
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "DOCKER_CONFIG",
                     "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            self.environment.pop(name, None)

    # Tools -----------------------------------------------------------------

    def run_tool(self, tool, *args, **environment):
        """Runs a tool to its end; a tool that hangs fails the test."""
        return subprocess.run(
            [str(BIN / tool), *map(str, args)],
            env={**self.environment, **environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="surrogateescape", timeout=120)

    def out_of(self, tool, *args, **environment):
        """What a tool prints when all goes well."""
        done = self.run_tool(tool, *args, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def assert_fails(self, done, status, *names):
        """One line that names the thing, under the tool's name; the status."""
        self.assertEqual(done.returncode, status, done.stderr)
        tool = os.path.basename(done.args[0])
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith(tool + ": "), done.stderr)
        for name in names:
            self.assertIn(name, lines[0])

    # Mounts ----------------------------------------------------------------

    def mount_point(self, name="mnt"):
        folder = self.scratch / name
        folder.mkdir(exist_ok=True)
        return folder

    def mount(self, image, *options, at="mnt"):
        folder = self.mount_point(at)
        self.out_of("imgmount", *options, image, folder)
        self.assertTrue(os.path.ismount(folder))
        self.addCleanup(self.unmount, folder)
        return folder

    def unmount(self, folder):
        if os.path.ismount(folder):
            subprocess.run(["fusermount3", "-u", str(folder)], check=True)
        self.assertFalse(os.path.ismount(folder))

    def unpack(self, layout, name="latest"):
        """The same image's files as umoci sees them."""
        bundle = self.scratch / ("bundle-" + name)
        subprocess.run(["umoci", "--log=error", "unpack", "--image",
                        f"{layout}:{name}", str(bundle)], check=True)
        return bundle / "rootfs"

    def assert_same_tree(self, mounted, expected, *options):
        done = subprocess.run(
            [str(TOP / "scripts/compare-trees"), *options, str(mounted),
             str(expected)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    # Cache -----------------------------------------------------------------

    def blobs(self, cache=None):
        folder = (cache or self.cache) / "blobs/sha256"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def assert_cache_whole(self, cache=None):
        """Every blob holds what its name says. (What a killed process leaves
        has a name that is no digest.)"""
        for blob in self.blobs(cache):
            if not re.fullmatch("[0-9a-f]{64}", blob.name):
                continue
            with open(blob, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self.assertEqual(digest, blob.name)

    # Registries ------------------------------------------------------------

    def mirror(self, address):
        """Points docker.io at a registry on loopback."""
        self.registries_conf.write_text(
            '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n'
            f'[[registry.mirror]]\nlocation = "{address}"\ninsecure = true\n')

    def registry(self):
        """Starts Debian's docker-registry; returns it."""
        registry = Registry(self.scratch / "registry")
        self.addCleanup(registry.stop)
        return registry


class Terminal:
    """A process on a terminal of its own; ends with the test."""

    def __init__(self, test, command, environment, rows=25, columns=80, cwd=None):
        self.test = test
        self.shown = ""
        self.master, slave = pty.openpty()
        test.addCleanup(os.close, self.master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [str(word) for word in command], env=environment, cwd=cwd,
            preexec_fn=lambda: os.login_tty(slave), pass_fds=[slave])
        os.close(slave)
        test.addCleanup(self.process.wait)
        test.addCleanup(self.process.kill)

    def read(self):
        """Waits for what is shown next; "" at the end."""
        ready, _, _ = select.select([self.master], [], [], 60)
        self.test.assertTrue(ready, f"nothing comes any more after {self.shown!r}")
        try:
            piece = os.read(self.master, 65536).decode(errors="replace")
        except OSError:  # nobody has the terminal open
            return ""
        self.shown += piece
        return piece

    def read_until(self, text):
        while text not in self.shown:
            self.test.assertNotEqual(self.read(), "", self.shown)

    def read_to_the_end(self):
        """Returns the exit status."""
        while self.read():
            pass
        return self.process.wait()

    def press(self, keys):
        os.write(self.master, keys.encode())


class Registry:
    """`environment` overrides settings, as in REGISTRY_HTTP_TLS_KEY."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.environment = {**os.environ, **environment}
        self.address = self._script("start")

    def _script(self, verb):
        return subprocess.run(
            [str(TOP / "scripts/registry"), verb, str(self.folder)], check=True,
            env=self.environment, stdout=subprocess.PIPE, text=True).stdout.strip()

    def stop(self):
        self._script("stop")

    def push(self, source, name, *options):
        subprocess.run(
            ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", *options,
             str(source), f"docker://{self.address}/{name}"], check=True,
            stdout=subprocess.DEVNULL)

    def requests(self):
        """The request lines so far, as in "GET /v2/"."""
        lines = (self.folder / "log").read_text().splitlines()
        return [line.split('"')[1].rpartition(" HTTP/")[0]
                for line in lines if '" "' in line and line.count('"') >= 6]
