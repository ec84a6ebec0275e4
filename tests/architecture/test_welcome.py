"""CONTRIBUTING.md, CHANGELOG.md, docs/glossary.md and the package metadata are true."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from cli.version import VERSION
from tests.fixtures.releases import newest_release

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = r"(?:cli|deploy|docs|gateway|kit|migrations|protos|services|tests|webhooks)/"
# A path in a code span or a link; one with a placeholder in capitals is a pattern.
PATHS = re.compile(rf"[`(]((?:{FOLDERS})[\w./-]*|[\w-]+\.(?:md|toml)|Makefile|LICENSE)(?=[`)#])")
PLACEHOLDERS = re.compile(r"OWNER|NNN\w*|VERB\w*|COLUMN|SOMETHING")
TERMS = [
    "plan",
    "bundle",
    "assignment",
    "claim",
    "attempt",
    "recovery point",
    "settlement",
    "reconciliation",
    "delivery (of an order)",
    "delivery (of a callback)",
    "owner",
    "refresh",
    "revision",
    "snapshot",
    "lease",
    "dead letter",
    "session",
    "user session",
    "system session",
    "sandbox",
    "ICCID",
    "EID",
    "SM-DP+",
    "matching id",
    "activation code",
    "profile",
    "quote",
    "facet",
    "top-up",
    "revocation",
    "budget",
    "batch",
    "traveler",
    "share link",
    "API key",
    "on account",
    "statement",
    "inbox",
    "service role key",
    "cost (of an operation)",
    "work",
    "persisted query",
    "trusted document",
    "fault id",
]
# Lines that can't be wrapped: tables, quotations of the terminal, and drawings.
UNWRAPPED = re.compile(r"```.*?^ *```|^ *\|.*?$", re.DOTALL | re.MULTILINE)
WIDTH = 120


def test_the_newest_release_has_the_version_of_the_project() -> None:
    assert newest_release().version == PYPROJECT["project"]["version"] == VERSION


def test_every_deployment_names_the_version() -> None:
    overlays = list((ROOT / "deploy/k8s/overlays").glob("*/kustomization.yaml"))
    tags = {i["newTag"] for f in overlays for i in yaml.safe_load(f.read_text()).get("images", ())}
    assert tags == {VERSION}


def test_every_file_that_contributing_names_exists() -> None:
    named = {path for path in PATHS.findall(CONTRIBUTING) if not PLACEHOLDERS.search(path)}
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_constant_that_contributing_names_is_defined() -> None:
    named = {name for name in re.findall(r"`([A-Z][A-Z_]+)`", CONTRIBUTING) if name != "LICENSE"}
    sources = [*(ROOT / "services").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    assert len(named) >= 5
    assert [n for n in sorted(named) if not re.search(rf"^{n}\b", text, re.MULTILINE)] == []


@pytest.mark.parametrize("owner", ["catalogue", "esims", "orders"])
def test_the_files_of_a_recipe_exist_for_every_service(owner: str) -> None:
    patterns = {
        path.replace("OWNER", owner)
        for path in PATHS.findall(CONTRIBUTING)
        if set(PLACEHOLDERS.findall(path)) == {"OWNER"}
    }
    assert len(patterns) >= 5
    assert [path for path in sorted(patterns) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("term", TERMS)
def test_the_glossary_has_the_term(term: str) -> None:
    rows = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    assert [row for row in rows if row.startswith(f"| {term} |")]


@pytest.mark.parametrize(("section", "most"), [("a purchase", 30), ("a callback", 12)])
def test_the_path_of_a_request_is_a_list_of_files_that_exist(section: str, most: int) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    listed = page.partition(f"### The files of {section}\n")[2].partition("\n#")[0]
    files = re.findall(r"^\d+\. `([\w/]+\.py)`: ", listed, re.MULTILINE)
    assert 10 < len(files) <= most
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_hooks_run_what_make_check_runs() -> None:
    check = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    lines = re.findall(r"^\t@?(.*)$", check.partition("\nk8s-check")[0], re.MULTILINE)
    commands = {
        command.strip().replace("$(PY)", ".venv/bin/python").removesuffix(" --check .")
        for line in lines
        for command in line.split("&&")
    }
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    run = {hook["entry"] for hook in hooks}
    # A hook formats files instead of complaining about them.
    commands = {command.replace("ruff format --check", "ruff format") for command in commands}
    assert commands == run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_prose_of_a_page_is_wrapped(page: Path) -> None:
    text = UNWRAPPED.sub("", page.read_text())
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_point_to_existing_files_and_headings(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target), link
