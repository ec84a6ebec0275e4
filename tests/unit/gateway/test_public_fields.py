"""Only documents without any user-specific field count as public."""

import pytest
from graphql import (
    GraphQLError,
    GraphQLObjectType,
    build_ast_schema,
    get_named_type,
    is_leaf_type,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.execution.auth import guarded
from gateway.http import public_fields
from gateway.http.public_fields import PUBLIC_TYPES
from gateway.schema.assembly import build

MADE = build(12)
SCHEMA = MADE._schema

PLAN = ["id", "name", "price", "countries { iso name }", "allowances { type }", "__typename"]
PUBLIC = [
    "dataPlans { %s }",
    'dataPlans(filter: {country: "FR"}, first: 3) { %s }',
    "featuredPlans { %s }",
    'dataPlan(id: "x") { %s }',
    "plans(first: 2) { edges { cursor node { %s } } pageInfo { hasNextPage } }",
    "regions { name planCount }",
    "countries { country { iso } lowestPrice }",
    "dataPlanFacets { countries { country { iso } planCount } priceRange { lowest } }",
    "__typename",
]
PRIVATE = [
    "myESIMs { id }",
    'esimDetails(id: "x") { id }',
    "myOrders { id dataPlan { id } }",
    'orderDetails(id: "x") { dataPlan { name } }',
    "orders { edges { node { id } } }",
    "esims { totalCount }",
    '_entities(representations: [{__typename: "DataPlan", id: "x"}]) { __typename }',
    "_service { sdl }",
    "__schema { queryType { name } }",
    '__type(name: "ESIM") { name }',
    "nonsense { id }",
]


def digest(text: str) -> bytes | None:
    """Return the digest of a document; None for a document that isn't public or can't be parsed."""
    try:
        prepared = MADE.prepare(text, "A" if text.startswith("query A ") else None)
    except GraphQLError:
        return None
    return public_fields.public_digest(prepared)


@pytest.mark.parametrize("field", PUBLIC)
def test_catalogue_queries_are_public(field: str) -> None:
    text = field.replace("%s", " ".join(PLAN))
    assert digest(f"{{ {text} }}") is not None
    assert digest(f"query Window {{ ...All }} fragment All on Query {{ {text} }}") is not None


@pytest.mark.parametrize("field", PRIVATE)
def test_one_user_specific_field_makes_the_whole_document_private(field: str) -> None:
    for text in (
        f"{{ {field} }}",
        f"{{ regions {{ name }} x: {field} }}",
        f"{{ ... on Query {{ {field} }} }}",
        f"{{ ... {{ ...Hidden }} }} fragment Hidden on Query {{ {field} }}",
        f"query A {{ regions {{ name }} }} query B {{ {field} }}",
    ):
        assert digest(text) is None, text


@pytest.mark.parametrize(
    "text",
    [
        'mutation { purchaseESIM(planId: "x") { success } }',
        "subscription { myESIMsUpdated { id } }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ...Nowhere }",
        "{ dataPlans }",
        "{",
        "",
    ],
)
def test_documents_other_than_public_queries_are_private(text: str) -> None:
    assert digest(text) is None


def test_white_space_and_comments_do_not_matter_and_names_do() -> None:
    one = digest("{ regions { name } } # all")
    assert one == digest("{\n  regions\n  { name },\n}")
    assert one != digest("{ regions { n: name } }")
    assert one != digest("{ regions { name planCount } }")


@given(
    st.lists(st.sampled_from(PUBLIC), max_size=4),
    st.sampled_from(PRIVATE),
    st.lists(st.sampled_from(PUBLIC), max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_a_private_field_among_public_ones_is_always_detected(
    before: list[str], private: str, after: list[str], in_fragment: bool, conditional: bool
) -> None:
    hidden = f"p: {private}"
    if conditional:
        hidden = f"... @include(if: false) {{ {hidden} }}"
    public = [f"a{n}: {field.replace('%s', 'id')}" for n, field in enumerate([*before, *after])]
    public.insert(len(before), "...F" if in_fragment else hidden)
    text = f"{{ {' '.join(public)} }}" + (
        f" fragment F on Query {{ {hidden} }}" if in_fragment else ""
    )
    parse(text)  # it is a valid document
    assert digest(text) is None


def test_every_field_of_the_schema_is_either_guarded_or_leads_to_public_objects() -> None:
    """A new field must be assigned to one of the two."""
    query = SCHEMA.query_type
    assert query is not None
    for name, field in query.fields.items():
        kind = get_named_type(field.type)
        # The answer about a coupon may not be cached, although it is the same for all customers.
        if not name.startswith("_") and not guarded(field) and name != "checkCoupon":
            assert is_leaf_type(kind) or kind.name in PUBLIC_TYPES, name


def test_no_public_object_leads_to_a_type_behind_guarded_fields() -> None:
    for name in PUBLIC_TYPES:
        kind = SCHEMA.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        for field in kind.fields.values():
            named = get_named_type(field.type)
            assert is_leaf_type(named) or named.name in PUBLIC_TYPES, (
                f"{name} leads to {named.name}"
            )


def test_a_field_is_guarded_unless_declared_public() -> None:
    foreign = build_ast_schema(parse("type Query { anything: String }"))
    assert foreign.query_type is not None
    assert guarded(foreign.query_type.fields["anything"])
