"""The variables that programs of the platform read, and a search for misspelled ones."""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.config import env_files
from cli.config.access import Access
from cli.config.processes import PROCESSES
from cli.config.settings import ROOT, LocalSettings
from kit.values.env import FILE_SUFFIX, Env, Variable
from migrations.__main__ import read as read_migrations

COMPOSE_FILE = ROOT / "deploy" / "compose.yaml"
# `${NAME:-default}` in that file, or a name without a value.
INTERPOLATED = re.compile(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)|^ +([A-Z][A-Z0-9_]*):$", re.MULTILINE)
PROFILES = re.compile(r"^ +profiles: \[(\w+)\]$", re.MULTILINE)
# Read by Compose itself, by Docker and by deploy/make-secrets.
OF_COMPOSE = ("COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "PIP_INDEX_URL")
# Above this similarity (difflib's ratio) a name counts as a misspelling of the other.
MIN_SIMILARITY = 0.8


def declared(read: Callable[[Env], object]) -> list[Variable]:
    """Return every variable that `read` reads."""
    env = Env({})
    read(env)
    return list(env.declared.values())


def readers() -> dict[str, list[Variable]]:
    """Return the variables of each program by its name in docs/configuration.md."""
    machine = declared(lambda env: LocalSettings.read(env, {}))
    operators = declared(Access.read)
    return {
        "esimgo": [*machine, *(v for v in operators if v.name not in {m.name for m in machine})],
        **{process.name: process.variables() for process in PROCESSES},
        "migrations": declared(read_migrations),
    }


def known() -> frozenset[str]:
    """Return every name that has an effect, including those of Compose and of secret files."""
    variables = [variable for program in readers().values() for variable in program]
    names = {variable.name for variable in variables}
    files = {variable.name + FILE_SUFFIX for variable in variables if variable.secret}
    return frozenset({*names, *files, *compose_names()})


def compose_names() -> frozenset[str]:
    """Return the names that deploy/compose.yaml reads from its environment."""
    text = COMPOSE_FILE.read_text() if COMPOSE_FILE.is_file() else ""  # the image has no deploy/
    return frozenset(
        {*(match[1] or match[2] for match in INTERPOLATED.finditer(text)), *OF_COMPOSE}
    )


def compose_profiles() -> list[str]:
    """Return the profiles of deploy/compose.yaml."""
    return sorted(set(PROFILES.findall(COMPOSE_FILE.read_text())))


@dataclass(frozen=True, slots=True)
class Misspelled:
    """A variable that is set without effect; `nearest` is the known name that was probably meant."""

    name: str
    nearest: str
    place: str

    def __str__(self) -> str:
        return (
            f"{self.name} in {self.place} is not a known variable and has no effect: did you mean"
            f" {self.nearest}?"
        )


def misspelled(values: Mapping[str, object], place: str, names: Iterable[str]) -> list[Misspelled]:
    """Return the names in `values` that resemble a known one; variables of other programs don't."""
    names = frozenset(names)
    found = []
    for name in values:
        if name in names or any(name.endswith(f"_{known}") for known in names):
            continue  # such as VITE_SUPABASE_URL, which a page's build reads
        nearest = difflib.get_close_matches(name.upper(), names, n=1, cutoff=MIN_SIMILARITY)
        if nearest:
            found.append(Misspelled(name, nearest[0], place))
    return found


def in_use(
    environment: Mapping[str, str] = os.environ, file: Path = ROOT / ".env"
) -> list[Misspelled]:
    """Return the misspelled names in .env and in the environment."""
    names = known()
    # A name without an underscore, such as BASH, belongs to another program.
    environment = {name: value for name, value in environment.items() if "_" in name}
    return [
        *misspelled(env_files.read(file), file.name, names),
        *misspelled(environment, "the environment", {name for name in names if "_" in name}),
    ]
