"""Writes what the programs themselves know best: .env.example and the tables of docs/configuration.md."""

import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from cli.variables import readers
from kit.env import Variable

ROOT = Path(__file__).parent.parent
ENV_EXAMPLE = ROOT / ".env.example"
CONFIGURATION = ROOT / "docs" / "configuration.md"
TABLE = re.compile(r"(<!-- variables of (?P<who>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

HEADER = """\
# Every variable of the platform. Copy this file to .env, which `make up` and ./esimgo read, and take
# the # away from what you set; the environment stands over the file, and empty means not set.
# Everything may be left out: then the provider, Supabase Auth and PostgreSQL are played locally.
# What is marked as secret may stand in a file instead, which NAME_FILE names.
# docs/configuration.md says which process reads what. Written by `make docs`.
"""
# First in the file: what somebody with real accounts sets.
ACCOUNTS = (
    "ESIM_GO_API_KEY",
    "ESIM_GO_BASE_URL",
    "ESIM_GO_WEBHOOK_SECRET",
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "APP_ENV",
)


def env_example(programs: dict[str, list[Variable]]) -> str:
    """The file .env.example: each variable once, the accounts first."""
    known: dict[str, Variable] = {}
    for variables in programs.values():
        for variable in variables:
            known.setdefault(variable.name, variable)
    parts = [HEADER, _section("Accounts and the way of running", map(known.pop, ACCOUNTS))]
    for name, variables in programs.items():
        own = [known.pop(v.name) for v in variables if v.name in known]
        if own:
            title = "On one machine: `make up`, ./esimgo" if name == "esimgo" else name
            parts.append(_section(title, own))
    return "\n".join(parts)


def configuration(text: str, programs: dict[str, list[Variable]]) -> str:
    """The document with its tables renewed; raises ValueError when a program has no place in it."""
    placed = {match["who"] for match in TABLE.finditer(text)}
    if missing := programs.keys() - placed:
        raise ValueError(f"{CONFIGURATION.name} has no table for {', '.join(sorted(missing))}")
    return TABLE.sub(lambda m: f"{m[1]}{_table(programs[m['who']])}{m[3]}", text)


def _section(title: str, variables: Iterable[Variable]) -> str:
    lines = [f"# --- {title} ---"]
    for variable in variables:
        text = f"{variable.help} Secret." if variable.secret else variable.help
        lines += textwrap.wrap(text, 98, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"#{variable.name}={variable.default or ''}")
    return "\n".join(lines) + "\n"


def _table(variables: list[Variable]) -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for variable in variables:
        if variable.default is None:
            default = "**required**"
        else:
            default = f"`{variable.default}`" if variable.default else "none"
        secret = " Secret." if variable.secret else ""
        help_text = variable.help.replace("|", "\\|").rstrip(".")
        rows.append(f"| `{variable.name}` | {default} | {help_text}.{secret} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Runs as `make docs`, or with `--check` as part of `make check`."""
    programs = readers()
    fresh = {
        ENV_EXAMPLE: env_example(programs),
        CONFIGURATION: configuration(CONFIGURATION.read_text(), programs),
    }
    if "--check" in sys.argv:
        old = [p.name for p, text in fresh.items() if not p.exists() or p.read_text() != text]
        if old:
            raise SystemExit(f"{' and '.join(old)} differ from the settings; run `make docs`")
        return
    for path, text in fresh.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
