"""Numbers on tables: intervals, comparisons and tests; never torch."""
