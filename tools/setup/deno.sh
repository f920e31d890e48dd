#!/usr/bin/env bash
# Puts the pinned Deno at PATH, out of its npm package. The package is kept in the cache, so that another clone
# downloads nothing, and its checksum is verified each time it is unpacked.
#
#   deno.sh PATH VERSION PACKAGE INTEGRITY CACHE
set -euo pipefail

path=$1 version=$2 package=$3 integrity=$4 cache=$5

if [ -z "$integrity" ]; then
  printf 'Cannot fetch Deno %s for %s: no checksum is pinned for "%s".\n' "$version" "$(uname -m)" "$package" >&2
  printf 'Run: make DENO_INTEGRITY=sha512-... with the one npm names for %s@%s\n' "$package" "$version" >&2
  exit 1
fi

file=${package#@}
tarball=$cache/deno/${file//\//-}-$version.tgz
wanted=$(printf %s "${integrity#sha512-}" | base64 -d | od -An -v -tx1 | tr -d ' \n')

is_intact() {
  [ -f "$tarball" ] && [ "$(sha512sum <"$tarball" | cut -d' ' -f1)" = "$wanted" ]
}

mkdir -p "$cache/deno" "$(dirname "$path")"
work=$(mktemp -d -p "$(dirname "$path")")
trap 'rm -rf "$work"' EXIT

if ! is_intact; then
  echo "Fetching $package@$version"
  (cd "$work" && npm_config_cache="$cache/npm" npm pack --silent "$package@$version" >/dev/null)
  mv "$work/$(basename "$tarball")" "$tarball"
fi
if ! is_intact; then
  rm -f "$tarball"
  printf 'Cannot use Deno %s: the package has not the checksum %s.\n' "$version" "$integrity" >&2
  exit 1
fi

tar -xzf "$tarball" -C "$work" package/deno
chmod 755 "$work/package/deno"
touch "$work/package/deno"
mv "$work/package/deno" "$path"
