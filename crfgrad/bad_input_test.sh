#!/bin/bash
# Bad input to train, eval and predict: the exit code, one line on stderr that
# names what is wrong, nothing on stdout, and no harm to what is there.
. common/testing/bad_input.sh || exit 1

# Images of 8 x 8 pixels in one colour each.
image=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mMQaPiAFTEMLQkASvNgAbCw2zUAAAAASUVORK5CYII=
# Palette, index 1; grey, values 1 and 7; 9 x 8 pixels; 16 bit, value 300.
palette=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAMAAADz0U65AAAACVBMVEUAAQIDBAUGBwjZi75sAAAADklEQVR42mNghAIGyhgACUgAQUh82I8AAAAASUVORK5CYII=
grey=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNghAIGyhgACUgAQUh82I8AAAAASUVORK5CYII=
seven=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR42mNghwIGyhgAP0gBwYKodpAAAAAASUVORK5CYII=
wide=iVBORw0KGgoAAAANSUhEUgAAAAkAAAAICAAAAAAOpoppAAAADklEQVR42mNghAEGqrAAC5AASShAHx0AAAAASUVORK5CYII=
deep=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIEAAAAACx9D0UAAAAEElEQVR42mNg1EGFDAMjAAD4RgtB9E6l/wAAAABJRU5ErkJggg==
# Grey, the values 0 and 255.
binary=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEUlEQVR42mNgAIL/QMBAGQMAPEQf4XZV0ScAAAAASUVORK5CYII=
put() { base64 -d <<<"$1" >"$2"; }

mkdir -p packs/p/images packs/p/masks
cat >packs/p/dataset.yaml <<END
classes:
  - {id: 0, name: ground, color: [0, 0, 0]}
  - {id: 1, name: sky, color: [0, 0, 255]}
END
for id in a b c d; do
  put "$image" packs/p/images/$id.png
  put "$grey" packs/p/masks/$id.png
done
put "$palette" packs/p/masks/b.png # read as its indices
printf 'a\nb\n' >packs/p/train.txt
printf 'c\n' >packs/p/val.txt
printf 'd\n' >packs/p/test.txt

small=(--data_root=packs data.pack=p data.workers=0 loss.unary_steps=0
  crf.iterations=2 train.steps=2 train.batch_size=2)
expect 0 "" "$train" --work_dir=run "${small[@]}"
((failures == 0)) || exit 1
cp -r run kept
on_pack=(--data_root=packs --checkpoint=run)
expect 0 "" "$eval" "${on_pack[@]}"
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images --out=labels
[[ -s labels/a.png ]] || fail "predict wrote no labels/a.png"

# Configuration.
expect 2 "unknown key 'modle'; did you mean 'model'?" \
  "$train" modle.backbone=tiny
expect 2 "unknown key 'crf.iteration'; did you mean 'crf.iterations'?" \
  "$eval" --checkpoint=run crf.iteration=3
expect 2 "train.steps: expected an integer" "$train" train.steps=1.5
expect 2 "train.batch_size: must lie in [1, " "$train" train.batch_size=0
expect 2 "model.backbone: must be one of tiny, " "$train" model.backbone=tyni
printf 'crf: {leek: 0}\n' >bad.yaml
expect 2 "bad.yaml: unknown key 'crf.leek'; did you mean 'crf.leak'?" \
  "$predict" --config=bad.yaml --checkpoint=run --input=labels

# A bad file in place of an image or a mask. It is put there, tried by eval or
# train, and named by its path.
bad_file() { # COMMAND PLACE FILE TEXT
  local command=$1 path=packs/p/$2 text=$4
  cp "$path" good.png
  cp "$3" "$path"
  if [[ $command == eval ]]; then
    expect 1 "$path: " "$eval" "${on_pack[@]}"
  else
    expect 1 "$path: " "$train" --work_dir=other "${small[@]}"
    rm -rf other
  fi
  [[ $(tail -1 err) == *"$text"* ]] || fail "no '$text' in: $(tail -1 err)"
  cp good.png "$path"
}
: >empty
head -c 60 packs/p/images/a.png >cut
head -c 60 packs/p/masks/a.png >cut_mask
printf 'not an image' >text
put "$wide" wide
put "$seven" seven
put "$deep" deep
bad_file eval images/d.png empty "empty file"
bad_file eval images/d.png cut "truncated"
bad_file eval images/d.png text "not an image"
bad_file train images/a.png cut "truncated"
bad_file eval masks/d.png empty "empty file"
bad_file eval masks/d.png cut_mask "truncated"
bad_file eval masks/d.png text "not an image"
bad_file eval masks/d.png wide "expected the size of its image"
bad_file eval masks/d.png seven "label 7 at row 0, column 0 is no class (0..1)"
bad_file eval masks/d.png deep "16-bit mask holds the value 300"
bad_file eval masks/d.png packs/p/images/d.png "colour PNG"
bad_file train masks/b.png seven "is no class (0..1)"

