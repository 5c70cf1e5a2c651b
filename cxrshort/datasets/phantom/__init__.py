"""Synthetic frontal radiographs drawn from explicit parameters, where the truth is known."""
