#!/bin/bash
# Runs and their folders, the same in every paper: arguments are the paths of
# its commands (bad_input.sh), "--", --without_masks for a paper that learns from
# photographs alone, --with_stages for one that keeps stages of a pipeline in the
# folder before the run, then overrides that make a training small.
. common/testing/bad_input.sh || exit 1
needs_masks=true with_stages=false
while [[ ${1:-} == --with* ]]; do
  case $1 in
    --without_masks) needs_masks=false ;;
    --with_stages) with_stages=true ;;
  esac
  shift
done

# Images of 32 x 32 pixels; masks with two classes, and all void.
image=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mOIqrChKWIYtWDUglELRi0YtWDUglELRi0YtWDUglELhooFAIPbOD1xAimSAAAAAElFTkSuQmCC
half=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAGElEQVR42mNgQAOMaIBhVMGoglEFI1UBABRcAgEB7fRLAAAAAElFTkSuQmCC
void=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAFklEQVR42mP4TwAwjCoYVTCqYKQqAAA/aPwuqUTQyAAAAABJRU5ErkJggg==
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
# For a command that picks from what others made: labellings of each picture.
for id in a b c d; do
  mkdir -p packs/p/images_proposals/$id
  put "$half" packs/p/images_proposals/$id/0.png
done
printf 'a\nb\n' >packs/p/train.txt
printf 'c\n' >packs/p/val.txt
printf 'd\n' >packs/p/test.txt
root=(--data_root=packs --threads=1)
small=("${root[@]}" data.pack=p data.workers=0 train.steps=2
  train.batch_size=2 "$@")

# Six trainings at once: a folder each, with its own seed in it.
for seed in 1 2 3 4 5 6; do
  "$train" --seed=$seed "${small[@]}" >out.$seed 2>err.$seed &
done
wait
for seed in 1 2 3 4 5 6; do
  run=$(sed -n 's/^report: \(.*\)\/report.html$/\1/p' out.$seed)
  grep -q "\"seed\": $seed," "$run/env.json" ||
    fail "seed $seed is not the one of '$run': $(tail -1 err.$seed)"
