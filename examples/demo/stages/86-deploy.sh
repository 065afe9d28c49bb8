# The manifest of the guide, with nothing changed but the registry's host name.
headline "Deploy v1"
deploy() { # TAG MANIFEST
    sed "s|HUB/|$registry/|" "$2" >"$work/$(basename "$2")"
    show "$skerry" set-modules --device-id cell-7 --content "$work/$(basename "$2")"
}
# What `edge list` knows of the module, by name of the member.
module_is() { edge list --json | $python -c '
import json, sys
modules = {m["name"]: m for m in json.load(sys.stdin)}
m = modules.get("defect-detector", {})
sys.exit(0 if all(str(m.get(k)) == v for k, v in (a.split("=", 1) for a in sys.argv[1:])) else 1)' "$@"; }
telemetry() { "$skerry" monitor --device cell-7 --json --since 1h; }

deploy v1 "$demo/deployment-manifest.json"
await 60 "v1 runs on the edge device" module_is status=running version=v1 isSettled=True
show_edge list
result "v1 runs on cell-7 $(seconds $(($(now_ms) - step_start))) s after the deployment was begun"

headline "Predict on the edge device"
predict() {
    local answer
    answer=$(curl -fsS --noproxy '*' -X POST -F "image=@$1" "$base/predict")
    $python -c 'import json, sys; print(json.dumps({"prediction": json.loads(sys.argv[1])["prediction"]}))' "$answer" >>"$ledger"
    say "$answer"
}
for picture in "${pictures[0]}" "${pictures[5]}" "${pictures[10]}"; do
    type_out curl -X POST -F "image=@$picture" "$base/predict"
    predict "$picture"
done
all_arrived() { telemetry | $python "$demo/telemetry.py" compare "$ledger" >"$work/compare.txt" || [ $? != 2 ] || fail "$(cat "$work/compare.txt")"
    grep -q ' 0 missing' "$work/compare.txt"; }
await 60 "the telemetry of these answers arrives" all_arrived
show "$skerry" monitor --device cell-7
result "each answer is in the hub's telemetry"
