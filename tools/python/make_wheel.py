"""Writes a wheel: make_wheel.py OUT README LICENSE FILE...

FILEs go into the package `segpapers`. The archive is a function of its input:
fixed times, a fixed order.
"""

import base64
import hashlib
import os
import re
import sys
import zipfile

NAME = "segpapers"
TORCH = "2.11"


def main():
    out, readme, licence, *files = sys.argv[1:]
    version, tag = re.match(
        NAME + r"-([0-9.]+)-(py3-none-[a-z0-9_]+)\.whl$", os.path.basename(out)
    ).groups()
    info = "%s-%s.dist-info" % (NAME, version)
    with open(readme, encoding="utf-8") as f:
        description = f.read()
    members = []
    for path in files:
        with open(path, "rb") as f:
            members.append((NAME + "/" + os.path.basename(path), f.read()))
    members.append((NAME + "/py.typed", b""))
    metadata = (
        "Metadata-Version: 2.1\n"
        "Name: %s\n"
        "Version: %s\n"
        "Summary: Operators for segmentation: CRFs, spatial propagation, "
        "projections, losses\n"
        "Requires-Python: >=3.10\n"
        "Requires-Dist: torch (==%s.*)\n"
        "License-File: LICENSE\n"
        "Description-Content-Type: text/markdown\n"
        "\n%s" % (NAME, version, TORCH, description)
    )
    wheel = (
        "Wheel-Version: 1.0\nGenerator: make_wheel\nRoot-Is-Purelib: false\n"
        "Tag: %s\n" % tag
    )
    with open(licence, "rb") as f:
        members.append((info + "/LICENSE", f.read()))
    members.append((info + "/METADATA", metadata.encode()))
    members.append((info + "/WHEEL", wheel.encode()))
    members.sort()
    record = ""
    for name, data in members:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
        record += "%s,sha256=%s,%d\n" % (name, digest.rstrip(b"=").decode(), len(data))
    record += info + "/RECORD,,\n"
    members.append((info + "/RECORD", record.encode()))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)


if __name__ == "__main__":
    main()
