"""The trainings of a table of predictions, and which of them a comparison is of."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cxrshort import registry
from cxrshort.errors import DataError, UsageError
from cxrshort.verbs.stats.scores import Scores


def pool_seeds(parts: Sequence[Scores]) -> list[Scores]:
    """Return parts in which models that differ in nothing but their seed are one training with numbered seeds.

    Args:
        parts: of a table of predictions, whose models of one training and replicate are called trainings of their own.
    """
    counts: dict[Any, int] = {}
    pooled = []
    for part in parts:
        facts = dict(part.facts)
        training, _, model = facts["training_id"].partition("/")
        if model:
            facts |= {"training": facts["training"].rpartition(" (")[0], "training_id": training}
            key = tuple(facts[name] for name in ("label", "training_id", "dataset_id", "replicate"))
            facts["seed"] = counts.get(key, 0)
            counts[key] = facts["seed"] + 1
        pooled.append(replace(part, facts=facts))
    return pooled


def parts_at_level(
    before: str | None, after: str | None, pooled: Sequence[Scores], parts: Sequence[Scores]
) -> Sequence[Scores]:
    """Return parts by training, or by model where models are named or there is one training alone.

    Args:
        before: the first method that was named; None where none was.
        after: the second method.
        pooled: parts whose seeds are pooled.
        parts: the same with a training for each seed.
    """
    wanted = {name for name in (before, after) if name is not None}
    trainings = set(list_trainings(pooled))
    if wanted:
        return parts if wanted - trainings and wanted <= set(list_trainings(parts)) else pooled
    return pooled if len(trainings) > 1 else parts


def parts_of_training(parts: Sequence[Scores], training: str) -> list[Scores]:
    """Return the parts of one training."""
    return [part for part in parts if part.facts["training"] == training]


def list_trainings(parts: Sequence[Scores]) -> list[str]:
    """Return the names of the trainings in the order of the table."""
    return list(dict.fromkeys(part.facts["training"] for part in parts))


def choose_training(trainings: Sequence[str], wanted: str | None, option: str, table: str) -> str:
    """Return the training that a table gives to a comparison.

    Args:
        trainings: those of the table.
        wanted: the one that was named; None where none was.
        option: that names one.
        table: its name in messages.

    Raises:
        DataError: there is no such training.
        UsageError: there are several and no choice.
    """
    if wanted is None and len(trainings) == 1:
        return trainings[0]
    if wanted is None:
        raise UsageError(f"{table} holds {len(trainings)} trainings", f"{option} NAME chooses: {_quote(trainings)}")
    if wanted not in trainings:
        hint = registry.propose_name(trainings, wanted, otherwise=f"one of: {_quote(trainings)}")
        raise DataError(f"{table}: there is no training '{wanted}'", hint)
    return wanted


def choose_two(trainings: Sequence[str], before: str | None, after: str | None, table: str) -> tuple[str, str]:
    """Return the two trainings of one table that are to be compared.

    Args:
        trainings: those of the table.
        before: the first one; None where there are two.
        after: the second one.
        table: its name in messages.

    Raises:
        DataError: there is no such training, or one alone.
        UsageError: there are more than two and no choice, or twice the same.
    """
    for name, option in ((before, "--before"), (after, "--after")):
        if name is not None:
            choose_training(trainings, name, option, table)
    if len(trainings) < 2:
        raise DataError(f"{table}: '{trainings[0]}' is its only training, and a comparison needs two", "add a table")
    if before is None and after is None and len(trainings) == 2:
        return trainings[0], trainings[1]
    if len(trainings) == 2:
        before = before or next(name for name in trainings if name != after)
        after = after or next(name for name in trainings if name != before)
    if before is None or after is None:
        raise UsageError(
            f"{table} holds {len(trainings)} trainings", f"--before NAME --after NAME choose: {_quote(trainings)}"
        )
    if before == after:
        raise UsageError(f"'{before}' cannot be compared with itself", f"choose two of: {_quote(trainings)}")
    return before, after


def _quote(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:6]) + (f", and {len(names) - 6} more" if len(names) > 6 else "")
