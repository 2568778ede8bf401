#!/bin/bash
# Bad input to the commands: the exit code, one line on stderr that names what is
# wrong, nothing on stdout, and no harm to what is there.
. common/testing/bad_input.sh || exit 1
sample=${others[0]}

make_pack
small=(--data_root=packs data.pack=p data.workers=0 train.steps=2
  train.batch_size=2 gan_steps=1 "generator.mask_channels=[4,4]"
  "generator.foreground_channels=[4,4,4]"
  "generator.background_channels=[4,4,4]" "discriminator.channels=[4,4]"
  segmenter.channels=8 segmenter.batch_size=2 eval.samples=4 eval.rule=none)
expect 0 "" "$train" --work_dir=run "${small[@]}"
((failures == 0)) || exit 1
cp -r run kept
expect 0 "" "$eval" "${on_pack[@]}"
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images --out=labels
[[ -s labels/a.png ]] || fail "predict wrote no labels/a.png"
expect 0 "" "$sample" --checkpoint=run --out=samples sample.move_part=1
[[ -s samples/pictures.png && -s samples/parts.png ]] ||
  fail "sample wrote no grids"

bad_configurations
bad_files
bad_weights
folders a_overlay.png --overlay

# Photographs without masks train too.
mkdir packs/plain
cp -r packs/p/images packs/p/{train,val,test}.txt packs/plain
echo "has_masks: false" | cat - packs/p/dataset.yaml >packs/plain/dataset.yaml
expect 0 "" "$train" --work_dir=plain "${small[@]}" data.pack=plain
expect 0 "" "$eval" --data_root=packs --checkpoint=plain

# Numbers that no network has.
expect 2 "generator.points_per_part: must lie in [2, " \
  "$train" generator.points_per_part=1
expect 2 "generator.parts: must lie in [1, " "$train" generator.parts=0
expect 2 "margin" "$train" --work_dir=other "${small[@]}" \
  "generator.margins=[7,6,3]"
expect 1 "do not fill a batch of 3" "$train" --work_dir=other "${small[@]}" \
  train.batch_size=3
put "$odd" odd.png
cp -r packs/plain packs/odd
for id in a b; do cp odd.png packs/odd/images/$id.png; done
expect 1 "set data.resize_height and data.resize_width to 32" \
  "$train" --work_dir=other "${small[@]}" data.pack=odd
expect 2 "eval.eyes: expected two different rows of landmarks, got [1, 1]" \
  "$train" --work_dir=other "${small[@]}" "eval.eyes=[1,1]"
expect 2 "segmenter.output_stride: must be 2, 4 or 8 for tiny, got 16" \
  "$train" --work_dir=other "${small[@]}" segmenter.output_stride=16
rm -rf other

# Stages.
expect 2 "stage: segmenter needs a trained generator" \
  "$train" --work_dir=other "${small[@]}" stage=segmenter
expect 2 "has another generator: generator." \
  "$train" --work_dir=other "${small[@]}" stage=segmenter --init_from=run \
  generator.parts=3
expect 0 "" "$train" --work_dir=segmenter "${small[@]}" stage=segmenter \
  --init_from=run
expect 0 "" "$predict" --checkpoint=segmenter --input=odd.png --out=odd_labels
expect 0 "" "$train" --work_dir=gan "${small[@]}" stage=gan
expect 2 "this run trained the GAN alone" \
  "$predict" --checkpoint=gan --input=odd.png --out=none
expect 0 "" "$train" --work_dir=young "${small[@]}" gan_steps=2
expect 2 "has not been trained" \
  "$predict" --checkpoint=young --input=odd.png --out=none
[[ ! -e none && ! -e other ]] || fail "a refused command left its folder"
expect 1 "is not a model of this configuration" \
  "$eval" "${on_pack[@]}" generator.parts=3

# Edits.
expect 2 "sample: one edit at a time" "$sample" --checkpoint=run --out=none \
  sample.move_part=1 sample.spread=2
expect 2 "sample.move_part: 9, but the generator has 4 parts" \
  "$sample" --checkpoint=run --out=none sample.move_part=9

diff -r run kept >difference || fail "the run has changed: $(cat difference)"
exit $((failures > 0))
