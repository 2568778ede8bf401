#!/bin/bash
# Bad input to train, eval and predict: the exit code, one line on stderr that
# names what is wrong, nothing on stdout, and no harm to what is there.
. common/testing/bad_input.sh || exit 1

make_pack
small=(--data_root=packs data.pack=p data.workers=0 train.steps=2
  train.batch_size=2 patch.size=32 coarse.scale=4 "coarse.widths=[4,8]"
  "refine.guidance_widths=[4,8]" refine.channels=4)
expect 0 "" "$train" --work_dir=run "${small[@]}" coarse.source=parser
((failures == 0)) || exit 1
cp -r run kept
expect 0 "" "$eval" "${on_pack[@]}"
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images --out=labels \
  "predict.affinity=[3,4]" predict.gates=true
for name in a a_affinity a_gates; do
  [[ -s labels/$name.png ]] || fail "predict wrote no labels/$name.png"
done

small+=(coarse.source=parser)
bad_configurations
bad_files
bad_weights
other_classes
folders a_affinity.png "predict.affinity=[3,4]"
binary_masks

expect 2 "unknown key 'refine.three_ways'; did you mean 'refine.three_way'?" \
  "$eval" --checkpoint=run refine.three_ways=true
expect 2 "refine.type: must be one of none, dense_crf, spn, convolution" \
  "$train" refine.type=npn
expect 2 "refine.units: must lie in [1, " "$train" refine.units=0
expect 1 "is not a model of this configuration" \
  "$eval" "${on_pack[@]}" refine.channels=8

# Where the coarse probabilities come from.
expect 2 "coarse.source: truth needs labels" \
  "$predict" --checkpoint=run --input=packs/p/images --out=truth \
  coarse.source=truth
expect 1 "coarse.source is data" "$eval" "${on_pack[@]}" coarse.source=data
expect 1 "nowhere" "$eval" "${on_pack[@]}" coarse.source=data \
  data.probabilities=nowhere

# Pictures of the gates.
expect 2 "predict.affinity, predict.gates: need refine.type=spn" \
  "$predict" --checkpoint=run --input=packs/p/images --out=none \
  refine.type=dense_crf predict.gates=true
expect 2 "predict.affinity: expected [x, y], got 1 numbers" \
  "$predict" --checkpoint=run --input=packs/p/images --out=none \
  "predict.affinity=[3]"
expect 2 "predict.overlap: must be below predict.tile, got 64 and 64" \
  "$predict" --checkpoint=run --input=packs/p/images --out=none \
  predict.tile=64 predict.overlap=64
[[ ! -e none && ! -e truth ]] || fail "a refused predict left its folder"

# A picture of any size goes through, whatever the guidance network halves.
put "$odd" odd.png
expect 0 "" "$predict" --checkpoint=run --input=odd.png --out=odd

diff -r run kept >difference || fail "the run has changed: $(cat difference)"
exit $((failures > 0))
