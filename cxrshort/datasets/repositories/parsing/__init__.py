"""Parsers of the repositories' metadata."""
