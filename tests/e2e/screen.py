# SPDX-License-Identifier: Apache-2.0
"""A terminal's screen as far as progress displays use one."""

import re

TOKEN = re.compile(r"\x1b\[(\d*)([A-Z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """`lines`: what was printed as far as it can be seen, scrolled or not. A
    narrower terminal wraps them anew, as nearly all do."""

    def __init__(self, columns):
        self.columns = columns
        self.rows = [""]
        self.continues = [False]  # whether the next row is the same line
        self.row = self.column = 0

    @property
    def lines(self):
        lines, line = [], ""
        for row, continues in zip(self.rows, self.continues):
            line += row
            if not continues:
                lines.append(line.rstrip())
                line = ""
        return lines

    def write(self, data):
        end = 0
        for token in TOKEN.finditer(data):
            assert token.start() == end, data[end:token.start()]
            end = token.end()
            number, command, control, text = token.groups()
            if command == "A":
                assert self.row >= int(number or 1), "above the first row"
                self.row -= int(number or 1)
            elif command == "J":
                self.rows[self.row] = self.rows[self.row][:self.column]
                self.continues[self.row] = False
                del self.rows[self.row + 1:], self.continues[self.row + 1:]
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self._next_row()
            elif text is not None:
                for character in text:
                    self._put(character)
            else:
                raise AssertionError(f"a sequence that is not known: {token[0]}")
        assert end == len(data), data[end:]

    def resize(self, columns):
        """The cursor rests at the start of a line, as it does after a drawing."""
        assert self.column == 0
        above = sum(not continues for continues in self.continues[:self.row])
        lines = self.lines
        self.__init__(columns)
        for n, line in enumerate(lines):
            if n == above:
                break
            self.write(line + "\r\n")

    def _next_row(self):
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")
            self.continues.append(False)

    def _put(self, character):
        if self.column == self.columns:
            self.continues[self.row] = True
            self._next_row()
            self.column = 0
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[:self.column] + character + row[self.column + 1:]
        self.column += 1
