"""Default folders of results: ``results/MODELS/DATASETS``, so that what was judged can be read off the path."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cxrshort import files
from cxrshort.dataset import MANIFEST, Dataset
from cxrshort.models.sources.opening import model_title


def results_folder(
    models: Sequence[str | Path], loaded: Sequence[Dataset], *, options: Mapping[str, object], verb: str = ""
) -> Path:
    """Return ``results/MODELS/DATASETS``; what is off its default stands behind the datasets, and a verb at the end.

    Args:
        models: as they were named.
        loaded: the datasets.
        options: what is off its default, by name.
        verb: what is done; empty for evaluations.

    Example:
        >>> import pandas as pd
        >>> data = [Dataset(name, pd.DataFrame(), Path(name, "manifest.csv")) for name in ("I", "III")]
        >>> str(results_folder(["runs/I/resnet18/erm"], data, options={"split": "val"}))
        'results/I-resnet18-erm/I+III-split-val'
        >>> str(results_folder(["runs/I/resnet18/erm"], data[:1], options={}, verb="explain"))
        'results/I-resnet18-erm/I-explain'
    """
    tested = "+".join(map(_dataset_part, loaded))
    tested += "".join(f"-{name}-{value}" for name, value in options.items())
    tested += f"-{verb}" if verb else ""
    return Path("results") / files.shorten("+".join(map(_model_part, models))) / files.shorten(_as_name(tested))


def _model_part(model: str | Path) -> str:
    """Return what a folder calls a model: its run folder without the ``runs`` before it, in one word."""
    parts = list(Path(model_title(str(model))).parts)
    return _as_name("-".join(parts[1:] if len(parts) > 1 and parts[0] == "runs" else parts))


def _dataset_part(data: Dataset) -> str:
    """Return what a folder calls a dataset: its name, or that of a table of some of its rows."""
    if data.path is None:
        rows = hashlib.sha256("\n".join(data.manifest["image_id"]).encode()).hexdigest()
        return f"{data.name}-{rows[:8]}"  # standard input has no name that tells one subset from another
    return data.name if data.path.name == MANIFEST else data.path.stem


def _as_name(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "here"
