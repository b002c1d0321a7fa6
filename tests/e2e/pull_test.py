# SPDX-License-Identifier: Apache-2.0
"""Pulling from a real registry into a cache that others can read."""

import json
import os
import shutil
import signal
import subprocess
import time

import harness
from fake_registry import FakeRegistry
from harness import Layout, NGINX, add_image
from tar_layer import dir, file, tar


class PullOfNginx(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.hub = self.registry()
        self.hub.push(f"oci:{NGINX}:latest-index", "library/nginx:latest", "--all")
        self.mirror(self.hub.address)

    def layers(self):
        index = json.loads((NGINX / "index.json").read_text())
        manifest = self.blob(NGINX, index["manifests"][0]["digest"])
        return json.loads(manifest)["layers"]

    def blob(self, layout, digest):
        return (layout / "blobs" / digest.replace(":", "/")).read_text()

    def test_prints_what_docker_prints(self):
        layers = self.layers()
        ids = [layer["digest"].split(":")[1][:12] for layer in layers]
        lines = self.out_of("imgpull", "nginx").splitlines()
        self.assertEqual(lines[:2], ["Using default tag: latest",
                                     "latest: Pulling from library/nginx"])
        for layer in ids:
            self.assertIn(f"{layer}: Pull complete", lines)
        index = json.loads((NGINX / "index.json").read_text())
        self.assertEqual(lines[-3:], [
            "Digest: " + index["manifests"][1]["digest"],
            "Status: Downloaded newer image for nginx:latest",
            "docker.io/library/nginx:latest"])

        again = self.out_of("imgpull", "nginx").splitlines()
        self.assertIn("Status: Image is up to date for nginx:latest", again)
        self.assertEqual(self.out_of("imgpull", "-q", "nginx"),
                         "docker.io/library/nginx:latest\n")

    def test_layers_that_are_there_are_not_fetched_again(self):
        self.out_of("imgpull", "nginx")
        other = self.scratch / "other"
        shutil.copytree(NGINX, other)
        subprocess.run(["umoci", "config", "--image", f"{other}:latest",
                        "--config.label", "another=image"], check=True)
        self.hub.push(f"oci:{other}:latest", "library/other:1", "--format=v2s2")
        before = len(self.hub.requests())
        out = self.out_of("imgpull", "other:1")
        for layer in self.layers():
            digest = layer["digest"]
            self.assertIn(digest.split(":")[1][:12] + ": Already exists", out)
            self.assertNotIn(digest, "".join(self.hub.requests()[before:]))

    def test_docker_schema_2_gives_the_same_tree(self):
        self.hub.push(f"oci:{NGINX}:latest", "library/nginx:docker", "--format=v2s2")
        one = self.mount("nginx")
        two = self.mount("nginx:docker", at="two")
        self.assert_same_tree(one, two)

    def test_the_platform_is_this_machines_or_the_one_asked_for(self):
        for options, expected in ((), "amd64"), (("--platform", "linux/arm64"), "arm64"):
            image = json.loads(self.out_of("imginspect", *options, "nginx"))[0]
            self.assertEqual(image["Architecture"], expected)

    def test_the_cache_holds_little_more_than_the_layers(self):
        self.out_of("imgpull", "nginx")
        size = sum(p.stat().st_blocks * 512 for p in self.cache.rglob("*"))
        compressed = sum(layer["size"] for layer in self.layers())
        self.assertLessEqual(size, 1.05 * compressed)

    def test_skopeo_and_umoci_read_the_cache(self):
        self.out_of("imgpull", "nginx")
        name = "docker.io/library/nginx:latest"
        subprocess.run(
            ["skopeo", "copy", "--quiet", f"oci:{self.cache}:{name}",
             f"dir:{self.scratch / 'copy'}"], check=True,
            stdout=subprocess.DEVNULL)
        copied = json.loads((self.scratch / "copy/manifest.json").read_text())
        self.assertEqual(copied["layers"], self.layers())

    def test_history_and_inspect_pull_no_layer(self):
        self.out_of("imghistory", "nginx")
        self.out_of("imginspect", "nginx")
        asked = "\n".join(r for r in self.hub.requests() if r.startswith("GET"))
        self.assertIn("/manifests/", asked)
        for layer in self.layers():
            self.assertNotIn(layer["digest"], asked)

    def test_two_pulls_at_a_time_share_each_download(self):
        pulls = [subprocess.Popen(
            # With more, a large layer comes in several ranges.
            [str(harness.BIN / "imgpull"), "-q", "--max-connections-per-layer=1",
             "nginx"], env=self.environment,
            stdout=subprocess.DEVNULL) for _ in range(2)]
        self.assertEqual([p.wait(timeout=120) for p in pulls], [0, 0])
        self.assert_cache_whole()
        asked = self.hub.requests()
        for layer in self.layers():
            downloads = [r for r in asked if r.startswith("GET")
                         and layer["digest"] in r]
            self.assertEqual(len(downloads), 1, layer["digest"])

    def test_a_pull_killed_at_any_time_leaves_nothing_wrong(self):
        for step in range(6):
            pull = subprocess.Popen(
                [str(harness.BIN / "imgpull"), "-q", "nginx"],
                env=self.environment, stdout=subprocess.DEVNULL)
            # Not to synchronise: the kill is to come at an odd moment.
            time.sleep(0.04 * step)
            pull.send_signal(signal.SIGKILL)
            pull.wait()
            self.assert_cache_whole()
        mounted = self.mount("nginx")
        self.assert_same_tree(mounted, self.unpack(NGINX))


class PullOfSmallImages(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.manifest = add_image(self.layout, "latest",
                                  tar(dir("d"), file("d/f", b"one")))
        self.hub = FakeRegistry(self.layout, {"latest": self.manifest})
        self.addCleanup(self.hub.close)

    def test_a_mount_pulls_what_is_missing(self):
        mounted = self.mount(f"{self.hub.address}/app")
        self.assertEqual((mounted / "d/f").read_bytes(), b"one")
        self.hub.drain()  # the mount stays connected to nobody

    def test_a_mount_needs_no_registry_once_the_image_is_there(self):
        image = f"{self.hub.address}/app"
        self.out_of("imgpull", image)
        self.hub.close()
        mounted = self.mount(image)
        self.assertEqual((mounted / "d/f").read_bytes(), b"one")

    def test_an_image_by_digest(self):
        image = f"{self.hub.address}/app@{self.manifest['digest']}"
        mounted = self.mount(image)
        self.assertEqual((mounted / "d/f").read_bytes(), b"one")

    def test_a_moved_tag_is_followed(self):
        image = f"{self.hub.address}/app"
        self.out_of("imgpull", image)
        self.hub.tags["latest"] = add_image(self.layout, "two", tar(file("new")))
        self.out_of("imgpull", image)
        self.assertEqual(os.listdir(self.mount(image)), ["new"])

    def test_pull_always_costs_one_head_request(self):
        image = f"{self.hub.address}/app"
        self.mount(image, at="one")
        self.hub.requests.clear()
        self.mount(image, "--pull=always", at="two")
        self.assertEqual(self.hub.requests, ["HEAD /v2/app/manifests/latest"])
        self.hub.tags["latest"] = add_image(self.layout, "two", tar(file("new")))
        self.assertEqual(os.listdir(self.mount(image, at="three")), ["d"])
        self.assertEqual(os.listdir(self.mount(image, "--pull=always", at="four")), ["new"])

    def test_offline_and_never_make_no_request(self):
        image = f"{self.hub.address}/app"
        for option in "--offline", "--pull=never":
            self.assert_fails(self.run_tool("imgpull", "-q", option, image),
                              harness.NOT_FOUND, image, option)
        self.assertEqual(self.hub.requests, [])
        self.out_of("imgpull", "-q", image)
        self.hub.requests.clear()
        self.mount(image, "--offline")
        self.out_of("imgpull", "-q", "--pull=never", image)
        self.out_of("imgpull", "-q", "--pull=missing", image)
        self.assertEqual(self.hub.requests, [])

    def test_progress_as_json(self):
        lines = self.out_of("imgpull", "--progress=json", f"{self.hub.address}/app")
        events = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual(events[0], {"status": "Pulling from app", "id": "latest"})
        self.assertIn("Pull complete", [event.get("status") for event in events])
        self.assertEqual(events[-1]["aux"]["Digest"], self.manifest["digest"])

    def test_a_layer_shared_by_two_rows_is_fetched_once(self):
        layer = tar(dir("d"), file("d/f", b"one"))
        self.hub.tags["twice"] = add_image(self.layout, "twice", layer, layer)
        self.out_of("imgpull", f"{self.hub.address}/app:twice")
        asked = [r for r in self.hub.requests if r.startswith("GET") and "blobs" in r]
        self.assertEqual(len(asked), len(set(asked)))

    def basic(self, request):
        if request.headers.get("Authorization") != "Basic dXNlcjpzZXNhbWU=":
            return 401, {"WWW-Authenticate": 'Basic realm="here"'}, b""
        return None

    def login(self):
        folder = self.scratch / "home/.docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"auths": {
            self.hub.address: {"auth": "dXNlcjpzZXNhbWU="}}}))

    def test_a_login_of_docker_config_json_is_used(self):
        self.hub.answer = self.basic
        done = self.run_tool("imgpull", f"{self.hub.address}/app")
        self.assert_fails(done, harness.DENIED, self.hub.address)
        self.login()
        self.out_of("imgpull", f"{self.hub.address}/app")

    def test_a_token_is_fetched_and_used(self):
        def answer(request):
            if request.path.startswith("/token"):
                self.assertIn("scope=repository", request.path)
                return self.basic(request) or (200, {}, b'{"token": "t0ken"}')
            if request.headers.get("Authorization") != "Bearer t0ken":
                realm = f"http://{self.hub.address}/token"
                return 401, {"WWW-Authenticate":
                             f'Bearer realm="{realm}",service="s",'
                             'scope="repository:app:pull"'}, b""
            return None
        self.hub.answer = answer
        self.login()
        self.out_of("imgpull", f"{self.hub.address}/app")

    def test_a_refresh_token_and_one_that_has_expired(self):
        forms = []

        def answer(request):
            if request.path == "/token":
                forms.append(request.rfile.read(int(request.headers["Content-Length"])))
                if b"refresh_token=g00d" in forms[-1]:
                    return 200, {}, b'{"access_token": "t0ken"}'
                return refusal
            if request.headers.get("Authorization") != "Bearer t0ken":
                return 401, {"WWW-Authenticate":
                             f'Bearer realm="http://{self.hub.address}/token",service="s"'}, b""
            return None
        self.hub.answer = answer
        config = self.scratch / "home/.docker/config.json"
        config.parent.mkdir()
        image = f"{self.hub.address}/app"
        for refusal in (
                (400, {}, b'{"error":"invalid_grant","error_description":"too old"}'),
                (401, {}, b'{"errors":[{"code":"UNAUTHORIZED","message":"too old"}]}')):
            config.write_text(json.dumps(
                {"auths": {self.hub.address: {"identitytoken": "s3cret"}}}))
            done = self.run_tool("imgpull", "-q", image)
            self.assert_fails(done, harness.DENIED, "the login has expired",
                              f"`docker login {self.hub.address}` (too old)")
            self.assertNotIn("s3cret", done.stderr)
        config.write_text(json.dumps(
            {"auths": {self.hub.address: {"identitytoken": "g00d"}}}))
        self.out_of("imgpull", "-q", image)
        self.assertIn(b"grant_type=refresh_token", forms[-1])

    def test_credentials_do_not_follow_a_redirect_to_another_host(self):
        other = FakeRegistry(self.layout, {})
        self.addCleanup(other.close)
        seen = []

        def elsewhere(request):
            seen.append(request.headers.get("Authorization"))
        other.answer = elsewhere

        def answer(request):
            if "/blobs/" in request.path:
                where = f"http://{other.address}{request.path}"
                return self.basic(request) or (307, {"Location": where}, b"")
            return self.basic(request)
        self.hub.answer = answer
        self.login()
        self.out_of("imgpull", f"{self.hub.address}/app")
        self.assertTrue(seen)
        self.assertEqual(set(seen), {None})


if __name__ == "__main__":
    harness.main()
