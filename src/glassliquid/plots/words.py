"""Texts of users in figures."""


def verbatim(text: str) -> str:
    """A text as matplotlib shows it letter for letter: between two dollar signs it would read a formula, and fail at others."""
    return text.replace("$", r"\$")
