"""Originals and edits of one model, joined by the image that each edit was made from.

What would invalidate the pairs is refused or counted with names: edits of images that were not scored, rows that stand
twice, labels that one side alone has, edited images among the originals or in the reference cohort.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from cxrshort.errors import DataError
from cxrshort.quantities import quantity
from cxrshort.registry import check_name
from cxrshort.stats.cooccurrence import Cooccurrence
from cxrshort.stats.finding_names import SHAMS, canonical, edit_role, label_of, plain
from cxrshort.stats.midranks import Floats
from cxrshort.stats.percentiles import MANY_TIES, is_constant, largest_tie
from cxrshort.stats.stress import EditedImages, ReferenceCohort
from cxrshort.verbs.roentmod.scores import ScoreRows, list_names

_EVALUATE = "score originals and edits of the same images"
_ORIGINAL = "original"


@dataclass(frozen=True, slots=True, eq=False)
class ModelPairs:
    """Hold what one model says of originals and edits.

    Args:
        model: what it is called.
        labels: predicted findings.
        edits: a finding each.
        controls: edits that add nothing: shams and round trips.
        reference: the cohort that percentiles are of.
        stated: how often findings come along according to the targets of the edits.
        images: originals with an edit.
        persons: of whom these are.
        notes: what was left out and what was taken for granted.
    """

    model: str
    labels: Sequence[str]
    edits: Sequence[EditedImages]
    controls: Sequence[EditedImages]
    reference: ReferenceCohort
    stated: Cooccurrence
    images: int
    persons: int
    notes: Sequence[str]


def match_models(before: ScoreRows, after: ScoreRows, reference: ScoreRows) -> dict[str, str]:
    """Return what each model is called by what tells it apart, if all tables are of the same models.

    A table that does not name its model may stand beside tables of one model.

    Raises:
        DataError: a table lacks a model of another one.
    """
    named = [table for table in (before, after, reference) if table.models.keys() != {""}]
    if not named:
        return {"": after.name.rpartition(".")[0] or after.name}
    models = named[0].models
    for table in (before, after, reference):
        own = table.models if table in named else models
        if own.keys() == models.keys() and (table in named or len(models) == 1):
            continue
        lonely = [name for key, name in {**own, **models}.items() if (key in own) != (key in models)]
        if table not in named:
            raise DataError(f"{table.name} does not say which of {len(models)} models it is of", "add a column model")
        raise DataError(f"{named[0].name} and {table.name} are not of the same models: {list_names(lonely)}", _EVALUATE)
    return dict(models)


def choose_labels(models: Mapping[str, Sequence[ScoreRows]], wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the labels that all models predict in all tables, and a note on those that some lack.

    Args:
        models: the tables of each model, by what it is called.
        wanted: labels that the user names; empty for all.

    Raises:
        DataError: there is no such label.
        UsageError: a label was named that is not among them.
    """
    by_model = {
        name: [label for label in parts[0].labels() if all(label in part.labels() for part in parts)]
        for name, parts in models.items()
    }
    shared = [label for label in next(iter(by_model.values())) if all(label in own for own in by_model.values())]
    every = dict.fromkeys(label for parts in models.values() for part in parts for label in part.labels())
    left_out = [label for label in every if label not in shared]
    if not shared:
        raise DataError(f"no label is in all tables and of all models: {list_names(left_out)}", _EVALUATE)
    for label in wanted:
        check_name(shared, label, kind="label of all models")
    where = "every table" if len(models) == 1 else "every table and model"
    lacking = f"{quantity(len(left_out), 'label is', 'labels are')} not in {where} and left out: {list_names(left_out)}"
    notes = [lacking] if left_out else []
    return [label for label in shared if label in wanted or not wanted], notes


def pair_edits(
    model: str,
    before: ScoreRows,
    after: ScoreRows,
    reference: ScoreRows | None,
    labels: Sequence[str],
    *,
    sham: str | None = None,
) -> ModelPairs:
    """Return a model's edits beside their originals.

    Args:
        model: what it is called.
        before: its scores of originals.
        after: its scores of edits.
        reference: its scores of the reference cohort; None takes the originals.
        labels: predicted findings.
        sham: the name of the edit that adds nothing; None for :data:`~cxrshort.stats.finding_names.SHAMS`.

    Raises:
        DataError: no edit is of an original, an image stands twice, or no edit adds anything.
    """
    originals, edits, cohort, source, roles, notes = _join(before, after, reference, sham=sham)
    persons = _persons(originals, notes)
    control = next((name for name, role in _by_role(roles, sham) if role == "sham"), None)
    blank = _sham_logits(originals, edits, source, labels, control)
    parts: dict[str, EditedImages] = {}
    logits, edited = originals.logits(labels), edits.logits(labels)
    for name, role in roles.items():
        rows = np.flatnonzero(edits.rows["edit"] == name)
        places = source[rows]
        beside = blank[places] if blank is not None and role == "edit" else None
        label = label_of(name, labels) if role == "edit" else ""
        parts[name] = EditedImages(name, label, persons[places], logits[places], edited[rows], beside)
    ordered = sorted(
        (part for name, part in parts.items() if roles[name] == "edit"),
        key=lambda part: labels.index(part.label) if part.label else len(labels),
    )
    notes += _notes(originals, source, ordered, control=control, roles=roles, labels=labels)
    notes += _cohort_notes(cohort, labels, is_originals=reference is None)
    used = np.unique(source)
    return ModelPairs(
        model,
        labels,
        ordered,
        [part for name, part in parts.items() if roles[name] != "edit"],
        ReferenceCohort(cohort.logits(labels), cohort.targets(labels), _persons(cohort, [])),
        _stated(edits, ordered, labels),
        len(used),
        len(np.unique(persons[used])),
        notes,
    )


