"""Text of customers in any script, from the gateway to the database, the provider and back."""

import pytest

from tests.fixtures.platform import BUNDLE, Platform

FAMILY = "👨‍👩‍👧‍👦 Rome"
PERSIAN = "می‌خواهم"
HINDI = "क्‍ष"
PURCHASE = """mutation($id: ID!, $words: String) {
  purchaseESIM(planId: $id, input: {customerReference: $words}) {
    success error code order { id } } }"""
UPDATE = """mutation($id: ID!, $words: String!) {
  updateESIMReference(esimId: $id, reference: $words) { success error code esim { customerRef } } }"""


async def test_words_in_any_script_are_taken_with_a_purchase_and_for_an_esim(
    platform: Platform,
) -> None:
    ann = await platform.customer("ann@example.com")
    plans = await ann.ask('{ dataPlans(filter: {text: "esim_1GB_7D_GB_V2"}) { id name } }')
    (plan,) = [p for p in plans.data["dataPlans"] if p["name"] == BUNDLE]
    bought = (await ann.ask(PURCHASE, id=plan["id"], words=FAMILY)).data["purchaseESIM"]
    assert bought["success"], bought
    order = await platform.completed(ann, bought["order"]["id"])
    (esim,) = order["esims"]
    shown = await ann.ask("query($id: ID!) { esimDetails(id: $id) { customerRef } }", id=esim["id"])
    assert shown.data["esimDetails"]["customerRef"] == FAMILY
    for words in (PERSIAN, HINDI, "東京　出張", FAMILY):
        changed = (await ann.ask(UPDATE, id=esim["id"], words=words)).data["updateESIMReference"]
        assert changed == {
            "success": True,
            "error": None,
            "code": None,
            "esim": {"customerRef": words},
        }
        assert platform.provider.world.esims[esim["iccid"]].customer_ref == words
    for words in ("a\nb", "\x1b[31m", "‮gpj", "⁦open", "👍" * 101):
        refused = (await ann.ask(UPDATE, id=esim["id"], words=words)).data["updateESIMReference"]
        assert (refused["success"], refused["code"]) == (False, "INVALID_ARGUMENT")
        refused = (await ann.ask(PURCHASE, id=plan["id"], words=words)).data["purchaseESIM"]
        assert (refused["success"], refused["code"]) == (False, "INVALID_ARGUMENT")


@pytest.mark.parametrize("words", [FAMILY, PERSIAN, HINDI, "東京　", "⁨France⁩"])
async def test_words_in_any_script_can_be_searched_for(platform: Platform, words: str) -> None:
    found = await platform.client.ask(
        "query($f: DataPlanFilter) { dataPlans(filter: $f) { id } }", f={"text": words}
    )
    assert isinstance(found.data["dataPlans"], list)
