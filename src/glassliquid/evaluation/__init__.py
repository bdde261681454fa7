"""Scores of a model, with their uncertainty."""
