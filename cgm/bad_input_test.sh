#!/bin/bash
# Bad input to train, eval and predict: the exit code, one line on stderr that
# names what is wrong, nothing on stdout, and no harm to what is there.
. common/testing/bad_input.sh || exit 1

# Images of 32 x 32 and 40 x 32 pixels; masks with two classes and with one.
image=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mOIqrChKWIYtWDUglELRi0YtWDUglELRi0YtWDUglELhooFAIPbOD1xAimSAAAAAElFTkSuQmCC
half=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAGElEQVR42mNgQAOMaIBhVMGoglEFI1UBABRcAgEB7fRLAAAAAElFTkSuQmCC
zero=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAEklEQVR42mNgGAWjYBSMAuwAAAQgAAF8we+4AAAAAElFTkSuQmCC
odd=iVBORw0KGgoAAAANSUhEUgAAACgAAAAgCAIAAADvz61XAAAALElEQVR42u3NMQ0AAAgDsAlDCUqQjww4mvRveupExGKxWCwWi8VisVgs/hMvW3xGTOeDS4cAAAAASUVORK5CYII=
put() { base64 -d <<<"$1" >"$2"; }

mkdir -p packs/p/images packs/p/masks
cat >packs/p/dataset.yaml <<END
classes:
  - {id: 0, name: ground, color: [0, 0, 0]}
  - {id: 1, name: thing, color: [0, 0, 255]}
END
for id in a b c d; do
  put "$image" packs/p/images/$id.png
  put "$half" packs/p/masks/$id.png
done
put "$zero" packs/p/masks/b.png # of one class only
put "$zero" packs/p/masks/d.png
printf 'a\nb\n' >packs/p/train.txt
printf 'c\n' >packs/p/val.txt
printf 'd\n' >packs/p/test.txt

small=(--data_root=packs data.pack=p data.workers=0 model.width=0.05
  train.steps=2 train.batch_size=2 evaluation.likelihood_samples=3
  evaluation.energy_samples=2 report_split=val)
expect 0 "" "$train" --work_dir=run "${small[@]}"
((failures == 0)) || exit 1
expect 0 "" "$train" --work_dir=cnn model.type=cnn "${small[@]}"
on_pack=(--data_root=packs --checkpoint=run)
expect 0 "" "$eval" "${on_pack[@]}"                         # a mask of one class
grep -q "CLL, importance" out || fail "eval prints no likelihood"
expect 0 "" "$eval" "${on_pack[@]}" inference.samples=3 "inference.ensemble=[run]" --json
grep -q '"negative_cll"' out || fail "eval --json prints no likelihood"
expect 0 "" "$predict" --checkpoint=run --input=packs/p/images --out=labels \
  predict.samples=3 --probabilities --overlay
for name in a a_overlay a_samples a_entropy a_variance; do
  [[ -s labels/$name.png ]] || fail "predict wrote no labels/$name.png"
done

# What only this paper writes may not hit an input's labels, either.
mkdir -p photos/day1
cp packs/p/images/a.png photos/a.png
cp packs/p/images/a.png photos/day1/a.png
printf 'no image' >photos/day1/bad.jpg
"$predict" --checkpoint=run --input=photos --out=photo_labels \
  predict.samples=2 >out 2>err
[[ $? == 1 && $(tail -1 err) == *"1 of 3 images failed"*"day1/bad.jpg" ]] ||
  fail "predict on a folder with a bad file: $(tail -1 err)"
[[ -s photo_labels/day1/a_samples.png ]] || fail "no day1/a_samples.png"
cp packs/p/images/a.png photos/a_samples.png
expect 1 "a_samples.png" "$predict" --checkpoint=run --input=photos \
  --out=clash predict.samples=2
[[ ! -e clash ]] || fail "a clash was found after the first picture"

# Configuration.
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

# A pack with other classes than the run's.
cp -r packs/p packs/three
cat >>packs/three/dataset.yaml <<END
  - {id: 2, name: sky, color: [255, 0, 0]}
END
expect 2 "has 3 classes, the model was trained on 2" \
  "$eval" "${on_pack[@]}" data.pack=three

# Sizes that the network cannot halve, with the remedy.
put "$odd" packs/p/images/d.png
base64 -d <<<"$odd" >odd.png
expect 1 "multiples of 16, got 32 x 40; set data.resize_height" \
  "$predict" --checkpoint=run --input=odd.png --out=odd
expect 0 "" "$predict" --checkpoint=run --input=odd.png --out=odd \
  data.resize_height=32 data.resize_width=32
put "$image" packs/p/images/d.png
expect 1 "multiples of 16" "$train" --work_dir=odd_size "${small[@]}" \
  data.resize_height=24 data.resize_width=32

expect 1 "validation: c: Model: height and width must be multiples" \
  "$train" --work_dir=odd_size "${small[@]}" data.resize_{height,width}=24
expect 1 "step 1, phase main: Model: height and width must be multiples of 16, got 24 x 24" \
  "$train" --work_dir=odd_size "${small[@]}" data.augment.crop_{height,width}=24
[[ $(tail -1 err) =~ images:\ (a,\ b|b,\ a)$ ]] ||
  fail "the batch's images are not in: $(tail -1 err)"

exit $((failures > 0))
