"""Put the stand-in for conda into the virtual environment whose Python runs this script."""

import hashlib
import os
import shutil
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent


def install() -> None:
    """Copy the stand-in to share/, and the hook that names it to MLflow to site-packages."""
    if os.name == "nt" or sys.prefix == sys.base_prefix:
        return
    home = Path(sys.prefix, "share", "glassliquid-no-conda")
    for source, target in [
        ("conda", "bin/conda"),
        ("conda.sh", "etc/profile.d/conda.sh"),
        ("answer.py", "answer.py"),
    ]:
        path = home / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / source, path)
    (home / "bin/conda").chmod(0o755)

    packages = Path(sysconfig.get_path("purelib"))
    hook = (HERE / "hook.py").read_text(encoding="utf-8")
    (packages / "glassliquid_no_conda.py").write_text(
        hook.replace('HOME = ""', f"HOME = {str(without_spaces(home))!r}"), encoding="utf-8"
    )
    (packages / "glassliquid_no_conda.pth").write_text("import glassliquid_no_conda\n", encoding="utf-8")


def without_spaces(home: Path) -> Path:
    """Return a path to `home` that MLflow can write into a shell command, which it does without quotes."""
    if is_plain(home):
        return home
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    link = cache / f"glassliquid-no-conda-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
    if not is_plain(link):
        return home
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(home)
    return link


def is_plain(path: Path) -> bool:
    """Tell whether the shell takes this path as it is."""
    return all(c.isalnum() or c in "/._-+@%,:=" for c in str(path))


if __name__ == "__main__":
    install()
