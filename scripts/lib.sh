# SPDX-License-Identifier: Apache-2.0
# What the scripts share; sourced, with `repo` set to the top of the tree.

# Prints a command line as one would type it, then runs it.
show() {
  local line
  printf -v line ' %q' "$@"
  echo "\$$line"
  "$@"
}

# Runs a command as root.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}
