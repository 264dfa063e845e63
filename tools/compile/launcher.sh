#!/bin/sh
# Runs Riptide from the directory that this file is in: the Deno beside it, without the network and
# without a cache, with the permissions that the command needs. Signals and the exit status are
# Deno's, as this shell becomes it.
set -eu

home=$(dirname "$(readlink -f "$0")")
case ${1-} in
@PERMISSIONS@
*) permissions="--allow-read" ;;
esac

export DENO_NO_UPDATE_CHECK=1
# Deno keeps translated source here where it can write, and works without where it cannot.
export DENO_DIR="${RIPTIDE_CACHE_DIR:-$home/cache}"
# Each permission is a word of its own.
# shellcheck disable=SC2086
exec "$home/deno" run --quiet --no-prompt --no-remote --cached-only --no-lock \
  --config="$home/app/deno.json" $permissions "$home/app/main.ts" "$@"
