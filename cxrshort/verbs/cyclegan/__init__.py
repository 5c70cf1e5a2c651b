"""Verbs of ``cyclegan``: train, transform, audit."""
