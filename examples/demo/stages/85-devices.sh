# A camera of the hub reports what it saw, and an edge device is told what it shall run.
headline "Hub: devices, telemetry, a deployment"
say "\$ skerry device create line-3 --tag site=north"
"$skerry" device create line-3 --tag site=north >"$work/line-3.connection" 2>"$work/line-3.log"
sed 's/^/   /' "$work/line-3.log"
say "$(sed 's/SharedAccessKey=.*/SharedAccessKey=.../' "$work/line-3.connection")"
sas=$("$skerry" device sas line-3)
say "\$ curl -H \"Authorization: \$(skerry device sas line-3)\" -d '{\"prediction\":...}' $hub/devices/line-3/messages/events"
for picture in "${pictures[@]:0:5}"; do
    curl -fsS --noproxy '*' -F "image=@$picture" "$base/predict" |
        $python -c 'import json, sys
answer = json.load(sys.stdin)
print(json.dumps({"prediction": answer["prediction"], "confidence": answer["confidence"], "modelVersion": "v1"}))' |
        curl -fsS --noproxy '*' --cacert "$hub_dir/tls/ca.pem" -H "Authorization: $sas" \
            -H "Content-Type: application/json" -d @- "$hub/devices/line-3/messages/events"
done
show "$skerry" monitor --device line-3
[ "$("$skerry" monitor --device line-3 --json | wc -l)" = 5 ] || fail "not all five messages are there"
show "$skerry" query "SELECT deviceId, tags.site FROM devices WHERE tags.site = 'north'"
"$skerry" device create cell-7 --edge-enabled --tag site=north >"$work/cell-7.connection" 2>/dev/null
sed "s|HUB/|${hub#https://}/|" "$demo/deployment-manifest.json" >"$work/deployment-manifest.json"
show "$skerry" set-modules --device-id cell-7 --content "$work/deployment-manifest.json"
show "$skerry" deployment status cell-7
