"""The pictures of an explanation: examples, mean maps, shares of regions, and the clusters of maps on one page."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.attribution.clusters import MapClusters, cluster_maps, mean_maps
from cxrshort.attribution.explained_images import EVERY, NEGATIVE, POSITIVE, UNLABELLED, ExplainedImages
from cxrshort.attribution.explained_regions import BORDER, PARTS
from cxrshort.attribution.explanation_checks import caution_of, titled
from cxrshort.attribution.map_blocks import Maps
from cxrshort.errors import DataError
from cxrshort.figures.map_clusters import MEMBERS, ClusterRow, draw_clusters
from cxrshort.figures.maps import draw_maps
from cxrshort.figures.mean_maps import MeanMap, draw_mean_maps
from cxrshort.figures.region_shares import SharePoint, draw_region_shares
from cxrshort.images.prefetch import Source

EXAMPLES, MEANS, SHARES, CLUSTERS = "maps.png", "mean-maps.png", "shares.png", "clusters.png"
_CLASSES = (POSITIVE, NEGATIVE, UNLABELLED, EVERY)


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """Hold the maps of one label for drawing.

    Args:
        label: its name.
        rows: (N,) their rows in ``maps.csv``, one after the other.
        maps: (N, H, W) a part of the memory map.
        table: their rows of ``maps.csv``.
        pixels: of the images.
        images: (N,) the image of each map.
        number: whether the model predicts a number and no probability.
    """

    label: str
    rows: npt.NDArray[np.int64]
    maps: npt.NDArray[np.float32]
    table: pd.DataFrame
    pixels: Source
    images: npt.NDArray[np.int64]
    number: bool = False

    def films(self, places: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return the grey radiographs of some maps, (n, H, W) uint8."""
        pixels = self.pixels.take(self.images[np.asarray(places, np.int64)])
        if pixels.ndim == 4:
            pixels = np.round(pixels.mean(axis=1))
        return pixels.astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Hold what was drawn of all labels.

    Args:
        figures: the files.
        clusters: ``clusters.csv``; without rows where no maps could be clustered.
        cluster_of: (N,) the cluster of each map, counted from 1 for each label; missing where it is in none.
        notes: what could not be drawn, and why.
    """

    figures: list[Path]
    clusters: pd.DataFrame
    cluster_of: "pd.Series[Any]"
    notes: list[str]


def draw_pictures(
    maps: Maps,
    explained: ExplainedImages,
    table: pd.DataFrame,
    *,
    shares: pd.DataFrame,
    pixels: Source,
    clusters: int | None,
    number: bool,
    path_of: Callable[[str], Path],
) -> Pictures:
    """Draw every picture of every label, and cluster the maps of each.

    Args:
        maps: of all labels.
        explained: a row per map.
        table: ``maps.csv``.
        shares: ``shares.csv``, with a column ``caution`` where maps fail a check.
        pixels: of the images, as the model is shown them.
        clusters: how many; None leaves it to the maps.
        number: whether the model predicts a number.
        path_of: gives the path of a file by its name.
    """
    figures, tables, notes = list[Path](), list[pd.DataFrame](), list[str]()
    cluster_of = pd.Series(pd.NA, index=table.index, dtype="Int64")
    labels = list(dict.fromkeys(explained.table["label"]))
    for label in labels:
        shown = label_maps(label, maps, explained, table, pixels=pixels, number=number)
        map_clusters, why = find_clusters(shown, clusters=clusters)
        if map_clusters is None:
            notes.append(why)
        else:
            tables.append(cluster_table(shown, map_clusters))
            cluster_of.iloc[shown.rows] = [int(place) + 1 if place >= 0 else pd.NA for place in map_clusters.labels]

        def own_path(name: str, label: str = label) -> Path:
            return path_of(file_name(name, label, first=label == labels[0]))

        own_shares = shares[shares["label"] == label]
        figures += draw_label(shown, own_shares, clusters=map_clusters, path_of=own_path)
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Pictures(figures, joined, cluster_of, notes)


def label_maps(
    label: str, maps: Maps, explained: ExplainedImages, table: pd.DataFrame, *, pixels: Source, number: bool = False
) -> LabelMaps:
    """Return what is drawn of one label; maps are in the order of labels, so that none is copied."""
    rows = np.flatnonzero(explained.table["label"] == label).astype(np.int64)
    part = slice(int(rows[0]), int(rows[-1]) + 1)
    own = table.iloc[part].reset_index(drop=True)
    return LabelMaps(label, rows, maps.maps[part], own, pixels, explained.images[part], number)


def file_name(name: str, label: str, *, first: bool) -> str:
    """Return the name of a label's figure: as it stands for the first label, with the label behind it for others.

    Example:
        >>> file_name("maps.png", "Pleural Thickening", first=False)
        'maps-Pleural-Thickening.png'
    """
    stem, _, suffix = name.partition(".")
    word = re.sub(r"[^\w.+-]+", "-", label)
    return name if first else f"{stem}-{word}.{suffix}"


def class_name(label: str, kind: str) -> str:
    """Return what people call a class of a label.

    Example:
        >>> class_name("COVID-19", "positive"), class_name("COVID-19", "negative")
        ('COVID-19', 'no COVID-19')
    """
    return {POSITIVE: label, NEGATIVE: f"no {label}", UNLABELLED: f"{label} unknown"}.get(kind, "all images")


def draw_label(
    shown: LabelMaps, shares: pd.DataFrame, *, clusters: MapClusters | None, path_of: Callable[[str], Path]
) -> list[Path]:
    """Draw all pictures of a label that there is something to draw for, and return their paths.

    Args:
        shown: the maps.
        shares: the label's rows of ``shares.csv``; what their column ``caution`` says stands in every title.
        clusters: of the maps; None where there are none.
        path_of: gives the path of each picture by its usual name.
    """
    caution = caution_of(shares)
    drawn = [_draw_examples(shown, path_of(EXAMPLES), title=titled(f"maps, {shown.label}", caution))]
    if means := _means(shown):
        drawn.append(draw_mean_maps(means, path_of(MEANS), title=titled(f"mean maps, {shown.label}", caution)))
    points = share_points(shown.label, shares)
    if any(point.share is not None for point in points):
        title = titled(f"{shown.label}: share of the maps in each region", caution)
        drawn.append(draw_region_shares(points, path_of(SHARES), title=title))
    if clusters is not None:
        rows = [_cluster_row(shown, clusters, number) for number in range(len(clusters.members))]
        title = titled(f"clusters of maps, {shown.label}", caution)
        drawn.append(draw_clusters(rows, path_of(CLUSTERS), title=title))
    return drawn


def find_clusters(shown: LabelMaps, *, clusters: int | None) -> tuple[MapClusters | None, str]:
    """Return the clusters of a label's maps, or why there are none."""
    try:
        return cluster_maps(shown.maps, clusters=clusters), ""
    except DataError as error:
        return None, f"no clusters of {shown.label}: {error.message}"


