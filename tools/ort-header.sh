#!/usr/bin/env bash
# Fetches ONNX Runtime's official C header for tests/engine/test_ort_header.c; nothing else needs it.
#
#   tools/ort-header.sh [FOLDER]     default: build/include
#
# Debian 12 has no package with the header; Debian 13 has (libonnxruntime-dev). Its package is downloaded, not installed:
# with lists and a cache of its own, from the mirror that this machine uses, checked by Debian's signature and by the sum
# below.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-build/include}
sum=7783e9664bdb0b1b36145b5c8587dd1bc9a399aa000edf2e3dd03003cafc6882 # of 1.21.0

mkdir -p "$out"
header=$out/onnxruntime_c_api.h
if [ -e /usr/include/onnxruntime/onnxruntime_c_api.h ]; then
    cp /usr/include/onnxruntime/onnxruntime_c_api.h "$header"
    exit 0
fi
if echo "$sum  $header" | sha256sum --status --check 2>/dev/null; then
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::Cache=$work"
    -o "Dir::State::lists=$work/lists" -o Dir::State::status=/dev/null -o "APT::Sandbox::User=$(id -un)")
"${apt[@]}" update
(cd "$work" && "${apt[@]}" download libonnxruntime-dev && dpkg-deb -x libonnxruntime-dev_*.deb files)
cp "$work/files/usr/include/onnxruntime/onnxruntime_c_api.h" "$header"
echo "$sum  $header" | sha256sum --quiet --check
