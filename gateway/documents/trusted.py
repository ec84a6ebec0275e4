"""Trusted documents: the operations of the operator's own clients, registered with the gateway."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphql import DocumentNode, GraphQLError, parse, print_ast
from graphql.utilities import strip_ignored_characters

from gateway.documents.prepared import Prepared


class ManifestError(Exception):
    """The file is not a valid manifest; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TrustedDocuments:
    """Texts by their ids; with `only`, no other document may be executed."""

    by_id: Mapping[str, str]
    only: bool
    _texts: frozenset[str] = field(init=False, repr=False)
    _normalized: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_texts", frozenset(self.by_id.values()))
        documents = (parse(text, no_location=True) for text in self.by_id.values())
        object.__setattr__(self, "_normalized", frozenset(map(_normalized, documents)))

    def named(self, id_: str) -> str | None:
        """Return the text of an id; `sha256:<hash>` is the same id as `<hash>`."""
        return self.by_id.get(id_) or self.by_id.get(id_.removeprefix("sha256:"))

    def __contains__(self, text: str) -> bool:
        """True if a text is equal to that of a trusted document."""
        return text in self._texts

    def allow(self, prepared: Prepared) -> bool:
        """True if the document may be executed.

        It may differ from a trusted document in spaces, commas, comments and the order of definitions.
        """
        return not self.only or prepared.once(_normalized_of) in self._normalized


def _normalized_of(prepared: Prepared) -> str:
    return _normalized(prepared.document)


def _normalized(document: DocumentNode) -> str:
    definitions = (print_ast(node) for node in document.definitions)
    return "\n".join(sorted(map(strip_ignored_characters, definitions)))


def read(path: Path, *, only: bool) -> TrustedDocuments:
    """Read a manifest; raise ManifestError.

    It is a JSON object that maps ids to texts (Relay, graphql-codegen and `gateway.http.trust_documents`),
    or an object with a list of `operations` that have `id` and `body` (Apollo).
    """
    try:
        found = json.loads(path.read_bytes())  # in any encoding of JSON
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is not valid JSON") from error
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
