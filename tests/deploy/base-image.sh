#!/usr/bin/env bash
# base-image.sh OUTPUT.tar: makes a stand-in for python:3.13-slim out of Debian packages, as the root file system of an image.
#
# The Dockerfile is built on it unchanged where no registry of images can be reached. Debian 13 has Python 3.13, and what the
# Dockerfile leans on is arranged as there: python and pip in /usr/local/bin, pip removable by itself, ensurepip for
# environments, certificates. Packages come from the mirror that this machine's apt uses. Root only, for debootstrap.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

output=$(realpath -m "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

mirror=$(apt-get indextargets --format '$(ORIGIN)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  sed -n '/security/!s/^Debian|main|//p' | head -n 1)

debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv trixie "$root" \
  "${mirror:-http://deb.debian.org/debian}" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }

ln -s /usr/bin/python3 "$root/usr/local/bin/python3"
ln -s python3 "$root/usr/local/bin/python"
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
wheel=$(cd "$root" && echo usr/share/python-wheels/pip-*.whl)
chroot "$root" python3 "/$wheel/pip" --quiet install --no-index --root-user-action=ignore "/$wheel"

rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
mkdir -p "$(dirname "$output")"
# First under another name: who finds it, finds all of it.
tar -C "$root" -cf "$output.$$" .
mv "$output.$$" "$output"
