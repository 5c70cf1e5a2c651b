"""``cxrshort roentmod``: the sub-commands, a file each, by the question that they answer."""

from cxrshort.registry import Entry

_HERE = "cxrshort.cli.roentmod"

TEXT = """Add findings to radiographs that have none, and test what classifiers make of them.

A model that takes one finding for a sign of another has learnt a shortcut, however good its AUC is.
"""

QUESTIONS: dict[str, dict[str, Entry]] = {
    "What would the same patient look like with a finding?": {
        "edit": Entry(f"{_HERE}.edit:edit", "Radiographs with findings added, as a dataset."),
        "tune": Entry(
            f"{_HERE}.tune:tune",
            "A few images at every strength and guidance, so that a radiologist or a number can choose.",
        ),
        "synthesise": Entry(
            f"{_HERE}.synthesise:synthesise", "Synthetic radiographs and their edits, as a dataset to train on."
        ),
    },
    "Does it take one finding for another?": {
        "stress-test": Entry(
            f"{_HERE}.stress_test:stress_test",
            "Change of every prediction by every added finding, with a shortcut verdict on each pair.",
        ),
    },
    "What do readers see in the edits?": {
        "reader-sheets": Entry(
            f"{_HERE}.reader_sheets:reader_sheets",
            "Blinded, shuffled reading sheets of edited radiographs, and the key apart from them.",
        ),
        "readers": Entry(
            f"{_HERE}.readers:readers",
            "Readers' answers: adherence, co-occurrence, agreement.",
        ),
    },
    "Do edits keep the person?": {
        "identity": Entry(
            f"{_HERE}.identity:identity",
            "Distance of edits from their originals, beside other persons and real follow-ups.",
        ),
    },
    "Has the generator learnt its patients by heart?": {
        "nearest": Entry(f"{_HERE}.nearest:nearest", "The real image that each synthetic one is nearest to."),
    },
}
"""The sub-commands; another one is one file and one line here."""
