# SPDX-License-Identifier: Apache-2.0
"""Images of a container engine on this machine, by a small fake of its API and
by podman's service: docker-daemon:REF and containers-storage:REF."""

import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import socketserver
import ssl
import subprocess
import threading

import harness
import login_test
from harness import NOT_FOUND, UNAVAILABLE, UNSUPPORTED, USAGE, Layout, add_image
from tar_layer import dir, file, symlink, tar, whiteout


class FakeEngine:
    """Serves `archives`, files of `docker save` by name, on a unix socket; by TCP
    where there is no path, with an SSLContext by TLS."""

    def __init__(self, path, archives, tls=None):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self):
                return "engine"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.requests.append(self.path)
                match = re.fullmatch(r"/images/(.+)/(get|json)", self.path)
                archive = match and archives.get(match[1])
                if not archive:
                    return self.answer(404, b'{"message":"No such image: x"}')
                if match[2] == "get":
                    return self.answer(200, archive.read_bytes())
                return self.answer(200, json.dumps({"Id": config_of(archive)}).encode())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        if path:
            self.server = Server(str(path), Handler)
        else:
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.address = "127.0.0.1:%d" % self.server.server_address[1]
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def config_of(archive):
    manifest = subprocess.run(["tar", "-xOf", str(archive), "manifest.json"],
                              check=True, capture_output=True).stdout
    return "sha256:" + json.loads(manifest)[0]["Config"].removesuffix(".json")


