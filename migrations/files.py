"""The migration files, ordered by number regardless of their owner."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent
FILE_NAME = re.compile(r"(?P<number>\d{3})_[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file; `name` is its file name without the suffix."""

    name: str
    sql: str

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the SQL, which reveals edits of an applied migration."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def find(root: Path = ROOT) -> list[Migration]:
    """Return all migrations by number. Raises ValueError for a duplicate number or an invalid name."""
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


def seeds() -> list[Migration]:
    """Return the optional sample data, which can be applied repeatedly."""
    return [Migration(p.stem, p.read_text()) for p in sorted((ROOT / "seeds").glob("*.sql"))]
