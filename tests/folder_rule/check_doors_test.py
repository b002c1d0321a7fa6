# SPDX-License-Identifier: Apache-2.0
"""Checks that the doors are used in this tree, and that the check can fail."""

import pathlib
import tempfile
import unittest

from check_doors import violations

TOP = pathlib.Path(__file__).resolve().parents[2]


class Doors(unittest.TestCase):
    def found_in(self, path, text):
        with tempfile.TemporaryDirectory() as name:
            file = pathlib.Path(name) / path
            file.parent.mkdir(parents=True)
            file.write_text(text)
            return list(violations(pathlib.Path(name)))

    def test_this_tree_uses_them(self):
        self.assertEqual(list(violations(TOP)), [])

    def test_what_goes_around_them(self):
        for path, text in (
                ("fetch/http/a.cc", "auto x = Json::parse(body, nullptr, false);"),
                ("tools/a.cc", "nlohmann::ordered_json::parse(text)"),
                ("meta/image/b.cc", "if (json::accept(text)) {"),
                ("meta/toc/a.cc", "#include <rapidjson/reader.h>"),
                ("fetch/auth/a.cc", 'std::getenv("HOME")'),
                ("fetch/auth/a.cc", 'io.env("HOME")'),
                ("fetch/find/a.h", "namespace CLI {"),
                ("fs/mount/a.cc", "#include <CLI/CLI.hpp>"),
                ("meta/cli.cc", "CLI::App app;")):
            self.assertEqual(len(self.found_in(path, text + "\n")), 1, (path, text))

    def test_the_doors_themselves_and_tests(self):
        for path, text in (
                ("meta/image/json.cc", "return Json::parse(begin, end);"),
                ("meta/base/tool_io.cc", "std::getenv(name)"),
                ("tools/a.cc", 'CLI::App app; io.env("X")'),
                ("fetch/http/a_test.cc", "Json::parse(body)"),
                ("meta/toc/a_fuzz.cc", "Json::parse(body)"),
                ("fetch/http/a.cc", "ParseJson(body, what, limit)")):
            self.assertEqual(self.found_in(path, text + "\n"), [])


if __name__ == "__main__":
    unittest.main()
