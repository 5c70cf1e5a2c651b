"""What Typer's parser refuses is said as any other error: the value in quotes, the rule, and what was meant."""

from pathlib import Path

import pytest

from .console import cxrshort_here, failure

EXAMPLE = "cxrshort evaluate runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I --dataset phantom-external"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("trian",), "'trian' is not a known command of cxrshort", "did you mean 'train'?"),
        (("verbs",), "'verbs' is not a known command of cxrshort", "cxrshort --help lists the commands"),
        (("--colour",), "'--colour' is not a known option of cxrshort", "cxrshort --help lists the options"),
        # Close by its hyphens alone: --lr and --out are no near matches.
        (("train", "--colour", "blue"), "'--colour' is not a known option of cxrshort train",
         "cxrshort train --help lists the options"),
        (("train", "--epoch", "3"), "'--epoch' is not a known option of cxrshort train", "did you mean '--epochs'?"),
        (("train", "-x"), "'-x' is not a known option of cxrshort train", "cxrshort train --help lists the options"),
        (("train", "--multilabl"), "'--multilabl' is not a known option of cxrshort train",
         "did you mean '--multilabel'?"),
        (("train", "--epochs", "two"), "--epochs is 'two', it must be a whole number", ""),
        (("train", "--lr", "fast"), "--learning-rate is 'fast', it must be a number", ""),
        (("train", "--seed", "-1"), "--seed is '-1', it must be at least 0", ""),
        (("train", "--replicates", "1001"), "--replicates is '1001', it must be at most 1000", ""),
        (("train", "--epochs"), "--epochs has no value", "write --epochs N"),
        (("train", "--resume=3"), "--resume takes no value", "write --resume alone"),
        (("evaluate",), "MODEL is missing", EXAMPLE),
        (("evaluate", "run"), "--dataset is missing", EXAMPLE),
        (("paths", "one", "two"), "'one two' is more than 'cxrshort paths' takes",
         "cxrshort paths --help shows what it takes"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_sentence_and_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert failure(cxrshort_here(*arguments)) == (2, message, hint)


def test_no_command_at_all_shows_the_page_of_help() -> None:
    result = cxrshort_here()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ") and "Commands:" in result.stderr
