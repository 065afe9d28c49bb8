#!/usr/bin/env bash
# Slower reading of the code than `make test` does: clang-tidy (.clang-tidy), gcc -fanalyzer, and lists to look at.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -e build/lint/build.ninja ] || CC=clang meson setup build/lint -Dfuzz=replay >build/lint.log
ninja -C build/lint --quiet
sources=$(git ls-files -co --exclude-standard 'src/*.c')

echo "== clang-tidy"
# shellcheck disable=SC2086
printf '%s\n' $sources | xargs -n 1 -P "$(nproc)" clang-tidy -quiet -p build/lint 2>/dev/null

echo "== gcc -fanalyzer"
[ -e build/analyzer/build.ninja ] || CC=gcc meson setup build/analyzer -Dtests=false -Dfuzz=off -Dc_args=-fanalyzer >build/lint.log
ninja -C build/analyzer | grep -E 'warning|Wanalyzer' || true

echo "== the ten longest files"
# shellcheck disable=SC2086
wc -l $sources | grep -v total | sort -rn | head

echo "== the ten longest functions"
# shellcheck disable=SC2086
awk 'FNR == 1 { start = 0 }
    /^\{/ { start = FNR; name = previous }
    /^\}/ && start { print FNR - start, FILENAME ": " name; start = 0 }
    { previous = /^[ \t]/ && FNR > 1 ? previous : $0 }' $sources | sort -rn | head
