"""Caches keyed by client input: a call with long texts is computed and leaves nothing behind."""

from typing import Any

import pytest

from gateway.documents.bounded_cache import LONGEST, bounded_cache, characters
from gateway.execution.completion import resolving
from gateway.http import answer
from gateway.schema.assembly import Schema
from kit.net import client_address
from tests.fixtures.answers.random_services import context
from tests.unit.gateway.own_schema import own_schema

SHORT = "query($t: String) { dataPlans(filter: {text: $t}) { id } }"
LONG = f"{SHORT} # {'x' * LONGEST}"


def methods(made: Schema) -> list[resolving.Method]:
    query = made._schema.query_type
    assert query is not None
    found = (field.extensions.get(resolving.METHOD) for field in query.fields.values())
    return [method for method in found if method is not None]


def test_short_arguments_are_cached_and_long_ones_are_not() -> None:
    calls: list[tuple[str, str | None]] = []

    @bounded_cache(2, longest=5)
    def function(text: str, name: str | None) -> int:
        calls.append((text, name))
        return len(text)

    for _ in range(2):
        assert function("abcd", None) == 4
        assert function("ab", "cde") == 2
        assert function("abcd", "ef") == 4
    assert calls == [("abcd", None), ("ab", "cde"), ("abcd", "ef"), ("abcd", "ef")]


def test_the_total_length_of_cached_arguments_is_bounded() -> None:
    calls: list[str] = []

    @bounded_cache(10)
    def function(text: str) -> int:
        calls.append(text)
        return len(text)

    texts = [f"{n}{'x' * 4_000}" for n in range(4)]  # two texts of 4,000 fit, a third does not
    for text in texts:
        function(text)
    assert len(function) == 2
    function(texts[2])
    function("short")
    function(texts[0])
    assert calls == [*texts, "short", texts[0]]
    assert (
        function._characters == sum(map(len, (texts[0], texts[2], "short"))) or len(function) == 2
    )


def test_the_length_of_nested_strings_counts() -> None:
    assert characters((str, "abc")) == 4
    assert characters((list, ((str, "ab"), (str, "\N{PARTY POPPER}")))) == 6
    assert characters(b"abc") == 3


@pytest.mark.parametrize(("text", "kept"), [(SHORT, 1), (LONG, 0)])
async def test_no_long_operation_is_cached(text: str, kept: int) -> None:
    made = own_schema()
    for _ in range(2):
        result = await made.execute(text, context_value=context(seed=1, invalid=0))
        assert result.errors is None
        assert result.data is not None
    assert len(made.prepare) == kept
    assert (made.prepare(text, None) is made.prepare(text, None)) is bool(kept)


@pytest.mark.parametrize(
    ("filter_", "kept"),
    [
        ({"text": "Europe"}, 1),
        ({"text": "x" * resolving.MAX_CHARACTERS}, 0),
        ({"countries": ["FR"] * 10}, 1),
        ({"countries": ["FR"] * resolving.MAX_CHARACTERS}, 0),
    ],
)
async def test_no_long_arguments_are_cached(filter_: dict[str, Any], kept: int) -> None:
    made = own_schema()
    query = "query($f: DataPlanFilter) { dataPlans(filter: $f, first: 3) { id } }"
    for _ in range(2):
        result = await made.execute(query, {"f": filter_}, context_value=context(seed=1, invalid=0))
        assert result.errors is None
    assert sum(len(method._cached) for method in methods(made)) == kept


def test_no_long_header_is_cached() -> None:
    client_address._cached_find.cache_clear()
    proxies = ("192.0.2.1," * 200 + "198.51.100.7",)
    assert client_address.of("127.0.0.1", proxies, ()) == "127.0.0.1"
    assert client_address._cached_find.cache_info().currsize == 0
    assert client_address.of("127.0.0.1", ("198.51.100.7",), ()) == "127.0.0.1"
    assert client_address._cached_find.cache_info().currsize == 1
    before = len(answer._parse_accept)
    assert answer._parse_accept("text/plain," * 200 + answer.JSON)[answer.JSON] == 1
    assert len(answer._parse_accept) == before
