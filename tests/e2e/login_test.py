# SPDX-License-Identifier: Apache-2.0
"""The real registry behind TLS with a private CA, behind a password, and behind
a token server; all by configuration that other tools read as well."""

import base64
import crypt
import http.server
import json
import os
import pathlib
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import harness
from fake_registry import FakeRegistry
from harness import DENIED, UNAVAILABLE, USAGE, Layout, Registry, add_image
from tar_layer import file, tar


def openssl(*args, **options):
    return subprocess.run(["openssl", *map(str, args)], check=True,
                          capture_output=True, **options).stdout


class Authority:
    """A private CA that signs for localhost."""

    def __init__(self, folder):
        folder.mkdir()
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-subj", "/CN=test CA", "-keyout", self.key, "-out", self.certificate)

    def sign(self, stem, extensions):
        """A pair STEM.cert, STEM.key."""
        request, config = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        config.write_text(extensions)
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + stem.name,
                "-keyout", stem.with_suffix(".key"), "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-days", "2", "-extfile", config,
                "-out", stem.with_suffix(".cert"))
        return stem.with_suffix(".cert"), stem.with_suffix(".key")


class TokenServer:
    """Gives out tokens of the Docker registry protocol, signed for its CA."""

    SERVICE = "the registry"

    def __init__(self, authority, login):
        self.authority, self.login, self.asked = authority, login, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.asked.append(self.path)
                status, answer = outer.answer(self)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/token" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        basic = "Basic " + base64.b64encode(self.login.encode()).decode()
        if request.headers.get("Authorization") != basic:
            return 401, {"details": "incorrect username or password"}
        query = urllib.parse.parse_qs(urllib.parse.urlparse(request.path).query)
        kind, name, actions = query["scope"][0].split(":")
        now = int(time.time())
        return 200, {"token": self.sign({
            "iss": "test", "sub": "me", "aud": query["service"][0], "jti": "1",
            "iat": now, "nbf": now - 10, "exp": now + 300,
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}]})}

    def sign(self, claims):
        def encode(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")

        der = openssl("x509", "-in", self.authority.certificate, "-outform", "DER")
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        text = b".".join(encode(json.dumps(x).encode()) for x in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.authority.key, input=text)
        return (text + b"." + encode(signature)).decode()


class RealRegistry(harness.EndToEnd):
    """Debian's docker-registry, with settings of its own."""

    LOGIN = "me:s3cret:word"
    LAYER = tar(file("etc/motd", b"hello\n"))

    def setUp(self):
        super().setUp()
        self.home = self.scratch / "home"
        self.layout = Layout(self.scratch / "layout")
        add_image(self.layout, "v1", self.LAYER)
        self.authority = Authority(self.scratch / "ca")

    def start(self, **environment):
        """A registry of these settings that holds the image, as app:v1."""
        folder = self.scratch / "registry"
        plain = Registry(folder)
        plain.push(f"oci:{self.layout.folder}:v1", "app:v1")
        plain.stop()
        registry = Registry(folder, **environment)
        self.addCleanup(registry.stop)
        port = registry.address.rpartition(":")[2]
        return f"localhost:{port}"

    def tls(self, host="localhost"):
        certificate, key = self.authority.sign(
            self.scratch / "server",
            f"subjectAltName=DNS:{host},IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        return {"REGISTRY_HTTP_TLS_CERTIFICATE": str(certificate),
                "REGISTRY_HTTP_TLS_KEY": str(key)}

    def password(self):
        user, _, password = self.LOGIN.partition(":")
        file = self.scratch / "htpasswd"
        file.write_text(user + ":" + crypt.crypt(
            password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)) + "\n")
        return {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "test",
                "REGISTRY_AUTH_HTPASSWD_PATH": str(file)}

    def trust(self, registry):
        folder = self.home / ".config/containers/certs.d" / registry
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(self.authority.certificate.read_bytes())
        return folder

    def log_in(self, registry, login=LOGIN, name=".docker/config.json"):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"auths": {registry: {
            "auth": base64.b64encode(login.encode()).decode()}}}))


