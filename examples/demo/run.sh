#!/usr/bin/env bash
# The demo behind `make demo`: runs the stages in stages/, in order, in one shell.
#
# A stage is a short script that uses the functions below and what earlier stages set ($work, $skerry, $base, ...). To
# grow the demo, add a file. Whatever a stage starts, it gives to `at_exit`, so that nothing is left running when a
# stage fails. The demo is a test too: a wrong answer ends it with a status that is not 0.
set -euo pipefail
cd "$(dirname "$0")/../.."

demo=examples/demo
work=${DEMO_WORK:-build/demo}
kept=${DEMO_KEPT:-build/demo-kept}
count=${DEMO_COUNT:-2000}
val_count=${DEMO_VAL_COUNT:-400}
epochs=${DEMO_EPOCHS:-4}
train_time=${DEMO_TRAIN_TIME:-80}
min_accuracy=${DEMO_MIN_ACCURACY:-0.75}
requests=${DEMO_REQUESTS:-200}
bench_time=${DEMO_BENCH_TIME:-2s}
skerry=${SKERRY:-$PWD/build/skerry}
python=build/venv/bin/python
export SKERRY_ONNXRUNTIME=${SKERRY_ONNXRUNTIME:-$PWD/build/lib/libonnxruntime.so.1}

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

headline() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }
fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}
# Shows the command as a user would type it, then runs it.
show() {
    printf '   %s$ %s%s\n' "$dim" "${*/#$skerry/skerry}" "$plain"
    "$@" | sed 's/^/   /'
}

exit_commands=()
at_exit() { exit_commands=("$*" "${exit_commands[@]}"); }
clean_up() {
    local command
    for command in "${exit_commands[@]}"; do
        eval "$command" || true
    done
}
trap clean_up EXIT

rm -rf "$work"
mkdir -p "$work"
for stage in "$demo"/stages/*.sh; do
    # shellcheck source=/dev/null
    . "$stage"
done
headline "done"
