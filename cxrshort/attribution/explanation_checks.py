"""The checks of each label's maps, and the caution that stands beside every number that rests on maps which fail.

What would invalidate them: other maps than those that are reported. Method, settings, references and regions are those
of the explanation, and the sample is of the images that it explains.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import runs
from cxrshort.attribution.checks import CURVE_COLUMNS, MapChecks, MapMaker, check_maps, sample_images
from cxrshort.attribution.map_blocks import MapJob
from cxrshort.figures.sanity import draw_sanity

CURVES, FIGURE = "sanity.csv", "sanity.png"
CAUTION = "caution"

Report = Callable[[Mapping[str, Any]], None]


def check_labels(job: MapJob, labels: Sequence[str], *, report: Report = runs.ignore_event) -> dict[str, MapChecks]:
    """Check the maps of each label on a sample of its images; several processes do a share each.

    Args:
        job: how the maps are made.
        labels: that are explained.
        report: takes events of the progress.
    """
    persons = job.explained.data.manifest["person_id"].to_numpy(dtype=str)
    checks = {}
    for label in labels:
        report({"event": "checks", "text": f"checking the maps of {label}"})
        own = job.explained.table[job.explained.table["label"] == label]
        images, output = own["image"].to_numpy(dtype="int64"), int(own["output"].iloc[0])
        background = job.backgrounds.get(output)
        maker = MapMaker(
            job.method,
            job.settings,
            None if background is None else background.images(job.compute.torch_device),
            job.seed,
            job.batch_size,
            output=output,
        )
        checks[label] = check_maps(
            job.classifier,
            job.pixels,
            rows=images[sample_images(persons[images], seed=job.seed)],
            persons=persons,
            maker=maker,
            compute=job.compute,
            regions=job.regions,
            report=report,
        )
    return checks


def curve_table(checks: Mapping[str, MapChecks]) -> pd.DataFrame:
    """Return ``sanity.csv``: the curves of each label."""
    parts = [outcome.curves.assign(label=label) for label, outcome in checks.items() if len(outcome.curves)]
    columns = ["label", *CURVE_COLUMNS]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def draw_checks(checks: Mapping[str, MapChecks], *, path_of: Callable[[str, str], Path]) -> list[Path]:
    """Draw ``sanity.png`` of each label that has curves.

    Args:
        checks: of each label.
        path_of: gives the path of a label's figure by its usual name and the label.
    """
    figures = []
    for label, outcome in checks.items():
        if len(outcome.curves):
            words = {check.name: check.word for check in outcome.checks}
            title = f"{label}: do the maps mean anything? ({outcome.images} images)"
            figures.append(draw_sanity(outcome.curves, words, path_of(FIGURE, label), title=title))
    return figures


def check_notes(checks: Mapping[str, MapChecks]) -> list[str]:
    """Return a sentence for each check that the maps of a label fail."""
    return [f"{label}: {warning}" for label, outcome in checks.items() for warning in outcome.warnings]


def with_caution(table: pd.DataFrame, checks: Mapping[str, MapChecks]) -> pd.DataFrame:
    """Return a table that rests on maps with a column ``caution``, where those of any label fail a check.

    Args:
        table: with a column ``label``.
        checks: of each label; none where nothing was checked.
    """
    cautions = {label: outcome.caution for label, outcome in checks.items()}
    if not any(cautions.values()) or table.empty:
        return table
    return table.assign(**{CAUTION: table["label"].map(cautions).fillna("")})


def cautious_numbers(numbers: Mapping[str, Any], caution: str) -> dict[str, Any]:
    """Return numbers that rest on maps with the caution among them, where there are both.

    Example:
        >>> cautious_numbers({"lungs": 0.01}, "maps fail background")
        {'lungs': 0.01, 'caution': 'maps fail background'}
        >>> cautious_numbers({"lungs": 0.01}, "")
        {'lungs': 0.01}
    """
    return {**numbers, CAUTION: caution} if numbers and caution else dict(numbers)


def label_caution(checks: Mapping[str, MapChecks], label: str) -> str:
    """Return the caution beside the numbers of one label; empty where its maps pass or were not checked."""
    return checks[label].caution if label in checks else ""


def common_caution(checks: Mapping[str, MapChecks]) -> str:
    """Return the caution beside numbers over the maps of all labels; of several labels it names those that fail."""
    cautions = {label: outcome.caution for label, outcome in checks.items() if outcome.caution}
    return "; ".join(f"{label}: {caution}" if len(checks) > 1 else caution for label, caution in cautions.items())


def caution_of(table: pd.DataFrame) -> str:
    """Return what stands beside the numbers of a label's rows; empty where nothing does."""
    return str(table[CAUTION].iloc[0]) if CAUTION in table and len(table) else ""


def titled(title: str, caution: str) -> str:
    """Return a title with the caution behind it.

    Example:
        >>> titled("Edema: shares", "maps fail randomisation")
        'Edema: shares (caution: maps fail randomisation)'
    """
    return f"{title} (caution: {caution})" if caution else title