class Logins(RealRegistry):
    def assert_no_secret(self, done):
        for secret in ("s3cret", base64.b64encode(self.LOGIN.encode()).decode()):
            self.assertNotIn(secret, done.stdout + done.stderr)

    def test_a_private_ca_and_a_password(self):
        registry = self.start(**self.tls(), **self.password())
        image = registry + "/app:v1"
        self.assert_fails(self.run_tool("imgpull", "-q", image), UNAVAILABLE,
                          "certificate is not trusted", f"certs.d/{registry}")
        self.trust(registry)
        self.assert_fails(self.run_tool("imgpull", "-q", image), DENIED,
                          "`docker login " + registry + "`")
        self.log_in(registry, "me:s3cret")
        wrong = self.run_tool("imgpull", "-q", image)
        self.assert_fails(wrong, DENIED, "wrong user name or password")
        self.assert_no_secret(wrong)
        self.log_in(registry)
        mounted = self.mount(image)
        self.assertEqual((mounted / "etc/motd").read_text(), "hello\n")

    def test_certificates_that_are_none(self):
        registry = self.start(**self.tls())
        image = registry + "/app:v1"
        folder = self.trust(registry)
        for name in "client.cert", "client.key":
            (folder / name).write_text("none")
        self.assert_fails(self.run_tool("imgpull", "-q", image), UNAVAILABLE,
                          f"certificates in {folder} cannot be used")
        for name in "client.cert", "client.key":
            (folder / name).unlink()
        (folder / "ca.crt").write_text("none")
        self.assert_fails(self.run_tool("imgpull", "-q", image), UNAVAILABLE,
                          f"certificates in {folder} cannot be used")

    def test_http_2_over_tls(self):
        registry = self.start(**self.tls())
        self.trust(registry)
        self.out_of("imgpull", "-q", registry + "/app:v1")
        log = (self.scratch / "registry/log").read_text()
        self.assertRegex(log, r'"GET /v2/app/blobs/\S+ HTTP/2\.0"')

    def test_skopeo_sees_the_same_digest_with_the_same_login_and_ca(self):
        registry = self.start(**self.tls(), **self.password())
        self.trust(registry)
        self.log_in(registry, name=".config/containers/auth.json")
        image = registry + "/app:v1"
        seen = subprocess.run(
            ["skopeo", "inspect", "--format={{.Digest}}", "docker://" + image],
            env=self.environment, check=True, capture_output=True, text=True).stdout
        self.assertIn("Digest: " + seen, self.out_of("imgpull", image))

    def test_creds_are_not_shown_by_ps(self):
        registry = self.start(**self.password())
        self.out_of("imgpull", "-q", "--creds", self.LOGIN, registry + "/app:v1")
        mounted = self.mount(registry + "/app:v1", "--creds=" + self.LOGIN)
        self.assertTrue((mounted / "etc/motd").exists())
        lines = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True,
                               text=True, check=True).stdout
        self.assertNotIn("s3cret", lines)

    def test_every_auth_file_is_read(self):
        registry = self.start(**self.password())
        image = registry + "/app:v1"
        for name in (".docker/config.json", ".config/containers/auth.json"):
            self.log_in(registry, name=name)
            self.out_of("imgpull", "-q", image)
            (self.home / name).unlink()
        self.log_in(registry + "/app", name="named.json")
        named = str(self.home / "named.json")
        self.out_of("imgpull", "-q", "--authfile", named, image)
        self.out_of("imgpull", "-q", image, REGISTRY_AUTH_FILE=named)
        self.assert_fails(self.run_tool("imgpull", "-q", "--authfile", "/none", image),
                          USAGE, "/none")

    def test_a_credential_helper_is_asked(self):
        registry = self.start(**self.password())
        helper = self.scratch / "docker-credential-test"
        user, _, password = self.LOGIN.partition(":")
        helper.write_text("#!/bin/sh\ncat >/dev/null\n"
                          f"echo '{{\"Username\":\"{user}\",\"Secret\":\"{password}\"}}'\n")
        helper.chmod(0o755)
        config = self.home / ".docker/config.json"
        config.parent.mkdir()
        config.write_text(json.dumps({"credHelpers": {registry: "test"}}))
        path = f"{self.scratch}:{os.environ['PATH']}"
        self.out_of("imgpull", "-q", registry + "/app:v1", PATH=path)
        # One for all registries, of podman's configuration.
        config.unlink()
        self.registries_conf.write_text('credential-helpers = ["test"]\n')
        self.out_of("imgpull", "-q", registry + "/app:v1", PATH=path)
        self.assertIn(f"docker-credential-test has for {registry} "
                      f"(named in {self.registries_conf})",
                      self.out_of("imgpull", "--explain", registry + "/app:v1", PATH=path))

    def test_a_client_certificate(self):
        settings = self.tls()
        settings["REGISTRY_HTTP_TLS_CLIENTCAS"] = f"[{self.authority.certificate}]"
        registry = self.start(**settings)
        folder = self.trust(registry)
        image = registry + "/app:v1"
        self.assert_fails(self.run_tool("imgpull", "-q", image), DENIED, registry,
                          f"wants a client's TLS certificate; put client.cert and "
                          f"client.key into {folder}")
        stranger = Authority(self.scratch / "stranger")
        stranger.sign(folder / "client", "extendedKeyUsage=clientAuth\n")
        self.assert_fails(self.run_tool("imgpull", "-q", image), DENIED, registry,
                          f"does not accept the client's TLS certificate "
                          f"{folder / 'client.cert'}")
        self.authority.sign(folder / "client", "extendedKeyUsage=clientAuth\n")
        self.out_of("imgpull", "-q", image)

    def test_a_client_certificate_that_is_missing_is_asked_for_once(self):
        tls = self.authority.sign(self.scratch / "server", "subjectAltName=DNS:localhost\n")
        for newest in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            with self.subTest(newest=newest):
                hub = FakeRegistry(self.layout, {}, tls=tls, newest=newest,
                                   clients=self.authority.certificate)
                self.addCleanup(hub.close)
                registry = hub.address.replace("127.0.0.1", "localhost")
                self.trust(registry)
                done = self.run_tool("imgpull", "--progress=plain", registry + "/app")
                self.assert_fails(done, DENIED, registry, "a client's TLS certificate")
                self.assertNotIn("etrying", done.stdout + done.stderr)

    def test_a_token_server(self):
        server = TokenServer(self.authority, self.LOGIN)
        self.addCleanup(server.stop)
        registry = self.start(
            REGISTRY_AUTH="token", REGISTRY_AUTH_TOKEN_REALM=server.url,
            REGISTRY_AUTH_TOKEN_SERVICE=server.SERVICE, REGISTRY_AUTH_TOKEN_ISSUER="test",
            REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE=str(self.authority.certificate))
        image = registry + "/app:v1"
        self.assert_fails(self.run_tool("imgpull", "-q", image), DENIED, "docker login")
        self.log_in(registry)
        server.asked.clear()
        mounted = self.mount(image)
        self.assertEqual((mounted / "etc/motd").read_text(), "hello\n")
        self.assertEqual(len(server.asked), 1, "one token does for all")


if __name__ == "__main__":
    harness.main()
