"""Checks the repository's Markdown documents; prints one line a problem.

Every relative link leads to a file or folder of the repository and, where it
has an anchor, to a heading of that document. A README that holds rendered
results (a paper's) has less than 1,500 words.
"""

import pathlib
import re
import subprocess
import sys

MAX_WORDS = 1500
LINK = re.compile(r"\[[^\]\[]*\]\(([^()\s]+)\)")


def anchors(text):
    """The anchors that GitHub gives to the headings of a document."""
    out = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", without_code(text), re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        out.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return out


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def problems_of(path):
    text = path.read_text(encoding="utf-8")
    if "<!-- results:begin -->" in text and len(text.split()) >= MAX_WORDS:
        yield f"{len(text.split())} words, expected less than {MAX_WORDS}"
    for link in LINK.findall(without_code(text).replace("`", "")):
        if re.match(r"[a-z]+:", link):
            continue  # another site
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists():
            yield f"link to {link}: no such file"
        elif anchor:
            if target.suffix != ".md" or anchor not in anchors(
                target.read_text(encoding="utf-8")
            ):
                yield f"link to {link}: no such heading"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout.split()
    failed = False
    for name in names:
        for problem in problems_of(root / name):
            print(f"{name}: {problem}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
