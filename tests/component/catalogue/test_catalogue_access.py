"""Access rules of the catalogue: every gRPC method for every role, and the database's own row security."""

from typing import Any

import asyncpg
import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.access import ACCESS
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import OpenShop, Shop
from tests.component.catalogue.market import ONE, as_user
from tests.fixtures.postgres import Databases

ID = str(plan_id("esim_a"))
READS: dict[str, Any] = {
    "ListPlans": pb.ListPlansRequest(),
    "GetPlan": pb.GetPlanRequest(id=ID),
    "BatchGetPlans": pb.BatchGetPlansRequest(ids=[ID]),
    "ListFeaturedPlans": pb.ListFeaturedPlansRequest(),
    "ListRegions": pb.ListRegionsRequest(),
    "ListCountries": pb.ListCountriesRequest(),
    "GetPlanFacets": pb.GetPlanFacetsRequest(),
    "BatchListTopUpPlans": pb.BatchListTopUpPlansRequest(plan_ids=[ID]),
    "BatchListNetworks": pb.BatchListNetworksRequest(isos=["FR"]),
}
ADMIN: dict[str, Any] = {
    "SetFeaturedPlans": pb.SetFeaturedPlansRequest(plan_ids=[ID]),
    "SetPlanHidden": pb.SetPlanHiddenRequest(plan_id=ID, hidden=True),
    "SetPlanTexts": pb.SetPlanTextsRequest(plan_id=ID, locale="de", name="Paris"),
    "SetPlanDisplay": pb.SetPlanDisplayRequest(plan_id=ID, badges=["New"]),
    "GetSyncStatus": pb.GetSyncStatusRequest(),
}


async def stream(shop: Shop, token: str | None) -> list[pb.SyncCatalogueResponse]:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    call = shop.stub.SyncCatalogue(pb.SyncCatalogueRequest(), metadata=metadata)
    return [message async for message in call]


def test_every_method_has_an_access_test() -> None:
    assert set(ACCESS) == {*READS, *ADMIN, "SyncCatalogue", "WatchRevision"}


async def test_reads_are_public_but_a_bad_session_is_refused(open_shop: OpenShop) -> None:
    async with open_shop(ONE) as shop:
        customer = await shop.auth.token("ada@example.com")
        for method, request in READS.items():
            for token in (None, customer, shop.auth.service_role_key):
                answer = await shop.call(method, request, token)
                assert (
                    answer.ByteSize() > 0 or method == "BatchListNetworks"
                )  # read in the background
            with pytest.raises(Failure) as caught:
                await shop.call(method, request, "not.a.token")
            assert caught.value.kind is Kind.UNAUTHENTICATED


async def test_watching_the_revision_is_public_but_a_bad_session_is_refused(
    open_shop: OpenShop,
) -> None:
    async with open_shop(ONE) as shop:
        for token in (None, await shop.auth.token("ada@example.com")):
            metadata = (("authorization", f"Bearer {token}"),) if token else ()
            call = shop.stub.WatchRevision(pb.WatchRevisionRequest(), metadata=metadata)
            assert (await anext(aiter(call))).revision > 0
            call.cancel()
        bad = (("authorization", "Bearer not.a.token"),)
        with pytest.raises(Exception, match="UNAUTHENTICATED"):
            await anext(aiter(shop.stub.WatchRevision(pb.WatchRevisionRequest(), metadata=bad)))


async def test_changes_need_an_administrator(open_shop: OpenShop) -> None:
    async with open_shop(ONE) as shop:
        customer = await shop.auth.token("ada@example.com")
        for method, request in ADMIN.items():
            for token, kind in ((None, Kind.UNAUTHENTICATED), (customer, Kind.FORBIDDEN)):
                with pytest.raises(Failure) as caught:
                    await shop.call(method, request, token)
                assert caught.value.kind is kind
        for token, code in ((None, "UNAUTHENTICATED"), (customer, "PERMISSION_DENIED")):
            with pytest.raises(Exception, match=code):
                await stream(shop, token)
        assert not (await shop.plan("esim_a")).hidden


async def test_administrators_and_services_may_call_every_method(open_shop: OpenShop) -> None:
    async with open_shop(ONE) as shop:
        admin = await shop.auth.token("admin@example.com", admin=True)
        for token in (admin, shop.auth.service_role_key):
            for method, request in ADMIN.items():
                assert (await shop.call(method, request, token)).ByteSize() > 0
            assert (await stream(shop, token))[-1].status.plan_count == 1


@pytest.mark.parametrize(
    "claims",
    [{}, {"sub": "u"}, {"user_metadata": {"role": "admin"}}, {"role": "admin"}],
    ids=["anonymous", "customer", "user_metadata", "top-level role"],
)
async def test_row_security_lets_only_administrators_change_plans(
    open_shop: OpenShop, claims: dict[str, Any]
) -> None:
    async with open_shop(ONE) as shop, as_user(shop.databases, claims) as connection:
        assert await connection.fetchval("select count(*) from catalogue.data_plans") == 1
        assert await connection.fetchval("select count(*) from catalogue.sync_runs") == 0
        assert await connection.execute("update catalogue.data_plans set hidden = true") == (
            "UPDATE 0"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("insert into catalogue.featured_plans values ($1, 1)", ID)


async def test_row_security_lets_administrators_only_hide_and_feature_plans(
    open_shop: OpenShop,
) -> None:
    claims = {"app_metadata": {"role": "admin"}}
    async with open_shop(ONE) as shop, as_user(shop.databases, claims) as connection:
        assert await connection.execute("update catalogue.data_plans set hidden = true") == (
            "UPDATE 1"
        )
        await connection.execute("insert into catalogue.featured_plans values ($1, 1)", ID)
        assert await connection.fetchval("select count(*) from catalogue.sync_runs") >= 1
        for statement in (
            "update catalogue.data_plans set price = 0",
            "update catalogue.data_plans set withdrawn = true",
            "delete from catalogue.data_plans",
            "delete from catalogue.sync_runs",
            "insert into catalogue.sync_runs default values",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_even_the_system_role_can_not_delete_a_plan(open_shop: OpenShop) -> None:
    async with (
        open_shop(ONE) as shop,
        as_user(shop.databases, {}, "catalogue_system") as connection,
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("delete from catalogue.data_plans")


async def test_row_security_is_forced_on_the_owner_of_every_table(databases: Databases) -> None:
    rows = await databases.admin.fetch(
        "select relname, relrowsecurity and relforcerowsecurity as forced,"
        " pg_get_userbyid(relowner) as owner from pg_class"
        " where relnamespace = 'catalogue'::regnamespace and relkind = 'r'"
    )
    assert {row["relname"] for row in rows} >= {"data_plans", "featured_plans", "sync_runs"}
    assert all(row["forced"] and row["owner"] == "esimgo_owner" for row in rows)
