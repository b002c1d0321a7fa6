# SPDX-License-Identifier: Apache-2.0
"""The ways to get at an image's files that are measured side by side.

A peer makes an image ready to read from nothing (`pull`) and mounts what is
there already (`mount`, `unmount`). `drop` forgets a pulled image. Only what is
named here is timed; what a peer needs beside (`prepare`) is not.
"""

import json
import os
import pathlib
import shutil
import subprocess
import time


def run(*command, **options):
    """Runs to the end; a failure ends the bench with what was printed."""
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(map(str, command))}: {done.stdout}")
    return done.stdout


def is_running(process):
    try:
        return (process / "cmdline").read_bytes() != b""
    except OSError:
        return False


class Peer:
    def __init__(self, work, registry):
        self.registry = registry
        self.folder = pathlib.Path(work) / self.name.translate({ord("+"): "-",
                                                                      ord(" "): "-"})
        self.folder.mkdir(parents=True, exist_ok=True)
        self.point = self.folder / "mnt"
        self.point.mkdir(exist_ok=True)

    def prepare(self, image):
        pass

    def forget_starts(self, image):
        """Of programs out of the image, if it remembers them."""

    def settle(self):
        """Until it has learned from the start of a program, if it does."""

    def unmount(self, image):
        # What was started from the mount may take a moment to be gone.
        end = time.monotonic() + 10
        while os.path.ismount(self.point):
            try:
                run("umount", self.point)
            except SystemExit:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


class Imgmount(Peer):
    name = "imgmount"

    def __init__(self, work, registry, tools):
        super().__init__(work, registry)
        self.tools = tools
        self.cache = self.folder / "cache"

    def drop(self, image):
        shutil.rmtree(self.cache, ignore_errors=True)

    def pull(self, image):
        return self.mount(image)

    def prepare(self, image):
        run(self.tools / "imgpull", "-q", "--cache-dir", self.cache,
            f"{self.registry}/{image}")

    def mount(self, image):
        run(self.tools / "imgmount", "-q", "--cache-dir", self.cache,
            f"{self.registry}/{image}", self.point)
        return self.point

    def unmount(self, image):
        if not os.path.ismount(self.point):
            return
        process = self.daemon()
        super().unmount(image)
        while is_running(process):  # it writes down what was started
            time.sleep(0.01)

    def forget_starts(self, image):
        self.unmount(image)
        derived = self.cache / "imgmount"
        for file in *derived.glob("starts/*"), *derived.glob("layers/*/spans"):
            file.unlink()
        self.mount(image)  # makes the span tables anew, without cuts
        self.unmount(image)

    def settle(self):
        stat = self.daemon() / "stat"
        used = None
        # It begins a second after the last read.
        while used != (used := stat.read_text().rpartition(")")[2].split()[11:13]):
            time.sleep(2)

    def daemon(self):
        """The process that serves the mount."""
        wanted = str(self.tools / "imgmount")
        for status in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = status.read_text().split("\0")
            except OSError:
                continue
            if words[0] == wanted and str(self.point) in words:
                return status.parent
        raise SystemExit("bench: imgmount does not run")


class Podman(Peer):
    """Layers unpacked, the kernel's overlayfs over them."""
    name = "podman"

    def podman(self, *command):
        return run("podman", "--root", self.folder / "root", "--runroot",
                   self.folder / "run", "--storage-driver", "overlay", *command)

    def drop(self, image):
        self.podman("rmi", "--all", "--force")

    def pull(self, image):
        self.podman("pull", "--quiet", "--tls-verify=false",
                    f"{self.registry}/{image}")
        return self.mount(image)

    def prepare(self, image):
        self.podman("pull", "--quiet", "--tls-verify=false",
                    f"{self.registry}/{image}")

    def mount(self, image):
        return pathlib.Path(self.podman(
            "image", "mount", f"{self.registry}/{image}").splitlines()[-1])

    def unmount(self, image):
        self.podman("image", "unmount", "--all")

    def layers(self, image):
        """Folders of the image's layers, the uppermost first."""
        out = self.podman("image", "inspect", "--format",
                          "{{.GraphDriver.Data.UpperDir}}:"
                          "{{index .GraphDriver.Data \"LowerDir\"}}",
                          f"{self.registry}/{image}")
        return [f for f in out.strip().split(":") if f.startswith("/")]


class FuseOverlayfs(Peer):
    """FUSE over the layers that podman unpacked."""
    name = "fuse-overlayfs"

    def __init__(self, work, registry, podman):
        super().__init__(work, registry)
        self.podman = podman

    def mount(self, image):
        run("fuse-overlayfs", "-o",
            "lowerdir=" + ":".join(self.podman.layers(image)), self.point)
        return self.point


class Squashfuse(Peer):
    """A squashfs of the whole tree, made beforehand."""
    name = "squashfuse_ll"

    def __init__(self, work, registry, podman):
        super().__init__(work, registry)
        self.podman = podman

    def file(self, image):
        return self.folder / (image.replace("/", "-") + ".squashfs")

    def prepare(self, image):
        if not self.file(image).exists():
            tree = self.podman.mount(image)
            run("mksquashfs", tree, self.file(image), "-no-progress", "-quiet")
            self.podman.unmount(image)

    def mount(self, image):
        run("squashfuse_ll", self.file(image), self.point)
        return self.point


class KernelSquashfs(Peer):
    """The same file, by the kernel."""
    name = "kernel squashfs"

    def __init__(self, work, registry, squashfuse):
        super().__init__(work, registry)
        self.squashfuse = squashfuse

    def mount(self, image):
        run("mount", "-t", "squashfs", "-o", "loop,ro",
            self.squashfuse.file(image), self.point)
        return self.point


class Curl(Peer):
    """The layers' bytes and nothing else, three at a time."""
    name = "curl"

    def drop(self, image):
        for file in self.folder.glob("sha256:*"):
            file.unlink()

    def pull(self, image):
        repository, _, tag = image.partition(":")
        base = f"http://{self.registry}/v2/{repository}"
        accept = "Accept: application/vnd.oci.image.manifest.v1+json"
        manifest = json.loads(run("curl", "-sSf", "-H", accept,
                                  f"{base}/manifests/{tag}"))
        words = ["curl", "-sSf", "--parallel", "--parallel-max", "3"]
        for layer in manifest["layers"]:
            words += ["-o", self.folder / layer["digest"],
                      f"{base}/blobs/{layer['digest']}"]
        run(*words)


class Skopeo(Peer):
    """Downloaded only; nothing can be read yet."""
    name = "skopeo"

    def drop(self, image):
        shutil.rmtree(self.folder / "layout", ignore_errors=True)

    def pull(self, image):
        run("skopeo", "copy", "--quiet", "--src-tls-verify=false",
            f"docker://{self.registry}/{image}",
            f"oci:{self.folder}/layout:latest")


class SkopeoUmoci(Skopeo):
    """Downloaded to a layout, then unpacked to plain files."""
    name = "skopeo+umoci"

    def drop(self, image):
        super().drop(image)
        shutil.rmtree(self.folder / "bundle", ignore_errors=True)

    def pull(self, image):
        super().pull(image)
        run("umoci", "unpack", "--image", f"{self.folder}/layout:latest",
            self.folder / "bundle")
