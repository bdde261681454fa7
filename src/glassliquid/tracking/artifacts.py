"""What a run keeps as files."""

import contextlib
import io
import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from glassliquid.tracking.store import storing


def png_of(figure: Any) -> bytes:
    """A matplotlib figure as a PNG file, which takes longer than to make the figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
    return file.getvalue()


class RunArtifacts(ABC):
    """Files, texts and pictures of a run."""

    run_id: str

    @property
    @abstractmethod
    def opened(self) -> Any:
        """MLflow's entity of the run."""

    def file(self, path: Path, folder: str | None = None) -> None:
        """Keep a file as an artifact, replacing one of the same name; TrackingLost if the artifact store does not take it."""
        from mlflow import MlflowClient

        with storing(path.name, path.stat().st_size, self.opened.info.artifact_uri):
            MlflowClient().log_artifact(self.run_id, str(path), folder)

    def copy(self, run_id: str, name: str) -> None:
        """Keep another run's artifact too."""
        import mlflow

        with tempfile.TemporaryDirectory() as folder:
            self.file(Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=name, dst_path=folder)))

    def json(self, value: Mapping[str, Any], name: str) -> None:
        """Keep a JSON artifact."""
        self.text(json.dumps(dict(value), indent=2), name)

    def text(self, text: str, name: str) -> None:
        """Keep a text artifact."""
        with self._made(name) as path:
            path.write_text(text, encoding="utf-8")

    def figure(self, figure: Any, name: str) -> None:
        """Keep a matplotlib figure as a PNG artifact."""
        self.drawn(png_of(figure), name)

    def drawn(self, png: bytes, name: str) -> None:
        """Keep a figure that has been drawn as a PNG artifact."""
        with self._made(name) as path:
            path.write_bytes(png)

    def image(self, pixels: Any, name: str) -> None:
        """Keep an RGB array as a PNG artifact."""
        from PIL import Image

        with self._made(name) as path:
            Image.fromarray(pixels).save(path)

    @contextlib.contextmanager
    def _made(self, name: str) -> Iterator[Path]:
        """The path of a temporary file, which is kept as an artifact of that name when the block has made it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            yield path
            place = str(Path(name).parent)
            self.file(path, None if place == "." else place)
