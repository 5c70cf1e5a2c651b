"""The long table of predictions, and the AUCs and generalization gaps that it holds.

A row is one model's logits for one image. The table is complete in itself: whoever has it needs neither the model nor
the images to compute everything below.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from cxrshort.errors import DataError
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.gap import Gap, Sample, generalization_gap, mean_auc

INTERNAL, EXTERNAL = "internal", "external"
TARGET, LOGIT = "target.", "logit."
MODEL_COLUMNS = ("model", "trained_on", "architecture", "method", "dataset", "replicate", "role")
IMAGE_COLUMNS = (
    "image_id",
    "patient_id",
    "person_id",
    "repository",
    "view",
    "sex",
    "age_years",
    "manufacturer",
    "group",
    "source_image_id",
    "edit",
    "split",
)
FAMILY = ["trained_on", "architecture", "method"]
"""Models that differ in nothing but the replicate."""

GAP_COLUMNS = (
    *FAMILY,
    *("label", "internal", "external", "replicates", "internal_auc", "external_auc"),
    *("gap", "low", "high", "level", "reason"),
)
"""The columns of a table of gaps, whether it has rows or not."""


@dataclass(frozen=True)
class Cell:
    """Hold one family of models on one dataset, for one label: a sample for each replicate.

    Args:
        trained_on: training dataset.
        architecture: of the models.
        method: the objective.
        dataset: where they were tested.
        role: ``"internal"`` or ``"external"``.
        label: which output.
        samples: targets, logits and persons by replicate.
    """

    trained_on: str
    architecture: str
    method: str
    dataset: str
    role: str
    label: str
    samples: Mapping[int, Sample]

    @property
    def family(self) -> str:
        """Return the models' common name."""
        return f"{self.trained_on}/{self.architecture}/{self.method}"


def labels(predictions: pd.DataFrame) -> list[str]:
    """Return the labels that the table has logits for."""
    return [name.removeprefix(LOGIT) for name in predictions.columns if name.startswith(LOGIT)]


def cells(predictions: pd.DataFrame, label: str) -> list[Cell]:
    """Return every (family, dataset) of the table for one label, in the table's order.

    Raises:
        DataError: two models of one family have the same replicate and dataset, an image stands twice, or the targets
            of the label are missing.
    """
    if TARGET + label not in predictions:
        raise DataError(f"the predictions have no column '{TARGET}{label}'", "evaluate the models again")
    result = []
    # Keys may be empty: a table that was written and read again has NaN there, and such rows must not vanish.
    names = (*FAMILY, "dataset", "role")
    keys = [predictions[name].astype(object).where(predictions[name].notna(), "") for name in names]
    for key, part in predictions.groupby(keys, sort=False):
        trained_on, architecture, method, dataset, role = map(str, key)
        samples = dict(_samples(part, label))
        if samples:
            result.append(Cell(trained_on, architecture, method, dataset, role, label, samples))
    return result


def _samples(part: pd.DataFrame, label: str) -> Iterator[tuple[int, Sample]]:
    for replicate, rows in part.groupby("replicate", sort=True):
        if rows["model"].nunique() > 1:
            listed = "' and '".join(sorted(rows["model"].unique())[:2])
            raise DataError(f"'{listed}' are replicate {replicate} of the same training", "evaluate one of them")
        repeated = rows["image_id"][rows["image_id"].duplicated()]
        if len(repeated):
            raise DataError(
                f"'{repeated.iloc[0]}' stands twice for one model and dataset", "evaluate each dataset once"
            )
        known = rows[rows[LOGIT + label].notna()]
        if len(known):
            yield (
                int(float(str(replicate))),
                Sample(
                    known[TARGET + label].to_numpy(), known[LOGIT + label].to_numpy(), known["person_id"].to_numpy()
                ),
            )


def auc_table(predictions: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return one row per model, dataset and label: AUC with interval, or the reason why there is none."""
    rows = []
    for label in labels(predictions):
        for cell in cells(predictions, label):
            for replicate, sample in cell.samples.items():
                interval = auc_interval(sample.targets, sample.scores, sample.clusters, level=level)
                found = asdict(interval)
                found["interval_method"] = found.pop("method")
                rows.append({**_key(cell), "replicate": replicate, **found})
    return pd.DataFrame(rows)


def mean_table(predictions: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return one row per family, dataset and label: mean and SD over replicates, with the interval of the mean.

    ``positives`` and ``negatives`` are those of the first replicate.
    """
    rows = []
    for label in labels(predictions):
        for cell in cells(predictions, label):
            mean = asdict(mean_auc(list(cell.samples.values()), level=level))
            mean.pop("aucs")
            rows.append({**_key(cell), "replicates": len(cell.samples), **_counts(cell), **mean})
    return pd.DataFrame(rows)


def gap_table(predictions: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return one row per family, external dataset and label: internal minus external AUC, with an interval."""
    rows = []
    for label in labels(predictions):
        every = cells(predictions, label)
        for inside in (cell for cell in every if cell.role == INTERNAL):
            for outside in (cell for cell in every if cell.role == EXTERNAL and _family(cell) == _family(inside)):
                gap = _gap(inside, outside, level)
                if gap is not None:
                    rows.append(_gap_row(inside, outside, gap))
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))


def why_no_gap(predictions: pd.DataFrame) -> list[str]:
    """Say for each family of models that was tested on one side alone which side is missing, and how to get it."""
    notes = []
    for (trained_on, architecture, method), part in predictions.groupby(FAMILY, sort=False):
        roles = set(part["role"])
        if roles == {INTERNAL, EXTERNAL}:
            continue
        name = "/".join(filter(None, map(str, (trained_on, architecture, method))))
        if EXTERNAL not in roles:
            missing = (
                f"{name} was tested on its own dataset alone; --dataset NAME of another hospital gives the outside"
            )
        elif trained_on:
            missing = f"{name} was tested outside alone; --dataset {trained_on} gives the inside"
        else:
            missing = f"{name} does not say what it was trained on, so that no dataset is its inside"
        notes.append(f"no generalization gap: {missing}")
    return notes


def _family(cell: Cell) -> tuple[str, str, str]:
    return cell.trained_on, cell.architecture, cell.method


def _gap(inside: Cell, outside: Cell, level: float) -> Gap | None:
    shared: Sequence[int] = [replicate for replicate in inside.samples if replicate in outside.samples]
    if not shared:
        return None
    pairs = [inside.samples[each] for each in shared], [outside.samples[each] for each in shared]
    return generalization_gap(*pairs, level=level)


def _gap_row(inside: Cell, outside: Cell, gap: Gap) -> dict[str, Any]:
    return {
        **{name: getattr(inside, name) for name in (*FAMILY, "label")},
        "internal": inside.dataset,
        "external": outside.dataset,
        "replicates": gap.replicates,
        "internal_auc": gap.internal.mean,
        "external_auc": gap.external.mean,
        "gap": gap.difference,
        "low": gap.low,
        "high": gap.high,
        "level": gap.level,
        "reason": gap.reason,
    }


def _key(cell: Cell) -> dict[str, str]:
    return {name: getattr(cell, name) for name in (*FAMILY, "dataset", "role", "label")}


def _counts(cell: Cell) -> dict[str, int]:
    first = next(iter(cell.samples.values()))
    targets = pd.Series(first.targets)
    return {"positives": int((targets == 1).sum()), "negatives": int((targets == 0).sum())}