done
((failures == 0)) || exit 1
mapfile -t folders < <(find runs -name config.yaml)
((${#folders[@]} == 6)) || fail "six trainings made ${folders[*]}"

# A folder in use, until its process is killed.
"$train" --work_dir=busy "${small[@]}" train.steps=1000000 \
  train.checkpoint_every=1 >out.busy 2>err.busy &
busy=$!
until [[ -e busy/checkpoints/last/state.json ]]; do
  kill -0 $busy || exit 1
done
in_use="busy: is in use by process $busy on "
expect 2 "$in_use" "$train" --work_dir=busy "${small[@]}"
expect 2 "$in_use" "$train" --work_dir=busy --resume "${root[@]}"
expect 0 "" "$eval" --checkpoint=busy "${root[@]}" # reads only
kill -9 $busy
wait $busy 2>/dev/null
expect 0 "" "$train" --work_dir=busy --resume --dry_run "${root[@]}"
mkdir labels
exec 9>labels/.lock
flock -n 9 || fail "labels cannot be locked"
label=("$predict" --checkpoint=busy --input=packs/p/images --out=labels)
expect 2 "labels: is in use by " "${label[@]}"
exec 9>&-
expect 0 "" "${label[@]}"
[[ -s labels/a.png && ! -e labels/.lock ]] || fail "labels: $(ls -A labels)"

# The paper's own commands: what they write is a function of run and seed.
for command in "${others[@]}"; do
  own=("$command" --checkpoint=busy --seed=3 "${root[@]}" $(input_of "$command"))
  name=${command##*/}
  if "$command" --help | grep -q "^  --out "; then
    expect 0 "" "${own[@]}" --out="$name.1"
    expect 0 "" "${own[@]}" --out="$name.2"
    [[ -n $(ls -A "$name.1") ]] || fail "$name wrote nothing"
    diff -r "$name.1" "$name.2" || fail "$name: one seed, two results"
    exec 9>"$name.1/.lock"
    flock -n 9 || fail "$name.1 cannot be locked"
    expect 2 "$name.1: is in use by " "${own[@]}" --out="$name.1"
    exec 9>&-
  else
    expect 0 "" "${own[@]}"
  fi
done

# --resume does what it says.
run=(--work_dir=run "${root[@]}")
expect 0 "" "$train" "${run[@]}" --seed=7 "${small[@]}"
cp run/config.yaml before.yaml
expect 2 "train.optimizer.lr: 0.01 -> 0.0001; " \
  "$train" "${run[@]}" --resume train.optimizer.lr=0.0001
expect 2 "data.pack: p -> other" "$train" "${run[@]}" --resume data.pack=other
expect 2 "train.steps: 2 -> 1 (it may only grow)" \
  "$train" "${run[@]}" --resume train.steps=1
expect 2 "run was started with --seed=7, got --seed=8" \
  "$train" "${run[@]}" --resume --seed=8
sed 's/  batch_size: 2/  batch_size: 1/' before.yaml >other.yaml
expect 2 "train.batch_size: 2 -> 1" \
  "$train" "${run[@]}" --resume --config=other.yaml
cmp -s run/config.yaml before.yaml || fail "a refused --resume left its keys"
expect 0 "" "$train" "${run[@]}" --resume train.steps=3 data.workers=1
[[ $(readlink run/checkpoints/last) == step-3 ]] || fail "last is not step 3"
grep -q "^  steps: 3" run/config.yaml || fail "config.yaml lacks train.steps"
grep -q "^  workers: 1" run/config.yaml || fail "config.yaml lacks data.workers"
grep -q "train.steps: 2 -> 3" run/log.txt || fail "log.txt lacks train.steps"
printf 'a\nb\nd\n' >packs/p/train.txt
expect 2 "run was trained on 2 images, p has 3" "$train" "${run[@]}" --resume
printf 'a\nb\n' >packs/p/train.txt

# What a run will need is looked at before its first step; nothing is left.
new=("$train" --work_dir=new "${small[@]}")
: >after
ls -A >before
mv packs/p/val.txt val.txt
expect 1 "packs/p/val.txt: no such split" "${new[@]}"
: >packs/p/val.txt
for dry in "" --dry_run; do
  expect 1 "packs/p/val.txt: the split is empty; write the IDs" "${new[@]}" $dry
done
mv val.txt packs/p/val.txt
mv packs/p/test.txt test.txt
expect 1 "packs/p/test.txt: no such split" "${new[@]}" report_split=test
mv test.txt packs/p/test.txt
if $needs_masks; then
  sed -i '1i has_masks: false' packs/p/dataset.yaml
  expect 1 "packs/p/dataset.yaml: has_masks is false" "${new[@]}"
  expect 1 "packs/p/dataset.yaml: has_masks is false" \
    "$eval" --checkpoint=run "${root[@]}"
  sed -i 1d packs/p/dataset.yaml
  expect 2 "train.best_metric: validation gives no 'pixel_acuracy'; did you mean 'pixel_accuracy'? It gives " \
    "${new[@]}" train.best_metric=pixel_acuracy
fi
expect 1 "2 samples do not fill a batch of 3" "${new[@]}" train.batch_size=3
[[ ! -e new ]] || fail "stages were made for a training that cannot be: $(ls new)"
expect 0 "" "${new[@]}" --dry_run
grep -q "^dry run: one of 2 steps, a validation and a save done" out ||
  fail "dry run: $(cat out)"
if $with_stages && [[ $(ls new) == stages ]]; then rm -r new; fi
ls -A >after
cmp -s before after || fail "left behind: $(diff before after)"

# A run that saved nothing does not hold its folder.
head -c 60 packs/p/images/a.png >cut
mv packs/p/images/b.png b.png
cp cut packs/p/images/b.png
expect 1 "b.png: " "${new[@]}" train.batch_size=1 train.validate_every=2
$with_stages || [[ -e new/config.yaml ]] ||
  fail "the run ended before its folder was made"
expect 1 "new: holds no checkpoint that --resume could continue" \
  "$train" --work_dir=new --resume "${root[@]}"
mv b.png packs/p/images/b.png
expect 0 "" "${new[@]}"
expect 2 "new: holds a run already" "${new[@]}"

# Validation that measures nothing is said once.
if $needs_masks; then
  put "$void" packs/p/masks/c.png
  expect 0 "" "$train" --work_dir=void "${small[@]}" train.validate_every=1
  (($(grep -c "validation gives no number for" err) == 1)) ||
    fail "of void validation masks: $(cat err)"
fi

exit $((failures > 0))
