# SPDX-License-Identifier: Apache-2.0
"""What a pull looks like on a terminal, and what Ctrl-C leaves there."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios

import harness
import network_test
from harness import MB
from screen import Screen


class Terminal(harness.Terminal):
    """With a screen that shows what is read from it."""

    def __init__(self, test, columns):
        self.screen = Screen(columns)
        super().__init__(test, [harness.BIN / "imgpull", test.image],
                         {**test.environment, "TERM": "xterm"}, columns=columns)
        self.modes = termios.tcgetattr(self.master)

    def read(self):
        piece = super().read()
        self.screen.write(piece)
        return piece

    def resize(self, columns):
        """Nothing that was drawn for the old size is left to be read."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)
        while select.select([self.master], [], [], 0)[0]:
            self.read()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", 25, columns, 0, 0))
        self.screen.resize(columns)
        self.process.send_signal(signal.SIGCONT)


class OnATerminal(network_test.BadNetwork):
    def setUp(self):
        super().setUp()
        self.id = self.digest.split(":")[1][:12]

    def all_lines(self):
        """What a pull that went well leaves."""
        return ["Using default tag: latest", "latest: Pulling from app",
                f"{self.id}: Pull complete", f"Digest: {self.manifest['digest']}",
                f"Status: Downloaded newer image for {self.image}:latest",
                f"{self.image}:latest", ""]

    def remove_cache(self):
        subprocess.run(["rm", "-rf", self.cache], check=True)

    def test_a_pull_ends_with_one_line_a_layer(self):
        for columns in 40, 80, 140:
            terminal = Terminal(self, columns)
            self.assertEqual(terminal.read_to_the_end(), 0)
            self.assertEqual(terminal.screen.lines, self.all_lines())
            self.remove_cache()

    def test_no_line_is_wider_than_40_columns_while_it_runs(self):
        self.on_blob(lambda request, n: self.hub.cut(request, MB) if n == 0
                     else (503, {"Retry-After": "1"}, b"") if n == 1 else None)
        terminal = Terminal(self, 40)
        terminal.read_until(f"{self.id}: Retrying in 1 second")
        # But for what is printed once and for good.
        self.assertLessEqual(max(map(len, terminal.screen.lines[2:])), 40)
        self.assertEqual(terminal.read_to_the_end(), 0)
        self.assertEqual(terminal.screen.lines, self.all_lines())

    def test_a_resize_while_it_runs(self):
        self.environment["IMGMOUNT_PULL_PROGRESS_TIMEOUT"] = "1s"
        for before, after in (140, 40), (40, 140), (80, 13):
            self.ranges.clear()
            self.on_blob(lambda request, n: self.hub.stall(request, 2 * MB)
                         if n == 0 else None)
            terminal = Terminal(self, before)
            terminal.read_until(f"{self.id}: Downloading")
            terminal.resize(after)
            self.assertEqual(terminal.read_to_the_end(), 0)
            lines = self.all_lines()
            lines[2] = lines[2][:after].rstrip()
            self.assertEqual(terminal.screen.lines, lines, (before, after))
            self.remove_cache()

    def test_ctrl_c_leaves_the_terminal_clean_and_keeps_what_was_downloaded(self):
        self.on_blob(lambda request, n: self.hub.cut(request, MB) if n == 0
                     else (503, {"Retry-After": "50"}, b""))
        terminal = Terminal(self, 40)
        terminal.read_until(": Retrying in 50 seconds")
        terminal.press("\x03")
        self.assertEqual(terminal.read_to_the_end(), 130)
        self.assertEqual(termios.tcgetattr(terminal.master), terminal.modes)
        *_, progress, message, last = terminal.screen.lines
        self.assertEqual((progress, message, last), (
            f"{self.id}: Downloading    983kB", "imgpull: interrupted", ""))

        self.on_blob(lambda request, n: None)
        self.check()
        self.assertLess(self.bytes_sent(), len(self.blob) + network_test.PIECE)


if __name__ == "__main__":
    harness.main()
