#!/bin/bash
# Bad input to the commands: the exit code, one line on stderr that names what is
# wrong, nothing on stdout, and no harm to what is there.
. common/testing/bad_input.sh || exit 1
rerank=${others[0]}

make_pack
small=(--data_root=packs data.pack=p data.workers=0 train.steps=2
  train.batch_size=2 "$@")
expect 0 "" "$train" --work_dir=run "${small[@]}"
((failures == 0)) || exit 1
cp -r run kept
expect 0 "" "$eval" "${on_pack[@]}"
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images --out=labels
for file in a.png a_coarse.png a_proposals.png a_proposals.npy; do
  [[ -s labels/$file ]] || fail "predict wrote no labels/$file"
done

bad_configurations
bad_files
bad_weights
other_classes
# Data compared by order have no class of the run's name.
expect 0 "" "$eval" "${on_pack[@]}" data.pack=renamed eval.classes=by_order \
  eval.mean_classes=[ground]
folders a_coarse.png
binary_masks

# Numbers that no pipeline has.
expect 2 "folds: must lie in [2, " "$train" folds=1
expect 2 "segnet.kernel" "$train" --work_dir=other "${small[@]}" segnet.kernel=2
expect 2 "segnet.trunk: must be one of " "$train" segnet.trunk=vgg16
expect 2 "stage: must be one of all, regions, o2p, proposals, segnet, rank" \
  "$train" stage=ranker
expect 2 "generator: o2p paints objects on a background; with background=false set generator=crf" \
  "$train" --work_dir=other "${small[@]}" background=false
expect 2 "stage: o2p: generator=crf has no such stage" \
  "$train" --work_dir=other "${small[@]}" generator=crf stage=o2p
expect 2 "eval.mean_classes: p has no class 'thign'; did you mean " \
  "$train" --work_dir=other "${small[@]}" eval.mean_classes=[thign]
expect 2 "regions.contour_weights: expected a file for" \
  "$train" --work_dir=other "${small[@]}" regions.boundaries=contours
expect 2 "nowhere.h5: " "$train" --work_dir=other "${small[@]}" \
  regions.boundaries=contours regions.contour_weights=nowhere.h5
expect 2 "rank.c: must not be empty" \
  "$train" --work_dir=other "${small[@]}" rank.c=[]
expect 2 "data.augment: a frozen trunk's features are kept" \
  "$train" --work_dir=other "${small[@]}" data.augment.brightness=0.4 \
  segnet.trunk=efficientnet_lite0 segnet.weights=imagenet
expect 2 "folds: 3, but there are 2 training images" \
  "$train" --work_dir=other "${small[@]}" folds=3
rm -rf other
other_pack one thing
for id in a b c d; do put "$zero" packs/one/masks/$id.png; done
expect 2 "one: has 1 classes; expected a background and at least one" \
  "$train" --work_dir=other "${small[@]}" data.pack=one
[[ ! -e other ]] || fail "a refused training left its folder"

# A stage alone: its results are there, and no run.
expect 0 "" "$train" --work_dir=part "${small[@]}" stage=regions
[[ -d part/stages && ! -e part/checkpoints ]] || fail "stage=regions: $(ls part)"
expect 0 "" "$train" --work_dir=part "${small[@]}"
[[ -e part/checkpoints/last ]] || fail "no run after its first stage"

# Proposals of others: none, of another size, of an unknown class, all equal.
mkdir -p others/c others/d
again=("$rerank" --checkpoint=run --input=packs/p/images/d.png --out=picks
  proposals_folder=others)
expect 1 "others/d: holds no proposal" "${again[@]}"
put "$wide" others/d/0.png
expect 1 "others/d/0.png: is 40 x 32, the image 32 x 32" "${again[@]}"
put "$seven" others/d/0.png
expect 1 "others/d/0.png: holds the class 7, but the network knows 0 .. 1" \
  "${again[@]}"
for m in 0 1 2; do put "$grey" others/d/$m.png; done
expect 0 "" "${again[@]}"
[[ -s picks/d.png ]] || fail "rerank wrote no picks/d.png"
expect 1 "nowhere/d: expected a folder of proposals" "$rerank" --checkpoint=run \
  --input=packs/p/images/d.png --out=picks proposals_folder=nowhere

# An image smaller than the grid.
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images/d.png --out=small \
  data.resize_longer=3

diff -r run kept >difference || fail "the run has changed: $(cat difference)"
exit $((failures > 0))
