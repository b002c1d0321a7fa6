#!/usr/bin/env python3
"""check_includes.py TOP: who may include whom.

meta/ includes only meta/; fetch/ and fs/ include meta/ and themselves. Only a
tool's *_main.{h,cc} joins them, and tests may use anything. Prints the lines
that break the rule and ends 1 if there are any.
"""

import pathlib
import re
import sys

MAY_INCLUDE = {"meta": {"meta"}, "fetch": {"meta", "fetch"}, "fs": {"meta", "fs"}}
EXEMPT = re.compile(r"_(main|test|fuzz|bench)\.(h|cc)$")
INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')


def violations(top):
    for folder, allowed in MAY_INCLUDE.items():
        for path in sorted((top / folder).rglob("*")):
            if path.suffix not in (".h", ".cc") or EXEMPT.search(path.name):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                include = INCLUDE.match(line)
                if include and include[1].split("/")[0] not in allowed:
                    yield (f"{path.relative_to(top)}:{number}: {folder}/ may "
                           f'not include "{include[1]}"')


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found))
    sys.exit(1 if found else 0)
