#!/bin/bash
# Bad input to train, eval and predict: the exit code, one line on stderr that
# names what is wrong, nothing on stdout, and no harm to what is there.
. common/testing/bad_input.sh || exit 1

make_pack
put "$zero" packs/p/masks/d.png # of one class only
small=(--data_root=packs data.pack=p data.workers=0 model.width=0.05
  train.steps=2 train.batch_size=2 evaluation.likelihood_samples=3
  evaluation.energy_samples=2 report_split=val)
expect 0 "" "$train" --work_dir=run "${small[@]}"
((failures == 0)) || exit 1
cp -r run kept
expect 0 "" "$train" --work_dir=cnn model.type=cnn "${small[@]}"
expect 0 "" "$eval" "${on_pack[@]}"
grep -q "CLL, importance" out || fail "eval prints no likelihood"
expect 0 "" "$eval" "${on_pack[@]}" inference.samples=3 "inference.ensemble=[run]" --json
grep -q '"negative_cll"' out || fail "eval --json prints no likelihood"
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images --out=labels \
  predict.samples=3 --probabilities --overlay
for name in a a_overlay a_samples a_entropy a_variance; do
  [[ -s labels/$name.png ]] || fail "predict wrote no labels/$name.png"
done

bad_configurations
bad_files
bad_weights
other_classes
folders a_samples.png predict.samples=2
binary_masks

# An ensemble of runs on other classes.
expect 0 "" "$train" --work_dir=stranger "${small[@]}" data.pack=exchanged
expect 2 "inference.ensemble: stranger: class 0 is 'sky', the model was trained on 'ground'" \
  "$eval" "${on_pack[@]}" "inference.ensemble=[stranger]"

expect 2 "unknown key 'model.typ'; did you mean 'model.type'?" \
  "$train" model.typ=cvae
expect 2 "model.type: must be one of cnn, gdnn, " "$train" model.type=vae
expect 2 "evaluation.likelihood_samples: must lie in [1, " \
  "$eval" --checkpoint=run evaluation.likelihood_samples=0
expect 2 "model.classes: the configuration says 3, the data (p) has 2" \
  "$train" --work_dir=other "${small[@]}" model.classes=3
expect 2 "model.classes" "$eval" "${on_pack[@]}" model.classes=4
expect 2 "evaluation.foreground: expected a class of the data, 0 .. 1, got 2" \
  "$eval" "${on_pack[@]}" evaluation.foreground=2
expect 2 "predict.samples: the run's model.type is cnn" \
  "$predict" --checkpoint=cnn --input=packs/p/images predict.samples=2
expect 1 "is not a model of this configuration" \
  "$eval" "${on_pack[@]}" model.type=hybrid model.width=0.1
[[ ! -e other ]] || fail "a refused training left its folder"

# Sizes that the network cannot halve, with the remedy.
put "$odd" packs/p/images/d.png
put "$odd" odd.png
expect 1 "multiples of 16, got 32 x 40; set data.resize_height" \
  "$predict" --checkpoint=run --input=odd.png --out=odd
expect 0 "" "$predict" --checkpoint=run --input=odd.png --out=odd \
  data.resize_height=32 data.resize_width=32
put "$image" packs/p/images/d.png
expect 1 "multiples of 16" "$train" --work_dir=odd_size "${small[@]}" \
  data.resize_height=24 data.resize_width=32

expect 1 "images/c.png: Model: height and width must be multiples" \
  "$train" --work_dir=odd_size "${small[@]}" data.resize_{height,width}=24
expect 1 "step 1, phase main: Model: height and width must be multiples of 16, got 24 x 24" \
  "$train" --work_dir=odd_size "${small[@]}" data.augment.crop_{height,width}=24
[[ $(tail -1 err) =~ images:\ (a,\ b|b,\ a)$ ]] ||
  fail "the batch's images are not in: $(tail -1 err)"

diff -r run kept >difference || fail "the run has changed: $(cat difference)"
exit $((failures > 0))
