"""Every variable that a program of the platform reads, and names that look like one but are none."""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from cli.config.access import Access
from cli.config.processes import PROCESSES
from cli.config.settings import ROOT, LocalSettings
from kit.values.env import FILE_SUFFIX, Env, Variable
from migrations.__main__ import read as read_migrations

COMPOSE_FILE = ROOT / "deploy" / "compose.yaml"
# `${NAME:-default}` in that file, or a name without a value.
INTERPOLATED = re.compile(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)|^ +([A-Z][A-Z0-9_]*):$", re.MULTILINE)
# Read by Compose itself, by Docker and by deploy/make-secrets.
OF_COMPOSE = ("COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "PIP_INDEX_URL")
# Above this similarity (difflib's ratio) one name is taken to be a misspelling of the other.
CLOSE = 0.8


def declared(read: Callable[[Env], object]) -> list[Variable]:
    """Return every variable that a reader of settings asks for."""
    env = Env({})
    read(env)
    return list(env.declared.values())


def readers() -> dict[str, list[Variable]]:
    """Return the variables of each program, by the name that the documents give the program."""
    machine = declared(lambda env: LocalSettings.read(env, {}))
    operators = declared(Access.read)
    return {
        "esimgo": [*machine, *(v for v in operators if v.name not in {m.name for m in machine})],
        **{process.name: process.variables() for process in PROCESSES},
        "migrations": declared(read_migrations),
    }


def known() -> frozenset[str]:
    """Return every name that has an effect somewhere, those of Compose and of secret files included."""
    variables = [variable for program in readers().values() for variable in program]
    names = {variable.name for variable in variables}
    files = {variable.name + FILE_SUFFIX for variable in variables if variable.secret}
    return frozenset({*names, *files, *of_compose()})


def of_compose(file: Path = COMPOSE_FILE) -> frozenset[str]:
    """Return the names that deploy/compose.yaml takes from its environment."""
    text = file.read_text() if file.is_file() else ""  # the image has no deploy/
    return frozenset(
        {*(match[1] or match[2] for match in INTERPOLATED.finditer(text)), *OF_COMPOSE}
    )


@dataclass(frozen=True, slots=True)
class Misspelled:
    """A variable that is set and has no effect; `nearest` is the known one that was probably meant."""

    name: str
    nearest: str
    place: str

    def __str__(self) -> str:
        return (
            f"{self.name} in {self.place} is not a known variable and has no effect: did you mean"
            f" {self.nearest}?"
        )


def misspelled(values: Mapping[str, object], place: str, names: Iterable[str]) -> list[Misspelled]:
    """Return those of `values` that resemble a known name; other programs' variables don't."""
    names = frozenset(names)
    found = []
    for name in values:
        if name in names or any(name.endswith(f"_{one}") for one in names):
            continue  # such as VITE_SUPABASE_URL, which a page's build reads
        nearest = difflib.get_close_matches(name.upper(), names, n=1, cutoff=CLOSE)
        if nearest:
            found.append(Misspelled(name, nearest[0], place))
    return found


def in_use(
    environment: Mapping[str, str] = os.environ, file: Path = ROOT / ".env"
) -> list[Misspelled]:
    """Return what looks misspelled in the file .env and in the environment."""
    names = known()
    # A bare word in the environment, such as BASH, is somebody else's.
    ours = {name: value for name, value in environment.items() if "_" in name}
    return [
        *misspelled(dotenv_values(file), file.name, names),
        *misspelled(ours, "the environment", {name for name in names if "_" in name}),
    ]
