# SPDX-License-Identifier: Apache-2.0
# bash completion for imgmount and its tools. The tools say what fits
# (TOOL --complete WORDS...); images are those of the cache.

# Sets `found` to what `current` may become: a path behind a transport, a state
# of a cached image, or one of their names.
_imgmount_images() {
  local transport=${current%%:*}:
  case $current in
    oci:*) mapfile -t found < <(compgen -d -- "${current#*:}") ;;
    oci-archive:* | docker-archive:*) mapfile -t found < <(compgen -f -- "${current#*:}") ;;
    *@*)
      mapfile -t found < <(imgcache ls --layers --format '{{.Image}}' 2>/dev/null |
        awk '{ print $0 "@" layers[$0]++ }')
      return
      ;;
    *)
      mapfile -t found < <(imgcache ls -q 2>/dev/null)
      return
      ;;
  esac
  compopt -o filenames
  found=("${found[@]/#/$transport}")
}

_imgmount_complete() {
  local line=${COMP_LINE:0:COMP_POINT} current candidate found prefix
  local -a words candidates
  # Not COMP_WORDS: bash divides at the colons of images as well.
  read -r -a words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[-1]}
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    case $candidate in
      :images) _imgmount_images ;;
      :mounts) mapfile -t found < <(imgmount -l -q 2>/dev/null) ;;
      :folders) compopt -o filenames; mapfile -t found < <(compgen -d -- "$current") ;;
      :files) compopt -o filenames; mapfile -t found < <(compgen -f -- "$current") ;;
      *) found=("$candidate") ;;
    esac
    candidates+=("${found[@]}")
  done < <("${words[0]}" --complete "${words[@]:1}" 2>/dev/null)
  # readline replaces only what stands behind the last word break.
  prefix=
  [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] && prefix=${current%"${current##*:}"}
  [[ $current == *=* && $COMP_WORDBREAKS == *=* ]] && prefix=${current%"${current##*=}"}
  for candidate in "${candidates[@]}"; do
    [[ $candidate == "$current"* ]] && COMPREPLY+=("${candidate#"$prefix"}")
  done
}

complete -F _imgmount_complete imgcache imgcat imgdiff imgexport imghistory imginspect imgmount imgpull
