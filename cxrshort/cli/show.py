"""What each command prints: its result on stdout, notes on stderr."""

import csv
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort.cli.plans import plan
from cxrshort.cli.tables import Columns, counts, document, line, notes, paragraph, table, text_width

_WORST = 12
"""Measurements of confounding that are printed; nobody reads a hundred."""

_INTERVAL = 22
"""Characters of a number with its interval, such as -0.123 [-0.456, 0.789]."""


def dataset(result: Mapping[str, Any], *, json: bool, quiet: bool, verbose: bool = False) -> None:
    """Print what build-dataset made: tables that describe it, then the block that nobody should overlook."""
    if json:
        return document(result, kind="plan" if result.get("dry_run") else "dataset")
    if result.get("dry_run"):
        plan(result)
        _planted(result)
        return None if quiet else notes(result["notes"])
    if "characteristics" in result and not quiet:
        _characteristics(result["characteristics"], whole=verbose)
        _confounding(result["confounding"], whole=verbose)
    if not quiet:
        notes(result["notes"])
    excluded = sum(result["excluded"].values())
    line(f"candidates {result['candidates']} = rows {result['rows']} + excluded {excluded}")
    first = next(iter(result["splits"].items()))
    line(f"{len(result['splits'])} splits by person; {first[0]}: {counts(first[1])}")
    if result["patients"] != result["people"]:
        joined = f"{len(result['same_films'])} pairs of images show one film"
        line(f"{result['patients']} patient ids are {result['people']} persons: {joined}")
    _planted(result)
    if result["published"]:
        here = f"{result['rows']:,} images of {result['patients']:,} patients"
        line(f"the paper counts {_thousands(result['published'])}; this dataset has {here}")
    if result["excluded"]:
        _excluded(result, whole=verbose)
    return line(f"written to {result['folder']}")


def _planted(result: Mapping[str, Any]) -> None:
    for text in result.get("planted", {}).get("summary", ()):
        paragraph(text)


