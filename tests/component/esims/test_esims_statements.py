"""The SQL of one call for many eSIMs: how many statements, and whether lists use their indexes."""

import json

import pytest

from kit.auth.sessions import Verifier
from kit.db.notify import Notifications
from kit.rpc import client as rpc_client
from kit.rpc.guard import Service
from kit.rpc.server import Running, start
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import esims_pb2_grpc
from services.esims import list_store, servicer
from services.esims.access import ACCESS
from services.esims.callbacks.apply import Events
from services.esims.list_store import Source
from services.esims.live import Live
from services.esims.refresh import Refresh
from services.esims.servicer import ESIMsServicer
from services.esims.snapshots import fetch
from services.esims.suspend import Suspension
from tests.component.esims.parts import Parts, wired
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth, ProviderSandbox


async def serve(parts: Parts, auth: Auth) -> Running:
    """The service over these parts."""
    wiring = (parts.database, parts.source, parts.fetcher, parts.clock)
    answering = ESIMsServicer(
        servicer.Parts(
            database=parts.database,
            clock=parts.clock,
            source=parts.source,
            fetcher=parts.fetcher,
            registration=parts.registration,
            suspension=Suspension(*wiring),
            references=parts.references,
            refresh=Refresh(*wiring),
            events=Events(
                parts.database, parts.clock, parts.source.forget, lambda: None, lambda esims: None
            ),
            live=Live(parts.database, Notifications("", ""), parts.fetcher, parts.clock),
        )
    )
    return await start(
        Service(
            pb.DESCRIPTOR.services_by_name["ESIMsService"],
            lambda server: esims_pb2_grpc.add_ESIMsServiceServicer_to_server(answering, server),
            ACCESS,
        ),
        host="127.0.0.1",
        port=0,
        verifier=Verifier(
            supabase_url=auth.url, service_role_key=auth.service_role_key, http=auth.http
        ),
    )


@pytest.mark.parametrize("method", ["BatchListBundles", "BatchGetUsage"])
async def test_the_number_of_statements_does_not_grow_with_the_number_of_esims(
    databases: Databases,
    provider: ProviderSandbox,
    auth: Auth,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A slow machine would record some answers before the others.
    monkeypatch.setattr(fetch, "RECORD_EVERY", PATIENCE)
    customer = await auth.user_id("ada@example.com")
    async with wired(databases, provider) as parts:
        # The provider delivers orders of more than five eSIMs later.
        esims = [
            esim
            for _ in range(10)
            for esim in await parts.deliver(quantity=5, customer_id=customer)
        ]
        running = await serve(parts, auth)
        channel = rpc_client.channel(f"127.0.0.1:{running.port}")
        counts = []
        for some in (esims[:1], esims[1:]):
            parts.statements.clear()
            ids = [str(esim.id) for esim in some]
            answer = await rpc_client.call(
                getattr(esims_pb2_grpc.ESIMsServiceStub(channel), method),
                pb.BatchListBundlesRequest(esim_ids=ids)
                if method == "BatchListBundles"
                else pb.BatchGetUsageRequest(esim_ids=ids),
                token=await auth.token("ada@example.com"),
                timeout=PATIENCE,
            )
            items = answer.bundles if method == "BatchListBundles" else answer.usages
            assert {item.esim_id for item in items} == set(ids)
            counts.append(sum("esims.esim" in statement for statement in parts.statements))
        await channel.close()
        await running.stop(drain=0, grace=1)
    # Find; lock, upsert, absent, ended, bundles, save; find and list the result.
    assert counts == [11, 11]


async def test_a_customers_page_uses_an_index(databases: Databases) -> None:
    admin = databases.admin
    await admin.execute(
        """
        insert into esims.esims (iccid, customer_id, order_id, plan_id, order_reference,
            bundle_name, status, created_at)
        select (8944000000000000000 + n)::text, md5((n % 500)::text)::uuid, gen_random_uuid(),
            gen_random_uuid(), 'order', 'bundle', 'ASSIGNED', now() - n * interval '1 minute'
        from generate_series(1, 20000) n
        """
    )
    await admin.execute("analyze esims.esims")
    customer = await admin.fetchval("select md5('7')::uuid")
    async with admin.transaction():
        await admin.execute("set local role esims_user")
        await admin.execute(
            "select set_config('request.jwt.claims', $1, true)", json.dumps({"sub": str(customer)})
        )
        plan = await admin.fetch(
            f"explain (analyze, costs off) {list_store.PAGES[Source.OWN]}",
            None,
            None,
            51,
            *list_store.FIRST,
            customer,
        )
    text = "\n".join(row[0] for row in plan)
    assert "esims_own_newest" in text, text
    assert "Seq Scan on esims" not in text, text
