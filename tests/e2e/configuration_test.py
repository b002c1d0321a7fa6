# SPDX-License-Identifier: Apache-2.0
"""Where an image comes from, by the configuration that other tools read too:
short names, mirrors, hosts.toml, proxies."""

import http.server
import select
import socket
import threading
import urllib.parse

import harness
import login_test
from fake_registry import FakeRegistry
from harness import DENIED, NOT_FOUND, UNAVAILABLE, USAGE, Layout, Registry, add_image
from tar_layer import file, tar


class TwoRegistries(harness.EndToEnd):
    """`empty` has no image, `full` has app:latest."""

    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.manifest = add_image(self.layout, "latest", tar(file("here")))
        self.empty = self.serve({})
        self.full = self.serve({"latest": self.manifest})

    def serve(self, tags):
        registry = FakeRegistry(self.layout, tags)
        self.addCleanup(registry.close)
        return registry


class ShortNames(TwoRegistries):
    def search(self, *registries):
        names = ", ".join(f'"{r.address}"' for r in registries)
        self.registries_conf.write_text(f"unqualified-search-registries = [{names}]\n")

    def test_search_registries_are_asked_in_turn(self):
        self.search(self.empty, self.full)
        self.assertTrue((self.mount("an/app") / "here").exists())
        self.assertEqual(self.out_of("imgpull", "-q", "an/app"),
                         f"{self.full.address}/an/app:latest\n")

    def test_what_is_cached_is_asked_for_nowhere(self):
        self.search(self.empty, self.full)
        self.out_of("imgpull", "-q", "an/app")
        before = len(self.empty.requests) + len(self.full.requests)
        self.mount("an/app")
        self.assertEqual(len(self.empty.requests) + len(self.full.requests), before)

    def test_none_of_them_has_it(self):
        self.search(self.empty)
        self.assert_fails(self.run_tool("imgpull", "-q", "an/app"), NOT_FOUND,
                          self.empty.address)
        self.full.tags.clear()
        self.search(self.empty, self.full)
        self.assert_fails(self.run_tool("imgpull", "-q", "an/app"), NOT_FOUND, "an/app",
                          str(self.registries_conf), self.empty.address,
                          self.full.address)

    def test_enforcing_leaves_no_choice_but_the_cache(self):
        self.search(self.empty, self.full)
        with open(self.registries_conf, "a", encoding="utf-8") as conf:
            conf.write('short-name-mode = "enforcing"\n')
        full = f"{self.full.address}/an/app"
        self.assert_fails(self.run_tool("imgpull", "-q", "an/app"), USAGE,
                          str(self.registries_conf), f"write {self.empty.address}/an/app",
                          f"or {full}")
        self.assertEqual(self.empty.requests + self.full.requests, [])
        self.out_of("imgpull", "-q", full)
        self.assertTrue((self.mount("an/app") / "here").exists())
        self.search(self.full)
        self.out_of("imgpull", "-q", "an/app")

    def test_an_alias(self):
        self.registries_conf.write_text(
            f'[aliases]\n"my-app" = "{self.full.address}/team/app"\n')
        self.assertEqual(self.out_of("imgpull", "-q", "my-app"),
                         f"{self.full.address}/team/app:latest\n")


