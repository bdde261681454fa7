"""Searching for good settings: what is searched, the study that remembers every trial, and its pictures."""
