"""Pictures and tables that runs left in MLflow, made small enough for one page."""

import base64
import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glassliquid.tracking.stored import StoredRun

LARGEST_SIDE = 1000
"""Pictures are scaled down to this [pixels]: the width of a page on a screen."""
QUALITY = 72
MOST_PIXELS = 64_000_000
"""A file that claims more is not opened."""
PICTURE_ALLOWANCE = 10_000_000
"""Characters of pictures in one page; further ones are left out and counted. With the curves, about 3 kB a run, a thousand
runs stay under 20 MB."""
MOST_ROWS = 200
RUN_ID = re.compile("[0-9a-f]{32}")


@dataclass
class Artifacts:
    """The artifacts of runs, and how much of the allowance for pictures is left."""

    names: Callable[[StoredRun], Sequence[str]]
    """The files of a run."""
    read: Callable[[StoredRun, str], bytes | None]
    """The content of a file of a run; None if it cannot be read."""
    allowance: int = PICTURE_ALLOWANCE
    left_out: int = 0
    """How many pictures did not fit."""

    def picture(self, run: StoredRun, name: str) -> str | None:
        """A picture as a data address; None if it is missing, damaged or does not fit."""
        content = self.read(run, name)
        address = None if content is None else data_address(content)
        if address is not None and len(address) > self.allowance:
            self.left_out += 1
            return None
        self.allowance -= len(address or "")
        return address

    def pictures(self, run: StoredRun, names: Sequence[str]) -> dict[str, str]:
        """Names to data addresses of those pictures that can be shown."""
        addresses = {name: self.picture(run, name) for name in names}
        return {name: address for name, address in addresses.items() if address is not None}

    def table(self, run: StoredRun, name: str) -> tuple[list[list[str]], str]:
        """A CSV file as rows, the head first, and a note if rows were left out; no rows if it cannot be read."""
        content = self.read(run, name)
        try:
            rows = [row for row in csv.reader(io.StringIO((content or b"").decode("utf-8"))) if row]
        except (UnicodeDecodeError, csv.Error):
            return [], ""
        shown = [[_short(cell) for cell in row] for row in rows[: MOST_ROWS + 1]]
        is_whole = len(shown) == len(rows)
        return (
            shown,
            "" if is_whole else f"The first {MOST_ROWS} of {len(rows) - 1} rows; all are in {name} of the run.",
        )


def data_address(content: bytes) -> str | None:
    """A `data:` address of a picture, made smaller as WebP; None if the content is not a picture that can be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "WEBP"]) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            small = image.convert("RGB")
            small.thumbnail((LARGEST_SIDE, 3 * LARGEST_SIDE))
            written = io.BytesIO()
            small.save(written, format="WEBP", quality=QUALITY, method=4)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return f"data:image/webp;base64,{base64.b64encode(written.getvalue()).decode()}"


def _short(cell: str) -> str:
    """A number with at most six digits, a run id with eight; anything else as it is."""
    if RUN_ID.fullmatch(cell):
        return cell[:8]
    try:
        return cell if cell.isdigit() else f"{float(cell):.6g}"
    except ValueError:
        return cell
