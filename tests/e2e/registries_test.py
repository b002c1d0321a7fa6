# SPDX-License-Identifier: Apache-2.0
"""Registries as people really meet them: behind redirects, proxies and logins
that other clients get along with."""

import base64
import gzip
import json

import harness
import login_test
import network_test
import pull_display_test
from harness import DENIED, MB, NOT_FOUND, UNAVAILABLE, UNSUPPORTED


def requests(registry):
    """What came since the last call."""
    came = list(registry.requests)
    registry.requests.clear()
    return came


class Logins(network_test.BadNetwork):
    SIZE = MB

    def basic(self, login):
        return "Basic " + base64.b64encode(login.encode()).decode()

    def log_in(self, **passwords):
        """Logins as `me` by registry: hub="a"."""
        folder = self.scratch / "docker"
        folder.mkdir(exist_ok=True)
        self.environment["DOCKER_CONFIG"] = str(folder)
        (folder / "config.json").write_text(json.dumps({"auths": {
            getattr(self, name).address: {"auth": self.basic(f"me:{password}")[6:]}
            for name, password in passwords.items()}}))

    def wants_token(self, registry, login=None):
        """Lets it give out tokens, to who has that login if one is needed."""
        def answer(request):
            self.heard.append(request.headers.get("Authorization"))
            if request.path.startswith("/token"):
                if login and request.headers.get("Authorization") != self.basic(login):
                    return 401, {}, b""
                return 200, {}, b'{"token": "t0ken"}'
            if request.headers.get("Authorization") == "Bearer t0ken":
                return None
            return 401, {"WWW-Authenticate":
                         f'Bearer realm="http://{registry.address}/token",service="s",'
                         'scope="repository:app:pull"'}, b""
        self.heard = []
        registry.answer = answer

    def test_a_registry_under_another_name_is_followed_with_that_ones_login(self):
        self.other = self.serve(host="127.0.0.2")
        self.hub.answer = lambda request: (
            308, {"Location": f"http://{self.other.address}{request.path}"}, b"")
        self.wants_token(self.other)
        self.check()
        self.wants_token(self.other, login="me:b")
        self.log_in(hub="a")
        self.assert_fails(self.run_tool("imgpull", "--creds=me:b", self.image), DENIED,
                          self.other.address)
        self.assertEqual(set(self.heard), {None}, "they are the first one's")
        self.log_in(hub="a", other="b")
        self.out_of("imgpull", self.image)
        self.assertNotIn(self.basic("me:a"), self.heard)

    def test_what_is_hidden_from_strangers_is_shown_to_who_has_a_login(self):
        login = self.basic("me:a")

        def answer(request):
            if request.headers.get("Authorization") == login:
                return None
            if request.path == "/v2/":
                return 401, {"WWW-Authenticate": 'Basic realm="r"'}, b""
            return refusal, {}, b""
        self.hub.answer = answer
        for refusal, status in (403, DENIED), (404, NOT_FOUND):
            self.assert_fails(self.run_tool("imgpull", self.image), status)
            self.out_of("imgpull", "--creds=me:a", self.image)
        self.log_in(hub="a")
        self.check()

    def test_a_token_is_asked_for_with_the_scope_of_the_challenge(self):
        self.wants_token(self.hub)
        scoped = self.hub.answer

        def answer(request):
            status, headers, body = scoped(request) or (None, {}, b"")
            if status == 401:
                headers = {name: value.replace("repository:app", "repository:team/app")
                           for name, value in headers.items()}
            return status and (status, headers, body)
        self.hub.answer = answer
        self.check()
        self.assertIn("GET /token?service=s&scope=repository%3Ateam%2Fapp%3Apull",
                      self.hub.requests)


