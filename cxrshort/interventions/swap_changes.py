"""The table of changes of a swap-test, ``changes.csv``: a row per trial, with its empirical p-value."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.interventions.pairs import Candidates
from cxrshort.interventions.trial_scores import TrialScores
from cxrshort.interventions.trials import RegionTrial
from cxrshort.stats.random_changes import empirical_p
from cxrshort.stats.swap_findings import SwapChanges

ROLES = ("negative", "positive")


def change_table(
    trials: Sequence[RegionTrial],
    scores: TrialScores,
    *,
    candidates: Candidates,
    with_null: Sequence[int],
    null: npt.NDArray[np.float32],
    spread: float,
) -> SwapChanges:
    """Return what every trial has changed.

    Args:
        trials: what was done.
        scores: of the trials.
        candidates: the images.
        with_null: the numbers of the trials whose null there is, in its order.
        null: (T, n) logits after the same intervention in random patches.
        spread: standard deviation of the logits of the fold.
    """
    names, persons = candidates.data.manifest["image_id"].astype(str).tolist(), candidates.persons
    null_row = np.full(len(trials), -1, np.int64)
    null_row[list(with_null)] = np.arange(len(with_null))
    table = pd.DataFrame(
        {
            "image_id": [names[trial.row] for trial in trials],
            "person_id": [persons[trial.row] for trial in trials],
            "pair": [trial.pair for trial in trials],
            "partner": ["" if trial.partner is None else names[trial.partner] for trial in trials],
            "region": [trial.region for trial in trials],
            "intervention": [trial.intervention for trial in trials],
            "purpose": [trial.purpose for trial in trials],
            "role": [ROLES[trial.positive] for trial in trials],
            "direction": [trial.direction for trial in trials],
            "before": scores.before,
            "after": scores.after,
            "change": scores.after - scores.before,
            "changed_pixels": scores.changed_pixels,
            "mean_random_change": np.nan,
            "empirical_p": np.nan,
            "null_row": null_row,
        }
    )
    changes = SwapChanges(table, null, spread)
    for direction in dict.fromkeys(table["direction"]):
        rows = np.flatnonzero((table["direction"] == direction).to_numpy() & (null_row >= 0))
        random_changes = changes.random_changes(table.iloc[rows])
        if len(rows) and random_changes is not None:
            p = empirical_p(table["change"].iloc[rows], random_changes, direction=direction)
            table.loc[rows, "mean_random_change"] = random_changes.mean(axis=1)
            table.loc[rows, "empirical_p"] = p
    return changes
