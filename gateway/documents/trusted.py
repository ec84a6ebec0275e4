"""Trusted documents: what the operator's own clients send, made known to the gateway before they do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphql import DocumentNode, GraphQLError, parse, print_ast
from graphql.utilities import strip_ignored_characters

from gateway.documents.prepared import Prepared


class ManifestError(Exception):
    """The file is no manifest of documents; the text says what to do."""


@dataclass(frozen=True, slots=True)
class TrustedDocuments:
    """The texts by their ids; with `only`, nothing else may be executed."""

    by_id: Mapping[str, str]
    only: bool
    _texts: frozenset[str] = field(init=False, repr=False)
    _normal: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_texts", frozenset(self.by_id.values()))
        documents = (parse(text, no_location=True) for text in self.by_id.values())
        object.__setattr__(self, "_normal", frozenset(map(_normal, documents)))

    def named(self, id_: str) -> str | None:
        """The text of an id; sha256:<hash> is another spelling of the id <hash>."""
        return self.by_id.get(id_) or self.by_id.get(id_.removeprefix("sha256:"))

    def __contains__(self, text: str) -> bool:
        """True for the text of a trusted document, character by character."""
        return text in self._texts

    def allow(self, prepared: Prepared) -> bool:
        """True if the document may be executed.

        It may differ from a trusted one in spaces, commas, comments and the order of definitions.
        """
        return not self.only or prepared.once(_normal_of) in self._normal


def _normal_of(prepared: Prepared) -> str:
    return _normal(prepared.document)


def _normal(document: DocumentNode) -> str:
    definitions = (print_ast(node) for node in document.definitions)
    return "\n".join(sorted(map(strip_ignored_characters, definitions)))


def read(path: Path, *, only: bool) -> TrustedDocuments:
    """The documents of a manifest; raises ManifestError.

    It is a JSON object of ids and texts, as Relay and graphql-codegen write it and our own command
    does, or has a list of `operations` with `id` and `body`, as Apollo's tools write it.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ManifestError(f"{path} is not valid JSON in UTF-8") from error
    try:
        return TrustedDocuments(_by_id(found), only)
    except (KeyError, TypeError, ValueError, GraphQLError) as error:
        raise ManifestError(
            f"{path} must be a JSON object of ids and GraphQL documents, as written by `python -m"
            " gateway.http.trust_documents`"
        ) from error


def _by_id(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        raise TypeError
    if isinstance(found.get("operations"), list):
        found = {one["id"]: one["body"] for one in found["operations"]}
    by_id: dict[str, str] = found
    if not all(isinstance(text, str) and text.strip() for text in (*by_id, *by_id.values())):
        raise ValueError
    return by_id