class Http(network_test.BadNetwork):
    SIZE = MB

    def test_what_comes_encoded_unasked_is_decoded(self):
        def answer(request):
            if "/manifests/" not in request.path and self.digest in request.path:
                return None
            status, headers, body = self.hub.truth(request.path)
            return status, {**headers, "Content-Encoding": "gzip"}, gzip.compress(body)
        self.hub.answer = answer
        self.check()

    def test_a_layer_that_is_kept_with_its_encoding_is_the_layer(self):
        def answer(request, n):
            if n == 0:
                status, headers, body = self.hub.cut(request, MB // 2)
            else:
                status, headers, body = self.hub.honest(request)
            return status, {**headers, "Content-Encoding": "gzip"}, body
        self.on_blob(answer)
        self.check()
        self.assertEqual(len(self.ranges), 2)
        self.assertEqual(self.bytes_sent(), len(self.blob))

    def test_a_layer_that_is_encoded_on_its_way_is_decoded(self):
        def answer(request, n):
            status, headers, body = self.hub.truth(request.path)
            body = gzip.compress(body)
            if n == 1:
                headers["Content-Length"] = str(len(body))
                body = body[:MB // 2]
            return status, {**headers, "Content-Encoding": "gzip"}, body
        self.on_blob(answer)
        self.check()

    def test_a_registry_where_head_fails_is_asked_by_get(self):
        self.out_of("imgpull", self.image)
        for answer in (400, {}, b""), (405, {}, b""), (500, {}, b""), (501, {}, b""), None:
            with self.subTest(answer=answer):
                def fail(request):
                    if request.command != "HEAD":
                        return None
                    if answer is None:
                        raise ConnectionError  # closes it
                    return answer
                self.hub.answer = fail
                requests(self.hub)
                self.assertIn("up to date", self.out_of("imgpull", self.image))
                self.assertEqual(requests(self.hub), ["HEAD /v2/app/manifests/latest",
                                                      "GET /v2/app/manifests/latest"])

    def test_the_registrys_own_words_are_shown(self):
        self.hub.answer = lambda request: (
            400, {}, b'{"errors":[{"code":"X","message":"this tag is reserved"}]}')
        self.assert_fails(self.run_tool("imgpull", self.image), UNSUPPORTED,
                          "answered 400", "(this tag is reserved)")

    def test_its_warnings_are_shown_once(self):
        def answer(request):
            status, headers, body = self.hub.honest(request)
            return status, {**headers, "Warning": '299 - "moving \x1b[2J soon"'}, body
        self.hub.answer = answer
        text = f"warning: {self.hub.address}: moving \\x1b[2J soon"
        done = self.run_tool("imgpull", "--progress=plain", self.image)
        self.assertEqual(done.stdout.splitlines().count(text), 1, done.stdout)
        done = self.run_tool("imgpull", "--progress=json", self.image)
        self.assertEqual([event for event in map(json.loads, done.stdout.splitlines())
                          if event.get("status") == text], [{"status": text}])
        self.assertEqual(self.out_of("imgpull", "-q", self.image),
                         f"{self.image}:latest\n")
        done = self.run_tool("imginspect", "--pull=always", self.image)
        self.assertEqual(done.stderr, text + "\n")


class HttpsToHttp(network_test.BadNetwork):
    SIZE = MB

    def setUp(self):
        super().setUp()
        authority = login_test.Authority(self.scratch / "ca")
        self.storage = self.hub
        self.hub = self.serve(tls=authority.sign(
            self.scratch / "server", "subjectAltName=IP:127.0.0.1\n"))
        self.image = f"{self.hub.address}/app"
        folder = self.scratch / "home/.config/containers/certs.d" / self.hub.address
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())

    def redirect(self, kind):
        self.hub.answer = lambda request: (
            (307, {"Location": f"http://{self.storage.address}{request.path}"}, b"")
            if kind in request.path else None)

    def test_of_blobs_where_that_is_allowed(self):
        self.redirect("/blobs/")
        self.assert_fails(self.run_tool("imgpull", self.image), DENIED,
                          "from https to http", "--tls-verify=false")
        self.check("--tls-verify=false")

    def test_never_of_manifests(self):
        self.redirect("/manifests/")
        self.assert_fails(self.run_tool("imgpull", "--tls-verify=false", self.image),
                          DENIED, "from https to http")

    def test_never_with_a_login(self):
        heard = []

        def challenge(request):
            heard.append(request.headers.get("Authorization"))
            return 401, {"WWW-Authenticate": 'Basic realm="r"'}, b""
        self.storage.answer = challenge
        self.redirect("/blobs/")
        folder = self.scratch / "docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"auths": {
            self.storage.address: {"auth": base64.b64encode(b"me:a").decode()}}}))
        done = self.run_tool("imgpull", "--tls-verify=false", self.image,
                             DOCKER_CONFIG=str(folder))
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(set(heard), {None})


