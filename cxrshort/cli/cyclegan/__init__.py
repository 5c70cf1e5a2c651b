"""``cxrshort cyclegan``: the sub-commands, a file each, by the question that they answer."""

from cxrshort.registry import Entry

_HERE = "cxrshort.cli.cyclegan"

TEXT = """Learn what distinguishes two groups of radiographs, as a change of images.

Two generators make images of each group look like those of the other. What they change is what tells the groups apart:
disease, or the marker, the border and the exposure of a hospital.
"""

QUESTIONS: dict[str, dict[str, Entry]] = {
    "What tells two groups apart?": {
        "train": Entry(f"{_HERE}.train:train", "Train generators between two groups of a dataset's images."),
    },
    "Do classifiers rely on it?": {
        "audit": Entry(
            f"{_HERE}.audit:audit",
            "Flips by transformed images, where they changed, and a shortcut verdict on each region.",
        ),
    },
    "What would an image look like in the other group?": {
        "transform": Entry(f"{_HERE}.transform:transform", "Transform a dataset's images; masks and regions follow."),
    },
}
"""The sub-commands; another one is one file and one line here."""
