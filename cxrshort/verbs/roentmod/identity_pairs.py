"""The pairs of pictures that identity is judged on: edits, controls and follow-ups beside their originals.

What would invalidate them is refused or counted with names: edits of images that are not among the originals, edited
images among the originals, pictures of other sizes, one film under the names of two persons (whose control would be the
film itself).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError
from cxrshort.images.cache import checksum
from cxrshort.quantities import quantity
from cxrshort.stats.finding_names import canonical, edit_role, label_of
from cxrshort.stats.follow_ups import WITHIN_DAYS, find_follow_ups
from cxrshort.stats.identity_scores import derange_persons
from cxrshort.stats.midranks import Integers
from cxrshort.stats.named_draws import named_generator
from cxrshort.verbs.roentmod.scores import list_names

BEFORE, AFTER, LATER = "before", "after", "follow-up"
CONTROL, EDIT, REAL, REAL_CONTROL, SHAM, ROUND_TRIP = (
    "control", "edit", "real", "real control", "sham", "round trip",
)  # fmt: skip
KINDS = (CONTROL, EDIT, SHAM, ROUND_TRIP, REAL, REAL_CONTROL)
"""Kinds of pairs, in the order of tables; the first image of all but the last two is an original."""
SAME_PLACE = (EDIT, SHAM, ROUND_TRIP)
"""Those whose pictures lie on each other, so that they can be compared region by region."""
ALL_EDITS = "all edits"
PAIR_COLUMNS = ("edit", "kind", "first_role", "first", "second_role", "second", "image_id", "other_id", "person_id")
_EVALUATE = "roentmod edit writes edits of a dataset; give both"
ONE_PERSON = "one person: there is no other person's image"


@dataclass(frozen=True, slots=True, eq=False)
class IdentityPairs:
    """Hold pairs of pictures.

    Args:
        data: the datasets by role; follow-ups may be of the originals' dataset.
        table: :data:`PAIR_COLUMNS`; ``first`` and ``second`` are positions in the datasets of these roles.
        edits: names of edits that add a finding, in order.
        reasons: why there are no pairs, by edit and kind.
        notes: what was left out and what must be known.
    """

    data: Mapping[str, Dataset]
    table: pd.DataFrame
    edits: Sequence[str]
    reasons: Mapping[tuple[str, str], str]
    notes: Sequence[str]

    def of_edit(self, edit: str) -> pd.DataFrame:
        """Return the pairs of one edit, or of all edits, each pair once."""
        if edit != ALL_EDITS:
            return self.table[self.table["edit"] == edit]
        return self.table.drop_duplicates(["kind", "first_role", "first", "second_role", "second"])


def pair_images(
    before: Dataset,
    after: Dataset,
    follow_up: Dataset | None,
    *,
    sham: str | None = None,
    within_days: float = WITHIN_DAYS,
    seed: int = 0,
) -> IdentityPairs:
    """Return all pairs.

    Args:
        before: originals.
        after: their edits.
        follow_up: real images of the same or other persons; None takes the originals' dataset.
        sham: the name of the edit that adds nothing; None for those of :mod:`cxrshort.stats.finding_names`.
        within_days: from an image to its follow-up, at most.
        seed: of the other persons, and of the choice among follow-ups.

    Raises:
        DataError: no edit is of an original, no edit adds a finding, or images differ in size.
    """
    data = {BEFORE: before, AFTER: after, LATER: before if follow_up is None else follow_up}
    _check_shapes(data)
    notes: list[str] = []
    originals = _originals(before, notes)
    edits = _located_edits(before, after, originals, notes)
    names = list(dict.fromkeys(edits["edit"]))
    roles = {name: edit_role(name, sham) for name in names}
    added = [name for name in names if roles[name] == "edit"]
    if not added:
        raise DataError(f"{after.name}: no edit adds a finding: {list_names(names)}", "--sham names the one that does")
    persons = _persons(before, edits["first"].unique(), notes)
    edits["person_id"] = persons.loc[edits["first"]].to_numpy()
    reasons: dict[tuple[str, str], str] = {}
    parts = []
    for name in added:
        own = edits[edits["edit"] == name]
        controls = _control_pairs(own, seed=seed)
        if controls is None:
            reasons[name, CONTROL] = ONE_PERSON
        beside = edits[edits["first"].isin(own["first"])]
        shams, trips = (beside[beside["edit"].map(roles) == role] for role in ("sham", "round trip"))
        tables = {CONTROL: controls, EDIT: own, SHAM: shams, ROUND_TRIP: trips}
        real, why = _real_pairs(data[LATER], name, set(own["image_id"]), notes, within_days=within_days, seed=seed)
        tables |= real
        reasons |= {(name, kind): reason for kind, reason in why.items()}
        for kind, what in ((SHAM, "sham edit"), (ROUND_TRIP, "round trip")):
            if tables[kind].empty:
                reasons[name, kind] = f"no {what} among the edits"
        parts += [table.assign(edit=name, kind=kind) for kind, table in tables.items() if table is not None]
    table = pd.concat(parts, ignore_index=True)[list(PAIR_COLUMNS)]
    return IdentityPairs(data, table, added, reasons, [*notes, *_missing_notes(added, reasons)])


def _check_shapes(data: Mapping[str, Dataset]) -> None:
    shapes = {role: part.pixels.image_shape for role, part in data.items()}
    if len(shapes[BEFORE]) != 2:
        raise DataError(f"{data[BEFORE].name} holds pictures of three colours", "identity is of grey radiographs")
    for role in (AFTER, LATER):
        if shapes[role] != shapes[BEFORE]:
            first, second = ("x".join(map(str, shapes[place])) for place in (BEFORE, role))
            raise DataError(
                f"{data[BEFORE].name} has images of {first} pixels and {data[role].name} of {second}: distances "
                "would be of the size",
                "build both with the same --size",
            )


def _originals(data: Dataset, notes: list[str]) -> pd.DataFrame:
    """Return names, places and persons of real images.

    Raises:
        DataError: all are edits.
    """
    manifest = data.manifest
    edited = _texts(manifest, "edit").ne("") | _texts(manifest, "source_image_id").ne("")
    if edited.all():
        raise DataError(f"{data.name}: all images are edits, and none is an original", _EVALUATE)
    if edited.any():
        count = quantity(int(edited.sum()), "edited image is no original", "edited images are no originals")
        notes.append(f"{data.name}: {count} and left out")
    rows = np.flatnonzero(~edited)
    kept = manifest.iloc[rows]
    return pd.DataFrame({"image_id": kept["image_id"].to_numpy(), "place": rows, "person_id": kept["person_id"]})


def _texts(manifest: pd.DataFrame, name: str) -> "pd.Series[str]":
    return manifest[name].fillna("").astype(str) if name in manifest else pd.Series("", manifest.index, dtype=str)


def _located_edits(before: Dataset, after: Dataset, originals: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return edits beside their originals, as pairs.

    Raises:
        DataError: there is no edit, or none of an original.
    """
    edit, source = _texts(after.manifest, "edit"), _texts(after.manifest, "source_image_id")
    is_edit = (edit != "") & (source != "")
    if not is_edit.any():
        raise DataError(
            f"{after.name}: no row has both source_image_id and edit", "edits say what they were made from, and how"
        )
    if not is_edit.all():
        notes.append(
            f"{after.name}: {quantity(int((~is_edit).sum()), 'row is no edit', 'rows are no edits')} and left out"
        )
    places = pd.Index(originals["image_id"]).get_indexer(source)
    lonely = source[is_edit & (places < 0)]
    if len(lonely) == int(is_edit.sum()):
        raise DataError(
            f"{after.name} holds edits of other images than {before.name}: {list_names(lonely.unique().tolist())}",
            _EVALUATE,
        )
    if len(lonely):
        listed = list_names(lonely.unique().tolist())
        without = quantity(len(lonely), "edit without its original is", "edits without their original are")
        notes.append(f"{without} left out, of {'image' if lonely.nunique() == 1 else 'images'} {listed}")
    rows = np.flatnonzero(is_edit & (places >= 0))
    own = originals.iloc[places[rows]]
    return pd.DataFrame(
        {
            "edit": edit.to_numpy()[rows],
            "first_role": BEFORE,
            "first": own["place"].to_numpy(),
            "second_role": AFTER,
            "second": rows,
            "image_id": own["image_id"].to_numpy(),
            "other_id": after.manifest["image_id"].to_numpy()[rows],
            "person_id": own["person_id"].to_numpy(),
        }
    )


