# The bundle on pictures that it was not trained on, through ONNX Runtime, as the server runs it.
headline "Accuracy"
type_out "$skerry" evaluate "$bundle" "$data/val" --min-accuracy "$min_accuracy"
"$skerry" evaluate "$bundle" "$data/val" --min-accuracy "$min_accuracy" | tee "$work/accuracy.txt" | sed 's/^/   /'
say "curves, mistakes and all figures: $bundle/report.html"
result "$(awk '$1 == "accuracy" { print $1, $2, $3, $4, $5 }' "$work/accuracy.txt"), of pictures that it never saw"
