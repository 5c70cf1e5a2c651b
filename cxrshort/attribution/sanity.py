"""Do maps depend on what the model has learned, and not on what they are compared with? Two checks, each a verdict.

Both compare maps of the same images, and judge by what is left between the similarity of maps of *different* images
(0) and equality (1): chest radiographs have an anatomy in common, so a plain similarity has no zero.

- Cascading randomisation (Adebayo et al. 2018, section 3.1): layers are initialised anew from the output to the input.
  A method that depends on the model must lose its map; one that draws the edges of the image keeps it.
- Background sensitivity (DeGrave et al. 2021, Supplementary Fig. 17): maps with another background distribution must
  stay.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn

from cxrshort.attribution.clusters import pool_maps
from cxrshort.attribution.similarity import (
    rank_similarity,
    retained_similarity,
    similarity_between_images,
    structural_similarity,
)
from cxrshort.compute import seeded_draws
from cxrshort.errors import UsageError
from cxrshort.models.scoring import evaluating
from cxrshort.stats.midranks import Floats

RETAINED = 0.5
"""What a map may keep of its likeness without the model, and must keep of it with another background."""
STAGES = 10

Explain = Callable[[nn.Module], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class RandomisationCheck:
    """Hold what became of maps while a model was randomised.

    Args:
        layers: (S,) the last layer that was randomised at each stage, from the output to the input.
        ssim: (S,) mean structural similarity with the maps of the trained model.
        spearman: (S,) mean rank correlation with them.
        chance_ssim: mean structural similarity of maps of different images, of the trained model.
        chance_spearman: mean rank correlation of the same.
        passes: whether both have lost half of their distance from chance to 1 in the end.
        reason: the rule and the numbers, as a sentence without a capital.
    """

    layers: tuple[str, ...]
    ssim: Floats
    spearman: Floats
    chance_ssim: float
    chance_spearman: float
    passes: bool
    reason: str


@dataclass(frozen=True, slots=True)
class BackgroundCheck:
    """Hold what another background distribution does to maps.

    Args:
        spearman: mean rank correlation, over 16 x 16 cells, of maps of the same images.
        chance: that of maps of different images.
        largest_change: largest change of a region's mean share; None where no shares were measured.
        passes: whether half of the distance from chance to 1 is kept, or more.
        reason: the rule and the numbers.
    """

    spearman: float
    chance: float
    largest_change: float | None
    passes: bool
    reason: str


def cascading_randomisation(
    model: nn.Module, explain: Explain, *, seed: int, stages: int = STAGES
) -> RandomisationCheck:
    """Explain copies of a model of which more and more layers are initialised anew, from the output to the input.

    A layer is a module with parameters of its own; layers are taken in the reverse of the order in which the network
    lists them. The model itself is never changed.

    Args:
        model: the trained model.
        explain: returns the maps (N, H, W) of the same images by whatever model it is handed; ten images or more.
        seed: of the new parameters.
        stages: at how many points the maps are compared, at most; the last is after all layers.

    Raises:
        UsageError: the model has no parameters.
    """
    randomised = copy.deepcopy(model)
    layers = _layers(randomised)
    if not layers:
        raise UsageError("the model has no parameters: there is nothing to randomise", "leave --sanity out")
    with evaluating(model):
        before = _maps(explain(model))
    ends = set(np.unique(np.ceil(np.linspace(0, len(layers), stages + 1)[1:])).astype(int).tolist())
    names, measured = [], []
    randomised.eval()
    for number, (name, part) in enumerate(layers, start=1):
        _initialise(part, seed=seed, number=number)
        if number in ends:
            after = _maps(explain(randomised))
            names.append(name or type(part).__name__)
            measured.append((structural_similarity(before, after).mean(), rank_similarity(before, after).mean()))
    chances = (
        similarity_between_images(before, structural_similarity),
        similarity_between_images(before, rank_similarity),
    )
    ssim, spearman = np.array(measured, np.float64).T
    return _judge_randomisation(tuple(names), ssim, spearman, chances=chances)


def count_stages(model: nn.Module, *, stages: int = STAGES) -> int:
    """Return at how many points :func:`cascading_randomisation` explains a model; 0 for one without parameters."""
    return min(stages, len(_layers(model)))


def _layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules that have parameters of their own, from the output to the input."""
    return [(name, part) for name, part in model.named_modules() if _has_parameters(part)][::-1]


def _maps(maps: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = maps.detach().cpu().float().numpy()
    return values


def _has_parameters(part: nn.Module) -> bool:
    return next(part.parameters(recurse=False), None) is not None


def _initialise(part: nn.Module, *, seed: int, number: int) -> None:
    """Give a layer the parameters of a new one; where it cannot, numbers of the same mean and spread."""
    device = next(part.parameters(recurse=False)).device
    with seeded_draws(seed, number, device=device):
        reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
        if reset is not None:
            reset()
            return
        for parameter in part.parameters(recurse=False):
            values = parameter.detach()
            spread = float(values.std()) if values.numel() > 1 else 0.0
            parameter.data.normal_(float(values.mean()), spread or 1.0)  # equal numbers have none


def _judge_randomisation(
    layers: tuple[str, ...], ssim: Floats, spearman: Floats, *, chances: tuple[float, float]
) -> RandomisationCheck:
    left = [
        retained_similarity(float(values[-1]), chance) for values, chance in zip((ssim, spearman), chances, strict=True)
    ]
    passes = max(left) <= RETAINED
    reason = (
        f"without any trained layer, maps keep {100 * max(left[0], 0):.0f} % of their structural and "
        f"{100 * max(left[1], 0):.0f} % of their rank similarity beyond that of different images; "
        f"at most {100 * RETAINED:.0f} % may be left"
    )
    return RandomisationCheck(layers, ssim, spearman, chances[0], chances[1], passes, reason)


def background_sensitivity(
    maps: ArrayLike, other_maps: ArrayLike, *, shares: ArrayLike | None = None, other_shares: ArrayLike | None = None
) -> BackgroundCheck:
    """Compare maps of the same images with two background distributions.

    Args:
        maps: (N, H, W).
        other_maps: (N, H, W) with another background.
        shares: (N, R) shares of regions in ``maps``; NaN where there is none.
        other_shares: (N, R) shares in ``other_maps``.

    Raises:
        DataError: shapes that differ.
    """
    pooled = [np.nan_to_num(pool_maps(values)) for values in (maps, other_maps)]
    spearman = float(rank_similarity(*pooled).mean())
    chance = similarity_between_images(pooled[0], rank_similarity)
    change = None
    if shares is not None and other_shares is not None:
        moved = np.asarray(other_shares, np.float64) - np.asarray(shares, np.float64)
        moved = moved[:, ~np.isnan(moved).all(axis=0)]
        change = float(np.abs(np.nanmean(moved, axis=0)).max()) if moved.size else None
    kept = retained_similarity(spearman, chance)
    reason = (
        f"with another background, maps keep {100 * max(kept, 0):.0f} % of their rank similarity beyond that of "
        f"different images; at least {100 * RETAINED:.0f} % must stay"
    )
    return BackgroundCheck(spearman, chance, change, kept >= RETAINED, reason)