def _persons(data: Dataset, places: Integers, notes: list[str]) -> "pd.Series[str]":
    """Return whose each original is, by place; persons who share a film count as one, and are noted."""
    persons = data.manifest["person_id"].iloc[places].astype(str)
    persons.index = pd.Index(places)
    films = pd.Series([checksum(data.pixels.take([place])[0]) for place in places.tolist()], index=persons.index)
    shared = pd.DataFrame({"film": films, "person": persons}).drop_duplicates()
    shared = shared[shared["film"].duplicated(keep=False)]
    if shared.empty:
        return persons
    notes.append(
        f"{quantity(shared['film'].nunique(), 'film stands', 'films stand')} among the originals under "
        f"{shared['person'].nunique():,} persons ({list_names(shared['person'].unique().tolist())}), who count as one"
    )
    merged = persons.copy()
    for _, group in shared.groupby("film"):
        same = merged[persons.isin(group["person"])].unique()
        merged[merged.isin(same)] = same[0]
    return merged


def _control_pairs(edits: pd.DataFrame, *, seed: int) -> pd.DataFrame | None:
    """Return each original beside the edit of another person's; None where there is one person.

    The other person is the same one in all edits of the same originals.
    """
    if edits["person_id"].nunique() < 2:
        return None
    partners = derange_persons(edits["person_id"], rng=named_generator(seed, "other persons"))
    other = edits.iloc[partners]
    return edits.assign(second=other["second"].to_numpy(), other_id=other["other_id"].to_numpy())


