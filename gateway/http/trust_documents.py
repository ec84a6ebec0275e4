"""Command that writes the manifest of trusted documents from a client's .graphql files."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphql import (
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)

from gateway.documents import parsing as documents
from gateway.documents.persisted import digest
from gateway.schema.assembly import build
from gateway.schema.export import DEPTH

SUFFIXES = (".graphql", ".gql")


class DocumentsError(Exception):
    """The documents can't be trusted; the message names the document and the reason."""


def manifest(files: Iterable[Path], *, add_typename: bool = False) -> dict[str, str]:
    """Return one document for each operation, with the fragments that it uses, by its SHA-256.

    Fragments may be in other files than the operations that use them. `add_typename` adds `__typename` to
    every selection except an operation's own, as Apollo Client does. Raises DocumentsError.
    """
    operations: dict[str, OperationDefinitionNode] = {}
    fragments: dict[str, FragmentDefinitionNode] = {}
    for file in files:
        for node in _definitions(file):
            if not isinstance(node, OperationDefinitionNode | FragmentDefinitionNode):
                raise DocumentsError(
                    f"{file} contains a definition that is neither an operation nor a fragment"
                )
            if node.name is None:
                raise DocumentsError(f"{file} contains an operation without a name: name it")
            known: dict[str, Any] = (
                operations if isinstance(node, OperationDefinitionNode) else fragments
            )
            if node.name.value in known:
                raise DocumentsError(f"{file} defines {node.name.value} again: rename one of them")
            known[node.name.value] = node
    if not operations:
        raise DocumentsError(
            f"no operations found: pass folders that contain {' or '.join(SUFFIXES)} files"
        )
    texts = [_text(operations[name], fragments, add_typename) for name in sorted(operations)]
    return {digest(text): text for text in texts}


def _definitions(file: Path) -> tuple[DefinitionNode, ...]:
    try:
        return tuple(parse(file.read_text(), no_location=True).definitions)
    except (GraphQLError, ValueError) as error:
        raise DocumentsError(f"{file} is not GraphQL: {error}") from error


def _text(
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
    add_typename: bool,
) -> str:
    needed: dict[str, FragmentDefinitionNode] = {}
    _collect_fragments(operation, fragments, needed)
    document = DocumentNode(definitions=(operation, *(needed[name] for name in sorted(needed))))
    if add_typename:
        document = visit(document, _AddTypename())
    text = print_ast(document)
    name = operation.name.value if operation.name else ""
    try:
        errors = validate(build(DEPTH)._schema, documents.read(text, DEPTH))
    except GraphQLError as error:
        errors = [error]
    if errors:
        raise DocumentsError(f"{name} does not match the schema: {errors[0].message}")
    return text


def _collect_fragments(
    node: OperationDefinitionNode | FragmentDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
    needed: dict[str, FragmentDefinitionNode],
) -> None:
    spreads: list[str] = []

    class Spreads(Visitor):
        def enter_fragment_spread(self, spread: FragmentSpreadNode, *_: Any) -> None:
            spreads.append(spread.name.value)

    visit(node, Spreads())
    for name in spreads:
        if name in fragments and name not in needed:  # validation reports unknown ones
            needed[name] = fragments[name]
            _collect_fragments(fragments[name], fragments, needed)


class _AddTypename(Visitor):
    def leave_selection_set(
        self, node: SelectionSetNode, _key: Any, parent: Any, *_: Any
    ) -> SelectionSetNode | None:
        if isinstance(parent, OperationDefinitionNode):
            return None
        names = [one.name.value for one in node.selections if isinstance(one, FieldNode)]
        if any(name.startswith("__") for name in names):
            return None
        added = FieldNode(name=NameNode(value="__typename"))
        return SelectionSetNode(selections=(*node.selections, added))


def main(arguments: list[str]) -> int:
    """Run the command; return the exit status, 1 for invalid documents."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.http.trust_documents", description=__doc__
    )
    parser.add_argument("paths", nargs="+", type=Path, help="files, or folders that contain them")
    parser.add_argument("--output", type=Path, required=True, help="where to write the manifest")
    parser.add_argument(
        "--add-typename",
        action="store_true",
        help="add __typename to selections, as Apollo Client does",
    )
    given = parser.parse_args(arguments)
    try:
        found = manifest(_files(given.paths), add_typename=given.add_typename)
    except DocumentsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    given.output.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(f"{len(found)} documents written to {given.output}\n")
    return 0


def _files(paths: Iterable[Path]) -> list[Path]:
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(p for p in path.rglob("*") if p.suffix in SUFFIXES)
        elif path.is_file():
            found.add(path)
        else:
            raise DocumentsError(f"{path} does not exist")
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
