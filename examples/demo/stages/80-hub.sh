# A hub of our own, on an address of its own: the model becomes a version, the version a container image.
headline "A hub"
# shellcheck disable=SC2046
eval $($python "$demo/addresses.py" "${DEMO_HUB_ADDRESS:-}" "${DEMO_EDGE_ADDRESS:-}" || echo "fail 'no addresses'")
[ -n "${hub_address:-}" ] || fail "no addresses"
hub_dir=$work/hub
at_port=:$hub_port
[ "$hub_port" != 443 ] || at_port=
registry=$hub_address$at_port
hub=https://$hub_address:$hub_port
export SKERRY_CONFIG_DIR=$PWD/$work/config
case $work in /*) SKERRY_CONFIG_DIR=$work/config ;; esac
say "this machine plays two: the hub is $hub_address, the edge device $edge_address (loopback addresses)"
[ "$hub_port" = 443 ] || say "port 443 needs root: the hub takes $hub_port, so it stands in names"
"$skerry" hub init --data-dir "$hub_dir" --hostname "$hub_address" --port "$hub_port" >"$work/hub-init.log"
type_out "$skerry" hub init --data-dir "$hub_dir" --hostname "$hub_address" --port "$hub_port"

start_hub() {
    type_out "$skerry" hub run --data-dir "$hub_dir" --listen "$hub_address" --port "$hub_port" "&"
    "$skerry" hub run --data-dir "$hub_dir" --listen "$hub_address" --port "$hub_port" --second-port 0 >>"$work/hub.log" 2>&1 &
    hub_pid=$!
    await 60 "the hub answers" hub_is_there
}
hub_is_there() {
    kill -0 "$hub_pid" 2>/dev/null || fail "the hub ended: $(tail -n 3 "$work/hub.log")"
    curl -fsS --noproxy '*' --cacert "$hub_dir/tls/ca.pem" -o "$work/hub-ready" "$hub/healthz" 2>/dev/null
}
stop_hub() {
    local status=0
    kill -TERM "$hub_pid"
    wait "$hub_pid" || status=$?
    [ "$status" -eq 0 ] || fail "the hub ended with status $status: $(tail -n 3 "$work/hub.log")"
}
at_exit '[ -n "$keep" ] && [ -n "$demo_ended" ] || { kill $hub_pid && wait $hub_pid; } 2>/dev/null'
start_hub
show "$skerry" login "$hub" --ca-file "$hub_dir/tls/ca.pem" --token-file "$hub_dir/owner.token"
result "registry, model registry and IoT hub at $hub"

headline "Register, package, push v1"
show "$skerry" model register "$bundle" --name defect-detector --tag framework=skerry --alias champion
show "$skerry" package defect-detector@champion -t defect-detector:v1 --push
show "$skerry" pull defect-detector:v1 --model-only --output "$work/pulled"
cmp "$bundle/model.onnx" "$work/pulled/model.onnx" || fail "what came back is another model"
ok "what came back is the model that was trained, byte for byte"
show "$skerry" hub verify --data-dir "$hub_dir"
result "$registry/defect-detector:v1, without Docker"
