# SPDX-License-Identifier: Apache-2.0
"""Checks that the folder rule holds for this tree, and that it can fail."""

import pathlib
import tempfile
import unittest

from check_includes import table, violations

TOP = pathlib.Path(__file__).resolve().parents[2]

TABLE = """
| room | idea | stands on |
|---|---|---|
| `meta/base` | values | |
| `meta/tar` | tars | `meta/base` |
| `fetch/http` | requests | `meta/base` |
| `fs` | an interface | `meta/base` |
| `tools` | programs | `fetch/http`, `fs` |
"""


class FolderRule(unittest.TestCase):
    def test_this_tree_keeps_the_rule(self):
        self.assertEqual(list(violations(TOP)), [])

    def test_the_big_arrows(self):
        for room, stands_on in table(TOP).items():
            tops = {below.split("/")[0] for below in stands_on}
            allowed = {"meta": {"meta"}, "fetch": {"meta", "fetch"},
                       "fs": {"meta", "fs"}, "tools": {"meta", "fetch", "fs"}}
            self.assertLessEqual(tops, allowed[room.split("/")[0]], room)

    def found_in(self, path, text, table_text=TABLE):
        """What is said of one file, in a tree that uses all of TABLE's arrows."""
        with tempfile.TemporaryDirectory() as name:
            top = pathlib.Path(name)
            (top / "ARCHITECTURE.md").write_text(table_text)
            files = {
                "meta/tar/t.cc": '#include "meta/base/x.h"\n',
                "fetch/http/t.cc": '#include "meta/base/x.h"\n',
                "fs/t.cc": '#include "meta/base/x.h"\n',
                "tools/t.cc": '#include "fs/x.h"\n#include "fetch/http/x.h"\n',
                path: text,
            }
            for file, content in files.items():
                (top / file).parent.mkdir(parents=True, exist_ok=True)
                (top / file).write_text(content)
            return list(violations(top))

    def test_only_what_the_table_has(self):
        for path, text in (
                ("meta/base/a.h", '#include "fetch/http/x.h"\n'),
                ("meta/base/a.h", ' # include "meta/tar/x.h"\n'),
                ("fs/a.cc", '\n#include "fetch/http/x.h"\n'),
                ("fetch/http/a.cc", '#include "fs/x.h"'),
                ("fetch/http/a.cc", '#include "meta/tar/x.h"')):
            self.assertEqual(len(self.found_in(path, text)), 1, (path, text))
        self.assertEqual(
            self.found_in("fs/a.cc", '\n#include "fetch/http/x.h"\n'),
            ['fs/a.cc:2: fs may not include "fetch/http/x.h"'])

    def test_an_include_starts_at_the_top_of_the_tree(self):
        self.assertTrue(self.found_in("meta/base/a.cc", '#include "digest.h"'))

    def test_what_may_be_included(self):
        for path in ("fs/a.cc", "fetch/http/a.cc", "meta/tar/a.cc"):
            self.assertEqual(self.found_in(
                path, '#include <vector>\n#include "meta/base/result.h"\n'), [])
        self.assertEqual(
            self.found_in("fs/a_test.cc", '#include "fetch/http/x.h"'), [])

    def test_a_room_must_be_in_the_table(self):
        self.assertTrue(
            self.found_in("fs/new/a.cc", '#include "meta/base/x.h"'))

    def test_a_program_is_no_exemption(self):
        self.assertTrue(
            self.found_in("fs/x_main.cc", '#include "fetch/http/x.h"'))

    def test_a_row_says_no_more_than_the_code(self):
        more = TABLE.replace("| tars | `meta/base` |",
                             "| tars | `meta/base`, `meta/zip` |")
        self.assertEqual(
            self.found_in("fs/a.cc", "", more),
            ["ARCHITECTURE.md: meta/tar does not include anything of meta/zip"])

    def test_circles(self):
        circle = TABLE.replace("| values | |", "| values | `meta/tar` |")
        self.assertIn("ARCHITECTURE.md: meta/base stands on itself",
                      self.found_in("meta/base/a.cc",
                                    '#include "meta/tar/x.h"', circle))


if __name__ == "__main__":
    unittest.main()
