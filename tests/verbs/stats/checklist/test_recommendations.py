"""The table of checks: every function is in it once, in the sections of the paper."""

import inspect

from cxrshort.verbs.stats.checklist import claims, data, metrics, procedures, publishing
from cxrshort.verbs.stats.checklist.recommendations import SECTIONS, all_checks

MODULES = (claims, data, metrics, procedures, publishing)


def test_every_check_is_in_the_table_once() -> None:
    listed = [check.judge for checks in SECTIONS.values() for check in checks]
    written = [
        function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("check_") and function.__module__ == module.__name__
    ]
    assert len(listed) == len(set(listed)) == len(all_checks())
    assert set(listed) == set(written)


def test_sections_are_those_of_the_paper() -> None:
    assert list(SECTIONS) == [
        "Data, an imperfect window on the clinic",
        "Improper evaluation procedures and leakage",
        "Metrics that do not reflect what we want",
        "Incorrectly chosen baselines",
        "Statistical significance not tested, or misunderstood",
        "Publishing, distorted incentives",
    ]


def test_names_and_recommendations_are_short() -> None:
    for name, check in all_checks().items():
        assert name == name.lower() and " " not in name
        assert 0 < len(check.recommendation) < 60