def _real_pairs(
    data: Dataset, edit: str, edited: set[str], notes: list[str], *, within_days: float, seed: int
) -> tuple[dict[str, pd.DataFrame | None], dict[str, str]]:
    """Return images beside their follow-ups with the finding, and beside another person's; and why there are none."""
    manifest = data.manifest
    real = _texts(manifest, "edit").eq("") & _texts(manifest, "source_image_id").eq("")
    label = label_of(edit, data.labels)
    if not label:
        reason = f"{data.name} has no label of '{edit}'"
        return {}, {REAL: reason, REAL_CONTROL: reason}
    rows = np.flatnonzero(real)
    pairs = find_follow_ups(
        manifest.iloc[rows].reset_index(drop=True),
        manifest[label].to_numpy(dtype=np.float64)[rows],
        rng=named_generator(seed, "follow-up", canonical(edit)),
        within_days=within_days,
        preferred=edited,
    )
    if not len(pairs):
        reason = f"in nobody of '{data.name}' does {label} appear within {within_days:g} days"
        return {}, {REAL: reason, REAL_CONTROL: reason}
    if pairs.by_age.any():
        notes.append(
            f"{label}: {int(pairs.by_age.sum()):,} of {len(pairs):,} follow-ups are dated by age and name alone, and "
            "may lie up to a year further apart"
        )
    first, second = rows[pairs.earlier], rows[pairs.later]
    names = manifest["image_id"].to_numpy()
    table = pd.DataFrame(
        {
            "first_role": LATER,
            "first": first,
            "second_role": LATER,
            "second": second,
            "image_id": names[first],
            "other_id": names[second],
            "person_id": manifest["person_id"].to_numpy()[first],
        }
    )
    if len(table) < 2:
        return {REAL: table}, {REAL_CONTROL: ONE_PERSON}
    partners = derange_persons(table["person_id"], rng=named_generator(seed, "other follow-ups"))
    others = table.iloc[partners]
    control = table.assign(second=others["second"].to_numpy(), other_id=others["other_id"].to_numpy())
    return {REAL: table, REAL_CONTROL: control}, {}


def _missing_notes(edits: Sequence[str], reasons: Mapping[tuple[str, str], str]) -> list[str]:
    """Return what is missing of all edits, a sentence for each reason."""
    listed: dict[tuple[str, str], list[str]] = {}
    for (edit, kind), reason in reasons.items():
        if kind != REAL_CONTROL:
            listed.setdefault((kind, reason), []).append(edit)
    return [
        f"{kind} is not testable: {reason}" + ("" if len(names) == len(edits) else f" ({list_names(names)})")
        for (kind, reason), names in listed.items()
    ]


def used_images(pairs: IdentityPairs) -> tuple[dict[str, Dataset], pd.DataFrame]:
    """Return the images that stand in a pair, as datasets, and the pairs with positions in these."""
    table, parts = pairs.table.copy(), {}
    for role, data in pairs.data.items():
        sides = [(table[f"{side}_role"] == role, side) for side in ("first", "second")]
        used = np.unique(np.concatenate([table.loc[chosen, side].to_numpy(np.int64) for chosen, side in sides]))
        if not len(used):
            continue
        parts[role] = replace(data, manifest=data.manifest.iloc[used].reset_index(drop=True))
        for chosen, side in sides:
            table.loc[chosen, side] = np.searchsorted(used, table.loc[chosen, side].to_numpy(np.int64))
    return parts, table
