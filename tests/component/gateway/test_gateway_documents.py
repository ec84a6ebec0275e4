"""Documents that the gateway refuses: invalid, ambiguous, or expensive by construction."""

import pytest
from graphql import build_client_schema, get_introspection_query

from gateway.documents.limits import MAX_TOKENS
from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.gateway import Client, Gateway


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ nothing }", "Cannot query field 'nothing'"),
        ("{", "Syntax Error"),
        ("{ dataPlan { id } }", "required"),
        ("fragment F on DataPlan { id }", "no operation"),
        ("query A { __typename } query B { __typename }", "several operations"),
        ("subscription { x }", "ubscription"),
        ('{ dataPlans(filter: {duration: "x"}) { id } }', "Int cannot represent"),
        ("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }", "within itself"),
        ("{ ...Unknown }", "Unknown fragment"),
    ],
)
async def test_an_invalid_document_is_400(client: Client, query: str, message: str) -> None:
    answer = await client.ask(query)
    assert answer.status == 400
    assert "data" not in answer.body
    assert any(message in error["message"] for error in answer.body["errors"])
    assert all(e["extensions"]["code"] == "BAD_REQUEST" for e in answer.body["errors"])


async def test_a_variable_of_the_wrong_type_is_400(client: Client) -> None:
    query = "query($n: Int) { dataPlans(first: $n) { id } }"
    answer = await client.ask(query, n="many")
    assert answer.status == 400
    assert answer.code == "BAD_REQUEST"


async def test_the_operation_name_selects_the_operation(client: Client) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    answer = await client.send({"query": query, "operationName": "B"})
    assert answer.data == {"b": "Query"}
    answer = await client.send({"query": query, "operationName": "C"})
    assert answer.status == 400


@pytest.mark.parametrize(
    "query",
    [
        "{ a: dataPlans " + "{ ... on DataPlan " * 300 + "{ id }" + "}" * 301,
        "{" + "a{" * 400 + "b" + "}" * 401,
        "{ dataPlans(filter: " + "[" * 900 + "]" * 900 + ") { id } }",
        "query(" + "$a: " + "[" * 900 + "Int" + "]" * 900 + ") { __typename }",
        "{ " + "id " * MAX_TOKENS + "}",
        "{ dataPlans { " + "id " * 600 + "} }",
        "{ " + " ".join(f"a{n}: regions {{ name }}" for n in range(21)) + "}",
        # Each fragment spreads the next one ten times, which expands to more fields than there are atoms.
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ {f'...F{n + 1} ' * 10} }}" for n in range(60))
        + " fragment F60 on Query { __typename }",
        # A chain of fragments, each one level deeper.
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(240))
        + " fragment F240 on Query { __typename }",
    ],
    ids=[
        "inline fragments",
        "fields",
        "values",
        "types",
        "tokens",
        "fields of one selection",
        "top level",
        "fragments times fragments",
        "chain of fragments",
    ],
)
async def test_a_document_designed_to_be_expensive_is_refused_fast(
    client: Client, query: str
) -> None:
    answer = await client.ask(query)
    assert answer.status == 400
    assert all(
        e["extensions"]["code"] in ("TOO_COMPLEX", "BAD_REQUEST") for e in answer.body["errors"]
    )


async def test_the_depth_of_fields_is_limited(client: Client) -> None:
    answer = await client.ask("{ a " + "{ a " * 12 + "}" * 13)
    assert answer.code == "TOO_COMPLEX"
    assert "13 fields deep, which is above the limit of 12" in answer.error["message"]


async def test_tools_can_read_the_schema(client: Client) -> None:
    answer = await client.ask(get_introspection_query())
    assert build_client_schema(answer.data).query_type is not None


async def test_an_answer_with_too_many_objects_is_refused(gateway: Gateway) -> None:
    countries = [catalogue_pb2.Country(name="x", iso=str(n)) for n in range(60_000)]
    one = catalogue_pb2.DataPlan(id="1", countries=countries)
    gateway.catalogue.answers["GetPlan"] = catalogue_pb2.GetPlanResponse(plan=one)
    answer = await gateway.client.ask(
        '{ a: dataPlan(id: "1") { countries { iso } } b: dataPlan(id: "1") { countries { iso } } }'
    )
    assert answer.error["extensions"] == {"code": "BAD_USER_INPUT", "reason": "ANSWER_TOO_LARGE"}
