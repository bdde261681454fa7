"""The pictures of docs/SEEING.md, small, from what `visualize` drew: python -m benchmarks.seeing FOLDER ...

Each FOLDER is one of data/pictures; the commands that fill them stand on the page. A picture becomes PREFIX_NAME.png in docs/, with
the network's kind as PREFIX where networks differ in it, at most 690 pixels wide and of 64 colours.
"""

import sys
from pathlib import Path

from PIL import Image

WIDTH, COLOURS = 690, 64
DOCS = Path("docs")
OF_NETWORK = ("attribution.png", "particles.png", "correlations.png")
OF_SAMPLES = ("fields_liquid.png", "fields_glass.png")


def main() -> None:
    """Shrink the pictures of each folder, which `visualize` names after dataset and model."""
    for folder in map(Path, sys.argv[1:]):
        for name in (*OF_NETWORK, *OF_SAMPLES):
            if (folder / name).exists():
                shrink(
                    folder / name, DOCS / (f"seeing_{kind(folder)}_{name}" if name in OF_NETWORK else f"seeing_{name}")
                )


def kind(folder: Path) -> str:
    """What a network reads, told from its pictures."""
    return "image" if (folder / "attribution.png").exists() else "graph"


def shrink(picture: Path, target: Path) -> None:
    """Write a smaller copy, and print its size."""
    image = Image.open(picture).convert("RGB")
    image.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
    # Improved by k-means: the median cut alone gives rare colours, such as the ends of a colour bar, to others.
    image.quantize(COLOURS, kmeans=3, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target}: {image.width} x {image.height} pixels, {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
