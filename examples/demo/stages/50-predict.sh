# Pictures by curl. A few answers may be wrong, as the accuracy above says.
headline "Predictions"
pictures=("$data"/val/*/synthetic-0000[0-9]-*.jpg "$data"/val/*/synthetic-0001[0-9]-*.jpg)
say "\$ curl -F image=@${pictures[0]} $base/predict"
curl -fsS --noproxy '*' -F "image=@${pictures[0]}" "$base/predict" | sed 's/^/   /'
echo
printf '\n   %-36s %-10s %-10s %10s\n' picture is answer confidence
right=0
for picture in "${pictures[@]}"; do
    answer=$(curl -fsS --noproxy '*' -F "image=@$picture" "$base/predict")
    read -r label confidence <<<"$($python -c '
import json, sys
answer = json.loads(sys.argv[1])
print(answer["prediction"], format(answer["confidence"], ".4f"))' "$answer")"
    class=$(basename "$(dirname "$picture")")
    mark=
    if [ "$label" = "$class" ]; then right=$((right + 1)); else mark=wrong; fi
    printf '   %-36s %-10s %-10s %10s %s\n' "$(basename "$picture")" "$class" "$label" "$confidence" "$mark"
done
awk "BEGIN { exit !($right >= $min_accuracy * ${#pictures[@]}) }" || fail "too many wrong answers"

say ""
say "and what is no picture:"
say "\$ curl -F image=@README.md $base/predict"
status=$(curl -sS --noproxy '*' -o "$work/refused.json" -w '%{http_code}' -F image=@README.md "$base/predict")
say "HTTP $status $(cat "$work/refused.json")"
[ "$status" -ge 400 ] && [ "$status" -lt 500 ] || fail "README.md is no picture, and the answer is HTTP $status"
result "$right of ${#pictures[@]} are right"
