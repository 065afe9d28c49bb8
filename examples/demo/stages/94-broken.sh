# A bad v3: its labels are the wrong way round, so it calls every defect whole. The bundle still says what v2 made of its
# test picture.
headline "A broken v3"
wrong=$work/wrong
mkdir -p "$wrong"
cp -r "$bundle2" "$wrong/bundle"
sed -i 's/"0": "defect", "1": "no_defect"/"0": "no_defect", "1": "defect"/' "$wrong/bundle/config.json"
! cmp -s "$bundle2/config.json" "$wrong/bundle/config.json" || fail "the labels are as they were"
say "v3 is v2 with its labels the wrong way round: no error, no crash, only wrong answers"
show "$skerry" package "$wrong/bundle" -t defect-detector:v3 --push
sed 's/:v2"/:v3"/' "$demo/deployment-manifest-v2.json" >"$wrong/deployment-manifest-v3.json"
say "the callers begin again"
start_load
deploy v3 "$wrong/deployment-manifest-v3.json"
await 60 "v3 is refused" module_is isFailed=True version=v2 status=running
end_load
show_edge list
is_reported() { "$skerry" deployment status cell-7 | grep ': 500 defect-detector' >"$work/reported.txt"; }
await 60 "the device reports it" is_reported
show "$skerry" deployment status cell-7
await 60 "the telemetry arrives" all_arrived
ok "$(cat "$work/compare.txt")"
result "v3 refused at the gate, v2 goes on: $(cat "$work/load.txt")"
