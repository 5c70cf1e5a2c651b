"""Can I report it: what evaluations and audits say of several models, side by side, such as before and after a cure.

A row is a question that an audit asked on a dataset, or an AUC there; a column is a model. A model is known by the
bytes of its file, so that one that was moved or named differently stays one column. What would invalidate a comparison:
two models that were asked on different images; so rows are of one dataset, by its content, and of one fold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxrshort.errors import DataError
from cxrshort.results import Block, Column, Result, Table, Text, interval_text
from cxrshort.verbs.stats.output import clean_record, write_result
from cxrshort.verbs.stats.run_folders import MODEL, RunFolder, collect_runs

KIND = "stats-audits"
EVALUATE = "evaluate"
ON_TARGET_UNIT = "percentile points"
PREDICTIONS = "predictions.csv"
_IDENTITY_DIGITS = 32
_MODEL_FIELDS = ("model", "classifier")
"""Which field of a finding names the model, where a run has several."""


@dataclass(frozen=True)
class Answer:
    """Hold what one run says of one model.

    Args:
        audit: the command that asked.
        question: what was asked: a region, a pair of findings, or the AUC of a label.
        unit: of the number.
        dataset: on whose images.
        dataset_id: identity of these images, or their checksum; "" where it is not known.
        model_id: identity of the model; its name where there is no file.
        model: what it is called.
        verdict: of an audit, else "".
        value: the number; None where there is none.
        low: lower limit.
        high: upper limit.
        reason: why there is no number.
        run: the folder.
    """

    audit: str
    question: str
    unit: str
    dataset: str
    dataset_id: str
    model_id: str
    model: str
    verdict: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    run: str = field(default="", compare=False)

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """Return what answers must share to stand in one row."""
        return self.audit, self.question, self.unit, self.dataset, self.dataset_id

    @property
    def text(self) -> str:
        """Return verdict and number as people see them."""
        if self.value is None:
            return f"{self.verdict}: {self.reason}" if self.verdict and self.reason else self.verdict or self.reason
        limits = self.low is not None and self.high is not None
        number = interval_text(self.value, self.low or 0.0, self.high or 0.0) if limits else f"{self.value:z.3f}"
        return f"{self.verdict} {number}".strip()


def audits(folders: Sequence[Path], *, out: Path | None = None, force: bool = False) -> Result:
    """Return the answers of evaluations and audits, a row for each question and a column for each model.

    Args:
        folders: run folders of evaluate, explain, swap-test, roentmod stress-test and cyclegan audit, or folders of
            such; the models stand in the order of these.
        out: a folder for audits.csv, summary.json and run.json.
        force: overwrite an earlier result.

    Raises:
        DataError: there is no evaluation and no audit below the folders, or one was changed since.
        MissingInputError: a folder is not there.
    """
    collected = collect_runs(folders)
    chosen = [run for folder in folders for run in collected.runs if _lies_in(run, folder)]
    answers = [answer for run in dict.fromkeys(chosen) for answer in read_answers(run)]
    if not answers:
        raise DataError(
            "no evaluation and no audit lies in or below the folders",
            "evaluate, explain, swap-test and roentmod stress-test write some",
        )
    models = dict.fromkeys(answer.model_id for answer in answers)
    names = name_models(answers)
    rows = _rows(answers, models)
    summary = {
        "folders": list(map(str, folders)),
        "models": [{"model_id": model, "name": names[model]} for model in models],
        "questions": len(rows),
        "answers": [clean_record(_record(answer)) for answer in answers],
    }
    notes = [*collected.notes, *_notes(answers, rows, models)]
    shown: list[Block] = [_table(rows, models, names), *_units(answers)]
    result = Result(summary, shown, notes=notes, kind=KIND)
    tables = {"audits.csv": [_record(answer) for answer in answers]}
    arguments = {"folders": list(map(str, folders))}
    return write_result(result, "stats audits", source=None, arguments=arguments, out=out, tables=tables, force=force)


def _lies_in(run: RunFolder, folder: Path) -> bool:
    place, folder = run.folder.resolve(), Path(folder).resolve()
    return place == folder or folder in place.parents or place == folder.parent


def read_answers(run: RunFolder) -> Iterator[Answer]:
    """Yield what a run says of its models; nothing of a run that is neither an evaluation nor an audit."""
    if run.verb == EVALUATE:
        yield from _evaluated(run)
    elif isinstance(run.summary.get("findings"), list):
        yield from _audited(run, [finding for finding in run.summary["findings"] if _is_verdict(finding)])


def _is_verdict(finding: object) -> bool:
    """Return whether a finding is an answer about a model; identity lists distances, and readers radiological ones."""
    return isinstance(finding, dict) and "verdict" in finding


def _evaluated(run: RunFolder) -> Iterator[Answer]:
    """Yield the AUCs of an evaluation, of each model by the predictions that they are of."""
    predictions = run.read_table(PREDICTIONS)
    columns = ["training_id", "replicate", "model", "model_id"]
    if not set(columns) <= set(predictions):
        return
    models = {
        (row[0], row[1]): (row[2], row[3]) for row in predictions[columns].drop_duplicates().itertuples(index=False)
    }
    for auc in run.summary.get("aucs", []):
        model, model_id = models.get((str(auc["training_id"]), str(auc["replicate"])), ("", ""))
        if not model:
            continue
        yield Answer(
            audit=EVALUATE,
            question=f"AUC of {auc['label']}, {auc['role']}",
            unit="",
            dataset=_of_fold(run, str(auc["dataset"])),
            dataset_id=str(auc["dataset_id"]),
            model_id=model_id or model,
            model=model,
            value=auc["auc"],
            low=auc["low"],
            high=auc["high"],
            reason=str(auc.get("reason") or ""),
            run=run.name,
        )


def _audited(run: RunFolder, findings: Sequence[Mapping[str, Any]]) -> Iterator[Answer]:
    """Yield the findings of an audit."""
    summary = run.summary
    labels = {str(finding.get("label", "")) for finding in findings}
    for finding in findings:
        model = next((str(finding[name]) for name in _MODEL_FIELDS if name in finding), str(summary.get("model", "")))
        label = f" ({finding['label']})" if len(labels) > 1 and finding.get("label") else ""
        yield Answer(
            audit=run.verb,
            question=f"{finding.get('region', '')}{label}",
            unit=str(summary.get("rule", {}).get("unit", "")),
            dataset=_of_fold(run, str(summary.get("dataset", ""))),
            dataset_id=str(summary.get("dataset_id") or run.inputs.get("dataset", "")),
            model_id=_model_id(run, model),
            model=model,
            verdict=str(finding.get("verdict", "")),
            value=finding.get("effect"),
            low=finding.get("low"),
            high=finding.get("high"),
            reason=str(finding.get("why") or ""),
            run=run.name,
        )
    yield from _on_target(run)


def _on_target(run: RunFolder) -> Iterator[Answer]:
    """Yield how far the added finding itself is seen: a cure that blinds a model is none."""
    summary = run.summary
    for cell in summary.get("cells", []):
        if not cell.get("on_target"):
            continue
        model = str(cell.get("model", summary.get("model", "")))
        yield Answer(
            audit=run.verb,
            question=f"{cell['added']}, on target",
            unit=ON_TARGET_UNIT,
            dataset=_of_fold(run, str(summary.get("dataset", ""))),
            dataset_id=str(summary.get("dataset_id") or run.inputs.get("dataset", "")),
            model_id=_model_id(run, model),
            model=model,
            value=cell.get("change"),
            low=cell.get("change_low"),
            high=cell.get("change_high"),
            reason=str(cell.get("reason") or ""),
            run=run.name,
        )


def _of_fold(run: RunFolder, dataset: str) -> str:
    """Return a dataset with its fold, where that is not the test fold."""
    split = str(run.arguments.get("split") or "test")
    return dataset if split == "test" else f"{dataset}, {split}"


def _model_id(run: RunFolder, model: str) -> str:
    """Return the identity of a model by its file among the inputs; its name where it has none."""
    places = {model, f"{model}/{MODEL}"}
    return next((str(run.inputs[name])[:_IDENTITY_DIGITS] for name in run.inputs if name in places), model)


def name_models(answers: Sequence[Answer]) -> dict[str, str]:
    """Return how each model is called: by the shortest end of its path that tells it from the others.

    Example:
        >>> answers = [
        ...     Answer("explain", "", "", "", "", number, name)
        ...     for number, name in (
        ...         ("1", "runs/plain/replicate-0"),
        ...         ("2", "runs/cured/replicate-0"),
        ...         ("3", "cxr.onnx"),
        ...     )
        ... ]
        >>> name_models(answers)
        {'1': 'plain/replicate-0', '2': 'cured/replicate-0', '3': 'cxr.onnx'}
    """
    paths = {answer.model_id: answer.model.removesuffix(f"/{MODEL}").split("/") for answer in reversed(answers)}
    paths = dict(reversed(paths.items()))
    names: dict[str, str] = {}
    for model, parts in paths.items():
        others = [other for number, other in paths.items() if number != model]
        length = next(
            (n for n in range(1, len(parts)) if all(parts[-n:] != other[-n:] for other in others)), len(parts)
        )
        names[model] = "/".join(parts[-length:])
    return names


def _rows(answers: Sequence[Answer], models: Mapping[str, None]) -> list[dict[str, str]]:
    """Return a row for each question; of two answers to one, the later run's."""
    grouped: dict[tuple[str, ...], dict[str, Answer]] = {}
    for answer in answers:
        grouped.setdefault(answer.row, {})[answer.model_id] = answer
    order = list(dict.fromkeys([EVALUATE, *(answer.audit for answer in answers)]))
    ordered = sorted(grouped.items(), key=lambda item: order.index(item[0][0]))
    return [
        {
            "audit": audit,
            "question": question,
            "dataset": dataset,
            **{model: of_models[model].text if model in of_models else "" for model in models},
        }
        for (audit, question, _, dataset, _), of_models in ordered
    ]