def _characteristics(records: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
    import pandas as pd

    from cxrshort.stats.characteristics import characteristics_header, characteristics_rows, labels_without_values

    found = pd.DataFrame(records)
    header = characteristics_header(found)
    # An empty label shows as a dash; how many are empty stands in characteristics.csv.
    shown = [row for row in characteristics_rows(found) if whole or not row[0].endswith(" not labelled")]
    table(header, shown, Columns(right=range(1, len(header))))
    if empty := labels_without_values(found):
        paragraph(f"{len(empty)} labels without values: {', '.join(empty)}")
        line("")


def _confounding(records: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
    import pandas as pd

    from cxrshort.stats.confounding import CONFOUNDING_HEADER, confounding_rows, list_unmeasured

    found = pd.DataFrame(records)
    body = confounding_rows(found)
    if body and whole:
        table(CONFOUNDING_HEADER, body, Columns(right=(3,), least={2: _INTERVAL - 2}))
    elif body:
        _worst(body)
    if unmeasured := list_unmeasured(found):
        paragraph(unmeasured)
    return line("")


def _worst(body: Sequence[Sequence[str]]) -> None:
    shown, cautious = [], False
    for label, by, value, _, verdict in body[:_WORST]:
        known, sign, _ = verdict.partition(" (only ")
        cautious = cautious or bool(sign)
        shown.append([label, by, value, known + (" *" if sign else "")])
    table(["label", "predicted by", "AUC", "verdict"], shown, Columns(least={2: _INTERVAL}))
    if cautious:
        line("* on few persons of one class; confounding.csv has their number")
    if len(body) > _WORST:
        line(f"the worst {_WORST} of {len(body)}; all are in confounding.csv, and --verbose prints them")


def _excluded(result: Mapping[str, Any], *, whole: bool) -> None:
    if not whole:
        rows: list[list[Any]] = [[reason, count] for reason, count in result["excluded"].items()]
        return table(["excluded because", "images"], rows, Columns(right=(1,)))
    found = Counter((each["reason"], each["detail"]) for each in _read(Path(result["folder"]) / "excluded.csv"))
    listed = [[*what, count] for what, count in sorted(found.items(), key=lambda each: (-each[1], each[0]))]
    return table(["excluded because", "detail", "images"], listed, Columns(right=(2,)))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def shard(result: Mapping[str, Any], *, json: bool) -> None:
    """Print what one shard of a build made, in one line."""
    if json:
        return document(result, kind="shard")
    refused = f", refused {counts(result['refused'])}" if result["refused"] else ""
    return line(f"shard {result['shard']}: {result['images']} images{refused}, in {result['folder']}")


def catalogue(sections: Mapping[str, Mapping[str, str]], *, json: bool) -> None:
    """Print names and their one-line summaries, by section."""
    if json:
        return document(sections, kind="names")
    width = max(len(name) for names in sections.values() for name in names)
    across = text_width()
    blocks = [
        "\n".join([section, *(_entry(f"  {name:<{width}}  ", summary, across) for name, summary in names.items())])
        for section, names in sections.items()
    ]
    return line("\n\n".join(blocks))


def _entry(name: str, summary: str, across: int) -> str:
    return textwrap.fill(summary, across, initial_indent=name, subsequent_indent=" " * len(name))


def training(result: Mapping[str, Any], *, json: bool, quiet: bool, verbose: bool = False) -> None:
    """Print what train reached."""
    if json:
        return document(result, kind="plan" if result.get("dry_run") else "training")
    if not quiet:
        notes(_training_notes(result))
    if result.get("dry_run"):
        return plan(result)
    if "replicates" in result:
        return _replicates(result)
    if "trials" in result:
        _trials(result)
    if verbose and result["history"]:
        _history(result["history"])
    chosen = result["selection"]
    output = "mask" if "images_without_masks" in result else "label"
    what = f"{result['architecture']} with {len(result['labels'])} {output}{'s' if len(result['labels']) > 1 else ''}"
    line(f"{what}, trained on {result['images']['train']} images")
    if "members" in chosen:
        kind = "mean" if result["combine"] == "mean" else "quadratic mean"
        what = f"the {kind} of the probabilities of {len(chosen['members'])} members"
        line(f"{what} has a validation {chosen['measure']} of {_score(chosen)}")
    else:
        epoch = f"epoch {chosen['epoch']} of {len(result['history'])}"
        line(f"{epoch} is kept, with a validation {chosen['measure']} of {_score(chosen)}")
    return line(f"written to {result['model']}")


def _score(chosen: Mapping[str, Any]) -> str:
    limits = f" [{chosen['low']:.3f}, {chosen['high']:.3f}]" if "low" in chosen else ""
    return f"{chosen['score']:.3f}{limits}"


def _training_notes(result: Mapping[str, Any]) -> list[str]:
    found = []
    for each in result.get("replicates", [result]):
        of = f"replicate {each['replicate']}: " if "replicates" in result else ""
        if any(each.get("images_without_masks", {}).values()):
            found.append(f"{of}images without a mask are left out: {counts(each['images_without_masks'])}")
        if empty := each.get("empty_labels_read_as_0", 0):
            found.append(
                f"{of}{empty:,} empty labels of the training fold are read as 0; --empty-labels mask leaves them out"
            )
        if each.get("labels_left_out"):
            found.append(
                f"{of}labels without both classes in training are no outputs: {', '.join(each['labels_left_out'])}"
            )
    return found


def _history(history: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        [each["epoch"], f"{each['learning_rate']:.3g}"]
        + [f"{each[name]:.4f}" if name in each else "" for name in ("loss", "val_loss", "score")]
        for each in history
    ]
    table(["epoch", "learning rate", "loss", "validation loss", "validation score"], rows, Columns(right=range(5)))


def _replicates(result: Mapping[str, Any]) -> None:
    rows = [
        [each["replicate"], each["images"]["train"], _score(each["selection"]), each["model"]]
        for each in result["replicates"]
    ]
    table(["replicate", "images", f"validation {result['measure']}", "model"], rows, Columns(right=(0, 1, 2)))
    spread = "" if result["deviation"] is None else f", SD {result['deviation']:.3f}"
    line(f"mean {result['mean']:.3f}{spread} over {len(rows)}")
    line(f"written to {result['folder']}")


def _trials(result: Mapping[str, Any]) -> None:
    names = result["searched"]
    rows = [
        [each["trial"], *[each[name] for name in names], each.get("failure") or f"{each['score']:.3f}"]
        for each in result["trials"]
    ]
    measure = f"validation {result['selection']['measure']}"
    header = ["trial", *[name.replace("_", " ") for name in names], measure]
    table(header, rows, Columns(right=range(len(names) + 1)))
    line(f"trial {result['selection']['trial']} of {len(rows)} is kept")


def architectures(rows: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    """Print the architectures with their parameters and input sizes."""
    if json:
        return document({"architectures": list(rows)}, kind="architectures")
    header = ["architecture", "parameters", "input, pixels", ""]
    cells = [[row[key] for key in ("name", "parameters", "input", "summary")] for row in rows]
    return table(header, cells, Columns(right=(1,)))


def _thousands(published: Mapping[str, int]) -> str:
    return " of ".join(f"{count:,} {name}" for name, count in published.items())
