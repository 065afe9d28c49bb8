# An edge device on the other address. Its folder is below /tmp: modules have users of their own, who must be able to pass
# through it, and paths of sockets are short.
headline "An edge device"
edge_home=$(mktemp -d /tmp/skerry-demo-XXXXXX)
chmod 711 "$edge_home"
edge_dir=$edge_home/data
edge_skerry=$skerry
edge_ort=$SKERRY_ONNXRUNTIME
base=http://$edge_address:5001
ledger=$work/answers.jsonl # each answer that the edge device gave; its telemetry is compared with it
: >"$ledger"

# As root, downloads and modules run as other users: where those cannot reach this folder, the device gets a copy.
can_others_pass() {
    local path
    path=$(realpath "$1")
    while [ "$path" != / ]; do
        [ $((0$(stat -c %a "$path") & 1)) = 1 ] || [ -f "$path" ] || return 1
        path=$(dirname "$path")
    done
}
if [ "$(id -u)" = 0 ] && ! { can_others_pass "$skerry" && can_others_pass "$SKERRY_ONNXRUNTIME"; }; then
    mkdir -m 755 "$edge_home/bin"
    install -m 755 "$skerry" "$edge_home/bin/skerry"
    install -m 644 "$SKERRY_ONNXRUNTIME" "$edge_home/bin/libonnxruntime.so.1"
    edge_skerry=$edge_home/bin/skerry
    edge_ort=$edge_home/bin/libonnxruntime.so.1
fi

edge() { "$edge_skerry" edge "$@" --data-dir "$edge_dir"; }
show_edge() {
    type_out skerry edge "$@"
    edge "$@" | sed 's/^/   /'
}
edge_is_ready() {
    kill -0 "$edge_pid" 2>/dev/null || fail "the agent ended: $(tail -n 3 "$work/edge.log")"
    grep -q ' ready device=' "$work/edge.log"
}
end_edge() {
    edge stop --all >/dev/null 2>&1
    rm -rf "$edge_home"
}
at_exit '[ -n "$keep" ] && [ -n "$demo_ended" ] || end_edge'

type_out "$skerry" device create cell-7 --edge-enabled --tag site=north ">" cell-7.txt
"$skerry" device create cell-7 --edge-enabled --tag site=north >"$work/cell-7.txt" 2>"$work/cell-7.log"
say "$(sed 's/SharedAccessKey=.*/SharedAccessKey=.../' "$work/cell-7.txt")"
other_ports=()
[ "$hub_port" = 443 ] || other_ports+=(--hub-https-port "$hub_port")
[ "$edge_https" = 443 ] || other_ports+=(--https-port "$edge_https")
show "$skerry" edge init --connection-string-file "$work/cell-7.txt" --hub-ca "$hub_dir/tls/ca.pem" --data-dir "$edge_dir" \
    --listen "$edge_address" --publish-address "$edge_address" "${other_ports[@]}" --disk-size 2G
# A new version is watched for 120 s before the old one is let go; here for 3 s.
$python -c '
import json, sys
config = json.load(open(sys.argv[1]))
json.dump({**config, "probationSeconds": 3}, open(sys.argv[1], "w"))' "$edge_dir/edge.json"
type_out skerry edge run --data-dir "$edge_dir" "&"
SKERRY_ONNXRUNTIME=$edge_ort "$edge_skerry" edge run --data-dir "$edge_dir" >"$work/edge.log" 2>&1 &
edge_pid=$!
await 60 "the agent is ready" edge_is_ready
# A Python expression of s, the device's status, holds.
status_says() { edge status --json 2>/dev/null | $python -c 'import json, sys; s = json.load(sys.stdin); sys.exit(not eval(sys.argv[1]))' "$1" 2>/dev/null; }
is_connected() { status_says 's["isConnected"]'; }
await 60 "the device is connected to the hub" is_connected
show_edge status
result "cell-7 on $edge_address is connected to the hub"
