"""The papers whose programs the tools run and pack."""

PAPERS = [
    "cgm",
    "crfgrad",
    "ganseg",
    "segnet_rerank",
    "spn",
]