class Mirrors(TwoRegistries):
    def hosts_toml(self, registry, text):
        folder = self.scratch / "home/.config/containerd/certs.d" / registry
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(text)

    def test_hosts_toml_of_containerd(self):
        self.hosts_toml("docker.io", f'''
server = "http://{self.full.address}"
[host."http://{self.empty.address}"]
  [host."http://{self.empty.address}".header]
    X-Team = "blue"
''')
        seen = []
        self.empty.answer = lambda r: seen.append((r.path, r.headers.get("X-Team")))
        self.mount("an/app")
        self.assertEqual(seen[0], ("/v2/an/app/manifests/latest?ns=docker.io", "blue"))
        self.assertIn("GET /v2/an/app/manifests/latest", self.full.requests)

    def test_a_host_that_may_not_resolve_is_not_asked_for_tags(self):
        self.hosts_toml("docker.io", f'''
server = "http://{self.full.address}"
[host."http://{self.empty.address}"]
  capabilities = ["pull"]
''')
        self.out_of("imgpull", "-q", "an/app")
        self.assertNotIn("manifests/latest", "".join(self.empty.requests))
        self.assertIn("/blobs/", "".join(self.empty.requests))

    def test_a_blocked_registry(self):
        self.registries_conf.write_text(
            f'[[registry]]\nlocation = "{self.full.address}"\nblocked = true\n')
        self.assert_fails(self.run_tool("imgpull", "-q", f"{self.full.address}/app"),
                          DENIED, "is blocked by", str(self.registries_conf))

    def test_a_real_registry_as_a_mirror_of_another(self):
        hub = self.registry()
        hub.push(f"oci:{self.layout.folder}:latest", "library/app:latest")
        mirror = Registry(self.scratch / "mirror",
                          REGISTRY_PROXY_REMOTEURL=f"http://{hub.address}")
        self.addCleanup(mirror.stop)
        self.mirror(mirror.address)
        self.assertTrue((self.mount("app") / "here").exists())
        self.assertIn("GET /v2/library/app/manifests/latest", mirror.requests())

    def test_explain_tells_what_then_happens(self):
        self.mirror(self.full.address)
        text = self.out_of("imgmount", "--explain", "an/app")
        endpoints = [line.split()[1] for line in text.splitlines()
                     if line.startswith("endpoint: ")]
        self.assertEqual(endpoints, [f"http://{self.full.address}/v2/an/app,",
                                     "https://registry-1.docker.io/v2/an/app"])
        self.assertIn("does not have it", text)
        self.assertEqual(self.full.requests, [], "nothing is fetched")
        self.out_of("imgpull", "-q", "an/app")
        self.assertIn("no request is made", self.out_of("imgmount", "--explain", "an/app"))


class ConnectProxy:
    """A proxy that takes every host to one port on loopback."""

    def __init__(self, port):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_CONNECT(self):
                outer.asked.append(self.path)
                with socket.create_connection(("127.0.0.1", port)) as target:
                    self.send_response(200)
                    self.end_headers()
                    ends = {self.connection: target, target: self.connection}
                    while True:
                        for end in select.select(list(ends), [], [])[0]:
                            data = end.recv(1 << 16)
                            if not data:
                                self.close_connection = True
                                return
                            ends[end].sendall(data)

            def do_GET(self):
                outer.asked.append(self.path)
                url = urllib.parse.urlsplit(self.path)
                with socket.create_connection(("127.0.0.1", port)) as target:
                    headers = "".join(f"{k}: {v}\r\n" for k, v in self.headers.items()
                                      if k.lower() != "connection")
                    target.sendall(f"GET {url.path} HTTP/1.1\r\n{headers}"
                                   "Connection: close\r\n\r\n".encode())
                    while data := target.recv(1 << 16):
                        self.wfile.write(data)
                self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Proxies(login_test.RealRegistry):
    def proxy(self, port):
        proxy = ConnectProxy(int(port))
        self.addCleanup(proxy.stop)
        return proxy

    def test_https_proxy(self):
        registry = self.start(**self.tls("registry.test"))
        proxy = self.proxy(registry.rpartition(":")[2])
        self.trust("registry.test")
        self.out_of("imgpull", "-q", "registry.test/app:v1", HTTPS_PROXY=proxy.url)
        self.assertEqual(set(proxy.asked), {"registry.test:443"})
        done = self.run_tool("imgpull", "-q", "registry.test/app:v1",
                             HTTPS_PROXY=proxy.url, NO_PROXY="registry.test")
        self.assert_fails(done, UNAVAILABLE, "registry.test")

    def test_http_proxy(self):
        registry = self.start()
        proxy = self.proxy(registry.rpartition(":")[2])
        self.registries_conf.write_text(
            '[[registry]]\nlocation = "registry.test"\ninsecure = true\n')
        self.out_of("imgpull", "-q", "registry.test/app:v1", HTTP_PROXY=proxy.url)
        self.assertIn("http://registry.test/v2/app/manifests/v1", proxy.asked)

    def test_a_proxy_that_cannot_be_reached_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for proxy, what in ((f"http://127.0.0.1:{port}", f"127.0.0.1 port {port}"),
                            ("http://proxy.invalid:1", "the proxy's name")):
            done = self.run_tool("imgpull", "-q", "registry.test/app:v1", HTTPS_PROXY=proxy)
            self.assert_fails(done, UNAVAILABLE, "registry.test: cannot ", "HTTPS_PROXY", what)


if __name__ == "__main__":
    harness.main()
