"""The sandbox's OpenAPI document contains everything of the provider's contract."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from openapi_spec_validator import validate

from sandbox.contract.document import document
from tests.fixtures.examples import SETS

METHODS = ("get", "put", "post", "delete")
Document = Mapping[str, Any]


@pytest.fixture(scope="module")
def ours() -> Document:
    return document("http://127.0.0.1:4010/v2.5")


@pytest.fixture(scope="module", params=SETS, ids=lambda examples: examples.id)
def theirs(request: pytest.FixtureRequest) -> Document:
    """The contract of the examples."""
    read: Document = request.param.contract()
    return read


def operations(doc: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in doc["paths"].items()
        for method in METHODS
        if method in item
    }


def resolved(doc: Document, node: Document) -> Document:
    while "$ref" in node:
        found: Any = doc
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


class Comparison:
    """Walks through both documents and collects where ours lacks or contradicts theirs."""

    def __init__(self, ours: Document, theirs: Document) -> None:
        self.ours, self.theirs = ours, theirs

    def schemas(self, mine: Document, other: Document, where: str) -> Iterator[str]:
        mine, other = resolved(self.ours, mine), resolved(self.theirs, other)
        for options in ("oneOf", "anyOf"):
            if options in other:
                yield from self.options(mine.get(options, []), other[options], where)
                return
        if mine.get("type") != other.get("type"):
            yield f"{where}: type {mine.get('type')} is {other.get('type')} in the contract"
        for key in ("enum", "required"):
            if key in other and set(mine.get(key, [])) != set(other[key]):
                yield f"{where}: {key} {mine.get(key)} is {other[key]} in the contract"
        for key in ("minimum", "maximum", "minLength", "maxLength", "minItems", "format"):
            if key in other and mine.get(key) != other[key]:
                yield f"{where}: {key} {mine.get(key)} is {other[key]} in the contract"
        for name, member in other.get("properties", {}).items():
            if name not in mine.get("properties", {}):
                yield f"{where}.{name} is missing"
            else:
                yield from self.schemas(mine["properties"][name], member, f"{where}.{name}")
        if "items" in other:
            yield from self.schemas(mine.get("items", {}), other["items"], f"{where}[]")

    def options(self, mine: list[Document], other: list[Document], where: str) -> Iterator[str]:
        for place, option in enumerate(other):
            problems = [list(self.schemas(own, option, f"{where}/{place}")) for own in mine]
            if not any(found == [] for found in problems):
                yield f"{where}/{place}: no option of ours agrees: {problems}"

    def parameters(self, mine: Document, other: Document, where: str) -> Iterator[str]:
        own = {
            (item["in"], item["name"]): item
            for item in (resolved(self.ours, item) for item in mine.get("parameters", []))
        }
        for item in (resolved(self.theirs, item) for item in other.get("parameters", [])):
            key = item["in"], item["name"]
            if key not in own:
                yield f"{where}: parameter {key} is missing"
                continue
            if own[key].get("required", False) != item.get("required", False):
                yield f"{where}: parameter {key} differs in being required"
            yield from self.schemas(own[key]["schema"], item["schema"], f"{where} {key}")

    def contents(self, mine: Document, other: Document, where: str) -> Iterator[str]:
        for kind, media in other.get("content", {}).items():
            if kind not in mine.get("content", {}):
                yield f"{where}: media type {kind} is missing"
            else:
                own = mine["content"][kind]["schema"]
                yield from self.schemas(own, media["schema"], f"{where} {kind}")

    def operation(self, mine: Document, other: Document, where: str) -> Iterator[str]:
        if mine["operationId"] != other["operationId"]:
            yield f"{where}: operationId differs"
        if mine.get("deprecated", False) != other.get("deprecated", False):
            yield f"{where}: deprecated differs"
        yield from self.parameters(mine, other, where)
        if "requestBody" in other:
            own, body = mine.get("requestBody", {}), other["requestBody"]
            if own.get("required", False) != body.get("required", False):
                yield f"{where}: the body differs in being required"
            yield from self.contents(own, body, f"{where} body")
        for status, reply in other["responses"].items():
            if status not in mine["responses"]:
                yield f"{where}: status {status} is missing"
                continue
            own, their = mine["responses"][status], resolved(self.theirs, reply)
            if missing := set(their.get("headers", {})) - set(own.get("headers", {})):
                yield f"{where} {status}: headers {missing} are missing"
            yield from self.contents(own, their, f"{where} {status}")


def test_the_sandbox_document_is_valid_openapi(ours: Document) -> None:
    validate(ours)


def test_every_operation_of_the_contract_is_in_the_sandbox_document(
    ours: Document, theirs: Document
) -> None:
    assert set(operations(theirs)) <= set(operations(ours))


def test_the_sandbox_document_has_no_operation_that_the_contract_lacks(
    ours: Document, theirs: Document
) -> None:
    assert set(operations(ours)) <= set(operations(theirs))


def test_parameters_bodies_and_responses_equal_the_contract(
    ours: Document, theirs: Document
) -> None:
    comparison = Comparison(ours, theirs)
    mine = operations(ours)
    problems = [
        problem
        for name, other in operations(theirs).items()
        if name in mine
        for problem in comparison.operation(mine[name], other, name)
    ]
    assert problems == []


def test_the_comparison_detects_missing_parts(ours: Document) -> None:
    lacking = document("http://127.0.0.1:4010/v2.5")
    del lacking["paths"]["/esims"]["get"]["responses"]["429"]
    lacking["paths"]["/esims"]["get"]["parameters"].pop()
    mine, other = lacking["paths"]["/esims"]["get"], ours["paths"]["/esims"]["get"]
    problems = list(Comparison(lacking, ours).operation(mine, other, "x"))
    assert problems == ["x: parameter ('query', 'filter') is missing", "x: status 429 is missing"]
