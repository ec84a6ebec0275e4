"""docs/graphql.md: its examples are valid, and it covers every operation and error code."""

import re
from pathlib import Path

import pytest
from graphql import DocumentNode, FieldNode, OperationDefinitionNode, parse, validate

from gateway.errors import CODES
from tests.unit.gateway.built_schema import FEDERATION, SCHEMA

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "graphql.md").read_text()
EXAMPLES = [parse(text) for text in re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_valid(example: DocumentNode) -> None:
    assert validate(SCHEMA, example) == []


def test_every_operation_has_an_example() -> None:
    roots = (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
    operations = {name for root in roots if root for name in root.fields} - FEDERATION
    used = set()
    for definition in (node for example in EXAMPLES for node in example.definitions):
        assert isinstance(definition, OperationDefinitionNode)
        for field in definition.selection_set.selections:
            assert isinstance(field, FieldNode)
            used.add(field.name.value)
    assert used == operations


def test_every_error_code_is_documented() -> None:
    source = (ROOT / "gateway" / "documents" / "persisted.py").read_text()
    named = re.findall(r'"((?:DOCUMENT|PERSISTED_QUERY)_[A-Z_]+)"', source)
    assert len(named) == 5
    assert [code for code in (*CODES.values(), *named) if f"`{code}`" not in PAGE] == []
