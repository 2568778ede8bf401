#!/bin/bash
# Bad input to the commands: the exit code, one line on stderr that names what is
# wrong, nothing on stdout, and no harm to what is there.
. common/testing/bad_input.sh || exit 1
figures=${others[0]}

make_pack
small=(--data_root=packs data.pack=p data.workers=0 loss.unary_steps=0
  crf.iterations=2 train.steps=2 train.batch_size=2)
expect 0 "" "$train" --work_dir=run "${small[@]}"
((failures == 0)) || exit 1
cp -r run kept
expect 0 "" "$eval" "${on_pack[@]}"
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images --out=labels
[[ -s labels/a.png ]] || fail "predict wrote no labels/a.png"
expect 0 "" "$figures" "${on_pack[@]}" --out=figures crf.iterations=3
for name in convergence.json energy.svg mean_iou.svg states-0.png spatial.png \
  spatial.npy bilateral.png bilateral.npy report.html; do
  [[ -s figures/$name ]] || fail "figures wrote no $name"
done

bad_configurations
bad_files
bad_weights
other_classes
# Data compared by order have no class of the run's name.
expect 0 "" "$eval" "${on_pack[@]}" data.pack=renamed eval.classes=by_order \
  eval.mean_classes=[ground]
folders a_state-2.png predict.states=true
binary_masks

expect 2 "unknown key 'crf.iteration'; did you mean 'crf.iterations'?" \
  "$eval" --checkpoint=run crf.iteration=3
expect 2 "model.backbone: must be one of tiny, " "$train" model.backbone=tyni
expect 2 "eval.mean_classes: p has no class 'thign'; did you mean " \
  "$eval" "${on_pack[@]}" eval.mean_classes=[thign]
expect 2 "figures: needs model.inference=crfgrad" \
  "$figures" "${on_pack[@]}" model.inference=fcn
expect 2 "no such split; the pack has test, train, val" \
  "$figures" "${on_pack[@]}" --split=tset
# A term that is off has no picture.
expect 0 "" "$figures" "${on_pack[@]}" --out=spatial_only \
  crf.bilateral.mode=off crf.iterations=1
[[ -s spatial_only/spatial.png && ! -e spatial_only/bilateral.png ]] ||
  fail "figures of one term: $(ls spatial_only)"
# Sizes that the network cannot take, in the user's terms.
expect 1 "step 1, phase main: batch normalisation needs two values" \
  "$train" --work_dir=other "${small[@]}" train.batch_size=1 \
  model.freeze_fcn=false data.resize_{height,width}=8
[[ $(tail -1 err) == *"raise train.batch_size"*"images: "[ab] ]] ||
  fail "no remedy and image in: $(tail -1 err)"
expect 1 "packs/p/images/d.png: Fcn: images must be at least 8 x 8 for backbone tiny, got 4 x 4; enlarge" \
  "$train" --work_dir=other "${small[@]}" data.resize_{height,width}=4
rm -rf other

expect 1 "code.pth: " "$train" --work_dir=other "${small[@]}" \
  model.weights=code.pth

# What is not finite stops at its step, names the images and leaves the
# checkpoint before it: here the CRF, which joins at the second step, diverges.
expect 1 "step 2, phase main: loss or gradient is not finite" \
  "$train" --work_dir=burst "${small[@]}" train.steps=4 \
  train.checkpoint_every=1 loss.unary_steps=1 \
  crf.leak=1 crf.step=1000 crf.iterations=50 crf.bilateral.weight=1e6
[[ $(tail -1 err) =~ images:\ (a,\ b|b,\ a)\; ]] ||
  fail "the batch's images are not in: $(tail -1 err)"
[[ $(readlink burst/checkpoints/last) == step-1 ]] || fail "last is not step 1"
expect 0 "" "$eval" --data_root=packs --checkpoint=burst/checkpoints/last \
  crf.leak=0 crf.step=0.5

# Probabilities in place of the network.
expect 2 "unary.source: folder reads class probabilities of each image; name" \
  "$eval" "${on_pack[@]}" unary.source=folder
expect 2 "data.probabilities: not read by unary.source=network" \
  "$eval" "${on_pack[@]}" data.probabilities=nowhere
expect 1 "nowhere/d.npy: not found" \
  "$eval" "${on_pack[@]}" unary.source=folder data.probabilities=nowhere
expect 2 "crf_rnn.theta_colour: must lie in [0.001, " \
  "$train" crf_rnn.theta_colour=0

# No room for the next checkpoint: the one before stays, and training goes on
# from it once there is room.
limited() (
  trap '' XFSZ
  ulimit -f 16 # KiB a file
  "$@"
)
cp -r run full
more=("${small[@]}" train.steps=4 --resume --work_dir=full)
expect 1 "model.safetensors: cannot write" limited "$train" "${more[@]}"
[[ $(readlink full/checkpoints/last) == step-2 ]] || fail "last is not step 2"
expect 0 "" "$train" "${more[@]}"
[[ $(readlink full/checkpoints/last) == step-4 ]] || fail "last is not step 4"

diff -r run kept >difference || fail "the run has changed: $(cat difference)"
exit $((failures > 0))
