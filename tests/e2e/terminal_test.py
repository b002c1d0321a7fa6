# SPDX-License-Identifier: Apache-2.0
"""On a terminal: pagers and colours as git has them."""

import signal

import harness
from harness import BIN, Layout, add_image
from tar_layer import file, tar

ROWS = 10


class OnATerminal(harness.EndToEnd):
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

    def start(self, tool, *args, **environment):
        return harness.Terminal(self, [BIN / tool, *args], {**self.environment, **environment},
                                rows=ROWS)

    def run_on_terminal(self, *command, **environment):
        """What is shown of a tool that waits for no key, and its status."""
        terminal = self.start(*command, **environment)
        status = terminal.read_to_the_end()
        return terminal.shown.replace("\r\n", "\n"), status


class Pager(OnATerminal):
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
            terminal = self.start(*command)
            terminal.read_until("\x1b[K")  # less has shown a page, and its prompt
            self.assertLess(len(terminal.shown.splitlines()), 3 * ROWS)
            terminal.press("q")
            self.assertEqual(terminal.read_to_the_end(), status, terminal.shown)

    def test_goes_to_the_end_of_long_output(self):
        terminal = self.start("imgdiff", "-q", self.few, self.many)
        terminal.read_until("\x1b[K")
        terminal.press("G")
        terminal.read_until("/f19999")
        terminal.press("q")
        self.assertEqual(terminal.read_to_the_end(), 1)

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
        # Like less, but sure to see a key that is pressed right after the
        # signal: less drops it, or shows nothing until the next one.
        terminal = self.start(
            "imgdiff", "-q", self.few, self.many,
            PAGER="trap : INT; cat > /dev/null; echo all read;"
                  "until [ \"$key\" = q ]; do read key < /dev/tty; echo got $key; done")
        terminal.read_until("all read")
        terminal.press("\x03")
        for i in range(20):
            terminal.press(f"{i}\n")
            terminal.read_until(f"got {i}\r\n")
        terminal.press("q\n")
        self.assertEqual(terminal.read_to_the_end(), -signal.SIGINT)


class Colours(OnATerminal):
    def coloured(self, *options, **environment):
        shown, status = self.run_on_terminal(
            "imgdiff", "-q", "--no-pager", *options, self.few, self.more, **environment)
        self.assertEqual(status, 1, shown)
        return "\x1b[" in shown

    def test_on_terminals_only(self):
        self.assertTrue(self.coloured())
        self.assertNotIn("\x1b", self.run_tool("imgdiff", self.few, self.more).stdout)
        self.assertFalse(self.coloured(TERM="dumb"))

    def test_progress_moves_the_cursor_only_where_there_is_one(self):
        for terminal, moves in ("dumb", False), ("", False), ("xterm", True):
            cache = str(self.scratch / ("cache-" + terminal))
            for tool, where in ("imgpull", "pulled"), ("imghistory", "read"):
                shown, status = self.run_on_terminal(
                    tool, *(["--path", "/a"] if tool == "imghistory" else []), self.few,
                    TERM=terminal, PAGER="cat", IMGMOUNT_CACHE=cache + where)
                self.assertEqual(status, 0, shown)
                self.assertIn("Pull complete", shown)
                self.assertEqual("\x1b" in shown, moves, (tool, terminal))

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
