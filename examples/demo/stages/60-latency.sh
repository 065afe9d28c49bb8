# Some load, and the server's own account of where the time went.
headline "Latency"
config=$work/curl.txt
for ((i = 0; i < requests; i++)); do
    [ "$i" -eq 0 ] || echo next
    printf 'url = "%s/predict"\nform = "image=@%s"\noutput = "/dev/null"\n' \
        "$base" "${pictures[i % ${#pictures[@]}]}"
    printf 'fail\nsilent\nshow-error\nnoproxy = "*"\n'
done >"$config"
curl --config "$config"
say "$requests requests of 256x256 pixels, one after the other over one connection; from $base/metrics:"
curl -fsS --noproxy '*' "$base/metrics" >"$work/metrics.txt"
awk -f "$demo/latency.awk" "$work/metrics.txt" >"$work/latency.txt"
sed 's/^/   /' "$work/latency.txt"
grep -q '^infer ' "$work/latency.txt" || fail "the server counted no inference"
result "median of the model: $(awk '$1 == "infer" { print $4 }' "$work/latency.txt") ms"