# Sizes that the network cannot take, in the user's terms.
expect 1 "step 1, phase main: batch normalisation needs two values" \
  "$train" --work_dir=other "${small[@]}" train.batch_size=1 \
  model.backbone=efficientnet_lite0 data.resize_{height,width}=32
[[ $(tail -1 err) == *"raise train.batch_size"*"images: "[ab] ]] ||
  fail "no remedy and image in: $(tail -1 err)"
expect 1 "packs/p/images/d.png: Fcn: images must be at least 8 x 8 for backbone tiny, got 4 x 4; enlarge" \
  "$train" --work_dir=other "${small[@]}" data.resize_{height,width}=4
rm -rf other

mv packs/p/masks/d.png gone.png
expect 1 "masks/d.png" "$eval" "${on_pack[@]}"
mv gone.png packs/p/masks/d.png
for file in empty cut text; do
  expect 1 "$file" "$predict" --checkpoint=run --input=$file --out=labels
done
expect 1 "nowhere.png" "$predict" --checkpoint=run --input=nowhere.png

# A folder is done as far as it can be; names that clash are found before.
mkdir -p photos/day1
cp packs/p/images/a.png photos/a.png
cp packs/p/images/a.png photos/day1/a.png
cp text photos/bad.png
cp text photos/._a.png
"$predict" --checkpoint=run --input=photos --out=photo_labels >out 2>err
[[ $? == 1 ]] || fail "predict on a folder with a bad file: not exit 1"
[[ $(tail -1 err) == *"1 of 3 images failed"*"photos/bad.png" ]] ||
  fail "no list of what failed in: $(tail -1 err)"
[[ -s photo_labels/a.png && -s photo_labels/day1/a.png ]] ||
  fail "predict stopped at the bad file"
rm photos/bad.png
cp packs/p/images/a.png photos/a.JPG
expect 1 "has the same name" "$predict" --checkpoint=run --input=photos \
  --out=clash
cp packs/p/images/a.png photos/day1/a_state-2.png
rm photos/a.JPG
expect 1 "a_state-2.png" "$predict" --checkpoint=run --input=photos \
  --out=clash predict.states=true
[[ ! -e clash ]] || fail "a clash was found after the first picture"

# Masks of 0 and 255: training says so at its start.
cp -r packs/p packs/binary
for id in a b; do put "$binary" packs/binary/masks/$id.png; done
expect 0 "" "$train" --work_dir=binary "${small[@]}" data.pack=binary
grep -q "warning: .*the only class is 0 (ground), the other pixels are 255" err ||
  fail "no warning of masks of 0 and 255"

# Weights.
model=run/checkpoints/last/model.safetensors
head -c 2000 $model >cut.safetensors
head -c $(($(stat -Lc %s $model) - 4)) $model >short.safetensors
printf '\200\002cos\nsystem\nX\003\000\000\000ls\n\205R.' >code.pth
for file in cut.safetensors short.safetensors code.pth empty text; do
  expect 1 "$file: " "$train" --work_dir=other "${small[@]}" --init_from=$file
done
expect 1 "code.pth: " "$train" --work_dir=other "${small[@]}" \
  model.weights=code.pth
cp -r run broken
cp cut.safetensors broken/checkpoints/step-2/model.safetensors
expect 1 "/step-2/model.safetensors: " "$eval" --data_root=packs \
  --checkpoint=broken
expect 1 "nowhere: " "$eval" --checkpoint=nowhere

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
