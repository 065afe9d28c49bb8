#!/usr/bin/env bash
# Slower reading of the code than `make test` does: clang-tidy (.clang-tidy), gcc -fanalyzer, and lists to look at.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -e build/lint/build.ninja ] || CC=clang meson setup build/lint -Dtests=false -Dfuzz=off >build/lint.log
ninja -C build/lint --quiet
[ -e build/analyzer/build.ninja ] ||
    CC=gcc meson setup build/analyzer -Dtests=false -Dfuzz=off -Dc_args=-fanalyzer >build/lint.log

# What is compiled here: not the kernels of other processors. err.c and buf.c define what lint.h redefines.
sources=$(sed -n 's|^ *"file": "../../\(src/.*\.c\)",*|\1|p' build/lint/compile_commands.json | sort -u)

echo "== clang-tidy"
status=0
grep -vE '^src/base/(err|buf)\.c$' <<<"$sources" |
    xargs -n 1 -P "$(nproc)" clang-tidy -quiet -p build/lint --extra-arg=-include"$PWD/tools/lint.h" 2>/dev/null ||
    status=1

echo "== gcc -fanalyzer"
ninja -C build/analyzer | grep -E 'warning:' || true

echo "== the ten longest files"
# shellcheck disable=SC2086
wc -l $sources | grep -v total | sort -rn | sed -n 1,10p

echo "== the ten longest functions"
# shellcheck disable=SC2086
awk 'FNR == 1 { start = 0 }
    /^\{/ { start = FNR; name = previous }
    /^\}/ && start { print FNR - start, FILENAME ": " name; start = 0 }
    /^[a-z]/ { previous = $0 }' $sources | sort -rn | sed -n 1,10p
exit $status
