# ResNet-18 from random weights, at most $train_time seconds. The bundle is kept, too: with the same data and settings
# there is nothing to do the next time, and what the clock cut short goes on.
headline "Train v1"
bundle=$kept/model
settings=(--arch resnet18 --weights none --image-size 64 --epochs "$epochs" --schedule cosine --augment flip --seed 0)
if [ "$(cat "$kept/settings.txt" 2>/dev/null)" != "${settings[*]}" ]; then
    rm -rf "$bundle"
    echo "${settings[*]}" >"$kept/settings.txt"
fi
again=(--reuse)
[ ! -f "$bundle/checkpoint.safetensors" ] || again+=(--resume)
printf '   %s$ skerry train --data-path %s --val-path %s --output-dir %s \\\n       %s%s\n' "$dim" "$data/train" "$data/val" \
    "$bundle" "${settings[*]} ${again[*]}" "$plain"
timeout --foreground --preserve-status --signal=TERM --kill-after=60 "$train_time" \
    "$skerry" train --data-path "$data/train" --val-path "$data/val" --output-dir "$bundle" \
    "${settings[@]}" "${again[@]}" | sed 's/^/   /'
if grep -q '"interrupted": true' "$bundle/training.json"; then
    say "the clock cut it short after $train_time s: what comes next may be wrong more often; the next demo goes on"
    min_accuracy=0
fi
result "$(du -h "$bundle/model.onnx" | cut -f 1) of ONNX in $bundle"
