# For tests of bad input: sourced with the paths of train, eval, predict and what
# other commands the paper has as arguments, in the runfiles; goes on in the
# test's own empty folder. What stands behind "--" is left as arguments.
#
# expect and fail serve any test. What follows them is the same in every paper:
# the test calls make_pack, sets
#   small=(FLAG ... key.path=value ...)  with which train takes two steps on it
# trains into `run`, and calls bad_configurations, bad_files, bad_weights,
# other_classes, folders and binary_masks. None of them changes `run`.
set -u
train="$PWD/$1" eval="$PWD/$2" predict="$PWD/$3"
shift 3
others=()
while (($# > 0)) && [[ $1 != -- ]]; do
  others+=("$PWD/$1")
  shift
done
(($# == 0)) || shift
cd "$TEST_TMPDIR" || exit 1
unset BUILD_WORKING_DIRECTORY SEG_DATA_ROOT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect CODE TEXT COMMAND...: the exit code, and TEXT in the last line of
# stderr. (Lines before it are progress.)
expect() {
  local code=$1 text=$2 got
  shift 2
  "$@" >out 2>err
  got=$?
  [[ $got == "$code" ]] || fail "${*##*/}: exit $got, expected $code: $(tail -1 err)"
  [[ $(tail -1 err) == *"$text"* ]] || fail "${*##*/}: no '$text' in: $(tail -1 err)"
  [[ $code == 0 || ! -s out ]] || fail "${*##*/}: stdout holds $(head -1 out)"
}

# The --input of a command that must have one.
input_of() {
  ! "$1" --help | grep -q "^  --input " || echo --input=packs/p/images
}

# Pictures of 32 x 32 pixels. Masks whose right half is class 1: as grey values,
# as a palette's indices; of class 0 alone; of class 7; 40 pixels wide; of 16
# bits with the value 300; `binary`: of the values 0 and 255. `odd`: an image of
# 40 x 32.
image=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAL0lEQVR42mPQsAkgCZ3YEkUSYhi1YNSCUQtGLRi1YNSCUQtGLRi1YNSCUQuGigUAQtsUTE2UHzAAAAAASUVORK5CYII=
grey=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAGElEQVR42mNgQAOMaIBhVMGoglEFI1UBABRcAgEB7fRLAAAAAElFTkSuQmCC
palette=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAMAAABEpIrGAAAACVBMVEUAAQIDBAUGBwjZi75sAAAAGElEQVR42mNgQAOMaIBhVMGoglEFI1UBABRcAgEB7fRLAAAAAElFTkSuQmCC
zero=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAEklEQVR42mNgGAWjYBSMAuwAAAQgAAF8we+4AAAAAElFTkSuQmCC
seven=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAFklEQVR42mNgJwAYRhWMKhhVMFIVAADHdxwBSFl5AwAAAABJRU5ErkJggg==
wide=iVBORw0KGgoAAAANSUhEUgAAACgAAAAgCAAAAABFxmXcAAAAGklEQVR42mNgwAIYsQCGUYWjCkcVjiocWQoBVHoCgafmDIIAAAAASUVORK5CYII=
deep=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgEAAAAAAGgflrAAAAIElEQVR42mNg1KEMMowaMGrAqAGjBowaMGrAqAHDzQAAHPW0ARGTT1sAAAAASUVORK5CYII=
binary=iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAGElEQVR42mNgQAP/0QDDqIJRBaMKRqoCADDU/hBjxPbDAAAAAElFTkSuQmCC
odd=iVBORw0KGgoAAAANSUhEUgAAACgAAAAgCAIAAADvz61XAAAALElEQVR42u3NMQ0AAAgDsAlDCUqQjww4mvRveupExGKxWCwWi8VisVgs/hMvW3xGTOeDS4cAAAAASUVORK5CYII=
put() { base64 -d <<<"$1" >"$2"; }

# packs/p: a and b to train on, c to validate, d to test; two classes.
make_pack() {
  mkdir -p packs/p/images packs/p/masks
  cat >packs/p/dataset.yaml <<END
classes:
  - {id: 0, name: ground, color: [0, 0, 0]}
  - {id: 1, name: sky, color: [0, 0, 255]}
END
  local id
  for id in a b c d; do
    put "$image" packs/p/images/$id.png
    put "$grey" packs/p/masks/$id.png
  done
  put "$palette" packs/p/masks/b.png # read as its indices
  printf 'a\nb\n' >packs/p/train.txt
  printf 'c\n' >packs/p/val.txt
  printf 'd\n' >packs/p/test.txt
}

on_pack=(--data_root=packs --checkpoint=run)

# Keys, types, ranges, flags.
bad_configurations() {
  expect 2 "unknown key 'trian'; did you mean 'train'?" "$train" trian.steps=2
  expect 2 "unknown key 'data.aling'; did you mean 'data.align'?" \
    "$eval" --checkpoint=run data.aling=3
  expect 2 "train.steps: expected an integer" "$train" train.steps=1.5
  expect 2 "train.batch_size: must lie in [1, " "$train" train.batch_size=0
  expect 2 "eval.classes: must be one of by_name, by_order" \
    "$eval" --checkpoint=run eval.classes=by_luck
  printf 'train: {stesp: 0}\n' >bad.yaml
  expect 2 "bad.yaml: unknown key 'train.stesp'; did you mean 'train.steps'?" \
    "$predict" --config=bad.yaml --checkpoint=run --input=packs/p/images
  expect 2 "unknown flag --jsno" "$eval" --checkpoint=run --jsno
  expect 2 "no such split; the pack has test, train, val" \
    "$eval" "${on_pack[@]}" --split=tset
  local command
  for command in "${others[@]}"; do
    expect 2 "unknown key 'data.aling'; did you mean 'data.align'?" \
      "$command" --checkpoint=run $(input_of "$command") data.aling=3
    expect 2 "unknown flag --chekpoint" "$command" --chekpoint=run
    expect 1 "nowhere: holds no checkpoint" "$command" --checkpoint=nowhere \
      $(input_of "$command")
  done
}

# A bad file in place of an image or a mask: put there, tried by eval or train,
# and named by its path.
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

bad_files() {
  : >empty
  head -c 60 packs/p/images/a.png >cut
  head -c 60 packs/p/masks/a.png >cut_mask
  printf 'not an image' >text
  put "$wide" wide
  put "$seven" seven
  put "$deep" deep
  bad_file eval images/d.png empty "empty file"
  bad_file eval images/d.png cut "truncated"
  bad_file train images/a.png cut "truncated"
  bad_file eval masks/d.png cut_mask "truncated"
  bad_file eval masks/d.png text "not an image"
  bad_file eval masks/d.png wide "expected the size of its image"
  bad_file eval masks/d.png seven "label 7 at row 0, column 0 is no class (0..1)"
  bad_file eval masks/d.png deep "16-bit mask holds the value 300"
  bad_file eval masks/d.png packs/p/images/d.png "colour PNG"
  bad_file train masks/b.png seven "is no class (0..1)"
  mv packs/p/masks/d.png gone.png
  expect 1 "masks/d.png" "$eval" "${on_pack[@]}"
  mv gone.png packs/p/masks/d.png
  local file
  for file in empty cut text; do
    expect 1 "$file" "$predict" --checkpoint=run --input=$file --out=labels
  done
  expect 1 "nowhere.png" "$predict" --checkpoint=run --input=nowhere.png
}

bad_weights() {
  local model=run/checkpoints/last/model.safetensors file
  head -c 2000 $model >cut.safetensors
  head -c $(($(stat -Lc %s $model) - 4)) $model >short.safetensors
  printf '\200\002cos\nsystem\nX\003\000\000\000ls\n\205R.' >code.pth
  : >empty
  for file in cut.safetensors short.safetensors code.pth empty; do
    expect 1 "$file: " "$train" --work_dir=other "${small[@]}" --init_from=$file
    rm -rf other
  done
  cp -r run broken
  cp cut.safetensors broken/checkpoints/step-2/model.safetensors
  expect 1 "/step-2/model.safetensors: " "$eval" --data_root=packs \
    --checkpoint=broken
  expect 1 "nowhere: " "$eval" --checkpoint=nowhere
  local command
  for command in "${others[@]}"; do
    expect 1 "/step-2/model.safetensors: " "$command" --checkpoint=broken \
      $(input_of "$command")
  done
}

# other_pack NAME CLASS...: packs/p with these classes.
other_pack() {
  local name=$1 id=0 class
  shift
  cp -r packs/p "packs/$name"
  echo "classes:" >"packs/$name/dataset.yaml"
  for class in "$@"; do
    echo "  - {id: $id, name: $class, color: [$id, 0, 9]}"
    id=$((id + 1))
  done >>"packs/$name/dataset.yaml"
}

# A run of two classes, ground and sky, on packs of other classes.
other_classes() {
  local score_of_run score
  expect 0 "" "$eval" "${on_pack[@]}" --json
  grep -q '"device":"cpu"' out || fail "eval --json does not say its device"
  score_of_run=$(grep -o '"mean_iou":[0-9.]*' out)
  other_pack three ground sky sun
  expect 2 "three: has 3 classes, the model was trained on 2; map them by data.map" \
    "$eval" "${on_pack[@]}" data.pack=three
  expect 2 "three: has 3 classes, the model was trained on 2" \
    "$eval" "${on_pack[@]}" data.pack=three eval.classes=by_order
  expect 0 "" "$eval" "${on_pack[@]}" data.pack=three "data.map=[0,1,1]"
  other_pack exchanged sky ground
  expect 2 "exchanged: class 0 is 'sky', the model was trained on 'ground' there; set data.map=[1,0]" \
    "$eval" "${on_pack[@]}" data.pack=exchanged
  expect 0 "" "$eval" "${on_pack[@]}" data.pack=exchanged "data.map=[1,0]"
  other_pack renamed earth sky
  expect 2 "renamed: class 0 is 'earth', the model was trained on 'ground' there; name the classes alike" \
    "$eval" "${on_pack[@]}" data.pack=renamed
  expect 0 "" "$eval" "${on_pack[@]}" data.pack=renamed "data.map=[0,1]" \
    "data.class_names=[ground,sky]"
  expect 0 "" "$eval" "${on_pack[@]}" data.pack=renamed eval.classes=by_order --json
  score=$(grep -o '"mean_iou":[0-9.]*' out)
  [[ $score == "$score_of_run" ]] ||
    fail "the same labels under other names score $score, not $score_of_run"
}

# folders NAME.png key.path=value...: predict on a folder with a bad file does
# the rest; names that clash, NAME.png too, which the overrides make predict
# write beside the labels of `a`, are found before the first picture.
folders() {
  local own=$1
  shift
  mkdir -p photos/day1
  cp packs/p/images/a.png photos/a.png
  cp packs/p/images/a.png photos/day1/a.png
  printf 'not an image' >photos/bad.png
  printf 'not an image' >photos/._a.png
  "$predict" --checkpoint=run --input=photos --out=photo_labels "$@" >out 2>err
  [[ $? == 1 ]] || fail "predict on a folder with a bad file: not exit 1"
  [[ $(tail -1 err) == *"1 of 3 images failed"*"photos/bad.png"* ]] ||
    fail "no list of what failed in: $(tail -1 err)"
  [[ -s photo_labels/a.png && -s photo_labels/day1/$own ]] ||
    fail "predict stopped at the bad file"
  rm photos/bad.png
  cp packs/p/images/a.png photos/a.JPG
  expect 1 "has the same name" "$predict" --checkpoint=run --input=photos \
    --out=clash
  rm photos/a.JPG
  cp packs/p/images/a.png "photos/$own"
  expect 1 "$own" "$predict" --checkpoint=run --input=photos --out=clash "$@"
  [[ ! -e clash ]] || fail "a clash was found after the first picture"
}

# Masks of 0 and 255: training says so at its start.
binary_masks() {
  local id
  cp -r packs/p packs/binary
  for id in a b; do put "$binary" packs/binary/masks/$id.png; done
  expect 0 "" "$train" --work_dir=binary "${small[@]}" data.pack=binary
  grep -q "warning: .*the only class is 0 (ground), the other pixels are 255" err ||
    fail "no warning of masks of 0 and 255"
}