def check_pairs(before: ScoreRows, after: ScoreRows, reference: ScoreRows | None, *, sham: str | None = None) -> None:
    """Refuse images that would make no pairs, before anything is scored.

    Args:
        before: the rows of originals, as in :func:`pair_edits`, with or without scores.
        after: those of edits.
        reference: those of the reference cohort; None takes the originals.
        sham: the name of the edit that adds nothing.

    Raises:
        DataError: as :func:`pair_edits`.
    """
    _join(before, after, reference, sham=sham)


class _Joined(NamedTuple):
    """Hold the rows of images that make pairs: `source` (E,) says where the original of each edit stands."""

    originals: ScoreRows
    edits: ScoreRows
    cohort: ScoreRows
    source: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    roles: dict[str, str]
    notes: list[str]


def _join(before: ScoreRows, after: ScoreRows, reference: ScoreRows | None, *, sham: str | None) -> _Joined:
    """Return the edits that have an original, and what each does."""
    originals, notes = _real(before, _ORIGINAL)
    edits = _edited(after, notes)
    source = _locate_sources(originals, edits, notes)
    edits, source = edits.where(pd.Series(source >= 0)), source[source >= 0]
    cohort = originals if reference is None else _real(reference, "image of the reference cohort", notes)[0]
    roles = {name: edit_role(name, sham) for name in dict.fromkeys(edits.rows["edit"])}
    if all(role != "edit" for role in roles.values()):
        raise DataError(f"{after.name}: no edit adds a finding: {list_names(list(roles))}", "edit names what it adds")
    return _Joined(originals, edits, cohort, source, roles, notes)


def _real(table: ScoreRows, noun: str, notes: list[str] | None = None) -> tuple[ScoreRows, list[str]]:
    """Return the rows of real images, and a note on edited ones.

    Raises:
        DataError: there is none, or an image stands twice.
    """
    notes = [] if notes is None else notes
    edited = (table.rows["edit"] != "") | (table.rows["source_image_id"] != "")
    if edited.all():
        hint = "--before takes the originals, --after their edits" if noun == _ORIGINAL else "name a dataset of films"
        raise DataError(f"{table.name}: all images are edits, and none is an {noun}", hint)
    if edited.any():
        count = quantity(int(edited.sum()), "edited image is", "edited images are")
        notes.append(f"{table.name}: {count} no {noun} and left out")
    real = table.where(~edited)
    _refuse_repeated(real, real.rows["image_id"])
    return real, notes


def _edited(after: ScoreRows, notes: list[str]) -> ScoreRows:
    """Return the rows of edits, and note others.

    Raises:
        DataError: there is none, or an image stands twice.
    """
    is_edit = (after.rows["edit"] != "") & (after.rows["source_image_id"] != "")
    if not is_edit.any():
        raise DataError(
            f"{after.name}: no row has both source_image_id and edit",
            "--after takes edits, which say what they were made from, and how",
        )
    if not is_edit.all():
        notes.append(
            f"{after.name}: {quantity(int((~is_edit).sum()), 'row is no edit', 'rows are no edits')} and left out"
        )
    edits = after.where(is_edit)
    _refuse_repeated(edits, edits.rows["image_id"])
    return edits


def _refuse_repeated(table: ScoreRows, names: "pd.Series[str]") -> None:
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        raise DataError(
            f"{table.name}: {quantity(len(repeated), 'image stands', 'images stand')} twice for one model: "
            f"{list_names(repeated.tolist())}",
            "score each image once",
        )


