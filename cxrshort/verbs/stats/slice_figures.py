"""Pictures of slices: the excess of errors of each, and a contact sheet of each that was tested."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.files import shell_safe, shorten
from cxrshort.verbs.stats.output import Draw
from cxrshort.verbs.stats.slice_tables import NOT_TESTED

IMAGE = "image_id"
_SHEET_IMAGES = 24
_KEY = ("label", "training", "dataset", "replicate", "slice")


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Hold where images lie.

    Args:
        datasets: that were named.
        places: by image, which of them it is of, and its position there.
    """

    datasets: Sequence[Dataset]
    places: Mapping[str, tuple[int, int]]


def find_images(dataset: Sequence[str], tables: Sequence[pd.DataFrame]) -> Pictures | None:
    """Return where the images of tables lie; None where no dataset is named.

    Raises:
        DataError: the table does not name its images, or none of them is of a dataset.
        MissingInputError: there is no such dataset.
    """
    if not dataset:
        return None
    loaded = [load_dataset(name) for name in dataset]
    if any(IMAGE not in table for table in tables):
        raise DataError(f"the table has no column '{IMAGE}': its images cannot be found", "leave out --dataset")
    places = {
        name: (number, position)
        for number, data in enumerate(loaded)
        for position, name in enumerate(data.manifest[IMAGE])
    }
    wanted = {name for table in tables for name in table[IMAGE]}
    if not wanted & set(places):
        names = ", ".join(f"'{data.name}'" for data in loaded)
        raise DataError(f"none of {len(wanted):,} images is of {names}", "name the dataset that was evaluated")
    for data in loaded:
        _ = data.pixels  # refuses early
    return Pictures(loaded, places)


def drawing(rows: Sequence[Mapping[str, Any]], images: Sequence[Mapping[str, Any]], pictures: Pictures | None) -> Draw:
    """Return what draws the slices that were tested."""
    tested = [row for row in rows if row["finding"] != NOT_TESTED]

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import MOST_ROWS, Estimate, draw_intervals

        if not tested:
            return []
        estimates = [
            Estimate(
                _name(row),
                _heading(row),
                row["excess"],
                row["excess_low"],
                row["excess_high"],
            )
            for row in tested[:MOST_ROWS]
        ]
        measure = "share of errors minus that of equally sure images"
        paths = [draw_intervals(estimates, path("slices.png"), measure=measure, reference=0.0)]
        if pictures is not None:
            has_many_parts = len({_key(row)[:-1] for row in rows}) > 1
            for row in tested:
                own = [image for image in images if _key(image) == _key(row) and image["half"] == "testing"]
                test = f"{shorten(shell_safe(_heading(row)))}-" if has_many_parts else ""
                target = path(f"slice-{test}{row['slice']}.png")
                paths += _sheet(own, pictures, target)
        return paths

    return draw


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in _KEY)


def _heading(row: Mapping[str, Any]) -> str:
    replicate = f"replicate {row['replicate']}" if "replicate" in row else ""
    names = [str(row.get(name, "")) for name in ("label", "training", "dataset")]
    return ", ".join(filter(None, [*names, replicate]))


def _name(row: Mapping[str, Any]) -> str:
    mostly = str(row["mostly"]).replace(" %", "\u00a0%")  # a number keeps its unit where the name is folded
    return ", ".join(filter(None, [f"slice {row['slice']} (n = {row['images']:,})", mostly]))


def _sheet(images: Sequence[Mapping[str, Any]], pictures: Pictures, target: Path) -> list[Path]:
    """Draw the images of a slice that can be found: the errors first, the surest of them foremost."""
    from cxrshort.figures.plots import contact_sheet

    present = [image for image in images if image[IMAGE] in pictures.places]
    present.sort(key=lambda image: (image["target"] == image["called"], -abs(image["probability"] - 0.5)))
    shown = present[:_SHEET_IMAGES]
    if not shown:
        return []
    pixels = []
    for image in shown:
        number, position = pictures.places[image[IMAGE]]
        pixels.append(pictures.datasets[number].pixels.take([position])[0])
    if len({picture.shape for picture in pixels}) > 1:
        raise DataError("the datasets have images of different sizes", "name one dataset by --dataset")
    return [contact_sheet(pixels, [_caption(image) for image in shown], target)]


def _caption(image: Mapping[str, Any]) -> str:
    words = {(1, 0): "missed", (0, 1): "false alarm", (1, 1): "found", (0, 0): "left alone"}
    about = " ".join(filter(None, [str(image.get("repository", "")), str(image.get("view", ""))]))
    decision = f"{words[image['target'], image['called']]}, P {image['probability']:.2f}"
    return f"{decision}\n{about}" if about else decision
