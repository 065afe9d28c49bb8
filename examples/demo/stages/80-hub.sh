# A hub of our own: the model becomes a version, the version a container image, and the image comes back as a model.
headline "Hub: register, package, push, pull"
hub_dir=$work/hub
export SKERRY_CONFIG_DIR=$PWD/$work/config
show "$skerry" hub init --data-dir "$hub_dir" --hostname localhost
say "\$ skerry hub run --data-dir $hub_dir"
"$skerry" hub run --data-dir "$hub_dir" --port 0 --second-port 0 --mqtt-port 0 >"$work/hub.log" 2>&1 &
hub_pid=$!
at_exit "kill $hub_pid 2>/dev/null && wait $hub_pid"
hub=
for _ in $(seq 100); do
    hub=$(sed -n 's/.*hub_ready url=\([^ ]*\).*/\1/p' "$work/hub.log")
    [ -z "$hub" ] || break
    sleep 0.1
done
[ -n "$hub" ] || fail "the hub did not start: $(cat "$work/hub.log")"
hub=https://localhost:${hub##*:}

show "$skerry" login "$hub" --ca-file "$hub_dir/tls/ca.pem" --token-file "$hub_dir/owner.token"
show "$skerry" model register "$bundle" --name defect-detector --tag framework=skerry --alias champion
show "$skerry" model list
show "$skerry" package defect-detector@champion -t defect-detector:v1 --push
show "$skerry" image inspect defect-detector:v1
show "$skerry" pull defect-detector:v1 --model-only --output "$work/pulled"
cmp "$bundle/model.onnx" "$work/pulled/model.onnx" || fail "what came back is another model"
say "what came back is the model that was trained, byte for byte"
show "$skerry" hub verify --data-dir "$hub_dir"
