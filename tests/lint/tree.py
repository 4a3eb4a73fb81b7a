"""What the checks of this folder share: the tracked files of the tree."""
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Files git knows (also new ones that are not ignored), relative to the top; `patterns` as for git ls-files."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns], cwd=TOP, capture_output=True, check=True
    )
    names = [Path(name.decode()) for name in listing.stdout.split(b"\0") if name]
    return sorted({name for name in names if (TOP / name).is_file()})


def text(name: Path) -> str:
    return (TOP / name).read_text(encoding="utf-8", errors="replace")
