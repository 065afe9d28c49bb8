#!/usr/bin/env bash
# Builds the real cosign into build/cosign, at a pinned version, for `make interop`: signatures of either side are
# checked by the other. Needs about five minutes and 2 GB the first time; the second time it does nothing.
#
# Go itself comes from the module proxy too (GOPROXY), as a toolchain archive with a pinned digest, unless a Go that is
# new enough is in PATH. Sources are checked against Go's checksum database.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v2.6.5
go_version=1.25.4
go_sha256=f4fa35e13952bae9836a82d8cf077710cd58fee98d31680f94edf435852b1af2
folder=$PWD/build/go

if [ "$(cat build/.cosign 2>/dev/null)" = $version ] && [ -x build/cosign ]; then
    exit 0
fi

say() { echo "cosign: $*" >&2; }

has_go() {
    command -v go >/dev/null && [ "$(printf '%s\n' "go$go_version" "$(go env GOVERSION 2>/dev/null)" | sort -V | head -1)" = "go$go_version" ]
}

install_go() {
    local url=${GOPROXY:-https://proxy.golang.org}
    url=${url%%,*}/golang.org/toolchain/@v/v0.0.1-go$go_version.linux-amd64.zip
    say "Go $go_version"
    mkdir -p "$folder"
    curl -sSfL -o "$folder/go.zip" "$url"
    echo "$go_sha256  $folder/go.zip" | sha256sum -c --quiet
    python3 -m zipfile -e "$folder/go.zip" "$folder/unpacked"
    rm "$folder/go.zip"
    chmod -R u+x "$folder"/unpacked/golang.org/toolchain@*/bin "$folder"/unpacked/golang.org/toolchain@*/pkg/tool
    PATH=$(echo "$folder"/unpacked/golang.org/toolchain@*/bin):$PATH
}

has_go || install_go
say "cosign $version, some minutes"
export GOBIN=$PWD/build GOFLAGS=-mod=mod GOTOOLCHAIN=local
export GOPATH=$folder/path GOCACHE=$folder/cache
# -N -l: it need not be fast, it need be built.
go install -gcflags='all=-N -l' -ldflags='-s -w' github.com/sigstore/cosign/v2/cmd/cosign@$version
go clean -cache -modcache
echo $version >build/.cosign
