"""Checks that the folder rule holds for this tree, and that it can fail."""

import pathlib
import tempfile
import unittest

from check_includes import violations

TOP = pathlib.Path(__file__).resolve().parents[2]


class FolderRule(unittest.TestCase):
    def test_this_tree_keeps_the_rule(self):
        self.assertEqual(list(violations(TOP)), [])

    def found_in(self, path, text):
        with tempfile.TemporaryDirectory() as top:
            file = pathlib.Path(top, path)
            file.parent.mkdir(parents=True)
            file.write_text(text)
            return list(violations(pathlib.Path(top)))

    def test_meta_may_not_include_fetch_or_fs(self):
        for text in ('#include "fetch/puller.h"\n', ' # include "fs/x.h"'):
            self.assertEqual(len(self.found_in("meta/a/b.h", text)), 1, text)

    def test_fs_and_fetch_may_not_include_each_other(self):
        self.assertEqual(
            self.found_in("fs/a.cc", '\n#include "fetch/http.h"\n'),
            ['fs/a.cc:2: fs/ may not include "fetch/http.h"'])
        self.assertTrue(self.found_in("fetch/a.cc", '#include "fs/session.h"'))

    def test_an_include_starts_at_the_top_of_the_tree(self):
        self.assertTrue(self.found_in("meta/base/a.cc", '#include "digest.h"'))

    def test_what_may_be_included(self):
        for path in ("fs/a.cc", "fetch/a.cc", "meta/x/a.cc"):
            self.assertEqual(self.found_in(
                path, '#include <vector>\n#include "meta/base/result.h"\n'), [])

    def test_mains_and_tests_may_join_them(self):
        for path in ("fs/imgmount_main.cc", "fs/imgmount_main.h", "meta/a_test.cc"):
            self.assertEqual(self.found_in(path, '#include "fetch/http.h"'), [])


if __name__ == "__main__":
    unittest.main()
