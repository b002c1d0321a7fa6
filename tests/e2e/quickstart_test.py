# SPDX-License-Identifier: Apache-2.0
"""The first thing a user runs."""

import os
import subprocess

import harness


class Quickstart(harness.EndToEnd):
    def quickstart(self, *args):
        return subprocess.run(
            [str(harness.TOP / "scripts/quickstart"), *args], check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=self.environment)

    def test_shows_every_tool_runs_again_and_can_be_ended(self):
        # Not that of a quickstart that someone has running.
        self.environment["QUICKSTART_STATE"] = str(self.scratch / "state")
        folder = self.scratch / "state/nginx"
        self.addCleanup(self.quickstart, "--stop")
        for _ in range(2):
            out = self.quickstart().stdout
            for line in ("$ imgpull nginx\n", "$ imgmount nginx ", "$ ls ",
                         "$ imghistory nginx\n", "$ imginspect nginx\n",
                         "$ imgdiff nginx@", "nginx version: nginx/1."):
                self.assertIn(line, out)
            self.assertTrue(os.path.ismount(folder))
        self.quickstart("--stop")
        self.assertFalse(os.path.ismount(folder))


if __name__ == "__main__":
    harness.main()
