"""The cost of operations: lists multiply, nested calls weigh more, and variables count like literals."""

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    OperationDefinitionNode,
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
    parse,
)

from gateway.defence_settings import COST_ANONYMOUS, COST_CUSTOMER
from gateway.documents import cost, cost_units, limits
from gateway.documents.cost import Cost, Measured
from gateway.documents.cost_units import CALL, CANCELLATION_PREVIEW, CHANGE, COUNTING, INTROSPECTION
from gateway.schema.assembly import build

MADE = build(max_depth=12)
SCHEMA = MADE._schema
PAGE = (Path(__file__).parents[3] / "docs" / "graphql.md").read_text()
EXAMPLES = re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)


def measured(query: str, name: str | None = None, **variables: Any) -> Measured:
    prepared = MADE.prepare(query, name)
    assert prepared.errors == []
    return Cost(prepared).of(variables)


def of(query: str, **variables: Any) -> int:
    return measured(query, **variables).cost


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __typename }", 0),
        ('{ dataPlan(id: "x") { id name } }', CALL + 1),
        ("{ dataPlans(first: 20) { id } }", CALL + 20),
        ("{ dataPlans(first: 20) { id countries { iso } } }", CALL + 20 * (1 + 3)),
        ("{ dataPlans { id } }", CALL + 6_000),
        ("{ dataPlans(first: null) { id } }", CALL + 6_000),
        ("{ featuredPlans { id } }", CALL + 10),
        ("{ a: regions { name } b: regions { name } }", 2 * (CALL + 10)),
        # A count of all rows costs the service more than the page.
        ("{ dataPlanFacets { total } }", CALL + COUNTING + 1),
        (
            "{ dataPlanFacets { countries { country { iso } } regions { name } priceRange { lowest } } }",
            CALL + COUNTING + 1 + 250 * 2 + 10 + 1,
        ),
        # The same field twice is executed once.
        ("{ regions { name } regions { planCount } }", CALL + 10),
        ("{ ...F ...F } fragment F on Query { regions { name } }", CALL + 10),
        # A connection is an object with its edges, their nodes, and page info.
        ("{ plans(first: 5) { totalCount } }", CALL + 1),
        ("{ plans(first: 5) { edges { node { id } } } }", CALL + 1 + 5 * 2),
        ("{ plans { edges { cursor } pageInfo { endCursor } } }", CALL + 1 + 20 + 1),
        # A nested call is made once, and each row has its look-up and its object.
        ("{ myESIMs(first: 5) { plan { id } } }", CALL + CALL + 5 * (1 + 2)),
        ("{ myESIMs(first: 5) { bundles { id } } }", CALL + CALL + 5 * (1 + 5 + 5)),
        ("{ myESIMs(first: 5) { qrCode } }", CALL + 5 * (1 + 100)),
        ('mutation { suspendESIM(esimId: "x") { success } }', CALL + CHANGE + 1),
        ("subscription { myESIMsUpdated { id } }", CALL + 500),
        ("{ __schema { types { name } } }", INTROSPECTION),
        (
            '{ _entities(representations: [{__typename: "ESIM", id: "1"}, {__typename: "ESIM",'
            ' id: "2"}]) { ... on ESIM { id } ... on DataPlan { countries { iso } } } }',
            CALL + 2 * (1 + 3),
        ),
        # A value under several names makes the response longer; different values are part of the row.
        ("{ dataPlans(first: 20) { id name price currency } }", CALL + 20),
        ("{ dataPlans(first: 20) { id a: id b: id } }", CALL + 20 * 3),
        (
            "{ dataPlans(first: 20) { ...F b: id } } fragment F on DataPlan { id a: id a: id }",
            CALL + 60,
        ),
        (
            "{ dataPlans(first: 20) { countries { iso a: iso b: __typename c: __typename } } }",
            CALL + 20 * (1 + 3 * 3),
        ),
        ("{ a: __typename b: __typename }", 1),
        # A long name is repeated on every row.
        (f"{{ dataPlans(first: 20) {{ {'a' * 640}: id }} }}", CALL + 20 * (1 + 10)),
        (f"{{ dataPlans(first: 20) {{ {'a' * 64}: countries {{ iso }} }} }}", CALL + 20 * (2 + 3)),
        ("{ myESIMs(first: 5) { qrCode a: qrCode } }", CALL + 5 * (1 + 201)),
        # Cancelling bundles of eSIMs takes several calls of the provider.
        (
            'mutation { cancelOrder(orderId: "x") { success } }',
            CALL + CHANGE + CANCELLATION_PREVIEW + 1,
        ),
        # Optional parts count as if they were present.
        ("query($no: Boolean!) { regions @skip(if: $no) { name } }", CALL + 10),
        # No list is longer than its maximum, whatever is requested.
        ("{ dataPlans(first: 2147483647) { id } }", CALL + 10_000),
        ("{ dataPlans(first: -5) { id } }", CALL),
    ],
)
def test_an_operation_costs_its_objects_and_its_work(query: str, expected: int) -> None:
    assert of(query, no=True) == expected


