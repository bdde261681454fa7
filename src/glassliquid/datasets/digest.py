"""The fingerprint of a dataset."""

import hashlib
from collections.abc import Iterable


def content_digest(pixel_digests: Iterable[tuple[str, str]]) -> str:
    """Fingerprint of a dataset's content, from pairs of file name and SHA-256 of the decoded pixels, in order."""
    digest = hashlib.sha256()
    for file_name, pixels in pixel_digests:
        digest.update(f"{file_name} {pixels}\n".encode())
    return digest.hexdigest()[:16]
