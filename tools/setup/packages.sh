#!/usr/bin/env bash
# Installs the Debian packages of tools/packages.txt that are missing: as root, or by a sudo that asks nothing.
# Prints nothing when all are there.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
set -euo pipefail

list=$1
missing=()
while read -r name command _; do
  case $name in '' | '#'*) continue ;; esac
  if [ "$command" != - ]; then
    command -v "$command" >/dev/null && continue
  elif [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ]; then
    continue
  fi
  missing+=("$name")
done <"$list"
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" = 0 ]; then
  as_root=()
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
else
  printf 'Cannot install packages: %s is not root, and sudo asks for a password.\n' "$(id -un)" >&2
  printf 'Run: sudo %s\n' "${install[*]}" >&2
  exit 1
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" -qq
