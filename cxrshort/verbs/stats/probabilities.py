"""Scores as probabilities: those of predictions are logits, those of another table what its reader says they are.

What would invalidate every number that follows: scores taken for probabilities that are none. Whatever lies outside
[0, 1] is refused; scores inside, such as ranks divided by their number, cannot be told from probabilities.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.special import logit as log_odds

from cxrshort.errors import DataError
from cxrshort.stats.calibration import EDGE
from cxrshort.stats.midranks import Floats
from cxrshort.stats.predictions import LOGIT
from cxrshort.verbs.stats.scores import ScoreTable


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Say what the scores of a table are.

    Args:
        is_logit: whether they are log-odds; probabilities otherwise.
    """

    is_logit: bool

    def probabilities(self, scores: Floats) -> Floats:
        """Return scores as probabilities."""
        return np.asarray(expit(scores), np.float64) if self.is_logit else scores

    def logits(self, scores: Floats) -> Floats:
        """Return scores as finite log-odds: probabilities closer to 0 or 1 than `EDGE` are moved there."""
        return scores if self.is_logit else np.asarray(log_odds(np.clip(scores, EDGE, 1 - EDGE)), np.float64)

    def score(self, probability: float) -> float:
        """Return the score that has a probability."""
        return float(log_odds(probability)) if self.is_logit else probability

    def probability(self, score: float) -> float:
        """Return the probability that a score has."""
        return float(expit(score)) if self.is_logit else score


def score_scale(table: ScoreTable, score: str | None, *, logits: bool) -> ScoreScale:
    """Return what the scores of a table are.

    Args:
        table: of scores.
        score: the column that was named; None for the logits of predictions.
        logits: whether the user says that it holds logits.

    Raises:
        DataError: scores that are taken for probabilities lie outside [0, 1].
    """
    if score is None or logits or score.startswith(LOGIT):
        return ScoreScale(is_logit=True)
    scores = np.concatenate([part.scores for part in table.parts])
    wrong = scores[(scores < 0) | (scores > 1)]
    if len(wrong):
        raise DataError(
            f"{table.source.name}: column '{score}' holds {len(wrong):,} values outside [0, 1], such as "
            f"'{wrong[0]:g}': they are no probabilities",
            "--logits says that they are logits",
        )
    return ScoreScale(is_logit=False)


def scale_notes(table: ScoreTable, score: str | None, *, logits: bool) -> list[str]:
    """Return a note where scores that are said to be logits look like probabilities."""
    if not logits or score is None:
        return []
    if all(((part.scores >= 0) & (part.scores <= 1)).all() for part in table.parts):
        return [
            f"all values of '{score}' are in [0, 1], like probabilities; as --logits says, they are taken as logits"
        ]
    return []
