"""Lay the content of a report out as one HTML page that needs nothing else."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from glassliquid.report.entries import Log

TEMPLATE = "page.html"


def render(log: Log, pictures_left_out: int) -> str:
    """The page as HTML; every text from a run is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(log=log, pictures_left_out=pictures_left_out)
