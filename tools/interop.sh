#!/usr/bin/env bash
# Builds what `make interop` holds us against, at pinned versions: the real cosign (build/cosign) and the conformance suite
# of the OCI distribution specification (build/oci-conformance). Needs about five minutes and 2 GB the first time, for
# cosign; the second time it does nothing.
#
# Go itself comes from the module proxy too (GOPROXY), as a toolchain archive with a pinned digest, unless a Go that is
# new enough is in PATH. Sources are checked against Go's checksum database.
set -euo pipefail
cd "$(dirname "$0")/.."

cosign=github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
conformance=github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
go_version=1.25.4
go_sha256=f4fa35e13952bae9836a82d8cf077710cd58fee98d31680f94edf435852b1af2
folder=$PWD/build/go

want="$cosign $conformance"
if [ "$(cat build/.interop 2>/dev/null)" = "$want" ] && [ -x build/cosign ] && [ -x build/oci-conformance ]; then
    exit 0
fi

say() { echo "interop: $*" >&2; }

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
export GOBIN=$PWD/build GOFLAGS=-mod=mod GOTOOLCHAIN=local
export GOPATH=$folder/path GOCACHE=$folder/cache
say "the conformance suite"
go install "$conformance"
mv build/conformance build/oci-conformance
say "cosign, some minutes"
# -N -l: it need not be fast, it need be built.
go install -gcflags='all=-N -l' -ldflags='-s -w' "$cosign"
go clean -cache -modcache
echo "$want" >build/.interop
