"""Everything that cxrshort prints: results on stdout, progress and notes on stderr."""

import contextlib
import json as json_text
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Report = Callable[[Mapping[str, Any]], None]

_WORST = 12
"""Measurements of confounding that are printed; nobody reads a hundred."""

_PIPED_WIDTH = 200
"""Columns when nobody watches: wide enough that no table is cut."""


def dataset(result: Mapping[str, Any], *, json: bool, quiet: bool) -> None:
    """Print what build-dataset made: repositories, exclusions, the accounting sum, splits."""
    if json:
        return _print_json(result)
    if result.get("dry_run"):
        return _facts(result)
    if "characteristics" in result:
        _described(result)
    if result["excluded"]:
        _table(
            ["excluded because", "images"],
            [[reason, count] for reason, count in result["excluded"].items()],
            right=(1,),
        )
    if result["published"]:
        here = f"{result['rows']:,} images of {result['patients']:,} patients"
        _line(f"the paper counts {_thousands(result['published'])}; this dataset has {here}")
    excluded = sum(result["excluded"].values())
    _line(f"candidates {result['candidates']} = rows {result['rows']} + excluded {excluded}")
    first = next(iter(result["splits"].items()))
    _line(f"{len(result['splits'])} splits by person; {first[0]}: {_counts(first[1])}")
    if result["patients"] != result["people"]:
        joined = f"{len(result['same_films'])} pairs of images show one film"
        _line(f"{result['patients']} patient ids are {result['people']} persons: {joined}")
    if not quiet:
        notes(result["notes"])
    return _line(f"written to {result['folder']}")


def _described(result: Mapping[str, Any]) -> None:
    header, *rows = result["characteristics"]
    # An empty label shows as a dash; how many are empty stands in characteristics.csv.
    _table(header, [row for row in rows if not row[0].endswith(" not labelled")], right=range(1, len(header)))
    header, *rows = result["confounding"]
    _table(header, rows[:_WORST], right=(4,))
    if len(rows) > _WORST:
        _line(f"the worst {_WORST} of {len(rows)} measurements; all are in confounding.csv")


def shard(result: Mapping[str, Any], *, json: bool) -> None:
    """Print what one shard of a build made, in one line."""
    if json:
        return _print_json(result)
    refused = f", refused {_counts(result['refused'])}" if result["refused"] else ""
    return _line(f"shard {result['shard']}: {result['images']} images{refused}, in {result['folder']}")


def catalogue(sections: Mapping[str, Mapping[str, str]], *, json: bool) -> None:
    """Print names and their one-line summaries, by section."""
    if json:
        return _print_json(sections)
    width = max(len(name) for names in sections.values() for name in names)
    blocks = [
        "\n".join([section, *(f"  {name:<{width}}  {summary}" for name, summary in names.items())])
        for section, names in sections.items()
    ]
    return _line("\n\n".join(blocks))


def training(result: Mapping[str, Any], *, json: bool, quiet: bool) -> None:
    """Print what train reached."""
    if json:
        return _print_json(result)
    if result.get("dry_run"):
        return _facts(result)
    if "replicates" in result:
        return _replicates(result)
    if "trials" in result:
        _trials(result)
    chosen = result["selection"]
    if any(result.get("images_without_masks", {}).values()) and not quiet:
        notes([f"images without a mask are left out: {_counts(result['images_without_masks'])}"])
    if result["labels_left_out"] and not quiet:
        notes([f"labels without both classes in training are no outputs: {', '.join(result['labels_left_out'])}"])
    outputs = "masks" if "images_without_masks" in result else "labels"
    what = f"{result['architecture']} with {len(result['labels'])} {outputs}"
    _line(f"{what}, trained on {result['images']['train']} images")
    if "members" in chosen:
        kind = "mean" if result["combine"] == "mean" else "quadratic mean"
        what = f"the {kind} of the probabilities of {len(chosen['members'])} members"
        _line(f"{what} has a validation {chosen['measure']} of {chosen['score']:.3f}")
    else:
        epoch = f"epoch {chosen['epoch'] + 1} of {len(result['history'])}"
        _line(f"{epoch} is kept, with a validation {chosen['measure']} of {chosen['score']:.3f}")
    return _line(f"written to {result['model']}")


def _replicates(result: Mapping[str, Any]) -> None:
    rows = [
        [each["replicate"], each["images"]["train"], f"{each['selection']['score']:.3f}", each["model"]]
        for each in result["replicates"]
    ]
    _table(["replicate", "images", f"validation {result['measure']}", "model"], rows, right=(0, 1, 2))
    spread = "" if result["deviation"] is None else f", SD {result['deviation']:.3f}"
    _line(f"mean {result['mean']:.3f}{spread} over {len(rows)}")
    _line(f"written to {result['folder']}")


def _trials(result: Mapping[str, Any]) -> None:
    names = result["searched"]
    rows = [
        [each["trial"], *[each[name] for name in names], each.get("failure") or f"{each['score']:.3f}"]
        for each in result["trials"]
    ]
    measure = f"validation {result['selection']['measure']}"
    _table(["trial", *[name.replace("_", " ") for name in names], measure], rows, right=range(len(names) + 1))
    _line(f"trial {result['selection']['trial']} of {len(rows)} is kept")


