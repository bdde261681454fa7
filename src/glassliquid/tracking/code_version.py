"""Which code a run was made with."""

import subprocess
from pathlib import Path

TAG_COMMIT = "git_commit"
TAG_DIRTY = "git_dirty"


def code_version() -> dict[str, str]:
    """The commit of the code that runs, and whether it was changed since."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(Path(__file__).parent), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {TAG_COMMIT: "unknown", TAG_DIRTY: "unknown"}
    return {TAG_COMMIT: commit, TAG_DIRTY: str(bool(git("status", "--porcelain", "--untracked-files=no"))).lower()}
