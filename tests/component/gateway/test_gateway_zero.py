"""Zero and an empty list are refused with what was sent: to the services, zero would mean the default."""

import pytest

from tests.fixtures.gateway import Client, Gateway

DAYS = 'range: {from: "2026-11-01", to: "2026-11-30"}, first: %s'
ACME = 'organizationId: "6f9619ff-8b86-4011-b42d-00c04fc964ff"'


@pytest.mark.parametrize(
    "field",
    [
        f"salesReport({DAYS})",
        f"usageReport({DAYS})",
        f"spendingReport({ACME}, {DAYS})",
        f"organizationUsage({ACME}, {DAYS})",
    ],
)
@pytest.mark.parametrize("first", ["0", "-1", "1001"])
async def test_a_report_has_at_least_one_group(
    gateway: Gateway, finance: Client, field: str, first: str
) -> None:
    answer = await finance.ask(f"{{ {field % first} {{ timeZone }} }}")
    assert answer.error["message"] == f"first: must be an integer from 1 to 1000, not {first}"


async def test_a_row_of_a_batch_has_at_least_one_esim(gateway: Gateway, ann: Client) -> None:
    query = """mutation { createBatch(input: {idempotencyKey: "k",
        items: [{planId: "p"}, {planId: "p", quantity: 0}]}) { error } }"""
    error = (await ann.ask(query)).data["createBatch"]["error"]
    assert error == "input.items[1].quantity: must be from 1 to 10, not 0"
    assert not gateway.batches.requests


async def test_an_api_key_has_a_scope_that_the_schema_names(gateway: Gateway, ann: Client) -> None:
    query = """mutation { createAPIKey(organizationId: "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        input: {name: "Sync", scopes: []}) { error } }"""
    error = (await ann.ask(query)).data["createAPIKey"]["error"]
    assert error.startswith("input.scopes: must contain at least one of ")
    assert "ESIMS_READ" in error
    assert ":read" not in error
    assert not gateway.api_keys.requests
