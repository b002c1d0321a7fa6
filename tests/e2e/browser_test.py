# SPDX-License-Identifier: Apache-2.0
"""imgdiff --html in a real browser."""

import harness
from browser import DOWN, END, ENTER, ESCAPE, HOME, LEFT, RIGHT, TAB, Browser
from harness import Layout, LAYER_GZIP, config_of
from tar_layer import dir, file, gzip, tar, whiteout

# Of WCAG 2: what one can read.
READABLE = 4.5

# The contrast of every text on the page with what is behind it, and the text.
CONTRASTS = """
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = colour => {
        const [r, g, b] = channels(colour).slice(0, 3).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const back = getComputedStyle(at).backgroundColor;
            const [, , , alpha] = channels(back);
            if (alpha === undefined || alpha === 1) return back;
        }
        return "rgb(255, 255, 255)";
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || !element.checkVisibility() || element.closest("option, :disabled")) continue;
        const pair = [getComputedStyle(element).color, behind(element)].map(luminance);
        found.push([(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05),
                    element.textContent]);
    }
    return found;
"""
ROWS = "return [...document.querySelectorAll('.row')].map(row => row.textContent.trim())"
ACTIVE = "return document.querySelector('.row[aria-selected=true]').textContent"
FOCUS = "return document.activeElement.id || document.activeElement.className"


