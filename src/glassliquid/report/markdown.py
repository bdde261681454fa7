"""The part of Markdown that descriptions of runs are written in: paragraphs, tables, **bold** and `code`."""

import re

from markupsafe import Markup, escape

_SEPARATOR = re.compile(r"\|[\s:|-]+\|")


def to_html(text: str) -> Markup:
    """HTML of a description; everything in it is escaped first, so that it can hold no element of its own."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text.strip()) if block.strip()]
    return Markup("\n").join(_table(block) if _is_table(block) else _paragraph(block) for block in blocks)


def _is_table(block: str) -> bool:
    lines = block.splitlines()
    return len(lines) > 1 and lines[0].lstrip().startswith("|") and bool(_SEPARATOR.fullmatch(lines[1].strip()))


def _table(block: str) -> Markup:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
    head, body = rows[0], rows[2:]
    return Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        Markup("").join(Markup("<th>{}</th>").format(_inline(cell)) for cell in head),
        Markup("").join(
            Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(_inline(cell)) for cell in row))
            for row in body
        ),
    )


def _paragraph(block: str) -> Markup:
    return Markup("<p>{}</p>").format(_inline(block))


def _inline(text: str) -> Markup:
    safe = str(escape(text))
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe))
