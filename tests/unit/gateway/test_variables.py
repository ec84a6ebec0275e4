"""Variables have the values that graphql-core gives them, whatever was sent."""

from typing import Any

from graphql import OperationDefinitionNode, parse
from graphql.execution.values import VariableValues, get_variable_values
from hypothesis import given
from hypothesis import strategies as st

from gateway.completion.variables import Variables
from gateway.schema import build

SCHEMA = build(12)._schema
PLAIN = "query A($a: ID!, $b: String, $c: Int!, $d: Boolean) { regions { name } }"
OTHERS = """query B($a: ID! = "x", $b: [String!], $c: Float, $d: DataPlanOrder, $e: DataPlanFilter) {
  regions { name } }"""
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**33), 2**33)
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["NAME", [], ["a"], {"country": "FR"}, {"duration": 2**31}])
)


def operation(text: str) -> OperationDefinitionNode:
    (node,) = parse(text).definitions
    assert isinstance(node, OperationDefinitionNode)
    return node


OPERATIONS = [operation(text) for text in (PLAIN, OTHERS, "{ regions { name } }")]
READY = [Variables(SCHEMA, one) for one in OPERATIONS]


def expected(one: OperationDefinitionNode, sent: dict[str, Any]) -> VariableValues | None:
    values = get_variable_values(SCHEMA, one.variable_definitions or (), sent)
    return values if isinstance(values, VariableValues) else None


def told(values: VariableValues | None) -> str:
    """All of the values, also those that aren't equal to themselves."""
    if values is None:
        return "refused"
    sources = {
        name: (str(source.signature.type), source.value) for name, source in values.sources.items()
    }
    return repr((values.coerced, sources))


@given(st.dictionaries(st.sampled_from("abcdef"), VALUES))
def test_anything_is_coerced_or_refused_as_by_graphql_core(sent: dict[str, Any]) -> None:
    for one, ready in zip(OPERATIONS, READY, strict=True):
        assert told(ready.coerced(sent)) == told(expected(one, sent))


@given(st.text(), st.text(), st.integers(-(2**31), 2**31 - 1), st.booleans())
def test_what_fits_is_taken_as_it_is(a: str, b: str, c: int, d: bool) -> None:
    sent = {"a": a, "b": b, "c": c, "d": d}
    values = READY[0].coerced(sent)
    assert values is not None
    assert values.coerced == sent
    assert told(values) == told(expected(OPERATIONS[0], sent))
