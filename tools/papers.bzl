"""The papers whose train and eval the tools can run."""

PAPERS = [
    "cgm",
    "crfgrad",
    "spn",
]