def architectures(rows: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    """Print the architectures with their parameters and input sizes."""
    if json:
        return _print_json({"architectures": list(rows)})
    header = ["architecture", "parameters", "input, pixels", ""]
    return _table(
        header, [[row[key] for key in ("name", "parameters", "input", "summary")] for row in rows], right=(1,)
    )


def evaluation(result: Mapping[str, Any], *, json: bool, quiet: bool) -> None:
    """Print AUCs with intervals, and the generalization gap."""
    if json:
        return _print_json(result)
    if result.get("dry_run"):
        return _facts(result)
    if "overlaps" in result:
        return _overlaps(result)
    if "correlations" in result:
        return _correlations(result)
    _line(f"{result['label']}, AUC with 95 % interval")
    trained = _trained(result)
    rows = [
        [*[each[name] for name in trained], each["dataset"], each["role"], each["positives"], each["negatives"]]
        + [_mean(each)]
        for each in result["means"]
    ]
    header = [*[name.replace("_", " ") for name in trained], "tested on", "role", "pos.", "neg.", "AUC"]
    _table(header, rows, right=(len(header) - 3, len(header) - 2))
    if result["gaps"]:
        gaps = [
            [*[each[name] for name in trained], f"{each['internal']} - {each['external']}", _interval(each, "gap")]
            for each in result["gaps"]
        ]
        _table([*header[: len(trained)], "internal - external", "generalization gap"], gaps)
    if result["labels_without_auc"] and not quiet:
        notes(
            [f"no AUC, one class only in a test fold: {', '.join(result['labels_without_auc'])} (reasons in aucs.csv)"]
        )
    return _line(f"written to {result['folder']}")


def _trained(result: Mapping[str, Any]) -> list[str]:
    """Return the columns that tell models apart; how they were trained only where that differs."""
    methods = {each["method"] for each in result["means"]}
    return ["trained_on", "architecture", *(["method"] if len(methods) > 1 else [])]


def _overlaps(result: Mapping[str, Any]) -> None:
    _line("mean over images, with 95 % interval")
    rows = [
        [each["model"], each["mask"], each["dataset"], each["images"], each["without_mask"]]
        + [_overlap(each, name) for name in ("dice", "iou")]
        for each in result["overlaps"]
    ]
    _table(["model", "mask", "tested on", "images", "without mask", "Dice", "IoU"], rows, right=(3, 4))
    return _line(f"written to {result['folder']}")


def _correlations(result: Mapping[str, Any]) -> None:
    _line("Spearman's rank correlation, with 95 % interval")
    names = ("trained_on", "architecture", "method", "dataset", "role", "replicate", "label", "images")
    rows = [[*[each[name] for name in names], _interval(each, "value")] for each in result["correlations"]]
    header = [name.replace("_", " ") for name in names]
    _table([*header[:3], "tested on", *header[4:], "correlation"], rows, right=(5, 7))
    return _line(f"written to {result['folder']}")


def _overlap(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    limits = "no interval: one person" if low is None else f"[{low:.3f}, {high:.3f}]"
    return f"{row[name]:.3f} {limits}"


def _mean(row: Mapping[str, Any]) -> str:
    if row["mean"] is None:
        return f"none: {row['reason']}"
    spread = "" if row["deviation"] is None else f", SD {row['deviation']:.3f} over {row['replicates']}"
    told = f" ({row['reason']})" if row["reason"] and row["low"] is not None else ""  # else the interval says it
    return _interval(row, "mean") + spread + told


def _interval(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return f"none: {row['reason']}"
    if row["low"] is None or row["high"] is None:
        return f"no interval: {row['reason']}"
    return f"{row[name]:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def notes(lines: Sequence[str]) -> None:
    """Print notes on stderr."""
    for line in lines:
        sys.stderr.write(f"note: {line}\n")


def _thousands(counts: Mapping[str, int]) -> str:
    return " of ".join(f"{count:,} {name}" for name, count in counts.items())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _facts(result: Mapping[str, Any]) -> None:
    for name, value in result.items():
        if isinstance(value, Mapping):
            value = _counts(value)
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        _line(f"{name.replace('_', ' ')}: {value}")


def _print_json(result: Mapping[str, Any]) -> None:
    sys.stdout.write(json_text.dumps(result, indent=2) + "\n")


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")


def _console() -> "Console":
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[int] = ()) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row])
    console = _console()
    with console.capture() as text:  # printed by rich itself, a closed pipe (| head) would end in exit code 1
        console.print(table)
    _line(text.get())


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Report]:
    """Yield a function that shows events: a live bar on a terminal, a line per epoch elsewhere."""
    if quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _Live(bars)
    else:
        yield _log_line


def _log_line(event: Mapping[str, Any]) -> None:
    if event["event"] == "epoch":
        measures = f"loss {event['loss']:.4f}, validation {_measure(event)} {event['score']:.3f}"
        sys.stderr.write(f"{_run(event)}epoch {event['epoch'] + 1}: {measures}, {event['seconds']:.0f} s\n")
    elif event["event"] == "scored":
        sys.stderr.write(f"scored {event['images']} images of {event['dataset']} with {event['model']}\n")


def _run(event: Mapping[str, Any]) -> str:
    """Say which of several runs an event belongs to."""
    return f"{event['run']}, " if event.get("run") else ""


def _measure(event: Mapping[str, Any]) -> str:
    return "Dice" if "dice" in event else "AUC"


def _bars() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[facts]}"), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)


class _Live:
    """Turn events into the movement of one bar."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None, facts="")
        self._score = ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show one event."""
        kind = event["event"]
        if kind == "images":
            self._bars.update(self._task, description="images", completed=event["done"], total=event["of"])
        elif kind == "step":
            facts = f"{event['images_per_second']:.0f} images/s  loss {event['loss']:.3f}{self._score}"
            total = event["epochs"] * event["steps"]
            done = event["epoch"] * event["steps"] + event["step"]
            text = f"{_run(event)}epoch {event['epoch'] + 1}/{event['epochs']}"
            self._bars.update(self._task, description=text, completed=done, total=total, facts=facts)
        elif kind == "epoch":
            self._score = f"  validation {_measure(event)} {event['score']:.3f}"
        else:
            self._bars.update(self._task, description=f"scored {event['dataset']}")
