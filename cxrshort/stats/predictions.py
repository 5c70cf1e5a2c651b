"""The long table of predictions, and the AUCs and generalization gaps that it holds.

A row is one model's logits for one image. The table is complete in itself: whoever has it needs neither the model nor
the images to compute everything below.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.gap import Gap, Sample, generalization_gap, mean_auc
from cxrshort.stats.rank_correlation import rank_correlation

INTERNAL, EXTERNAL = "internal", "external"
TARGET, LOGIT = "target.", "logit."
MODEL_COLUMNS = ("model", "model_id", "training", "training_id", "dataset", "dataset_id", "replicate", "role")
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
KEY = ["training", "training_id", "dataset", "dataset_id", "role"]
"""What a cell is of: the columns that its rows agree in."""
_SHORTEST = 4
"""Digits of an identity that tell two things of one name apart, unless they need more."""

GAP_COLUMNS = (
    *("training", "training_id", "label", "internal", "internal_id", "external", "external_id"),
    *("replicates", "internal_auc", "external_auc"),
    *("gap", "low", "high", "level", "reason"),
)
"""The columns of a table of gaps, whether it has rows or not."""


@dataclass(frozen=True)
class Cell:
    """Hold one training on one dataset, for one label: a sample for each replicate.

    Args:
        training: what people call it; two trainings of one name are told apart.
        training_id: its identity.
        dataset: where it was tested; two datasets of one name are told apart.
        dataset_id: its identity.
        role: ``"internal"``, ``"external"``, or empty where it is not known what the models were trained on.
        label: which output.
        samples: targets, logits and persons by replicate.
    """

    training: str
    training_id: str
    dataset: str
    dataset_id: str
    role: str
    label: str
    samples: Mapping[int, Sample]


def predicted_labels(predictions: pd.DataFrame) -> list[str]:
    """Return the labels that the table has logits for."""
    return [name.removeprefix(LOGIT) for name in predictions.columns if name.startswith(LOGIT)]


def disambiguate_names(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the table with names that tell trainings, and datasets, apart.

    Where a name stands for several identities, the first digits of each follow it. Several models of one training and
    replicate (of other seeds) are trainings of their own, named by their models.

    Example:
        >>> table = pd.DataFrame(
        ...     {
        ...         "training": "erm",
        ...         "training_id": "1",
        ...         "model": "a",
        ...         "model_id": "2",
        ...         "replicate": 0,
        ...         "dataset": "folder",
        ...         "dataset_id": ["2f3a" * 8, "91c0" * 8],
        ...         "role": "external",
        ...     }
        ... )
        >>> disambiguate_names(table)["dataset"].tolist()
        ['folder (2f3a)', 'folder (91c0)']
    """
    # Cells may be empty: a table that was written and read again has NaN there, and such rows must not vanish.
    texts = {name: _text(predictions[name]) for name in ("model", "model_id", *KEY)}
    table = predictions.assign(**texts)
    for name in ("training", "dataset"):
        table[name] = disambiguate(table[name], table[f"{name}_id"])
    models = table.groupby(["training_id", "dataset_id", "replicate"])["model_id"].transform("nunique")
    ambiguous = table["training_id"].isin(set(table.loc[models > 1, "training_id"]))
    if ambiguous.any():
        table.loc[ambiguous, "training"] = table["training"] + " (" + table["model"] + ")"
        table.loc[ambiguous, "training_id"] = table["training_id"] + "/" + table["model_id"]
    return table


def _text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    return values.astype(object).where(values.notna(), "").astype(str)


