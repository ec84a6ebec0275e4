"""Every `esimgo` command and make target in documents and messages exists, with its options."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.commands import esimgo

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "sandbox" / "README.md"]
SOURCES = [
    path
    for folder in ("cli", "gateway", "kit", "migrations", "services", "webhooks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
BLOCK = re.compile(r"^ *```.*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
# By its path or as a module anywhere in code; by its bare name only at the start of code.
NAMED = re.compile(
    r"(?:\./esimgo|python -m cli|compose run(?: -\S+)* cli|^(?:[A-Z_]+=\S+ )*esimgo) +(\S.*)",
    re.MULTILINE,
)
TARGET = re.compile(
    r"(?:^|[;&|] *)(?:[A-Z_]+=\S+ )*make(?: [A-Z_]+=\S+)* ([a-z][a-z0-9-]*)", re.MULTILINE
)
# Placeholders: ID, ORDER_ID, $USER, <id>, ...
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*|.*[$<{…].*|.*\.\.\..*")


def code_of(page: Path) -> Iterator[str]:
    text = page.read_text()
    # A command may continue on the next line.
    yield from (block.replace("\\\n", " ") for block in BLOCK.findall(text))
    yield from INLINE.findall(BLOCK.sub("", text))


def messages_of(source: Path) -> Iterator[str]:
    """Return the program's texts in backticks, and lines that begin with the command."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            text = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        yield from INLINE.findall(text)
        yield from re.findall(r"(?<!`)\./esimgo [^`\n]+", text)


def words_of(text: str) -> list[str]:
    """Return the words of one command, up to its end in a shell."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    while (word := lexer.get_token()) is not None and not set(word) <= set("();<>|&"):
        words.append(word.strip("[]"))  # documents mark optional words so
    return words


def check(text: str) -> None:
    """Raise click.UsageError for a command line that click would not accept."""
    words = words_of(text)
    context = click.Context(esimgo, info_name="esimgo")
    command: click.Command = esimgo
    while isinstance(command, click.Group) and words:
        if words[0].startswith("-"):
            break
        name = words.pop(0)
        if PLACEHOLDER.fullmatch(name):
            return
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no command {name} in {context.command_path}")
        command, context = found, click.Context(found, info_name=name, parent=context)
    open_ended = bool(words) and words[-1] == "..."
    given, left, _ = command.make_parser(context).parse_args([w for w in words if w != "..."])
    if left:
        raise click.UsageError(f"{context.command_path} takes no {' '.join(left)}")
    for parameter in command.params:
        value = given.get(parameter.name or "")
        if value is None or value == ():
            # Prose names a command without its arguments; examples have all of them.
            if (
                parameter.required
                and isinstance(parameter, click.Option)
                and words
                and not open_ended
            ):
                raise click.UsageError(f"{context.command_path} needs {parameter.opts[0]}")
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, str) and not PLACEHOLDER.fullmatch(one):
                parameter.type.convert(one, parameter, context)


def refusals(pieces: Iterator[str]) -> tuple[int, list[str]]:
    checked, wrong = 0, []
    for code in pieces:
        for text in NAMED.findall(code):
            checked += 1
            try:
                check(text)
            except click.UsageError as error:
                wrong.append(f"{text}: {error.format_message()}")
    return checked, wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_commands_that_exist(page: Path) -> None:
    # A page may write a file first.
    written = re.findall(r"> (\S+\.csv)", page.read_text())
    wrong = refusals(code_of(page))[1]
    assert [w for w in wrong if not any(f"'{name}' does not exist" in w for name in written)] == []


def test_messages_name_commands_that_exist() -> None:
    checked, wrong = 0, []
    for source in SOURCES:
        number, refused = refusals(messages_of(source))
        checked += number
        wrong += [f"{source.name}: {text}" for text in refused]
    assert wrong == []
    assert checked > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_make_targets_that_exist(page: Path) -> None:
    rules = re.findall(r"^([\w .-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {name for names in rules for name in names.split()}
    named = {target for code in code_of(page) for target in TARGET.findall(code)}
    assert named <= targets


def every_command() -> Iterator[tuple[str, str]]:
    for name, command in esimgo.commands.items():
        if isinstance(command, click.Group) and not command.hidden:
            yield from ((name, below) for below in command.commands)
        elif not command.hidden:
            yield name, ""


@pytest.mark.parametrize(("group", "name"), [*every_command()])
def test_the_page_of_the_commands_names_every_command(group: str, name: str) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    rows = [row for row in page.splitlines() if re.match(rf"\|.*`\./esimgo {group}\b", row)]
    commands = " ".join(INLINE.findall(" ".join(row.split(" | ")[0] for row in rows)))
    assert re.search(rf"\b{name or group}\b", commands)


def test_documents_name_many_commands() -> None:
    assert sum(refusals(code_of(page))[0] for page in PAGES) > 40


@pytest.mark.parametrize(
    "text",
    [
        "orders lists",
        "orders list --customers ID",
        "orders list --status open",
        "orders list --customer me",
        "customers find EMAIL more",
        "customers erase --yes",
        "webhooks list --state lost # a comment",
        "orders resolve ORDER_ID --not-bought",
        "up --fast)",
        "doctor now",
    ],
)
def test_a_command_that_click_would_refuse_is_detected(text: str) -> None:
    with pytest.raises(click.UsageError):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        "orders",
        "orders ...",
        "webhooks list --state dead           # newest first; also --type",
        'orders resolve ORDER_ID --not-bought --note "both are Kim\'s"',
        "token --email customer@example.com)\" -d '{",
        "customers export --user ID > customer.json",
        "token --email ... --password",
    ],
)
def test_a_command_that_click_accepts_is_not_reported(text: str) -> None:
    check(text)
