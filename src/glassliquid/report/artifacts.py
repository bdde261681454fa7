"""Pictures inside the page: data addresses of images, made small."""

import base64
import io

LARGEST_SIDE = 1000
"""Pictures are scaled down to this [pixels]: the width of a page on a screen."""
QUALITY = 72
MOST_PIXELS = 64_000_000
"""A file that claims more is not opened."""


def data_address(content: bytes) -> str | None:
    """A data: address of a PNG, made smaller as WebP; None if the content is not a picture that can be read."""
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
