# The bundle on pictures that it was not trained on, through ONNX Runtime, as the server runs it.
headline "Accuracy"
show "$skerry" evaluate "$bundle" "$data/val" --min-accuracy "$min_accuracy"
say "curves, mistakes and all figures: $bundle/report.html"
