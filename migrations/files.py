"""The migration files in their one order: roles first, then by number whoever owns them."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent
FILE_NAME = re.compile(r"(?P<number>\d{3})_[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file; `name` is its file name without the ending."""

    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Of the file's text: a shipped file is never edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def find(root: Path = ROOT) -> list[Migration]:
    """All files by number. Raises ValueError when two share a number or a name is malformed."""
    found: dict[str, Migration] = {}
    for path in sorted(root.glob("*/*.sql")):
        if path.parent.name == "seeds":
            continue
        match = FILE_NAME.fullmatch(path.stem)
        if match is None:
            raise ValueError(f"{path.name}: a migration is named like 007_add_something.sql")
        number = match["number"]
        if number in found:
            raise ValueError(f"{path.stem} and {found[number].name} share a number")
        found[number] = Migration(path.stem, path.read_text())
    return [found[number] for number in sorted(found)]


def seeds(root: Path = ROOT) -> list[Migration]:
    """Optional sample data, safe to run again."""
    return [Migration(p.stem, p.read_text()) for p in sorted((root / "seeds").glob("*.sql"))]
