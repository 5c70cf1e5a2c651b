"""Edited radiographs as a test of classifiers: a module per sub-command."""
