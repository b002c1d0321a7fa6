#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_doors.py TOP: things that only one place may do.

DOORS has them. Tests, fuzz targets and benchmarks may do anything. Prints
what breaks a rule, and ends 1 if there is anything.
"""

import pathlib
import re
import sys

from check_includes import sources

# (what is done, who may do it: files, or folders with a slash; what others do)
DOORS = tuple((re.compile(pattern), places, advice) for pattern, places, advice in (
    (r"[Jj]son::(parse|accept|sax_parse|from_\w+)\(", ("meta/image/json.cc",),
     "ParseJson() of meta/image/json.h holds the limits"),
    (r"<rapidjson/", ("meta/toc/toc_json.cc",),
     "ParseJson() of meta/image/json.h holds the limits"),
    (r"\bgetenv\(", ("meta/base/tool_io.cc",),
     "ToolIo::env has the environment's variables"),
    (r"\bio\.env\b", ("meta/", "fs/", "tools/"),
     "FetchEnvironment has fetch's variables"),
    (r"<CLI/|\bCLI::|\bnamespace CLI\b", ("meta/cli/", "tools/"),
     "command lines are the tools'"),
))


def violations(top):
    for path, number, line in sources(top):
        for pattern, places, advice in DOORS:
            if pattern.search(line) and not any(
                    str(path) == place or
                    (place.endswith("/") and str(path).startswith(place))
                    for place in places):
                yield f"{path}:{number}: not here: {advice}"


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found))
    sys.exit(1 if found else 0)
