"""Rows and an image source to a dataset folder."""
