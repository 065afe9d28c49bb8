# v2 comes while callers ask without a pause. They never retry: one reset connection would be a failed request.
headline "Update to v2 under load"
start_load() {
    rm -f "$work/end-load"
    $python "$demo/callers.py" "$base" "$ledger" "${pictures[@]}" --until "$work/end-load" >"$work/load.txt" &
    load_pid=$!
    sleep "$load_time"
}
end_load() {
    sleep "$load_time"
    touch "$work/end-load"
    wait "$load_pid" || fail "requests failed: $(cat "$work/load.txt")"
}
at_exit 'touch "$work/end-load" 2>/dev/null'
say "four callers begin: two keep their connection, two make one for each request; none retries"
start_load
deploy v2 "$demo/deployment-manifest-v2.json"
await 60 "v2 runs on the edge device" module_is status=running version=v2
end_load
await 60 "the update is done" module_is status=running version=v2 isSettled=True
show_edge list
await 60 "the telemetry arrives" all_arrived
telemetry | $python "$demo/telemetry.py" timeline 30 | sed 's/^/   /'
ok "$(cat "$work/compare.txt")"
result "$(cat "$work/load.txt")"
