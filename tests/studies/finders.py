"""Do the automatic finders find markers and shoulders? ``finders.py [--root DIR]`` prints precision and recall.

Truth on phantoms: their own boxes, 125 films of each phantom dataset at 224 px from a seed that nothing was tuned on.
Truth on real films: ``film_boxes.csv``, 60 frontal films of dataset I (30 of GitHub-COVID, 30 of ChestX-ray14, by a
seeded draw of one film per person; `draw_films`), in cache pixels of ``build-dataset --dataset I --size 224``, centre
crop. One reader drew the boxes from enlarged films before any finder was run on them, then laid them over the films and
corrected them. No one else has checked them, and no radiologist.

``marker`` is a laterality marker or text that is printed on the film, with its plate, disc or tile; letters and lines
nearer to one another than a letter is high are one box, and what the crop left of a text is a box as well. ``drawing``
is what is printed but is no text: arrows, a ruler, an object that cannot be read. A finder is not asked for drawings,
and a box on one is false, but counted apart. ``shoulder_right`` (the patient's) and ``shoulder_left`` reach from the
middle of the spine to the outer end of the clavicle, and from the top of the lung or the clavicle, whichever is higher,
to the lower edge of the clavicle; they were drawn where both clavicles can be followed: on 28 of the 30 films of
GitHub-COVID, and on 15 of the 18 of ChestX-ray14 that were looked at for them. On phantoms these boxes come from the
masks of the clavicles, with a margin of 5 % above and below and of 10 % beside (`clavicle_boxes`); the phantom's own
boxes hold the whole shoulder, out to the edge of the film.

A true box is found, and a proposed box is right, if the two meet with an IoU of at least 0.3 and the proposal holds the
centre of the true box; each box is used once. Intervals are Wilson's at 95 %, with the number of boxes divided by the
design effect of films. The finder of markers was tuned on the first 30 films and on phantoms of another seed; the other
30 films were held out. Lungs are V7's masks for GitHub-COVID, the average anatomy for ChestX-ray14, and the phantoms'
own. ``on text`` and ``drawings``: proposals with half of their area or more on true boxes, and on drawings; ``area``:
share of the true area that proposals cover.

Measured, recall and precision of markers: phantoms 0.95 [0.92, 0.96] and 0.98 [0.96, 0.99]; films tuned on 0.74 [0.59,
0.85] and 0.56 [0.40, 0.70]; held out 0.61 [0.42, 0.77] and 0.47 [0.26, 0.68], 15 of its 43 boxes on drawings. The
finder before (one component where a marker touches bone or the edge of the film, dark text not looked for): 0.89 and
0.83; 0.54 and 0.41; 0.64 and 0.40. Share of shoulders with an IoU of 0.5: phantoms 0.97, films 0.66 and 0.64.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from cxrshort import regions
from cxrshort.columns import REGION_COLUMNS
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.interventions.markers import find_markers
from cxrshort.interventions.shoulders import find_shoulders
from cxrshort.verbs.build_dataset import build_dataset

ROOT = Path(__file__).parents[3] / "shared" / "data"
BOXES = Path(__file__).with_name("film_boxes.csv")
PHANTOMS = ("phantom-I", "phantom-II", "phantom-III", "phantom-external")
SIZE, PHANTOM_SEED, FILM_SEED = 224, 2026, 0
PER_REPOSITORY, TUNED = 30, 30
MARKER_IOU, SHOULDER_IOU = 0.3, 0.5
"""Least IoU of a marker that is found, and of shoulders that lie well."""
SHOULDERS = ("shoulder_right", "shoulder_left")

Edges = npt.NDArray[np.int64]


class Films(NamedTuple):
    """Films with what a finder takes and what it should return.

    Args:
        image_ids: the name of each film.
        images: (N, H, W) in [0, 1].
        lungs: (N, H, W).
        truth: boxes, as ``regions.csv`` has them.
    """

    image_ids: list[str]
    images: npt.NDArray[np.float32]
    lungs: npt.NDArray[np.bool_]
    truth: pd.DataFrame

    def part(self, first: int, last: int) -> "Films":
        """Return the films from ``first`` to before ``last``."""
        return Films(self.image_ids[first:last], self.images[first:last], self.lungs[first:last], self.truth)

    def without_lungs(self) -> "Films":
        """Return the same films without lungs."""
        return self._replace(lungs=np.zeros_like(self.lungs))


def draw_films(manifest: pd.DataFrame) -> list[str]:
    """Return the names of the films in ``film_boxes.csv``, the repositories in turn, one film per person."""
    rng = np.random.default_rng(FILM_SEED)
    people = manifest.drop_duplicates("person_id").sort_values("image_id")
    draws = [
        rng.permutation(people.loc[people["repository"] == repository, "image_id"].to_numpy())[:PER_REPOSITORY]
        for repository in ("github-covid", "chestx-ray14")
    ]
    return [str(name) for pair in zip(*draws, strict=True) for name in pair]


def take(data: Dataset, rows: npt.NDArray[np.int64], truth: pd.DataFrame) -> Films:
    """Return films of a dataset, with their own lungs or else those of the average anatomy."""
    areas = regions.of(data, average=True)
    lungs = areas.take(rows).areas[:, areas.names.index("lungs")]
    pixels = data.pixels.take(rows)
    images = pixels.reshape(len(rows), *pixels.shape[-2:]).astype(np.float32) / 255
    return Films(data.manifest["image_id"].iloc[rows].tolist(), images, lungs, truth)


def real_films(home: Path, root: Path) -> Films:
    """Return the films of ``film_boxes.csv``, in the order in which they were drawn."""
    build_dataset("I", root=root, out=home / "I", size=SIZE)
    data = load_dataset(str(home / "I"))
    truth = regions.read_boxes(BOXES, shape=(SIZE, SIZE))
    names = draw_films(data.manifest)
    if missing := set(truth["image_id"]) - set(names):
        raise SystemExit(f"'{root}' is not what the boxes were drawn on: {len(missing)} of their films were not drawn")
    rows = pd.Index(data.manifest["image_id"]).get_indexer(names)
    return take(data, rows, truth)


def phantom_films(home: Path, name: str, images: int) -> Films:
    """Return phantoms, with the boxes of markers that they were drawn with, and boxes around their clavicles."""
    build_dataset(name, out=home / name, number_of_images=images, size=SIZE, seed=PHANTOM_SEED)
    data = load_dataset(str(home / name))
    rows, own = np.arange(len(data.manifest)), regions.boxes_of(data)
    return take(data, rows, pd.concat([own[~own["region"].isin(SHOULDERS)], clavicle_boxes(data)]))


def clavicle_boxes(data: Dataset) -> pd.DataFrame:
    """Return a box around the clavicle of each side, with a margin, as ``regions.csv`` has them."""
    areas, own = regions.of(data), regions.boxes_of(data).set_index(["image_id", "region"])
    clavicles = areas.take(np.arange(len(data.manifest))).areas[:, areas.names.index("clavicles")]
    near, beside, boxes = round(0.05 * SIZE), round(0.10 * SIZE), []
    for name, mask in zip(data.manifest["image_id"], clavicles, strict=True):
        for side in SHOULDERS:
            x0, _, x1, _ = own.loc[(name, side), ["x0", "y0", "x1", "y1"]]
            rows, columns = np.nonzero(mask[:, x0:x1])
            left, right = int(columns.min()) + x0, int(columns.max()) + 1 + x0
            left, right = (left - beside, right) if side == "shoulder_right" else (left, right + beside)
            top, bottom = int(rows.min()) - near, int(rows.max()) + 1 + near
            boxes.append((name, side, max(0, left), max(0, top), min(SIZE, right), min(SIZE, bottom)))
    return pd.DataFrame(boxes, columns=list(REGION_COLUMNS))


def joined(parts: list[Films]) -> Films:
    """Return the films of several datasets as those of one."""
    return Films(
        [f"{number}/{name}" for number, part in enumerate(parts) for name in part.image_ids],
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.lungs for part in parts]),
        pd.concat(
            [part.truth.assign(image_id=f"{number}/" + part.truth["image_id"]) for number, part in enumerate(parts)]
        ),
    )


def boxes(table: pd.DataFrame, image_id: str, region: str) -> Edges:
    """Return the boxes of a region of one film, (B, 4)."""
    chosen = (table["image_id"] == image_id) & (table["region"] == region)
    return table.loc[chosen, ["x0", "y0", "x1", "y1"]].to_numpy(np.int64).reshape(-1, 4)


def overlaps(first: Edges, second: Edges) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return IoU and shared area of each box with each other, (A, B)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    sizes = [(edges[:, 2:] - edges[:, :2]).prod(axis=1) for edges in (first, second)]
    return shared / (sizes[0][:, None] + sizes[1] - shared), shared


def matches(truth: Edges, proposed: Edges) -> int:
    """Return how many true boxes are found, the best pairs first."""
    iou, _ = overlaps(truth, proposed)
    centres = (truth[:, :2] + truth[:, 2:]) / 2
    inside = (proposed[None, :, :2] <= centres[:, None]) & (centres[:, None] <= proposed[None, :, 2:])
    scores = np.where(inside.all(axis=2), iou, 0)
    pairs = 0
    while scores.size and scores.max() >= MARKER_IOU:
        row, column = np.unravel_index(scores.argmax(), scores.shape)
        scores[row], scores[:, column] = 0, 0
        pairs += 1
    return pairs


def area(edges: Edges) -> npt.NDArray[np.bool_]:
    """Return the pixels that boxes cover."""
    covered = np.zeros((SIZE, SIZE), bool)
    for x0, y0, x1, y1 in edges:
        covered[y0:y1, x0:x1] = True
    return covered


def mostly_on(proposed: Edges, edges: Edges) -> npt.NDArray[np.bool_]:
    """Return which proposals lie with at least half of their area on boxes."""
    covered = area(edges)
    return np.array([covered[y0:y1, x0:x1].mean() >= 0.5 for x0, y0, x1, y1 in proposed], bool)


def share(hits: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> str:
    """Return a share over films with its interval: Wilson's, of fewer boxes where those of a film are alike."""
    total, films = int(counts.sum()), len(counts)
    if not total:
        return "-"
    value = hits.sum() / total
    clustered = films / (films - 1) * ((hits - value * counts) ** 2).sum() / total**2
    effect = max(1.0, clustered / (value * (1 - value) / total)) if 0 < value < 1 else 1.0
    low, high = proportion_confint(value * total / effect, total / effect, method="wilson")
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def score_markers(films: Films) -> dict[str, str]:
    """Return how the finder of markers does on films."""
    started = time.process_time()
    table = find_markers(films.images, films.lungs, image_ids=films.image_ids)
    milliseconds = 1000 * (time.process_time() - started) / len(films.image_ids)
    rows = []
    for name in films.image_ids:
        truth, proposed = boxes(films.truth, name, "marker"), boxes(table, name, "marker")
        drawings = int(mostly_on(proposed, boxes(films.truth, name, "drawing")).sum())
        parts = int(mostly_on(proposed, truth).sum())
        covered, target = area(proposed), area(truth)
        counts = (len(truth), matches(truth, proposed), len(proposed), drawings, parts)
        rows.append((*counts, (covered & target).sum(), target.sum()))
    true, hits, proposals, drawings, parts, shared, target = np.array(rows, np.int64).T
    return {
        "films": str(len(rows)),
        "true": str(true.sum()),
        "recall": share(hits, true),
        "area": f"{shared.sum() / target.sum():.2f}",
        "boxes": str(proposals.sum()),
        "precision": share(hits, proposals),
        "on text": f"{parts.sum() / max(1, proposals.sum()):.2f}",
        "false/film": f"{(proposals - hits).mean():.2f}",
        "drawings": str(drawings.sum()),
        "ms/film": f"{milliseconds:.1f}",
    }