def test_a_variable_counts_like_a_literal() -> None:
    query = "query($n: Int = 7) { dataPlans(first: $n) { id } }"
    assert of(query, n=3) == CALL + 3
    assert of(query) == CALL + 7
    assert of(query, n=None) == CALL + 6_000
    # Execution refuses it; until then it is not a size.
    assert of(query, n="many") == CALL + 6_000
    assert of("query($n: Int! = 7) { plans(first: $n) { edges { cursor } } }", n=3) == CALL + 1 + 3
    entities = "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }"
    assert of(entities, r=[{}] * 9) == CALL + 9


def test_a_cached_cost_equals_the_calculated_cost() -> None:
    query = "query($n: Int, $id: ID!) { dataPlans(first: $n) { id } dataPlan(id: $id) { id } }"
    known = Cost(MADE.prepare(query, None))
    for _ in range(2):
        for n in (1, 50, None):
            kept = known.of({"n": n, "id": str(n)}).cost
            assert kept == of(query, n=n, id="x")
    assert len(known._known) == 3  # the id is not a size


def test_the_number_of_cached_costs_is_bounded() -> None:
    query = "query($n: Int) { dataPlans(first: $n) { id } }"
    known = Cost(MADE.prepare(query, None))
    for n in range(cost.MAX_CACHED + 10):
        assert known.of({"n": n}).cost == CALL + n
    assert len(known._known) <= cost.MAX_CACHED


def test_the_named_operation_determines_the_cost() -> None:
    query = "query A { regions { name } } query B { featuredPlans(first: 3) { id } }"
    assert measured(query, "A").cost == CALL + 10
    assert measured(query, "B").cost == CALL + 3


@pytest.mark.parametrize(
    ("query", "introspects"),
    [
        ("{ __typename regions { __typename } }", False),
        ("{ __schema { description } }", True),
        ('{ __type(name: "ESIM") { name } }', True),
        ("{ _service { sdl } }", True),
        ("{ ... on Query { ...F } } fragment F on Query { x: __schema { description } }", True),
    ],
)
def test_introspection_is_distinguished_from_typename(query: str, introspects: bool) -> None:
    assert measured(query).introspects is introspects


def test_every_list_of_the_schema_has_a_size() -> None:
    lists = set()
    for kind in SCHEMA.type_map.values():
        if not is_object_type(kind) or kind.name.startswith("__"):
            continue
        for name, field in kind.fields.items():
            of_objects = not is_leaf_type(get_named_type(field.type))
            sized = (
                set(field.args) & set(cost_units.SIZES)
                and f"{kind.name}.{name}" != "Query.dataPlans"
            )
            if is_list_type(get_nullable_type(field.type)) and of_objects and not sized:
                lists.add(f"{kind.name}.{name}")
    pages = {name for name in lists if name.endswith(".edges")}
    assert lists - pages == set(cost_units.ASSUMED_LENGTHS), (
        "name it in gateway.documents.cost_units.ASSUMED_LENGTHS, with its reason"
    )