class Silence(network_test.BadNetwork):
    SIZE = MB

    def setUp(self):
        super().setUp()
        self.id = self.digest.split(":")[1][:12]
        self.environment["IMGMOUNT_PULL_PROGRESS_TIMEOUT"] = "1s"
        self.silent = 5  # answers that never come

    def notice(self, attempt):
        return f"no answer from {self.hub.address} for 1 s, trying again ({attempt}/5)"

    def fall_silent(self, kind):
        def answer(request):
            if kind not in request.path or self.silent == 0:
                return None
            self.silent -= 1
            request.rfile.read(1)  # ends when the client has gone
            raise ConnectionError
        self.hub.answer = answer

    def test_while_an_image_is_looked_up(self):
        self.fall_silent("/manifests/")
        done = self.run_tool("imgpull", "--progress=plain", self.image)
        self.assert_fails(done, UNAVAILABLE, self.hub.address, "nothing arrived for 1 second")
        self.assertEqual(done.stdout.splitlines(), [
            "Using default tag: latest",
            *(self.notice(attempt) for attempt in range(2, 6))])
        self.assertEqual(self.silent, 0)
        self.silent = 1
        done = self.run_tool("imginspect", self.image)
        self.assertEqual((done.returncode, done.stderr), (0, self.notice(2) + "\n"))

    def test_while_a_layer_is_fetched(self):
        self.silent = 2
        self.fall_silent(self.digest)
        printed = self.check().splitlines()
        self.assertEqual([line for line in printed if "no answer" in line],
                         [f"{self.id}: {self.notice(2)}", f"{self.id}: {self.notice(3)}"])

    def test_on_a_terminal(self):
        self.silent = 1
        self.fall_silent("/manifests/")
        terminal = pull_display_test.Terminal(self, 100)
        terminal.read_until(self.notice(2))
        self.assertEqual(terminal.read_to_the_end(), 0)
        self.assertNotIn("no answer", "\n".join(terminal.screen.lines))
        self.out_of("imgcache", "rm", self.image)
        self.silent = 1
        self.fall_silent(self.digest)
        terminal = pull_display_test.Terminal(self, 100)
        terminal.read_until(f"{self.id}: {self.notice(2)}")
        self.assertEqual(terminal.read_to_the_end(), 0)
        self.assertNotIn("no answer", "\n".join(terminal.screen.lines))

    def test_and_failures_as_objects(self):
        self.fall_silent("/manifests/")
        done = self.run_tool("imgpull", "--progress=json", self.image)
        self.assert_fails(done, UNAVAILABLE, "nothing arrived")
        *notices, failure = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(notices, [{"status": self.notice(attempt)}
                                   for attempt in range(2, 6)])
        message = done.stderr.removeprefix("imgpull: ").rstrip("\n")
        self.assertEqual(failure, {"errorDetail": {"message": message}, "error": message})
        self.silent = 5
        done = self.run_tool("imgmount", "--progress=json", self.image, self.mount_point())
        self.assertEqual(done.returncode, UNAVAILABLE)
        self.assertEqual(json.loads(done.stderr.splitlines()[-1])["error"], message)
        self.assertEqual(len(done.stderr.splitlines()), 5)


if __name__ == "__main__":
    harness.main()
