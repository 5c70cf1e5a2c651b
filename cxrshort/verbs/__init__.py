"""The verbs: the sequence of steps behind each command, as plain functions."""