def disambiguate(names: "pd.Series[Any]", identities: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return names in which a name of several identities is followed by the first digits of each."""
    pairs = pd.DataFrame({"name": names, "id": identities}).astype(str).drop_duplicates()
    if pairs["name"].is_unique:
        return names.astype(object)
    shown: dict[tuple[str, str], str] = {}
    for key, part in pairs.groupby("name"):
        name = str(key)
        ids = [str(identity) for identity in part["id"]]
        longest = max(map(len, ids))
        digits = next(
            (n for n in range(_SHORTEST, longest, 2) if len({identity[:n] for identity in ids}) == len(ids)), longest
        )
        shown |= {(name, identity): f"{name} ({identity[:digits]})" if len(ids) > 1 else name for identity in ids}
    return pd.Series(
        [shown[pair] for pair in zip(names.tolist(), identities.tolist(), strict=True)], index=names.index, dtype=object
    )


def cells(predictions: pd.DataFrame, label: str) -> list[Cell]:
    """Return every (training, dataset) of the table for one label, in the table's order.

    Raises:
        DataError: an image stands twice, or the targets of the label are missing.
    """
    if TARGET + label not in predictions:
        raise DataError(f"the predictions have no column '{TARGET}{label}'", "evaluate the models again")
    result = []
    for key, part in disambiguate_names(predictions).groupby(KEY, sort=False):
        samples = dict(_samples(part, label))
        if samples:
            result.append(Cell(**dict(zip(KEY, map(str, key), strict=True)), label=label, samples=samples))
    return result


def _samples(part: pd.DataFrame, label: str) -> Iterator[tuple[int, Sample]]:
    for replicate, rows in part.groupby("replicate", sort=True):
        repeated = rows["image_id"][rows["image_id"].duplicated()]
        if len(repeated):
            raise DataError(
                f"'{repeated.iloc[0]}' stands twice for one model and dataset", "evaluate each dataset once"
            )
        scored = rows[rows[LOGIT + label].notna()]
        if len(scored):
            yield (
                int(float(str(replicate))),
                Sample(
                    scored[TARGET + label].to_numpy(), scored[LOGIT + label].to_numpy(), scored["person_id"].to_numpy()
                ),
            )


def auc_table(predictions: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return one row per model, dataset and label: AUC with interval, or the reason why there is none."""
    rows = []
    for label in predicted_labels(predictions):
        for cell in cells(predictions, label):
            for replicate, sample in cell.samples.items():
                interval = auc_interval(sample.targets, sample.scores, sample.clusters, level=level)
                record = asdict(interval)
                record["interval_method"] = record.pop("method")
                rows.append({**_key(cell), "replicate": replicate, **record})
    return pd.DataFrame(rows)


def mean_table(predictions: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return one row per training, dataset and label: mean and SD over replicates, with the interval of the mean.

    ``positives`` and ``negatives`` are those of the first replicate.
    """
    rows = []
    for label in predicted_labels(predictions):
        for cell in cells(predictions, label):
            mean = asdict(mean_auc(list(cell.samples.values()), level=level))
            mean.pop("aucs")
            rows.append({**_key(cell), "replicates": len(cell.samples), **_counts(cell), **mean})
    return pd.DataFrame(rows)


def gap_table(predictions: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return one row per training, external dataset and label: internal minus external AUC, with an interval."""
    rows = []
    for label in predicted_labels(predictions):
        every = cells(predictions, label)
        for inside in (cell for cell in every if cell.role == INTERNAL):
            for outside in (cell for cell in every if cell.role == EXTERNAL and cell.training_id == inside.training_id):
                gap = _gap(inside, outside, level)
                if gap is not None:
                    rows.append(_gap_row(inside, outside, gap))
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))


def why_no_gap(predictions: pd.DataFrame) -> list[str]:
    """Return a note for each training tested on one side alone: the missing side, and how to get it."""
    notes = []
    for (training, _), part in disambiguate_names(predictions).groupby(["training", "training_id"], sort=False):
        roles = set(part["role"])
        if roles == {INTERNAL, EXTERNAL}:
            continue
        if "" in roles:
            missing = "does not say what it was trained on; ?trained-on=DATASET behind the model's name does"
        elif EXTERNAL not in roles:
            missing = "was tested on its own dataset alone; --dataset NAME of another hospital gives the outside"
        else:
            missing = "was tested outside alone; --dataset NAME of its training gives the inside"
        notes.append(f"no generalization gap: {training} {missing}")
    return notes


def correlation_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per model, dataset and number: the rank correlation of a regression, with an interval."""
    rows = []
    table = disambiguate_names(predictions)
    for label in predicted_labels(table):
        for key, part in table[table[LOGIT + label].notna()].groupby([*KEY, "replicate"], sort=False):
            measured = rank_correlation(
                part[TARGET + label], part[LOGIT + label], part["person_id"], rng=np.random.default_rng(0)
            )
            rows.append({**dict(zip([*KEY, "replicate"], key, strict=True)), "label": label, **asdict(measured)})
    return pd.DataFrame(rows)


def _gap(inside: Cell, outside: Cell, level: float) -> Gap | None:
    shared: Sequence[int] = [replicate for replicate in inside.samples if replicate in outside.samples]
    if not shared:
        return None
    pairs = [inside.samples[replicate] for replicate in shared], [outside.samples[replicate] for replicate in shared]
    return generalization_gap(*pairs, level=level)


def _gap_row(inside: Cell, outside: Cell, gap: Gap) -> dict[str, Any]:
    return {
        **{name: getattr(inside, name) for name in ("training", "training_id", "label")},
        "internal": inside.dataset,
        "internal_id": inside.dataset_id,
        "external": outside.dataset,
        "external_id": outside.dataset_id,
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
    return {name: getattr(cell, name) for name in (*KEY, "label")}


def _counts(cell: Cell) -> dict[str, int]:
    first = next(iter(cell.samples.values()))
    targets = pd.Series(first.targets)
    return {"positives": int((targets == 1).sum()), "negatives": int((targets == 0).sum())}
