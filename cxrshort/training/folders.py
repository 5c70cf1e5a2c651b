"""Default folders of training runs."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cxrshort import files
from cxrshort.errors import UsageError
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
    """Return ``runs/DATASET/ARCH/METHOD/replicate-R``; whatever is off its default stands behind the method.

    A parent therefore holds the replicates of one training. No part has a comma, an equals sign or a space, which
    Makefiles and shells read as their own.

    Raises:
        UsageError: the name is a path.

    Example:
        >>> recipe = recipes.load_recipe("standard", overrides={"epochs": 9, "labels": "Edema,Mass"})
        >>> str(default_folder("I", "resnet18", recipe, replicate=0, seed=3))
        'runs/I/resnet18/erm+epochs-9+labels-Edema_Mass/replicate-0-seed-3'
    """
    parent = Path("runs") / dataset / arch
    if name is not None:
        if name in ("", ".", "..") or Path(name).name != name:
            raise UsageError(f"--name '{name}' is not the name of a folder", "--out takes a path")
        return parent / recipe.method / name
    reference = recipes.published(recipe.name)
    parts = [recipe.method, *([] if recipe.name in recipes.STANDARDS else [recipe.name])]
    for field, value in recipe.record().items():
        if value != getattr(reference, field) and field not in ("name", "method"):
            text = str(value).replace("_", "-") if field == "settings" else str(value)  # names of settings have no hash
            parts.append(field.replace("_", "-") + ("" if value is True else f"-{files.shell_safe(text)}"))
    parts += [f"grid-{files.shell_safe(','.join(grid).replace('_', '-'))}"] if grid else []
    last = f"replicate-{replicate}" + (f"-seed-{seed}" if seed else "")
    return parent / files.shorten("+".join(parts)) / last


def run_folders(
    default: Callable[..., Path],
    *,
    replicate: int,
    replicates: int | None,
    out: Path | None,
    name: str | None,
) -> dict[int, Path]:
    """Return the folder of each run that a verb starts, by the number of its split.

    Args:
        default: returns the default folder of ``replicate=N``.
        replicate: the split of a single run.
        replicates: number of splits of a series; None is a single run.
        out: where the user wants it: the run folder, or the parent of a series.
        name: replaces the last part of the default folder.

    Example:
        >>> places = run_folders(lambda replicate: Path("a"), replicate=0, replicates=2, out=Path("b"), name=None)
        >>> {number: str(path) for number, path in places.items()}
        {0: 'b/replicate-0', 1: 'b/replicate-1'}
    """
    if replicates is None:
        return {replicate: out or default(replicate=replicate)}
    parent = default(replicate=0) if name and not out else out
    return replicate_folders(lambda number: default(replicate=number), range(replicates), parent=parent)


def replicate_folders(
    default: Callable[[int], Path], replicates: Iterable[int], *, parent: Path | None
) -> dict[int, Path]:
    """Return the folder of each replicate's run: within the parent, or each at its default.

    Example:
        >>> {number: str(path) for number, path in replicate_folders(Path, [1], parent=Path("a")).items()}
        {1: 'a/replicate-1'}
    """
    return {number: parent / f"replicate-{number}" if parent else default(number) for number in replicates}
