#!/bin/bash
# Exit codes and outputs of the data tools, on synthetic data and a made pack.
set -u
check="$PWD/$1"
browse="$PWD/$2"
convert="$PWD/$3"
cd "$TEST_TMPDIR" || exit 1
unset BUILD_WORKING_DIRECTORY SEG_DATA_ROOT
failures=0

# expect CODE TEXT COMMAND...: exit code, and TEXT somewhere in the output.
expect() {
  local code=$1 text=$2
  shift 2
  local output got
  output=$("$@" 2>&1)
  got=$?
  if [[ $got != "$code" || $output != *"$text"* ]]; then
    echo "FAILED: $*: exit $got, expected $code; '$text' in: $output"
    failures=$((failures + 1))
  fi
}

expect 0 "sheet.png: samples 2 to 6 of 256" "$browse" --out=sheet.png \
  --count 5 --first=2 data.augment.flip=true augment.rotation=5
[[ $(head -c 4 sheet.png | tail -c 3) == PNG ]] || failures=$((failures + 1))
expect 2 "flag --out" "$browse"
expect 2 "unknown flag --oout" "$browse" --oout=x
expect 2 "augment.crop_height" "$browse" --out=x.png augment.crop_height=9
expect 1 "no split 'dev'" "$browse" --out=x.png --split=dev
printf 'data: {pack: "synthetic:scenes", synthetic: {val: 3}}\n' >demo.yaml
expect 0 "samples 0 to 2 of 3" "$browse" --config=demo.yaml --out=x.png \
  --split=val
printf 'model: {}\n' >other.yaml
expect 2 "a section 'data'" "$browse" --config=other.yaml --out=x.png

# The sheet itself is a picture: a pack without masks is made of it.
mkdir -p packs/sheets/images
cp sheet.png packs/sheets/images/a.png
printf 'has_masks: false\n' >packs/sheets/dataset.yaml
printf 'a\n' >packs/sheets/train.txt
expect 0 "OK" "$check" sheets --data_root=packs
expect 0 '"ok": true' "$check" packs/sheets --json
printf 'b\n' >>packs/sheets/train.txt
expect 1 "train.txt:2" "$check" sheets --data_root packs
expect 2 "there is sheets" "$check" none --data_root=packs
expect 2 "name a pack" "$check"

# A mask of 0 and 255 for two classes, 8 x 8: refused, converted, taken.
mkdir -p packs/binary/images packs/binary/masks
base64 -d >packs/binary/masks/a.png <<<iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEUlEQVR42mNgAIL/QMBAGQMAPEQf4XZV0ScAAAAASUVORK5CYII=
cp packs/binary/masks/a.png packs/binary/images/a.png
cp packs/binary/masks/a.png packs/binary/masks/b.png
cp packs/binary/masks/a.png packs/binary/images/b.png
printf 'a\n' >packs/binary/train.txt
printf 'b\n' >packs/binary/val.txt
printf 'classes: [{id: 0, name: a}, {id: 1, name: b, color: [255, 255, 255]}]\n' \
  >packs/binary/dataset.yaml
expect 1 "convert_masks -- packs/binary/masks --out=NEW_FOLDER 255=1" \
  "$check" packs/binary
expect 2 "name the masks" "$convert" packs/binary/masks 255=1
expect 2 "'255-1': expected FROM=TO" "$convert" packs/binary/masks --out=ids 255-1
expect 2 "give rules" "$convert" packs/binary/masks --out=ids
expect 1 "colour 255,255,255 at row 0, column 4 has no rule" \
  "$convert" packs/binary/masks --out=ids 0,0,0=0
# The same by its value, and by the colours of the pack.
expect 0 "2 masks written to ids" "$convert" packs/binary/masks --out=ids 255=1
expect 0 "2 masks written to by_colour" \
  "$convert" packs/binary/masks --out=by_colour --colours_of=packs/binary
for folder in ids by_colour; do
  cp $folder/*.png packs/binary/masks/
  expect 0 "OK" "$check" packs/binary
done
# "~/" is the home, in flags and in keys; no byte of a name reaches the terminal.
HOME=$PWD expect 0 "OK" "$check" binary --data_root='~/packs'
HOME=$PWD expect 0 "samples 0 to 0 of 1" "$browse" --out='~/sheet2.png' \
  pack='~/packs/binary'
[[ -s sheet2.png ]] || failures=$((failures + 1))
expect 2 '\xff\x1b[31m' "$check" $'\xff\x1b[31m'

exit $((failures > 0))