def score_shoulders(films: Films) -> dict[str, str]:
    """Return how the finder of shoulders does on films that have both boxes."""
    table = find_shoulders(films.images, films.lungs, image_ids=films.image_ids)
    ious: list[list[float]] = []
    proposals = 0
    for name in films.image_ids:
        pairs = [(boxes(films.truth, name, side), boxes(table, name, side)) for side in SHOULDERS]
        if all(len(truth) for truth, _ in pairs):
            ious.append([float(overlaps(*pair)[0].max(initial=0)) for pair in pairs])
            proposals += sum(len(proposed) for _, proposed in pairs)
    values = np.array(ious)
    well, counts = (values >= SHOULDER_IOU).sum(axis=1), np.full(len(values), len(SHOULDERS))
    return {
        "films": str(len(values)),
        "true": str(values.size),
        "proposed": str(proposals),
        "median IoU": f"{np.median(values):.2f}",
        "lowest tenth": f"{np.quantile(values, 0.1):.2f}",
        f"IoU >= {SHOULDER_IOU}": share(well, counts),
    }


def main() -> None:
    """Measure both finders, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the downloaded repositories")
    parser.add_argument("--images", type=int, default=500, help="number of phantoms")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        phantoms = joined([phantom_films(home, name, arguments.images // len(PHANTOMS)) for name in PHANTOMS])
        real = real_films(home, arguments.root)
    tuned, held_out = real.part(0, TUNED), real.part(TUNED, len(real.image_ids))
    sets = {"phantoms": phantoms, "films, tuned on": tuned, "films, held out": held_out}
    for number, repository in enumerate(("GitHub-COVID", "ChestX-ray14")):
        chosen = slice(number, None, 2)
        sets[f"held out, {repository}"] = Films(
            held_out.image_ids[chosen], held_out.images[chosen], held_out.lungs[chosen], real.truth
        )
    bare = {"phantoms, no lungs": phantoms.without_lungs(), "held out, no lungs": held_out.without_lungs()}
    tables = {
        "markers": {name: score_markers(films) for name, films in {**sets, **bare}.items()},
        "shoulders": {name: score_shoulders(films) for name, films in sets.items()},
    }
    for name, rows in tables.items():
        sys.stdout.write(f"{name}\n{pd.DataFrame(rows).T.to_string()}\n\n")


if __name__ == "__main__":
    main()
