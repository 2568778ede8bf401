"""Fetches Python wheels by pip, checked against hashes, and unpacks parts."""

# A wheel of torch 2.11 exists for each of these; pip matches them exactly.
_PLATFORMS = [
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_25_x86_64",
    "manylinux_2_18_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
]

def fetch_wheels(ctx, requirements, patterns):
    """Downloads the wheels of `requirements` and unpacks `patterns` of each.

    Args:
      ctx: repository context.
      requirements: label of a requirements file with a hash on each line.
      patterns: archive member patterns in the form that unzip takes.
    """
    arguments = [
        "python3",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--python-version=3.12",
        "--implementation=cp",
        "--dest=wheels",
        "--requirement=" + str(ctx.path(requirements)),
    ] + ["--platform=" + p for p in _PLATFORMS]
    result = ctx.execute(arguments, timeout = 3600)
    if result.return_code != 0:
        fail(("pip could not download %s:\n%s\nRemedy: install python3-pip, " +
              "check the network, or set SEG_LIBTORCH to an unpacked LibTorch " +
              "2.11 or an installed torch package.") %
             (requirements, result.stderr))
    result = ctx.execute(["sh", "-c", """
        for wheel in wheels/*.whl; do
          unzip -q -o "$wheel" "$@"
          status=$?
          # 11: this wheel holds none of the patterns.
          if [ $status -ne 0 ] && [ $status -ne 11 ]; then exit $status; fi
        done
        rm -rf wheels
    """, "unzip"] + patterns, timeout = 3600)
    if result.return_code != 0:
        fail("unpacking wheels failed: %s" % result.stderr)
