"""Cures: what changes the last layer of a trained model, in minutes, from features that are computed once."""
