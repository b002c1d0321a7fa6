"""On a terminal: pagers and colours as git has them."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios

import harness
from harness import BIN, Layout, add_image
from tar_layer import file, tar

ROWS = 10


class Terminal(harness.EndToEnd):
    """A tool run on a terminal of ten rows."""

    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        add_image(layout, "few", tar(file("a", b"1")))
        add_image(layout, "more", tar(file("a", b"2"), file("b", b"1")))
        add_image(layout, "many", tar(*[file(f"f{n:05}", b"") for n in range(20_000)]))
        self.few, self.more, self.many = (
            f"oci:{layout.folder}:{name}" for name in ("few", "more", "many"))
        self.environment["TERM"] = "xterm"
        for name in ("PAGER", "IMGMOUNT_PAGER", "LESS", "NO_COLOR"):
            self.environment.pop(name, None)

    def start(self, *command, **environment):
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", ROWS, 80, 0, 0))
        self.shown = ""
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], env={**self.environment, **environment},
            preexec_fn=lambda: os.login_tty(slave), pass_fds=[slave])
        os.close(slave)
        self.addCleanup(process.kill)
        return process

    def read(self):
        """What comes next; "" at the end."""
        ready, _, _ = select.select([self.master], [], [], 60)
        self.assertTrue(ready, "nothing comes any more after " + self.shown)
        try:
            piece = os.read(self.master, 65536).decode()
        except OSError:  # nobody has the terminal open
            return ""
        self.shown += piece
        return piece

    def read_until(self, text):
        while text not in self.shown:
            self.assertNotEqual(self.read(), "", self.shown)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def run_on_terminal(self, *command, **environment):
        """What is shown of a tool that waits for no key, and its status."""
        process = self.start(*command, **environment)
        while self.read():
            pass
        return self.shown.replace("\r\n", "\n"), process.wait()


class Pager(Terminal):
    def test_what_fits_the_screen_is_shown_at_once(self):
        shown, status = self.run_on_terminal("imgdiff", self.few, self.more)
        self.assertRegex(shown, "C\x1b\\[m /a\\S*\n")
        self.assertEqual(status, 1)

    def test_less_shows_what_does_not_and_may_be_left_early(self):
        lines = '{{range (split "' + "a " * 50 + '" " ")}}{{println .}}{{end}}'
        for command, status in (
                (("imgdiff", "-q", self.few, self.many), 1),
                (("imginspect", self.few), 0),
                (("imghistory", "--format", lines, self.few), 0)):
            process = self.start(*command)
            self.read_until("\x1b[K")  # less has shown a page, and its prompt
            self.assertLess(len(self.shown.splitlines()), 3 * ROWS)
            self.press("q")
            while self.read():
                pass
            self.assertEqual(process.wait(), status, self.shown)

    def test_goes_to_the_end_of_long_output(self):
        process = self.start("imgdiff", "-q", self.few, self.many)
        self.read_until("\x1b[K")
        self.press("G")
        self.read_until("/f19999")
        self.press("q")
        while self.read():
            pass
        self.assertEqual(process.wait(), 1)

    def test_no_pager_and_pagers_that_are_none(self):
        for command, environment in (
                (("--no-pager",), {}), ((), {"PAGER": "cat"}), ((), {"PAGER": ""}),
                ((), {"PAGER": "less", "IMGMOUNT_PAGER": "cat"}),
                ((), {"PAGER": "no-such-pager"}), ((), {"PAGER": "no-such-pager -R"})):
            shown, status = self.run_on_terminal(
                "imgdiff", *command, self.few, self.many, **environment)
            self.assertEqual(status, 1)
            self.assertEqual(shown.count("\x1b[32mA"), 20_000, (command, environment))

    def test_the_users_own_pager(self):
        shown, status = self.run_on_terminal(
            "imginspect", self.few, PAGER="sed 's/^/> /'")
        self.assertEqual(status, 0)
        self.assertTrue(all(line.startswith("> ") for line in shown.splitlines()), shown)

    def test_an_error_needs_no_pager(self):
        shown, status = self.run_on_terminal(
            "imghistory", self.few + "x", PAGER="sed 's/^/> /'")
        self.assertEqual(status, harness.NOT_FOUND)
        self.assertTrue(shown.startswith("imghistory: "), shown)

    def test_ctrl_c_ends_the_tool_when_the_pager_has_ended(self):
        process = self.start("imgdiff", "-q", self.few, self.many)
        self.read_until("\x1b[K")
        self.shown = ""
        self.press("\x03")
        self.read_until("\x1b[K")  # less lives on
        self.press("q")
        while self.read():
            pass
        self.assertEqual(process.wait(), -signal.SIGINT)


class Colours(Terminal):
    def coloured(self, *options, **environment):
        shown, status = self.run_on_terminal(
            "imgdiff", "-q", "--no-pager", *options, self.few, self.more, **environment)
        self.assertEqual(status, 1, shown)
        return "\x1b[" in shown

    def test_on_terminals_only(self):
        self.assertTrue(self.coloured())
        self.assertNotIn("\x1b", self.run_tool("imgdiff", self.few, self.more).stdout)
        self.assertFalse(self.coloured(TERM="dumb"))

    def test_no_color(self):
        self.assertFalse(self.coloured(NO_COLOR="1"))
        self.assertTrue(self.coloured(NO_COLOR=""))
        self.assertTrue(self.coloured("--color=always", NO_COLOR="1"))

    def test_the_option(self):
        self.assertFalse(self.coloured("--color=never"))
        for form in ("--content", "--packages", "--stat", "--what"):
            done = self.run_tool("imgdiff", "--color=always", form, self.few, self.more)
            plain = self.run_tool("imgdiff", form, self.few, self.more)
            self.assertNotIn("\x1b", plain.stdout)
            if form in ("--content", "--what"):
                self.assertIn("\x1b[", done.stdout, form)
        self.assert_fails(self.run_tool("imgdiff", "--color=red", "a", "b"), 2, "red")


if __name__ == "__main__":
    harness.main()
