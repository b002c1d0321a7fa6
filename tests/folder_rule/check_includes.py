#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_includes.py TOP: which room may include which.

The rule is the table of rooms in TOP/ARCHITECTURE.md: a row names a room (a
folder), its idea, and the rooms that it stands on. Its files include headers of
these and of its own, by their path from the top; tests, fuzz targets and
benchmarks may use anything. Prints what breaks the rule, a row that says more
than the code does included, and ends 1 if there is anything.
"""

import pathlib
import re
import sys

TOPS = ("meta", "fetch", "fs", "tools")
UNRULED = re.compile(r"_(test|fuzz|bench)\.(h|cc)$")
INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')
ROW = re.compile(r"\| `([a-z_/]+)` \|[^|]*\|([^|]*)\|$")


def table(top):
    """The rooms that each room may include."""
    rows = {}
    for line in (top / "ARCHITECTURE.md").read_text().splitlines():
        row = ROW.match(line)
        if row:
            rows[row[1]] = set(re.findall(r"`([a-z_/]+)`", row[2]))
    return rows


def sources(top):
    """(file, line number, line) of all files that have rules."""
    for folder in TOPS:
        for path in sorted((top / folder).rglob("*")):
            if path.suffix not in (".h", ".cc") or UNRULED.search(path.name):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield path.relative_to(top), number, line


def includes(top):
    """(file, line number, included path) of all these."""
    for path, number, line in sources(top):
        include = INCLUDE.match(line)
        if include:
            yield path, number, include[1]


def violations(top):
    rows = table(top)
    unused = {(room, below) for room in rows for below in rows[room]}
    for path, number, included in includes(top):
        room, below = str(path.parent), str(pathlib.PurePath(included).parent)
        unused.discard((room, below))
        if room not in rows:
            yield f"{path}: the room {room} is not in ARCHITECTURE.md's table"
        elif below != room and below not in rows[room]:
            yield f'{path}:{number}: {room} may not include "{included}"'
    for room, below in sorted(unused):
        yield f"ARCHITECTURE.md: {room} does not include anything of {below}"
    yield from circles(rows)


def circles(rows):
    """Rooms that stand on themselves, by whatever way round."""
    for room in sorted(rows):
        reached, todo = set(), [room]
        while todo:
            for below in rows.get(todo.pop(), ()):
                if below not in reached:
                    reached.add(below)
                    todo.append(below)
        if room in reached:
            yield f"ARCHITECTURE.md: {room} stands on itself"


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found))
    sys.exit(1 if found else 0)