def _table(rows: Sequence[Mapping[str, str]], models: Mapping[str, None], names: Mapping[str, str]) -> Table:
    first = [Column("audit", "audit", folds=True), Column("question", "question"), Column("on", "dataset", folds=True)]
    return Table([*first, *(Column(names[model], model) for model in models)], rows, blocks=True)


def _units(answers: Sequence[Answer]) -> list[Text]:
    """Return what the numbers of each audit are."""
    units: dict[str, list[str]] = {}
    for answer in answers:
        if answer.unit and answer.unit not in units.setdefault(answer.audit, []):
            units[answer.audit].append(answer.unit)
    lines = [f"{audit}: {'; on target: '.join(of_audit)}" for audit, of_audit in units.items() if of_audit]
    return [Text("\n".join(lines))] if lines else []


def _notes(answers: Sequence[Answer], rows: Sequence[Mapping[str, str]], models: Mapping[str, None]) -> list[str]:
    """Return what keeps models from being compared."""
    notes = []
    alone = sum(sum(bool(row[model]) for model in models) < len(models) for row in rows)
    if len(models) > 1 and alone:
        notes.append(f"{alone} of {len(rows)} questions were not put to every model, on the same images")
    seen: dict[tuple[tuple[str, ...], str], str] = {}
    twice = 0
    for answer in answers:
        twice += (answer.row, answer.model_id) in seen
        seen[answer.row, answer.model_id] = answer.run
    if twice:
        notes.append(f"{twice} answers were given again by a later folder, which is the one that is shown")
    return notes


def _record(answer: Answer) -> dict[str, Any]:
    """Return a row of audits.csv."""
    fields = ("audit", "question", "unit", "dataset", "dataset_id", "model", "model_id", "verdict")
    return {name: getattr(answer, name) for name in (*fields, "value", "low", "high", "reason", "run")}