class Page(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        self.browser = Browser(self)

    def add(self, name, *layers, history=None):
        config = config_of(layers)
        for step, created_by in zip(config["history"], history or []):
            step["created_by"] = created_by
        self.layout.name(name, self.layout.add_image(
            config, [self.layout.add_blob(gzip(x), LAYER_GZIP) for x in layers]))

    def open(self, *images):
        page = self.scratch / "page.html"
        done = self.run_tool("imgdiff", "-q", "--html", page,
                             *[f"oci:{self.layout.folder}:{image}" for image in images])
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.browser.open(page)

    def rows(self):
        return self.browser.run(ROWS)

    def tab_to(self, name):
        """By the keyboard alone."""
        for _ in range(100):
            self.browser.press(TAB)
            if self.browser.run(FOCUS) == name:
                return
        self.fail("Tab does not lead to " + name)

    def text(self, name):
        return self.browser.run("return document.getElementById(arguments[0]).textContent", name)


class SmallPage(Page):
    def setUp(self):
        super().setUp()
        base = tar(dir("etc"), file("etc/a", b"a" * 3000), file("etc/b", b"b" * 1000),
                   dir("usr"), dir("usr/lib"), file("usr/lib/x", b"x" * 50_000))
        self.add("app", base,
                 tar(file("etc/a", b"c" * 5000), whiteout("etc/b"), dir("opt"), dir("opt/new"),
                     file("opt/new/one", b"1" * 9000), file("opt/new/two", b"2" * 100)),
                 history=["ADD base", "RUN change"])

    def test_can_be_read_in_light_and_dark(self):
        backs = []
        for scheme in ("light", "dark"):
            self.browser.colour_scheme(scheme)
            self.open("app")
            found = self.browser.run(CONTRASTS)
            self.assertGreater(len(found), 40)
            self.assertEqual([f for f in found if f[0] < READABLE], [], scheme)
            backs.append(self.browser.run(
                "return getComputedStyle(document.body).backgroundColor"))
            self.assertEqual(self.browser.messages(), [])
        self.assertNotEqual(*backs)

    def test_shows_layers_waste_and_changes(self):
        self.open("app")
        self.assertIn("2 layers", self.text("summary"))
        self.assertIn("RUN change", self.text("layers"))
        self.assertIn("4.00 kB", self.text("layers"))  # of layer 0, hidden
        self.assertIn("/etc/a", self.text("waste"))
        self.assertEqual(self.text("count"), "6 of 6 paths")
        cells = self.browser.run(
            "return [...document.querySelectorAll('.cell')].map(cell => {"
            "const r = cell.getBoundingClientRect(); return [cell.title, r.width * r.height]})")
        areas = dict(cells)
        self.assertGreater(areas["layer 0: 50.0 kB"], 2 * areas["layer 1: 14.1 kB"])

    def test_the_keyboard_folds(self):
        self.open("app")
        self.tab_to("tree")
        self.browser.press(HOME)
        self.assertEqual([row.split()[-1] for row in self.rows()][:1], ["kB"])
        self.assertFalse(any("one" in row for row in self.rows()))
        before = self.rows()
        self.assertEqual(len(before), 3)  # /, etc, opt
        self.browser.press(DOWN + RIGHT)
        self.assertEqual(len(self.rows()), 5)
        self.assertTrue(any("b" in row and "D" in row for row in self.rows()))
        self.browser.press(DOWN)
        self.assertIn("a", self.browser.run(ACTIVE))
        self.assertIn("C /etc/a", self.text("detail"))
        self.assertIn("ADD base", self.text("detail"))
        self.assertIn("RUN change", self.text("detail"))
        self.browser.press(LEFT + LEFT)  # to etc, and fold it
        self.assertEqual(self.rows(), before)
        self.browser.press(END + ENTER + RIGHT + RIGHT + DOWN)
        self.assertIn("/opt/new/", self.text("detail"))

    def test_the_keyboard_searches(self):
        self.open("app")
        self.browser.press("/")
        self.assertEqual(self.browser.run(FOCUS), "search")
        self.browser.press("TWO")
        self.assertEqual(self.text("count"), "1 of 6 paths")
        self.assertEqual(len(self.rows()), 4)  # /, opt, new, two
        self.browser.press(ENTER)
        self.assertEqual(self.browser.run(FOCUS), "tree")
        self.browser.press(END)
        self.assertIn("A /opt/new/two", self.text("detail"))

    def test_the_keyboard_goes_through_the_treemap(self):
        self.open("app")
        self.tab_to("cell")
        self.browser.press(ENTER)
        self.assertEqual(self.text("where"), "layer 0: 50.0 kB")
        self.browser.press(ENTER)
        self.assertEqual(self.text("where"), "layer 0 /usr: 50.0 kB")
        self.browser.press(ESCAPE + ESCAPE)
        self.assertEqual(self.text("where"), "all: 64.1 kB")

    def test_what_an_image_says_is_text(self):
        hostile = "</script><img src=x onerror=\"document.title='owned'\">"
        self.add("hostile", tar(dir("d")), tar(dir("d"), file(
            "d/<img src=x onerror=document.title='owned'>", b"1")), history=["a", hostile])
        self.open("hostile")
        self.assertEqual(self.browser.run("return document.images.length"), 0)
        self.assertNotEqual(self.browser.run("return document.title"), "owned")
        self.assertIn(hostile, self.text("layers"))
        self.assertIn("<img src=x", self.text("tree"))
        self.assertEqual(self.browser.messages(), [])


class LargePage(Page):
    """It stays quick as only the rows that are seen are made."""

    COUNT = 100_000

    def test_a_hundred_thousand_changes(self):
        names = [f"d{n // 100:03}/f{n:06}" for n in range(self.COUNT)]
        self.add("a", tar(file("same", b"")))
        self.add("b", tar(file("same", b""), *[file(name, b"1") for name in names]))
        self.open("a", "b")
        folders = self.COUNT // 100
        self.assertEqual(self.text("count"),
                         f"{self.COUNT + folders:,} of {self.COUNT + folders:,} paths")
        self.browser.run("document.getElementById('expand').click()")
        self.tab_to("tree")
        self.browser.press(END)
        self.assertIn(names[-1].split("/")[1], self.browser.run(ACTIVE))
        self.assertLess(len(self.rows()), 60)
        self.browser.press("/" + "f012345")
        self.assertEqual(self.text("count").split()[0], "1")
        self.assertEqual(len(self.rows()), 3)
        self.assertEqual(self.browser.messages(), [])


if __name__ == "__main__":
    harness.main()
