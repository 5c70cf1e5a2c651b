"""Where training runs are written when nobody says where."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cxrshort import runs
from cxrshort.training import recipes
from cxrshort.training.recipes import Recipe

CURVE = "training.png"
"""The losses and the validation score of each epoch, in the run folder."""


def default_folder(
    dataset: str,
    arch: str,
    recipe: Recipe,
    *,
    replicate: int,
    seed: int,
    name: str | None = None,
    grid: Sequence[str] = (),
) -> Path:
    """Return ``runs/DATASET/ARCH/METHOD/replicate-R``, the last part naming what is off its default."""
    parent = Path("runs") / dataset / arch / recipe.method
    if name:
        return parent / name
    usual = Recipe(name="standard") if recipe.name == "standard" else recipes.published(recipe.name)
    parts = [f"replicate-{replicate}"]
    parts += [recipe.name] if recipe.name != "standard" else []
    parts += [f"seed={seed}"] if seed else []
    for field, value in recipe.record().items():
        if value != getattr(usual, field) and field != "name":
            parts.append(f"{field.replace('_', '-')}={str(value).replace('/', '-').replace(',', '+')}")
    parts += [f"grid={'+'.join(grid).replace('_', '-')}"] if grid else []
    last = ",".join(parts)
    return parent / runs.shorten(last)


def replicate_folders(
    default: Callable[[int], Path], replicates: Iterable[int], *, parent: Path | None
) -> dict[int, Path]:
    """Return the folder of each replicate's run: within the parent, or each at its default.

    Example:
        >>> {number: str(path) for number, path in replicate_folders(Path, [1], parent=Path("a")).items()}
        {1: 'a/replicate-1'}
    """
    return {number: parent / f"replicate-{number}" if parent else default(number) for number in replicates}