def cluster_table(shown: LabelMaps, clusters: MapClusters) -> pd.DataFrame:
    """Return a label's rows of ``clusters.csv``: how large each cluster is, and what its members share."""
    rows = []
    for number, members in enumerate(clusters.members):
        own = shown.table.iloc[members]
        repositories = own["repository"].value_counts(sort=True)
        rows.append(
            {
                "label": shown.label,
                "cluster": number + 1,
                "maps": len(members),
                "persons": own["person_id"].nunique(),
                "positives": int((own["class"] == POSITIVE).sum()),
                "negatives": int((own["class"] == NEGATIVE).sum()),
                "repositories": "; ".join(f"{name} {count}" for name, count in repositories.items()),
                "share_lungs": own["share.lungs"].mean(),
                "share_border": own[f"share.{BORDER}"].mean(),
                "nearest": "; ".join(own["image_id"].iloc[:MEMBERS]),
            }
        )
    return pd.DataFrame(rows)


def share_points(label: str, shares: pd.DataFrame) -> list[SharePoint]:
    """Return the points of the summary figure: positives before negatives, regions in their order."""
    points = []
    for kind in _CLASSES:
        own = shares[(shares["class"] == kind) & ~shares["region"].isin(PARTS)].astype(object)
        own = own.where(own.notna(), None)
        points += [
            SharePoint(
                class_name(label, kind),
                row["region"],
                row["share"],
                row["share_low"],
                row["share_high"],
                row["area"],
                row["ratio"],
            )
            for row in own.to_dict(orient="records")
        ]
    return points


