#!/bin/bash
# Usage: needed_test.sh LIBRARY WHEEL
# LIBRARY needs LibTorch, its OpenMP runtime and the system's C and C++ runtime
# by their names, nothing else; exports nothing; holds nothing of LibTorch. WHEEL
# has what an installer asks for, and its RECORD tells the truth.
set -u
failed=0
fail() {
  echo "$*" >&2
  failed=1
}

library=$1
required="libtorch_cpu.so libc10.so libgomp.so.1"
allowed="$required libstdc++.so.6 libm.so.6 libgcc_s.so.1 libc.so.6
ld-linux-x86-64.so.2 libtorch_cuda.so libc10_cuda.so libcudart.so.13"
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for name in $required; do
  grep -qx "$name" <<<"$needed" || fail "$library does not need $name: $needed"
done
for name in $needed; do
  tr ' ' '\n' <<<"$allowed" | grep -qxF "$name" || fail "$library needs $name"
done

# Upper case: global. A: the name of a version.
exported=$(nm -D --defined-only "$library" | awk '$2 ~ /[A-Z]/ && $2 != "A"')
[ -z "$exported" ] || fail "$library exports: $exported"
readelf -d "$library" | grep -E 'RPATH|RUNPATH' && fail "$library names folders"
# LibTorch's libraries have half a gigabyte.
size=$(stat -Lc %s "$library")
[ "$size" -lt 20000000 ] || fail "$library has $size bytes"

python3 - "$2" <<'END' || failed=1
import base64, hashlib, sys, zipfile

archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
names = archive.namelist()
info = "segpapers-0.1.0.dist-info/"
for name in ["METADATA", "WHEEL", "RECORD", "LICENSE"]:
    assert info + name in names, name
for name in ["__init__.py", "__init__.pyi", "py.typed", "libsegpapers_ops.so"]:
    assert "segpapers/" + name in names, name
recorded = {}
for line in archive.read(info + "RECORD").decode().splitlines():
    name, digest, size = line.rsplit(",", 2)
    recorded[name] = (digest, size)
assert sorted(recorded) == sorted(names), set(recorded) ^ set(names)
for name in names:
    if name == info + "RECORD":
        continue
    data = archive.read(name)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    assert recorded[name] == ("sha256=" + digest.decode(), str(len(data))), name
metadata = archive.read(info + "METADATA").decode()
assert "Requires-Dist: torch (==2.11.*)\n" in metadata
END
exit $failed
