#!/usr/bin/env bash
# The demo behind `make demo`: runs the stages in stages/, in order, in one shell.
#
# A stage is a short script that uses the functions below and what earlier stages set ($work, $skerry, $base, ...). To
# grow the demo, add a file. Whatever a stage starts, it gives to `at_exit`, so that nothing is left running when a
# stage fails. The demo is a test too: a wrong answer ends it with a status that is not 0.
#
# With KEEP=1 hub and edge device go on; $work/stop.sh ends them, and so does the next demo before it begins.
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
requests=${DEMO_REQUESTS:-100}
bench_time=${DEMO_BENCH_TIME:-1s}
load_time=${DEMO_LOAD_TIME:-2}
keep=${KEEP:-}
skerry=${SKERRY:-$PWD/build/skerry}
python=build/venv/bin/python
export SKERRY_ONNXRUNTIME=${SKERRY_ONNXRUNTIME:-$PWD/build/lib/libonnxruntime.so.1}
unset NOTIFY_SOCKET # the agent that is started here is no service

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'; else bold='' dim='' green='' plain=''; fi

# ---- what stages say ----

demo_ended=''
step=0 step_name='' step_result='' rows=()
steps=$(grep -ch '^headline ' "$demo"/stages/*.sh | awk '{ n += $1 } END { print n }')
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# Ends the step that is under way: how long it took, and its row of the table at the end.
close_step() {
    [ -n "$step_name" ] || return 0
    local ms=$(($(now_ms) - step_start))
    printf '   %s%s s%s\n' "$dim" "$(seconds $ms)" "$plain"
    rows+=("$(printf '%2d  %-34s %6s   %s' "$step" "$step_name" "$(seconds $ms)" "$step_result")")
    step_name=''
}
# Begins the next step.
headline() {
    close_step
    step=$((step + 1)) step_name=$* step_result='' step_start=$(now_ms)
    printf '\n%s== %d/%d %s%s\n' "$bold" "$step" "$steps" "$*" "$plain"
}
say() { printf '   %s\n' "$*"; }
# Something that was checked and holds.
ok() { printf '   %s✓%s %s\n' "$green" "$plain" "$*"; }
# The same, and it is what the table at the end says of this step.
result() {
    ok "$*"
    step_result=$*
}
fail() {
    printf 'demo: step %d (%s): %s\n' "$step" "$step_name" "$*" >&2
    exit 1
}
# A command as a user would type it.
type_out() {
    local words=$*
    printf '   %s$ %s%s\n' "$dim" "${words//$skerry/skerry}" "$plain"
}
# Shows the command, then runs it.
show() {
    type_out "$@"
    "$@" | sed 's/^/   /'
}
# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
    local end=$(($(now_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@"; do
        [ "$(now_ms)" -lt $end ] || fail "$what: not within the time"
        sleep 0.1
    done
}

# ---- the end ----

exit_commands=()
at_exit() { exit_commands=("$*" "${exit_commands[@]}"); }
clean_up() {
    local status=$? command
    trap '' INT TERM
    for command in "${exit_commands[@]}"; do
        eval "$command" || true
    done
    return $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -x "$work/stop.sh" ]; then
    say "an earlier demo was left running (KEEP=1): it is ended first"
    "$work/stop.sh"
fi
rm -rf "$work"
mkdir -p "$work"
demo_start=$(now_ms)
for stage in "$demo"/stages/*.sh; do
    # shellcheck source=/dev/null
    . "$stage"
done
