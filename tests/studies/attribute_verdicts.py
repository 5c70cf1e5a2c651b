"""How often ``stats attributes`` accuses phantoms in which nothing was planted, and whether it finds what was.

    python tests/studies/attribute_verdicts.py --out FOLDER

Builds 12 clean datasets of 400 images, and six with a shortcut that a probe can see at 48 pixels; takes three minutes.
``RULES["stats-attributes"]`` states the result on clean ones. In all planted ones the repository is called a shortcut
for COVID-19, with these risks by ``--bias``:

    bias       0.8   0.9   1.0
    marker    0.23  0.45  0.79
    border    0.27  0.54  1.00

No pair of another label is accused or called suspicious.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.stats.attributes import attributes

CLEAN, IMAGES, SIZE = range(11, 23), 400, 48
PLANTED = ("marker", "border")
SHARES = (0.8, 0.9, 1.0)


def audited(folder: Path, **options: Any) -> list[dict[str, Any]]:
    """Return the rows of the audit of a dataset, which is built where it is not there yet."""
    if not (folder / "run.json").exists():
        build_dataset("phantom-III", out=folder, number_of_images=IMAGES, size=SIZE, **options)
    rows: list[dict[str, Any]] = attributes(str(folder)).summary["attributes"]
    return rows


def main() -> None:
    """Print the verdicts on clean datasets and on planted ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    verdicts: Counter[str] = Counter()
    smallest = 1.0
    for seed in CLEAN:
        rows = audited(out / f"clean-{seed}", seed=seed)
        verdicts.update(row["verdict"] for row in rows)
        smallest = min([smallest, *(row["p_holm"] for row in rows if row["p_holm"] is not None)])
    print(f"{len(CLEAN)} clean datasets: {dict(verdicts)}; smallest corrected p {smallest:.2f}")  # noqa: T201 (a study prints)
    for shortcut in PLANTED:
        for share in SHARES:
            rows = audited(out / f"{shortcut}-{share}", seed=1, shortcuts=[shortcut], bias=share)
            hospital = [row for row in rows if row["label"] == "COVID-19" and row["attribute"] == "repository"]
            others = Counter(row["verdict"] for row in rows if row["label"] != "COVID-19")
            print(shortcut, share, hospital[0]["verdict"], f"risk {hospital[0]['risk']:.3f}", dict(others))  # noqa: T201


if __name__ == "__main__":
    main()
