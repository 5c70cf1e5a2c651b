"""The three checks of ``--sanity`` on a sample of images: do the maps mean anything?

- *randomisation*: maps must be lost where the model's layers are initialised anew (:mod:`cxrshort.attribution.sanity`);
- *background*: maps must stay with another background distribution (the same module; DeGrave et al. 2021,
  Supplementary Fig. 17, which takes images of the external dataset). Unless the caller gives one, it is a random sample
  of the images that are explained, positives and negatives: the usual background is of negatives from training;
- *faithfulness*: cells that maps point at must move the logit (:mod:`cxrshort.attribution.faithfulness`).

What would invalidate a check: maps that are zero everywhere or not finite, which resemble nothing and would pass the
first one. Such images are left out, and where fewer than ten are left, nothing is judged: `passes` is None and never
True. A method that passes may still be misread; a failure stands beside every number that rests on the maps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from cxrshort import runs
from cxrshort.attribution.background import draw_background
from cxrshort.attribution.check_progress import IMAGES, MAPS, CheckProgress, Report
from cxrshort.attribution.contract import AttributionMethod
from cxrshort.attribution.faithfulness import FaithfulnessCurves, faithfulness_curves, judge_faithfulness
from cxrshort.attribution.sanity import background_sensitivity, cascading_randomisation, count_stages
from cxrshort.attribution.shares import region_shares
from cxrshort.compute import Compute, seeded_generator
from cxrshort.images.prefetch import Indices, Source
from cxrshort.models.scoring import SCORING_BATCH, scan
from cxrshort.regions import RegionBatch

RANDOMISATION, BACKGROUND, FAITHFULNESS = "randomisation", "background", "faithfulness"
CHECKED_IMAGES = 30
LEAST_IMAGES = 10
"""Images without which likeness between maps of different images says little."""
CURVE_COLUMNS = ("check", "curve", "step", "steps", "layer", "value")
FOLD_SAMPLE = "a random sample of the explained images, positives and negatives"
_CELLS = ("deletion", "insertion")
_AT_A_TIME = 4
"""Images of a batch, so few that the batches of `CHECKED_IMAGES` can be shared by eight processes."""
_FAULTS = {
    RANDOMISATION: "they hardly depend on what the model has learned",
    BACKGROUND: "they depend on the images that serve as the background",
    FAITHFULNESS: "what they point at does not move the logit more than the rest",
}

Maps = npt.NDArray[np.float32]


class NamedRegions(Protocol):
    """Cut regions of images, as :class:`cxrshort.regions.Regions` does."""

    @property
    def names(self) -> Sequence[str]:
        """Return the regions."""

    def take(self, indices: Indices) -> RegionBatch:
        """Return the regions of these images, in the order of the names."""


@dataclass(frozen=True, eq=False)
class MapMaker:
    """Bind an attribution method to all that its maps depend on besides model and images.

    Args:
        method: of :data:`cxrshort.attribution.METHODS`.
        settings: of the method's ``Settings``; None takes the defaults.
        references: (R, C, H, W) in [0, 1], the background; None where the method needs none.
        seed: together with an image's position it seeds the draws of that image.
        batch_size: images, or pairs of an image and a reference, in the network at the same time.
        other_references: another background to compare with; None takes :data:`FOLD_SAMPLE`, as many.
        other_name: what it is called in sentences.
        output: the logit that is explained.
    """

    method: AttributionMethod
    settings: Any = None
    references: Tensor | None = None
    seed: int = 0
    batch_size: int = SCORING_BATCH
    other_references: Tensor | None = None
    other_name: str = FOLD_SAMPLE
    output: int = 0

    def generators(self, positions: Indices, *counters: int) -> list[torch.Generator]:
        """Return the generator of each image: a function of the seed and its position alone."""
        return [seeded_generator(self.seed, position, *counters) for position in positions.tolist()]

    def maps(
        self,
        model: nn.Module,
        images: Tensor,
        positions: Indices,
        *,
        references: Tensor | None = None,
    ) -> Tensor:
        """Return the maps of a batch, (N, H, W).

        Args:
            model: maps images (N, C, H, W) to logits (N, L).
            images: (N, C, H, W).
            positions: (N,) of the images in their dataset.
            references: in place of the usual ones.
        """
        needs = self.method.requires
        return self.method(
            model,
            images,
            torch.full((len(images),), self.output, dtype=torch.int64),
            settings=self.settings,
            references=(self.references if references is None else references) if needs.references else None,
            generators=self.generators(positions) if needs.generators else (),
            batch_size=self.batch_size,
        )


@dataclass(frozen=True, slots=True)
class MapCheck:
    """Hold the outcome of one check.

    Args:
        name: ``"randomisation"``, ``"background"`` or ``"faithfulness"``.
        passes: None where it could not be judged.
        reason: the rule and the numbers, or why there is no verdict; a clause without a capital.
        numbers: what was measured, by name.
    """

    name: str
    passes: bool | None
    reason: str
    numbers: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """Return ``"passes"``, ``"fails"`` or ``"not judged"``."""
        return "not judged" if self.passes is None else "passes" if self.passes else "fails"


@dataclass(frozen=True, slots=True, eq=False)
class MapChecks:
    """Hold the outcome of all checks.

    Args:
        checks: of randomisation, background and faithfulness.
        curves: ``sanity.csv``: `CURVE_COLUMNS`, a row per point. Of randomisation the similarity with the maps of the
            trained model, and that of maps of different images; of deletion and insertion the mean logit.
        images: images that were checked.
        left_out: images whose map is zero everywhere or not finite.
    """

    checks: tuple[MapCheck, ...]
    curves: pd.DataFrame
    images: int
    left_out: int

    @property
    def warnings(self) -> list[str]:
        """Return a sentence for each check that the maps fail."""
        return [
            f"the maps fail the check of {check.name}, so that {_FAULTS[check.name]}: {check.reason}"
            for check in self.checks
            if check.passes is False
        ]

    @property
    def caution(self) -> str:
        """Return what stands beside every number that rests on the maps; empty where no check fails."""
        failed = [check.name for check in self.checks if check.passes is False]
        return f"maps fail {' and '.join(failed)}" if failed else ""

    def summary(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        listed = [
            {"check": check.name, "passes": check.passes, "reason": check.reason, **check.numbers}
            for check in self.checks
        ]
        return {"images": self.images, "left_out": self.left_out, "caution": self.caution, "checks": listed}


def sample_images(persons: ArrayLike, *, count: int = CHECKED_IMAGES, seed: int = 0) -> Indices:
    """Return the positions of a random sample, in order: of different persons, as far as there are so many.

    Args:
        persons: (N,) whose images they are.
        count: how many, at most.
        seed: of the draw.

    Example:
        >>> sample_images(["a", "a", "a", "b"], count=2).size
        2
    """
    people = np.asarray(persons)
    order = np.random.default_rng(seed).permutation(len(people))
    firsts = np.unique(people[order], return_index=True)[1]
    again = np.ones(len(people), bool)
    again[firsts] = False
    ranked = np.concatenate([order[np.sort(firsts)], order[again]])
    positions: Indices = np.sort(ranked[:count]).astype(np.int64)
    return positions


def check_maps(
    model: nn.Module,
    source: Source,
    *,
    rows: Indices,
    persons: ArrayLike,
    maker: MapMaker,
    compute: Compute,
    regions: NamedRegions | None = None,
    report: Report = runs.ignore_event,
) -> MapChecks:
    """Run the three checks; several processes do a share each, and all return the whole.

    Args:
        model: the trained model, on its device; it is never changed.
        source: the images that are explained.
        rows: positions of the images to check, as :func:`sample_images` draws them.
        persons: (N,) whose images those of the source are.
        maker: makes the maps.
        compute: device and processes.
        regions: of the images of the source, to say by how much the shares of regions move; None leaves that out.
        report: takes events of the progress.

    Raises:
        UsageError: the method cannot explain this model.
    """
    count = len(rows) * (1 + count_stages(model) + maker.method.requires.references)
    progress = CheckProgress(MAPS, count, compute=compute, report=report)
    sample = _Sample(model, source, np.asarray(rows, np.int64), maker, compute, progress)
    maps = sample.explain(model)
    usable = np.isfinite(maps).all(axis=(1, 2)) & (maps != 0).any(axis=(1, 2)) if len(maps) else np.zeros(0, bool)
    sample, maps = sample.at(usable), maps[usable]
    randomisation, layers = _check_randomisation(sample, maps)
    background = _check_background(sample, maps, regions)
    sample = replace(sample, progress=CheckProgress(IMAGES, len(maps), compute=compute, report=report))
    faithfulness, cells = _check_faithfulness(sample, maps, np.asarray(persons)[sample.rows])
    checks = (randomisation, background, faithfulness)
    curves = pd.DataFrame([*layers, *cells], columns=list(CURVE_COLUMNS))
    return MapChecks(checks, curves, len(maps), int((~usable).sum()))


@dataclass(frozen=True, eq=False)
class _Sample:
    """Hold the images that are checked, and how they are explained."""

    model: nn.Module
    source: Source
    rows: Indices
    maker: MapMaker
    compute: Compute
    progress: CheckProgress

    def at(self, kept: npt.NDArray[np.bool_]) -> "_Sample":
        return replace(self, rows=self.rows[kept])

    def explain(self, network: nn.Module, references: Tensor | None = None) -> Maps:
        """Return the maps of the images by any network, (N, H, W)."""

        def work(images: Tensor, positions: Indices) -> Tensor:
            return self.maker.maps(network, images, positions, references=references)

        maps: Maps = self.scan(work, network, gradients=self.maker.method.requires.gradients)
        return maps

    def scan(self, work: Callable[[Tensor, Indices], Any], network: nn.Module, *, gradients: bool = False) -> Any:
        def counting(images: Tensor, positions: Indices) -> Any:
            results = work(images, positions)
            self.progress.add(len(positions))
            return results

        return scan(
            counting,
            self.source,
            model=network,
            compute=self.compute,
            batch_size=_AT_A_TIME,
            rows=self.rows,
            gradients=gradients,
        )

    @property
    def too_few(self) -> str:
        """Return why the likeness of maps cannot be judged; empty where it can."""
        if len(self.rows) >= LEAST_IMAGES:
            return ""
        return f"{len(self.rows)} images have a map that is neither zero nor broken, {LEAST_IMAGES} are needed"


def _check_randomisation(sample: _Sample, maps: Maps) -> tuple[MapCheck, list[tuple[Any, ...]]]:
    """Return the outcome, and the similarity at each stage."""
    if next(sample.model.parameters(), None) is None:
        reason = "the model has no parameters that could be initialised anew, as an ONNX file has none"
        return MapCheck(RANDOMISATION, None, reason), []
    if sample.too_few:
        return MapCheck(RANDOMISATION, None, sample.too_few), []

    def explain(network: nn.Module) -> Tensor:
        return torch.from_numpy(maps if network is sample.model else sample.explain(network))

    randomisation = cascading_randomisation(sample.model, explain, seed=sample.maker.seed)
    names, steps = ("", *randomisation.layers), len(randomisation.layers)
    curves = {
        "SSIM": [1.0, *randomisation.ssim.tolist()],
        "Spearman": [1.0, *randomisation.spearman.tolist()],
        "SSIM of different images": [randomisation.chance_ssim] * (steps + 1),
        "Spearman of different images": [randomisation.chance_spearman] * (steps + 1),
    }
    points = [
        (RANDOMISATION, curve, step, steps, names[step], value)
        for curve, values in curves.items()
        for step, value in enumerate(values)
    ]
    numbers = {
        "ssim": float(randomisation.ssim[-1]),
        "ssim_of_different_images": randomisation.chance_ssim,
        "spearman": float(randomisation.spearman[-1]),
        "spearman_of_different_images": randomisation.chance_spearman,
    }
    return MapCheck(RANDOMISATION, randomisation.passes, randomisation.reason, numbers), points


def _check_background(sample: _Sample, maps: Maps, regions: NamedRegions | None) -> MapCheck:
    maker = sample.maker
    if not maker.method.requires.references or maker.references is None:
        return MapCheck(BACKGROUND, None, f"'{maker.method.name}' takes no reference images")
    if sample.too_few:
        return MapCheck(BACKGROUND, None, sample.too_few)
    others = maker.other_references
    if others is None:
        others = draw_background(sample.source, count=len(maker.references), seed=maker.seed, without=sample.rows)
    other_maps = sample.explain(sample.model, others)
    shares = (
        [None, None] if regions is None else [_shares(charts, sample.rows, regions) for charts in (maps, other_maps)]
    )
    sensitivity = background_sensitivity(maps, other_maps, shares=shares[0], other_shares=shares[1])
    numbers = {
        "spearman": sensitivity.spearman,
        "spearman_of_different_images": sensitivity.chance,
        "largest_change_of_share": sensitivity.largest_change,
    }
    return MapCheck(
        BACKGROUND, sensitivity.passes, f"{sensitivity.reason}; the other background is {maker.other_name}", numbers
    )


def _shares(maps: Maps, rows: Indices, regions: NamedRegions) -> npt.NDArray[np.float64]:
    return region_shares(maps, regions.take(rows), names=regions.names).shares


def _check_faithfulness(
    sample: _Sample, maps: Maps, persons: npt.NDArray[Any]
) -> tuple[MapCheck, list[tuple[Any, ...]]]:
    """Return the outcome, and the mean logit at each step."""
    if not len(maps):
        return MapCheck(FAITHFULNESS, None, "no image has a map that is neither zero nor broken"), []
    place = {row: number for number, row in enumerate(sample.rows.tolist())}

    def work(images: Tensor, positions: Indices) -> npt.NDArray[np.float64]:
        own = torch.from_numpy(maps[[place[position] for position in positions.tolist()]])
        outputs = torch.full((len(images),), sample.maker.output, dtype=torch.int64)
        generators = sample.maker.generators(positions, 1)  # another stream than that of the maps
        with torch.autocast(images.device.type, enabled=False):
            part = faithfulness_curves(
                sample.model, images, outputs, maps=own, generators=generators, batch_size=sample.maker.batch_size
            )
        return np.stack([part.deletion, part.insertion, part.random_deletion, part.random_insertion], axis=1)

    logits = sample.scan(work, sample.model)
    if not np.isfinite(logits).all():
        return MapCheck(FAITHFULNESS, None, "the model returns no number for images of which cells are hidden"), []
    curves = FaithfulnessCurves(*(logits[:, number] for number in range(4)))
    faithfulness = judge_faithfulness(curves, persons, rng=np.random.default_rng((sample.maker.seed, 2)))
    means, steps = logits.mean(axis=0), logits.shape[2] - 1
    names = [(check, curve) for curve in ("in the order of the map", "in random order") for check in _CELLS]
    points = [
        (check, curve, step, steps, "", value)
        for (check, curve), values in zip(names, means.tolist(), strict=True)
        for step, value in enumerate(values)
    ]
    fields = ("deletion", "deletion_low", "deletion_high", "insertion", "insertion_low", "insertion_high")
    numbers = {name: getattr(faithfulness, name) for name in fields}
    return MapCheck(FAITHFULNESS, faithfulness.passes, faithfulness.reason, numbers), points
