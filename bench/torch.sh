#!/usr/bin/env bash
# Installs the peer of bench/train.py into build/venv-torch: PyTorch and torchvision of PyPI, pinned by version and hash in
# requirements-train.txt. About 2.5 GB to fetch, 4.5 GB on disk. Only this bench needs it; the second time it does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

list=bench/requirements-train.txt
venv=build/venv-torch
want=$(sha256sum <$list)
if [ "$(cat $venv/.stamp 2>/dev/null)" = "$want" ]; then
    exit 0
fi
echo "bench: installing PyTorch into $venv" >&2
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3)
rm -rf $venv
"$python" -m venv $venv
$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r $list
echo "$want" >$venv/.stamp