def _locate_sources(
    originals: ScoreRows, edits: ScoreRows, notes: list[str]
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return where the original of each edit stands, -1 where it was not scored.

    Raises:
        DataError: no edit has an original.
    """
    source: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        pd.Index(originals.rows["image_id"]).get_indexer(edits.rows["source_image_id"]).astype(np.int64)
    )
    lonely = edits.rows["source_image_id"][source < 0].unique().tolist()
    if (source < 0).all():
        raise DataError(
            f"{edits.name} holds edits of other images than {originals.name}: {list_names(lonely)}", _EVALUATE
        )
    if lonely:
        count = int((source < 0).sum())
        without = quantity(count, "edit without its original is", "edits without their original are")
        notes.append(f"{without} left out, of {'image' if len(lonely) == 1 else 'images'} {list_names(lonely)}")
    return source


def _persons(originals: ScoreRows, notes: list[str]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """Return whose images they are: persons, else patients, else every image is of a person of its own."""
    rows = originals.rows
    names = rows["person_id"].where(rows["person_id"] != "", rows["patient_id"])
    if (names == "").any():
        count = int((names == "").sum())
        ends = "counts as of a person of its own", "count as of persons of their own"
        notes.append(
            quantity(count, f"original has no person_id and {ends[0]}", f"originals have no person_id and {ends[1]}")
        )
    named = names.where(names != "", "image " + rows["image_id"])
    return named.to_numpy(dtype=object)


def _by_role(roles: Mapping[str, str], sham: str | None) -> list[tuple[str, str]]:
    """Return edits with their roles, the sham that is named or most like the others first."""
    order = [plain(sham)] if sham is not None else []
    order += SHAMS
    return sorted(
        roles.items(), key=lambda pair: order.index(plain(pair[0])) if plain(pair[0]) in order else len(order)
    )


def _sham_logits(
    originals: ScoreRows,
    edits: ScoreRows,
    source: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    labels: Sequence[str],
    control: str | None,
) -> Floats | None:
    """Return the logits of each original's sham, NaN where it has none; those of several shams are averaged."""
    if control is None:
        return None
    rows = np.flatnonzero(edits.rows["edit"] == control)
    means = pd.DataFrame(edits.logits(labels)[rows]).groupby(source[rows]).mean()
    logits = np.full((len(originals.rows), len(labels)), np.nan)
    logits[means.index.to_numpy()] = means.to_numpy()
    return logits


def _stated(edits: ScoreRows, parts: Sequence[EditedImages], labels: Sequence[str]) -> Cooccurrence:
    """Return how often findings come along according to the targets of the edits."""
    shares = {}
    targets = edits.targets(labels)
    for part in parts:
        own = targets[(edits.rows["edit"] == part.added).to_numpy()]
        for place, label in enumerate(labels):
            if np.isfinite(own[:, place]).any():
                shares[canonical(part.added), canonical(label)] = float(np.nanmean(own[:, place]))
    return Cooccurrence(shares, "the targets of the edits")


def _notes(
    originals: ScoreRows,
    source: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    edits: Sequence[EditedImages],
    *,
    control: str | None,
    roles: Mapping[str, str],
    labels: Sequence[str],
) -> list[str]:
    """Return what must be known of the pairs."""
    notes = []
    with_findings = int((originals.targets(labels)[np.unique(source)] == 1).any(axis=1).sum())
    if with_findings:
        notes.append(
            f"{with_findings:,} of {quantity(len(np.unique(source)), 'original')} "
            f"{'has' if with_findings == 1 else 'have'} a finding already, and can gain less"
        )
    unlabelled = [part.added for part in edits if not part.label]
    if unlabelled:
        notes.append(f"no label is of the added finding {list_names(unlabelled)}: all its cells are off target")
    if control is None:
        trips = [name for name, role in roles.items() if role == "round trip"]
        besides = f" ({list_names(trips)} adds no noise)" if trips else ""
        notes.append(f"no sham edit{besides}: nothing is called more than suspicious; --sham NAME names one")
        return notes
    without = sum(int(np.isnan(part.sham).all(axis=1).sum()) for part in edits if part.sham is not None)
    if without:
        count = quantity(without, "edit is of an original", "edits are of originals")
        notes.append(f"{count} without a sham, and in the published change alone")
    return notes


def _cohort_notes(cohort: ScoreRows, labels: Sequence[str], *, is_originals: bool) -> list[str]:
    """Return what must be known of the reference cohort."""
    notes = []
    if is_originals:
        notes.append(
            f"percentiles are within the {quantity(len(cohort.rows), 'original')}; --reference D takes a whole cohort, "
            "as the paper does"
        )
    columns = cohort.logits(labels)
    tied = [
        label
        for label, column in zip(labels, columns.T, strict=True)
        if largest_tie(column) >= MANY_TIES and not is_constant(column)
    ]
    if tied:
        notes.append(
            f"a tenth or more of the reference cohort has one score, so that percentiles are coarse: {', '.join(tied)}"
        )
    return notes