def _draw_examples(shown: LabelMaps, path: Path, *, title: str) -> Path:
    places, words = _examples(shown.table)
    captions = [_caption(shown, place, word) for place, word in zip(places, words, strict=True)]
    maps = np.stack([np.asarray(shown.maps[place]) for place in places])
    return draw_maps(shown.films(places), maps, captions, path, title=title)


def _examples(table: pd.DataFrame) -> tuple[list[int], list[str]]:
    """Return which maps are shown, each once: of each class the highest and the middle logit, and the most border."""
    chosen: dict[int, str] = {}
    for kind in _CLASSES:
        own = table.index[(table["class"] == kind).to_numpy(dtype=bool)]
        ordered = own[np.argsort(-table.loc[own, "logit"].to_numpy(), kind="stable")]
        if len(ordered):
            chosen.setdefault(int(ordered[0]), "the highest of its class")
            chosen.setdefault(int(ordered[len(ordered) // 2]), "in the middle of its class")
    border = table[f"share.{BORDER}"]
    if border.notna().any():
        chosen.setdefault(int(np.nanargmax(border)), "the most attribution in the border")
    return list(chosen), list(chosen.values())


def _caption(shown: LabelMaps, place: int, word: str) -> str:
    row = shown.table.iloc[place]
    logit = float(row["logit"])
    value = f"output {logit:.3g}" if shown.number else f"probability {1 / (1 + np.exp(-logit)):.2f}"
    shares = [f"{name} {100 * row[f'share.{name}']:.0f} %" for name in ("lungs", BORDER) if row[f"share.{name}"] >= 0]
    where = f"; {', '.join(shares)} of the map" if shares else ""
    return f"{row['image_id']}: {class_name(shown.label, row['class'])}, {value}\n{word}{where}"


def _means(shown: LabelMaps) -> list[MeanMap]:
    """Return the mean radiograph and mean map of each repository and class, positives first."""
    groups = shown.table[["repository", "class"]]
    means: list[MeanMap] = []
    for keys, count, chart in mean_maps(shown.maps, groups):
        places = np.flatnonzero((groups == pd.Series(keys)).all(axis=1))
        means.append(
            MeanMap(
                class_name(shown.label, str(keys["class"])),
                str(keys["repository"]),
                count,
                _mean_film(shown, places.astype(np.int64)),
                chart,
            )
        )
    order = [class_name(shown.label, kind) for kind in _CLASSES]
    return sorted(means, key=lambda mean: order.index(mean.group))


def _mean_film(shown: LabelMaps, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    total: Any = 0.0
    for start in range(0, len(places), 256):
        total = total + shown.films(places[start : start + 256]).sum(axis=0, dtype=np.float64)
    mean: npt.NDArray[np.float64] = total / len(places) / 255
    return mean


def _cluster_row(shown: LabelMaps, clusters: MapClusters, number: int) -> ClusterRow:
    members = clusters.members[number]
    nearest = members[:MEMBERS]
    captions = [
        f"{class_name(shown.label, kind)}, {logit:.1f}"
        for kind, logit in shown.table.iloc[nearest][["class", "logit"]].itertuples(index=False)
    ]
    maps = np.stack([np.asarray(shown.maps[place]) for place in nearest])
    note = _cluster_note(shown.label, shown.table.iloc[members])
    mean = clusters.mean_maps[number]
    return ClusterRow(f"cluster {number + 1}", len(members), note, mean, shown.films(nearest), maps, captions)


def _cluster_note(label: str, own: pd.DataFrame) -> str:
    kinds = own["class"].value_counts()
    parts = [f"{100 * kinds.iloc[0] / len(own):.0f} % {class_name(label, kinds.index[0])}"]
    if own["repository"].nunique() > 1 or own["repository"].iloc[0]:
        repository = own["repository"].value_counts()
        parts.append(f"{100 * repository.iloc[0] / len(own):.0f} % {repository.index[0]}")
    return "; ".join(parts)