class ImagesOfAnEngine(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.socket = self.scratch / "engine.sock"
        self.archives = {}
        self.engine = FakeEngine(self.socket, self.archives)
        self.addCleanup(self.engine.stop)
        self.environment["DOCKER_HOST"] = f"unix://{self.socket}"
        self.environment["CONTAINER_HOST"] = f"unix://{self.socket}"
        self.save("app:latest", "one")

    def save(self, name, content):
        layout = Layout(self.scratch / f"layout-{content}")
        add_image(layout, "x", tar(file(content)))
        archive = self.scratch / f"{content}.tar"
        subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout.folder}:x",
                        f"docker-archive:{archive}:{name}"], check=True)
        self.archives[name] = archive

    def test_an_image_of_docker(self):
        self.assertTrue((self.mount("docker-daemon:app") / "one").exists())
        self.assertIn("/images/app:latest/get", self.engine.requests)

    def test_an_image_of_podman(self):
        self.assertTrue((self.mount("containers-storage:app") / "one").exists())

    def test_the_digest_is_skopeos(self):
        seen = subprocess.run(
            ["skopeo", "inspect", "--format={{.Digest}}",
             f"docker-archive:{self.archives['app:latest']}"],
            check=True, capture_output=True, text=True).stdout
        self.assertIn("Digest: " + seen, self.out_of("imgpull", "docker-daemon:app"))

    def test_what_is_cached_is_not_exported_again_until_it_changes(self):
        self.out_of("imgpull", "docker-daemon:app")
        self.engine.requests.clear()
        self.out_of("imgpull", "docker-daemon:app")
        self.assertEqual(self.engine.requests, ["/images/app:latest/json"])
        self.save("app:latest", "two")
        self.assertTrue((self.mount("docker-daemon:app") / "two").exists())

    def test_an_image_by_id(self):
        id = config_of(self.archives["app:latest"])
        self.archives[id] = self.archives["app:latest"]
        self.assertTrue((self.mount("docker-daemon:" + id) / "one").exists())

    def use_context(self, host, **tls):
        """Makes the context "there", as `docker context create` does."""
        id = hashlib.sha256(b"there").hexdigest()
        folder = self.scratch / "home/.docker/contexts"
        (folder / "meta" / id).mkdir(parents=True, exist_ok=True)
        (folder / "meta" / id / "meta.json").write_text(json.dumps(
            {"Name": "there", "Metadata": {},
             "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}))
        for name, content in tls.items():
            path = folder / "tls" / id / "docker" / f"{name}.pem"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.environment.pop("DOCKER_HOST", None)

    def test_a_docker_context(self):
        self.use_context(f"unix://{self.socket}")
        self.out_of("imgpull", "-q", "docker-daemon:app", DOCKER_CONTEXT="there")
        self.assertIn(f"{self.socket} (docker context there)", self.out_of(
            "imgpull", "--explain", "docker-daemon:app", DOCKER_CONTEXT="there"))
        (self.scratch / "home/.docker/config.json").write_text('{"currentContext":"there"}')
        self.out_of("imgpull", "-q", "docker-daemon:app")
        self.assert_fails(
            self.run_tool("imgpull", "-q", "docker-daemon:app", DOCKER_CONTEXT="elsewhere"),
            USAGE, "no docker context elsewhere", "docker context ls")

    def test_an_engine_by_tcp_with_and_without_tls(self):
        plain = FakeEngine(None, self.archives)
        self.addCleanup(plain.stop)
        self.out_of("imgpull", "-q", "docker-daemon:app",
                    DOCKER_HOST=f"tcp://{plain.address}")

        authority = login_test.Authority(self.scratch / "ca")
        usage = "extendedKeyUsage=clientAuth,serverAuth\n"
        certificate, key = authority.sign(
            self.scratch / "localhost", "subjectAltName=IP:127.0.0.1\n" + usage)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH,
                                             cafile=authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        secure = FakeEngine(None, self.archives, context)
        self.addCleanup(secure.stop)
        host = f"tcp://{secure.address}"
        files = {"ca": authority.certificate.read_bytes(),
                 "cert": certificate.read_bytes(), "key": key.read_bytes()}
        folder = self.scratch / "certificates"
        folder.mkdir()
        tls = {"DOCKER_HOST": host, "DOCKER_CERT_PATH": str(folder),
               "DOCKER_TLS_VERIFY": "1"}
        self.assert_fails(self.run_tool("imgpull", "-q", "docker-daemon:app", **tls),
                          UNAVAILABLE, secure.address)
        for name, content in files.items():
            (folder / f"{name}.pem").write_bytes(content)
        self.out_of("imgpull", "-q", "docker-daemon:app", **tls)
        self.use_context(host, **files)
        self.out_of("imgpull", "-q", "docker-daemon:app", DOCKER_CONTEXT="there")

    def test_errors_name_the_engine_and_what_to_do(self):
        def fails(image, status, *names, **environment):
            self.assert_fails(self.run_tool("imgpull", "-q", image, **environment),
                              status, *names)
        fails("docker-daemon:none", NOT_FOUND, "none:latest", str(self.socket))
        nowhere = f"unix://{self.scratch}/nowhere"
        fails("docker-daemon:app", UNAVAILABLE, "nowhere: no such socket",
              "Docker Engine", DOCKER_HOST=nowhere)
        fails("containers-storage:app", UNAVAILABLE, "podman system service",
              CONTAINER_HOST=nowhere)
        fails("docker-daemon:app", UNSUPPORTED, "DOCKER_HOST", DOCKER_HOST="ssh://me@x")
        fails("docker-daemon:", USAGE, "docker-daemon:")
        pathlib.Path(self.archives["app:latest"]).write_bytes(b"\0" * 5000)
        fails("docker-daemon:app", harness.NOT_FOUND, "app:latest", "manifest.json")


class Podman:
    """`podman system service` with a storage of its own."""

    def __init__(self, folder):
        folder.mkdir()
        self.options = ["--root", folder / "root", "--runroot", folder / "run",
                        "--storage-driver=vfs", "--log-level=error"]
        # As by systemd, so that nobody has to wait until it listens.
        self.socket = folder / "podman.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket))
            listener.listen()
            fd = listener.fileno()
            self.service = subprocess.Popen(
                ["bash", "-c",
                 f'LISTEN_PID=$$ LISTEN_FDS=1 exec podman "$@" 3<&{fd}', "podman",
                 *self.options, "system", "service", "-t", "0"],
                pass_fds=(fd,), stderr=subprocess.DEVNULL)

    def run(self, *args):
        return subprocess.run(["podman", *self.options, *args], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    def stop(self):
        self.service.kill()
        self.service.wait()


class ImagesOfPodman(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        add_image(layout, "x", tar(dir("d", mode=0o750, uid=7), file("d/f", b"1" * 70_000)),
                  tar(file("g", b"2"), symlink("l", "d/f"), whiteout("d/f"),
                      dir("d", mode=0o700)))
        self.archive = self.scratch / "app.tar"
        subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout.folder}:x",
                        f"docker-archive:{self.archive}:app:latest"], check=True)
        self.podman = Podman(self.scratch / "podman")
        self.addCleanup(self.podman.stop)
        self.podman.run("load", "--quiet", "--input", self.archive)
        self.host = f"unix://{self.podman.socket}"
        self.environment["DOCKER_HOST"] = self.environment["CONTAINER_HOST"] = self.host

    def test_containers_storage(self):
        mounted = self.mount("containers-storage:app")
        theirs = self.podman.run("image", "mount", "app")
        self.addCleanup(self.podman.run, "image", "unmount", "app")
        # vfs gives the root a mode of its own.
        self.assert_same_tree(mounted, theirs, "--skip", ".")
        self.assertIn("Digest: " + self.podman.run(
            "image", "inspect", "--format={{.Digest}}", "app"),
            self.out_of("imgpull", "containers-storage:app"))

    def test_docker_daemon(self):
        seen = subprocess.run(
            ["skopeo", "inspect", f"--daemon-host={self.host}", "--format={{.Digest}}",
             "docker-daemon:app:latest"], check=True, capture_output=True, text=True).stdout
        self.assertIn("Digest: " + seen, self.out_of("imgpull", "docker-daemon:app"))

    def test_an_image_by_id_and_one_that_has_moved(self):
        id = self.podman.run("image", "inspect", "--format={{.Id}}", "app")
        one = self.mount("containers-storage:sha256:" + id)
        self.assertEqual(sorted(os.listdir(one)), ["d", "g", "l"])
        layout = Layout(self.scratch / "two")
        add_image(layout, "x", tar(file("two")))
        self.archive.unlink()
        subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout.folder}:x",
                        f"docker-archive:{self.archive}:app:latest"], check=True)
        self.out_of("imgpull", "containers-storage:app")
        self.podman.run("load", "--quiet", "--input", self.archive)
        self.assertIn("Downloaded newer image",
                      self.out_of("imgpull", "containers-storage:app"))
        self.assertIn("Image is up to date",
                      self.out_of("imgpull", "containers-storage:app"))

    def test_an_image_that_it_does_not_have(self):
        self.assert_fails(self.run_tool("imgpull", "-q", "containers-storage:none"),
                          NOT_FOUND, "none:latest", str(self.podman.socket))


if __name__ == "__main__":
    harness.main()