def test_every_weighted_field_exists() -> None:
    for place in {*cost_units.WORK, *cost_units.ASSUMED_LENGTHS, *cost_units.PURCHASES}:
        kind, _, name = place.partition(".")
        owner = SCHEMA.get_type(kind)
        assert is_object_type(owner), place
        assert name in owner.fields, place


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_documented_operation_is_within_the_limits(example: str) -> None:
    for operation in parse(example).definitions:
        assert isinstance(operation, OperationDefinitionNode)
        name = operation.name.value if operation.name else None
        prepared = MADE.prepare(example, name)
        assert Cost(prepared).of({}).cost < COST_CUSTOMER / 5


def test_introspection_and_the_whole_catalogue_are_within_the_limits() -> None:
    assert of(get_introspection_query()) < COST_ANONYMOUS
    assert of("{ dataPlans { id countries { iso } allowances { type } } }") < COST_ANONYMOUS


def test_many_aliases_on_the_whole_catalogue_cost_too_much() -> None:
    names = " ".join(f"a{n}: name" for n in range(limits.MAX_ALIASES))
    assert of(f"{{ dataPlans {{ {names} }} }}") > COST_ANONYMOUS


def test_a_long_alias_on_every_plan_costs_too_much() -> None:
    assert of(f"{{ dataPlans {{ {'a' * 16_000}: id }} }}") > COST_ANONYMOUS


def test_field_names_of_the_schema_add_no_cost() -> None:
    names = {
        name for kind in SCHEMA.type_map.values() if is_object_type(kind) for name in kind.fields
    }
    assert max(map(len, names)) < cost_units.NAME_LENGTH


@pytest.mark.parametrize(
    ("query", "purchases"),
    [
        ('mutation { purchaseESIM(planId: "x") { success } }', 1),
        (
            'mutation { a: purchaseESIM(planId: "x") { code } a: purchaseESIM(planId: "x") { error } }',
            1,
        ),
        (
            'mutation { a: purchaseESIM(planId: "x") { code } b: purchaseESIM(planId: "x") { code } }',
            2,
        ),
        (
            'mutation { ...F ... { b: purchaseESIM(planId: "y") { code } } }'
            ' fragment F on Mutation { a: purchaseESIM(planId: "x") { code } }',
            2,
        ),
        (
            'mutation($no: Boolean!) { a: purchaseESIM(planId: "x") @include(if: $no) { code }'
            ' b: purchaseESIM(planId: "x") @skip(if: $no) { code } }',
            2,
        ),
        ('mutation { a: cancelOrder(orderId: "x") { code } }', 0),
        ("{ regions { name } }", 0),
    ],
)
def test_purchases_are_counted_in_any_notation(query: str, purchases: int) -> None:
    assert measured(query).purchases == purchases


def test_a_customer_may_query_everything_in_one_operation() -> None:
    everything = """{
        myOrders { id dataPlan { name countries { iso } } timeline { at }
                   esims { iccid qrCode usage { totalUsed } bundles { name } plan { name } } } }"""
    assert COST_CUSTOMER / 3 < of(everything) < COST_CUSTOMER


def test_a_customer_may_query_the_cancellations_of_twenty_orders() -> None:
    asked = "{ myOrders(first: %d) { id cancellation { extent code bundles { iccid refund } } } }"
    assert of(asked % 20) < COST_CUSTOMER
    assert of(asked % 21) > COST_CUSTOMER


def test_nested_fragments_are_refused_before_their_cost_is_computed() -> None:
    chain = " ".join(f"fragment F{n} on Query {{ {f'...F{n + 1} ' * 10} }}" for n in range(60))
    document = parse(f"{{ ...F0 }} {chain} fragment F60 on Query {{ regions {{ name }} }}")
    with pytest.raises(GraphQLError, match="selects more than one billion fields"):
        limits.check(document, 100)
