#!/usr/bin/env bash
# Fetches ONNX Runtime's official C header for tests/engine/test_ort_header.c; nothing else needs it.
#
#   tools/ort-header.sh [FOLDER]     default: build/include
#
# No PyPI package and no package of Debian 12 has the header. It is taken from /usr/include when libonnxruntime-dev is
# installed (Debian 13), else out of a Go module that carries a copy (MIT licence), fetched with the `go` command
# and compared with the sums below.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-build/include}
module=github.com/yalue/onnxruntime_go
version=v1.27.0 # ONNX Runtime 1.24's header
sums="\
9ed0d7054a4e74249467365b25b415d36f51a44a6349e2a994a1812e4723d1e2  onnxruntime_c_api.h
e94ac3490697bdb107844fa9d403952ee7136134132a057eae5c1207b57ce352  onnxruntime_ep_c_api.h"

mkdir -p "$out"
if (cd "$out" && sha256sum --status --check <<<"$sums" 2>/dev/null); then
    exit 0
fi
if [ -e /usr/include/onnxruntime/onnxruntime_c_api.h ]; then
    cp /usr/include/onnxruntime/onnxruntime*_c_api.h "$out/"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(
    cd "$work"
    export GOPATH=$work/go GOFLAGS=-modcacherw GONOSUMDB=$module GOTOOLCHAIN=local
    go mod init header >/dev/null 2>&1
    go mod download "$module@$version"
)
cp "$work/go/pkg/mod/$module@$version"/onnxruntime_c_api.h "$work/go/pkg/mod/$module@$version"/onnxruntime_ep_c_api.h "$out/"
chmod 644 "$out"/onnxruntime*_c_api.h
(cd "$out" && sha256sum --quiet --check <<<"$sums")
