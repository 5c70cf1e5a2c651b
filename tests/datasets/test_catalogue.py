"""The cohorts of the papers: names that exist, and counts that add up."""

import dataclasses

import pytest

from cxrshort.datasets import SOURCES
from cxrshort.datasets.catalogue import COHORTS, sections
from cxrshort.datasets.repositories.reading import VIEW_REASONS, ReadOptions

PARTS = [pytest.param(part, id=f"{name}-{part.source}") for name, cohort in COHORTS.items() for part in cohort.parts]


@pytest.mark.parametrize("part", PARTS)
def test_part_names_a_repository_and_ways_to_read_it(part):
    assert part.source in SOURCES
    options = dataclasses.replace(ReadOptions(), **dict(part.options))
    assert set(options.views) <= set(VIEW_REASONS)
    assert part.fractions is None or (min(part.fractions) >= 0 and sum(part.fractions) <= 1)


@pytest.mark.parametrize("name", COHORTS)
def test_parts_of_a_cohort_add_up_to_what_the_paper_counts(name):
    cohort = COHORTS[name]
    images = [part.published[0] for part in cohort.parts]
    if all(images) and cohort.published[0]:
        assert sum(images) == cohort.published[0]
    assert all(part.label in cohort.classes for part in cohort.parts) == bool(cohort.classes)


def test_names_are_unique_over_all_kinds_and_have_summaries():
    names = [name for entries in sections().values() for name in entries]
    assert len(names) == len(set(names))
    assert all(summary for entries in sections().values() for summary in entries.values())
