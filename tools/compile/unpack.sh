#!/bin/sh
# Riptide @VERSION@ in one file: this script, then a tar.gz of the program and of Deno.
#
# The first start unpacks it, later ones find it there and check its SHA-256. Where to:
# $RIPTIDE_UNPACK_DIR, else $XDG_CACHE_HOME/riptide, else $HOME/.cache/riptide, else
# /var/tmp/riptide-USERID. Nobody else may own that directory or write to it, and programs must be
# allowed to run from there (no "noexec").
set -eu

version=@VERSION@
sums=@SUMS@
lines=@LINES@

refuse() { # STATUS MESSAGE
  printf '%s\n' "$2" >&2
  exit "$1"
}

hint="name another directory in RIPTIDE_UNPACK_DIR"
if [ -n "${RIPTIDE_UNPACK_DIR-}" ]; then
  base=$RIPTIDE_UNPACK_DIR
elif [ -n "${XDG_CACHE_HOME-}" ]; then
  base=$XDG_CACHE_HOME/riptide
elif [ -n "${HOME-}" ] && [ -d "$HOME" ] && [ -w "$HOME" ]; then
  base=$HOME/.cache/riptide
else
  base=/var/tmp/riptide-$(id -u)
fi
home=$base/$version-$(printf %.16s "$sums")

# is_whole DIRECTORY: whether every file is there and is what was built.
is_whole() {
  [ -f "$1/SHA256SUMS" ] && [ "$(sha256sum <"$1/SHA256SUMS")" = "$sums  -" ] &&
    (cd "$1" && sha256sum -c SHA256SUMS >/dev/null 2>&1)
}

# check_owner DIRECTORY: what another user owns may change between the check and the start.
check_owner() {
  if [ -L "$1" ] || [ ! -d "$1" ] || [ ! -O "$1" ]; then
    refuse 77 "Cannot use $1: it is not a directory of this user's own; $hint"
  fi
}

umask 077
mkdir -p "$base" || refuse 77 "Cannot unpack to $base; $hint"
check_owner "$base"
chmod go-rwx "$base"
if [ -e "$home" ]; then check_owner "$home"; fi

# unpack: puts what follows this script in the place of $home.
unpack() {
  fresh=$(mktemp -d "$base/.unpack-XXXXXXXX") || refuse 77 "Cannot unpack to $base; $hint"
  trap 'rm -rf "$fresh"' EXIT
  trap 'exit 1' HUP INT TERM
  tail -n "+$lines" "$0" | tar -xzf - -C "$fresh" ||
    refuse 1 "Cannot unpack $0 to $base: it is cut short, or there is no room"
  is_whole "$fresh/riptide" || refuse 1 "Cannot unpack $0: it is damaged; fetch it again"
  # Somebody may have been here meanwhile, and may run already: what is whole is left alone.
  if ! is_whole "$home"; then
    if [ -e "$home" ]; then mv -T "$home" "$fresh/damaged" 2>/dev/null || true; fi
    mv -T "$fresh/riptide" "$home" 2>/dev/null || is_whole "$home" ||
      refuse 1 "Cannot move what was unpacked to $home"
  fi
  rm -rf "$fresh"
  trap - EXIT HUP INT TERM
}

if ! is_whole "$home"; then
  # One at a time, where the system has flock(1): util-linux and BusyBox do.
  if command -v flock >/dev/null 2>&1; then
    exec 9<"$base"
    flock 9
  fi
  if ! is_whole "$home"; then unpack; fi
  exec 9>&-
fi
[ -x "$home/deno" ] ||
  refuse 77 "Cannot run programs in $base: it is mounted noexec; $hint"
exec "$home/riptide" "$@"
# What follows is the archive.
