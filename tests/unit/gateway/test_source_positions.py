"""Positions of errors equal those of graphql-core, without scanning the document for each."""

from unittest.mock import patch

import graphql.language.location
import pytest
from graphql import GraphQLError, Source, SourceLocation, parse
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents import source_positions
from gateway.documents.source_positions import MAX_LOCATIONS, get_locations, index_positions


@given(st.text("ab\r\n ", max_size=30), st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_every_position_equals_that_of_graphql_core(text: str, offsets: list[int]) -> None:
    source = Source(text)
    found = get_locations([(source, offset) for offset in offsets])
    assert found == [source.get_location(offset) for offset in offsets]


def test_positions_of_several_sources_are_distinguished() -> None:
    one, other = Source("a\nb"), Source("ab")
    assert get_locations([(one, 2), (other, 1)]) == [SourceLocation(2, 1), SourceLocation(1, 2)]


def test_errors_of_one_document_scan_it_once() -> None:
    index_positions()
    document = parse("\n" * 1_000 + "{ a b }")
    (operation,) = document.definitions
    nodes = operation.selection_set.selections  # type: ignore[attr-defined] # it is an operation
    with patch.object(source_positions, "LINE_END", wraps=source_positions.LINE_END) as pattern:
        for _ in range(5):
            assert GraphQLError("wrong", nodes[1]).locations == [SourceLocation(1_001, 5)]
            assert len(GraphQLError("wrong", list(nodes)).locations or ()) == 2
    assert pattern.finditer.call_count == 1
    many = GraphQLError("wrong", [*nodes] * MAX_LOCATIONS)
    assert len(many.locations or ()) == MAX_LOCATIONS


@pytest.mark.parametrize("nodes", [1, 2])
def test_graphql_core_uses_the_index(nodes: int) -> None:
    """graphql-core looks the function up in its module for each error; another release may not."""
    (operation,) = parse("{ a b }").definitions
    selected = operation.selection_set.selections  # type: ignore[attr-defined] # it is an operation
    asked = []
    with patch.object(
        graphql.language.location, "get_locations", side_effect=lambda places: asked.append(places)
    ):
        GraphQLError("wrong", list(selected[:nodes]))
    assert [len(places) for places in asked] == [nodes]
