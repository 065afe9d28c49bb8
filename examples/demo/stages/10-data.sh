# Labelled pictures to train on. They are made once and kept for the next demo.
headline "Pictures"
data=$kept/surfaces
wanted="$("$skerry" version | head -n 1) --count $count --val-count $val_count"
if [ "$(cat "$kept/data.txt" 2>/dev/null)" = "$wanted" ]; then
    say "$data is there from an earlier demo"
else
    rm -rf "$kept"
    mkdir -p "$kept"
    show "$skerry" sample-data --out "$data" --count "$count" --val-count "$val_count"
    echo "$wanted" >"$kept/data.txt"
fi
say "surfaces that do not exist: brushed metal, castings, fabric; half of them with a scratch, a dent, a stain or a crack"
result "$(find "$data/train" -type f | wc -l) to train on, $(find "$data/val" -type f | wc -l) to judge by"
