"""The example bodies conform to their contract, and to the sandbox's OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

from sandbox.contract.document import document
from sandbox.contract.operation import JSON
from sandbox.contract.routes import OPERATIONS
from tests.fixtures.examples import OWN, SETS, Examples

Document = Mapping[str, Any]
SANDBOX = document("http://127.0.0.1:4010/v2.5")


@pytest.fixture(scope="module", params=SETS, ids=lambda examples: examples.id)
def examples(request: pytest.FixtureRequest) -> Examples:
    found: Examples = request.param
    return found


@pytest.fixture(scope="module", params=["contract", "sandbox"])
def contract(request: pytest.FixtureRequest, examples: Examples) -> Document:
    return SANDBOX if request.param == "sandbox" else examples.contract()


def problems(contract: Document, schema: Document, body: object, where: str) -> Iterator[str]:
    """Return the violations of a body against its schema."""
    validator = OAS30Validator({**schema, "components": contract["components"]})
    for error in validator.iter_errors(body):
        yield f"{where} {error.json_path}: {error.message}"


def resolved(contract: Document, node: Document) -> Document:
    """Return the node, or the target of its reference."""
    while "$ref" in node:
        found: Any = contract
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def misfits(contract: Document, row: dict[str, Any], body: object) -> Iterator[str]:
    """Return the violations of one exchange: its query, its request or its response."""
    where = row["file"]
    operation = contract["paths"][row["path"]][row["method"].lower()]
    parameters = [resolved(contract, item) for item in operation.get("parameters", [])]
    schemas = {item["name"]: item["schema"] for item in parameters if item["in"] == "query"}
    for name, value in row.get("query", {}).items():
        if name not in schemas:
            yield f"{where}: no query parameter {name}"
        else:
            yield from problems(contract, schemas[name], value, f"{where} ?{name}")
    if "request" in row:
        schema = operation["requestBody"]["content"][JSON]["schema"]
        yield from problems(contract, schema, row["request"], f"{where} request")
    reply = resolved(contract, operation["responses"][str(row["status"])])
    yield from problems(contract, reply["content"][JSON]["schema"], body, where)


def read(examples: Examples, file: str) -> Any:
    return json.loads((examples.folder / file).read_text())


def test_responses_and_requests_match_the_contract(examples: Examples, contract: Document) -> None:
    rows = examples.index()["responses"]
    assert {row["file"] for row in rows} == {f"responses/{n}" for n in examples.response_names()}
    assert [m for row in rows for m in misfits(contract, row, read(examples, row["file"]))] == []


def test_callbacks_match_the_contract(examples: Examples, contract: Document) -> None:
    rows = examples.index()["callbacks"]
    assert len(rows) == len(examples.callbacks())
    schemas = contract["components"]["schemas"]
    assert [
        problem
        for row in rows
        for problem in problems(
            contract, schemas[row["schema"]], read(examples, row["file"]), row["file"]
        )
    ] == []


def test_every_operation_with_a_json_response_has_its_own_example() -> None:
    shown = {
        (row["method"], row["path"]) for row in OWN.index()["responses"] if row["status"] < 300
    }
    assert shown == {
        (operation.method, operation.path)
        for operation in OPERATIONS
        if any(JSON in reply.content for status, reply in operation.replies.items() if status < 300)
    }


def test_every_kind_of_callback_has_its_own_example() -> None:
    shown = {row["schema"] for row in OWN.index()["callbacks"]}
    options = SANDBOX["paths"]["/your-usage-callback-url/"]["post"]["requestBody"]
    known = options["content"][JSON]["schema"]["anyOf"]
    assert shown == {option["$ref"].rsplit("/", 1)[1] for option in known}


def test_a_body_request_or_query_that_violates_the_contract_is_detected() -> None:
    rows = {row["file"]: row for row in OWN.index()["responses"]}
    order = rows["responses/order-validate.json"]
    body = read(OWN, order["file"])
    assert list(misfits(SANDBOX, order, body)) == []
    assert list(misfits(SANDBOX, order, body | {"valid": "yes"}))
    wrong = deepcopy(order)
    wrong["request"]["order"][0]["quantity"] = 0
    assert list(misfits(SANDBOX, wrong, body))
    assert list(misfits(SANDBOX, order | {"query": {"pages": 1}}, body))
