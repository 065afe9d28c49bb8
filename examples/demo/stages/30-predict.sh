# Pictures by curl; the answers must be right.
headline "Predictions"
say "\$ curl -F image=@page-0.jpg $base/predict"
curl -fsS --noproxy '*' -F "image=@$work/pictures/page-0.jpg" "$base/predict" | sed 's/^/   /'
echo
printf '\n   %-14s %10s %12s\n' picture prediction confidence
for angle in 0 90 180 270; do
    answer=$(curl -fsS --noproxy '*' -F "image=@$work/pictures/page-$angle.jpg" "$base/predict")
    read -r label confidence <<<"$($python -c '
import json, sys
answer = json.loads(sys.argv[1])
print(answer["prediction"], format(answer["confidence"], ".4f"))' "$answer")"
    printf '   %-14s %10s %12s\n' "page-$angle.jpg" "$label" "$confidence"
    [ "$label" = "$angle" ] || fail "page-$angle.jpg is turned by $angle degrees, the answer is $label"
done

say ""
say "and what is no picture:"
say "\$ curl -F image=@README.md $base/predict"
status=$(curl -sS --noproxy '*' -o "$work/refused.json" -w '%{http_code}' -F image=@README.md "$base/predict")
say "HTTP $status $(cat "$work/refused.json")"
[ "$status" -ge 400 ] && [ "$status" -lt 500 ] || fail "README.md is no picture, and the answer is HTTP $status"
