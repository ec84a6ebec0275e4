"""Text of customers in any script, from the gateway to the database, the provider and back."""

import pytest

from tests.fixtures.platform import BUNDLE, Platform

FAMILY = "👨‍👩‍👧‍👦 Rome"
PERSIAN = "می‌خواهم"
HINDI = "क्‍ष"
PURCHASE = """mutation($id: ID!, $text: String) {
  purchaseESIM(planId: $id, input: {customerReference: $text}) {
    success error code order { id } } }"""
UPDATE = """mutation($id: ID!, $text: String!) {
  updateESIMReference(esimId: $id, reference: $text) { success error code esim { customerRef } } }"""


async def test_references_in_any_script_are_accepted_for_purchases_and_esims(
    platform: Platform,
) -> None:
    ann = await platform.customer("ann@example.com")
    plans = await ann.ask('{ dataPlans(filter: {text: "esim_1GB_7D_GB_V2"}) { id name } }')
    (plan,) = [p for p in plans.data["dataPlans"] if p["name"] == BUNDLE]
    bought = (await ann.ask(PURCHASE, id=plan["id"], text=FAMILY)).data["purchaseESIM"]
    assert bought["success"], bought
    order = await platform.completed(ann, bought["order"]["id"])
    (esim,) = order["esims"]
    details = await ann.ask(
        "query($id: ID!) { esimDetails(id: $id) { customerRef } }", id=esim["id"]
    )
    assert details.data["esimDetails"]["customerRef"] == FAMILY
    for text in (PERSIAN, HINDI, "東京　出張", FAMILY):
        changed = (await ann.ask(UPDATE, id=esim["id"], text=text)).data["updateESIMReference"]
        assert changed == {
            "success": True,
            "error": None,
            "code": None,
            "esim": {"customerRef": text},
        }
        assert platform.provider.world.esims[esim["iccid"]].customer_ref == text
    for text in ("a\nb", "\x1b[31m", "‮gpj", "⁦open", "👍" * 101):
        refused = (await ann.ask(UPDATE, id=esim["id"], text=text)).data["updateESIMReference"]
        assert (refused["success"], refused["code"]) == (False, "INVALID_ARGUMENT")
        refused = (await ann.ask(PURCHASE, id=plan["id"], text=text)).data["purchaseESIM"]
        assert (refused["success"], refused["code"]) == (False, "INVALID_ARGUMENT")


@pytest.mark.parametrize("text", [FAMILY, PERSIAN, HINDI, "東京　", "⁨France⁩"])
async def test_text_in_any_script_can_be_searched_for(platform: Platform, text: str) -> None:
    found = await platform.client.ask(
        "query($f: DataPlanFilter) { dataPlans(filter: $f) { id } }", f={"text": text}
    )
    assert isinstance(found.data["dataPlans"], list)
