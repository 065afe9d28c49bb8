#!/usr/bin/env bash
# Runs the fuzzers with libFuzzer, AddressSanitizer and UBSan, from the stored corpus.
#
#   tools/fuzz.sh [NAME...]      SECONDS_EACH=600 (make fuzz SECONDS=60 ARGS="onnx v2")
#
# New inputs collect in build/fuzz/new/NAME; merged small, they go to fuzz/corpus/NAME by hand. An input that crashes
# is left in build/fuzz/crashes and ends the run with status 1.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-600}
build=build/fuzz
[ -e "$build/build.ninja" ] || CC=clang meson setup "$build" -Dfuzz=libfuzzer -Dtests=false \
    -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 \
    -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer'
ninja -C "$build" --quiet

if [ $# -gt 0 ]; then names=("$@"); else
    names=()
    for source in fuzz/fuzz_*.c; do
        name=${source#fuzz/fuzz_}
        names+=("${name%.c}")
    done
fi
mkdir -p "$build/crashes"
status=0
for name in "${names[@]}"; do
    program=$build/fuzz/fuzz_$name
    [ -x "$program" ] || {
        echo "fuzz: there is no fuzzer '$name'" >&2
        exit 2
    }
    mkdir -p "$build/new/$name"
    dictionary=()
    [ ! -e "fuzz/dict/$name.dict" ] || dictionary=("-dict=fuzz/dict/$name.dict")
    echo "== $name for $seconds s"
    "$program" "$build/new/$name" "fuzz/corpus/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$build/crashes/$name-" "${dictionary[@]}" 2>"$build/$name.log" || {
        status=1
        tail -n 40 "$build/$name.log"
    }
    grep -E '^stat::(number_of_executed_units|new_units_added|peak_rss_mb)' "$build/$name.log" || true
done
exit $status
