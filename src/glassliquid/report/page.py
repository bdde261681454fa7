"""Lay a results log out as one HTML page that needs nothing else."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from glassliquid.report.log import ResultsLog

TEMPLATE = "page.html"

# No rules but these: a link or an image in a description could lead anywhere, and HTML in it is escaped.
_MARKDOWN = MarkdownIt("zero", {"html": False}).enable(["table", "emphasis", "backticks"])


def to_html(text: str) -> Markup:
    """HTML of a run's description: paragraphs, tables, **bold** and `code`; everything else in it stays text."""
    return Markup(_MARKDOWN.render(text))


def render(log: ResultsLog) -> str:
    """The page as HTML; every text from a run is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = to_html
    return environment.get_template(TEMPLATE).render(log=log)
