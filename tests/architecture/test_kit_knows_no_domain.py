"""kit is free of the domain: no file, name or parameter in it refers to what the platform sells."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOMAIN = {
    *("plan", "bundle", "order", "purchase", "esim", "assignment", "catalogue"),
    *("usage", "country", "region", "suspension", "iccid"),
}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def domain_words(name: str) -> set[str]:
    words = {word.lower() for word in WORD.findall(name)}
    return {word for word in words if word in DOMAIN or word.removesuffix("s") in DOMAIN}


def names(tree: ast.Module) -> set[str]:
    """Return the names that the file defines itself, without imported ones."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.arg():
                found.add(node.arg)
            case ast.Name(ctx=ast.Store()):
                found.add(node.id)
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "kit").rglob("*.py")), ids=lambda path: path.stem)
def test_no_name_in_kit_is_about_the_domain(path: Path) -> None:
    used = {path.stem, *names(ast.parse(path.read_text()))}
    guilty = {name: domain_words(name) for name in used if domain_words(name)}
    assert guilty == {}


def test_a_name_about_the_domain_is_detected() -> None:
    tree = ast.parse("class OrderStore:\n    def place(self, plan_ids): ...\nBUNDLES = 1\n")
    assert {name for name in names(tree) if domain_words(name)} == {
        "OrderStore",
        "plan_ids",
        "BUNDLES",
    }
    assert domain_words("OrderedDict") == domain_words("reorder") == set()
