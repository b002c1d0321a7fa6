# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, by the WebDriver protocol that chromedriver speaks."""

import http.client
import json
import re
import subprocess

TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"
END, HOME, LEFT, UP, RIGHT, DOWN = "\ue010", "\ue011", "\ue012", "\ue013", "\ue014", "\ue015"

# Nothing is asked of any network, and nothing shown that is no part of the page.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--no-proxy-server", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--lang=en-US",
    "--window-size=1200,1600",
]


class Browser:
    """Ends with the test."""

    def __init__(self, test):
        profile = test.scratch / "browser"
        profile.mkdir()
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True, cwd=test.scratch,
            env={**test.environment, "TMPDIR": str(profile)})
        test.addCleanup(self.driver.stdout.close)
        test.addCleanup(self.driver.wait)
        test.addCleanup(self.driver.terminate)
        port = None
        while port is None:
            line = self.driver.stdout.readline()
            test.assertNotEqual(line, "", "chromedriver does not start")
            port = re.search(r"successfully on port (\d+)", line)
        self.connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=120)
        test.addCleanup(self.connection.close)
        self.path = ""
        created = self.request("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": [
                *ARGUMENTS, f"--user-data-dir={profile}"]}}}})
        self.path = "/session/" + created["sessionId"]
        test.addCleanup(self.request, "DELETE", "")

    def request(self, method, path, body=None):
        self.connection.request(method, self.path + path,
                                None if body is None else json.dumps(body),
                                {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["message"])
        return answer

    def open(self, path):
        self.request("POST", "/url", {"url": path.as_uri()})

    def colour_scheme(self, name):
        """What the page sees as the user's preference: light or dark."""
        self.request("POST", "/goog/cdp/execute", {
            "cmd": "Emulation.setEmulatedMedia",
            "params": {"features": [{"name": "prefers-color-scheme", "value": name}]}})

    def run(self, script, *args):
        """The value of a function's body."""
        return self.request("POST", "/execute/sync", {"script": script, "args": list(args)})

    def press(self, keys):
        """Keys, to what has the focus."""
        self.request("POST", "/actions", {"actions": [{
            "type": "key", "id": "keyboard", "actions": [
                {"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]}]})

    def messages(self):
        """What was written to the console since it was last asked: errors of
        scripts, and what the page's security policy blocked."""
        return [entry["message"] for entry in self.request("POST", "/se/log", {"type": "browser"})]
