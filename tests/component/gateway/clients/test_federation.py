"""The gateway as a subgraph of Apollo's federation gateway, beside another subgraph."""

import json

from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from tests.fixtures.browser.javascript import Script
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, PLAN, esim


async def test_apollo_gateway_composes_the_schema_and_resolves_entities(
    gateway: Gateway, ann: Client, script: Script
) -> None:
    mine = esim()
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(esims=[mine])
    gateway.esims.answers["BatchGetESIMs"] = esims_pb2.BatchGetESIMsResponse(esims=[mine])
    gateway.catalogue.answers["BatchGetPlans"] = catalogue_pb2.BatchGetPlansResponse(plans=[PLAN])
    output = await script(
        "conformance/federate.mjs", f"{ann.url}/graphql", ann.token or "", ESIM_ID, PLAN.id
    )
    result = json.loads(output)
    note = f"note on {ESIM_ID}"
    assert result["outward"] == {"data": {"myESIMs": [{"iccid": mine.iccid, "note": note}]}}
    pinned = {
        "id": ESIM_ID,
        "note": note,
        "iccid": mine.iccid,
        "plan": {"id": PLAN.id, "name": PLAN.name},
    }
    assert result["inward"] == {"data": {"pinned": [pinned, pinned]}}
    # Entity resolution must not bypass the session.
    assert set(result["anonymous"]["codes"]) == {"UNAUTHENTICATED"}
    assert result["plan"] == {"data": {"advertised": {"name": PLAN.name}}}
    assert gateway.esims.calls["BatchGetESIMs"] == 1
