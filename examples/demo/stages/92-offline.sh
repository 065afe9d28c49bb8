# The cloud goes away. The device goes on, keeps what it has to tell, and tells it when the cloud is back.
headline "Without the hub"
say "\$ kill -TERM $hub_pid      # the hub"
stop_hub
await 60 "the device sees that the hub is away" status_says 'not s["isConnected"]'
asked_before=$(wc -l <"$ledger")
$python "$demo/callers.py" "$base" "$ledger" "${pictures[@]}" --count 60 >"$work/load.txt" || fail "$(cat "$work/load.txt")"
asked=$(($(wc -l <"$ledger") - asked_before))
await 60 "the results are stored" status_says "s['localHub']['spool']['messages'] >= $asked"
show_edge status
result "$(cat "$work/load.txt"); $asked results are stored"

headline "The hub is back"
start_hub
back=$(now_ms)
await 60 "the stored results arrive" all_arrived
ok "$(cat "$work/compare.txt")"
show "$skerry" monitor --device cell-7 --max 3
await 60 "nothing is stored any more" status_says "s['localHub']['spool']['messages'] == 0"
result "all $asked arrived $(seconds $(($(now_ms) - back))) s after it answered; none is missing"
