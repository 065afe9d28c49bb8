#!/usr/bin/env bash
# A release build installed below PREFIX: bin/skerry, the manual page, shell completion, and the ONNX Runtime library
# in lib/skerry, which is the path that the installed program looks in. DESTDIR is honoured.
#
#   tools/install.sh PREFIX
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${1:?usage: tools/install.sh PREFIX}
library=$prefix/lib/skerry/libonnxruntime.so.1
options=(--buildtype=release -Db_ndebug=true --prefix="$prefix" -Dtests=false -Dfuzz=off -Donnxruntime="$library")
if [ -e build/release/build.ninja ]; then
    meson configure build/release "${options[@]}"
else
    meson setup build/release "${options[@]}"
fi
ninja -C build/release --quiet
meson install -C build/release --no-rebuild --quiet
install -D -m 644 build/lib/libonnxruntime.so.1 "${DESTDIR:-}$library"
echo "installed ${DESTDIR:-}$prefix/bin/skerry"
