"""Single plans and batches over gRPC, hidden plans, and sample plans."""

import asyncio
import json
from decimal import Decimal
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from migrations import runner
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.plan import plan_id
from tests.component.catalogue.conftest import FOUR, OpenShop


async def test_a_plan_has_every_field_of_the_provider(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        plan = await shop.plan("esim_c")
        assert plan.updated_at.seconds > 0
        plan.ClearField("updated_at")
        assert plan == pb.DataPlan(
            id=str(plan_id("esim_c")),
            name="esim_c",
            description="eSIM, esim_c",
            region="Asia",
            countries=[
                pb.Country(
                    name="Japan",
                    iso="JP",
                    iso3="JPN",
                    flag="\N{REGIONAL INDICATOR SYMBOL LETTER J}\N{REGIONAL INDICATOR SYMBOL LETTER P}",
                    region="Asia",
                )
            ],
            duration_days=30,
            price=money.to_proto(Decimal("12.125"), "USD"),
            unlimited=True,
            bundle_group="Standard Unlimited Lite",
            features=[
                "5G",
                "Unlimited data",
                "Throttled to 512 kbps after 1GB a day",
                "Starts at first use",
            ],
            available_quantity=10,
            allowances=[
                pb.Allowance(
                    type="DATA", service="STANDARD", description="Data", unit="MB", unlimited=True
                )
            ],
            profile_name="Profile 1",
            speeds=["4G", "5G"],
            title="Japan, unlimited, 30 days",
            fair_use=pb.FairUse(daily_mb=1000, throttle_kbps=512),
        )
        by_id = await shop.call("GetPlan", pb.GetPlanRequest(id=str(plan_id("esim_c"))))
        assert by_id.plan.name == "esim_c"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (pb.GetPlanRequest(id=str(uuid4())), Kind.NOT_FOUND),
        (pb.GetPlanRequest(name="ESIM_A"), Kind.NOT_FOUND),  # names are case-sensitive
        (pb.GetPlanRequest(id="esim_a"), Kind.INVALID),
        (pb.GetPlanRequest(name=" "), Kind.INVALID),
        (pb.GetPlanRequest(name="a\x00b"), Kind.INVALID),
        (pb.GetPlanRequest(), Kind.INVALID),
    ],
)
async def test_an_unknown_plan_or_a_malformed_id_is_refused(
    open_shop: OpenShop, request_: pb.GetPlanRequest, kind: Kind
) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure) as caught:
            await shop.call("GetPlan", request_)
        assert caught.value.kind is kind


async def test_a_batch_omits_unknown_plans_and_includes_withdrawn_ones(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        await shop.control_sandbox("catalogue/withdraw", name="esim_a")
        await shop.sync()
        ids = [str(plan_id("esim_a")), str(uuid4()), str(plan_id("esim_b"))]
        answer = await shop.call("BatchGetPlans", pb.BatchGetPlansRequest(ids=[*ids, *ids]))
        assert {plan.name: plan.withdrawn for plan in answer.plans} == {
            "esim_a": True,
            "esim_b": False,
        }


@pytest.mark.parametrize("ids", [[], [str(uuid4())] * 1001, ["not an id"]])
async def test_the_size_of_a_batch_is_limited(open_shop: OpenShop, ids: list[str]) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure) as caught:
            await shop.call("BatchGetPlans", pb.BatchGetPlansRequest(ids=ids))
        assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("name", ["", "a\x00b"])
async def test_an_impossible_name_in_a_batch_is_refused(open_shop: OpenShop, name: str) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure) as caught:
            await shop.call("BatchGetPlans", pb.BatchGetPlansRequest(names=["esim_a", name]))
        assert list(caught.value.fields) == ["names"]


async def test_a_hidden_plan_is_off_sale_until_it_is_put_back(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        hidden = await shop.hide("esim_a")
        assert (hidden.hidden, hidden.available_quantity) == (True, 0)
        await shop.sync()  # the provider still sells it, which must not matter here
        assert "esim_a" not in [plan.name for plan in await shop.plans()]
        assert (await shop.plan("esim_a")).hidden
        back = await shop.hide("esim_a", hidden=False)
        assert back.available_quantity == 10
        assert "esim_a" in [plan.name for plan in await shop.plans()]


async def test_hiding_waits_for_a_writer_of_many_plans_without_a_deadlock(
    open_shop: OpenShop,
) -> None:
    async with open_shop(FOUR) as shop:
        admin = shop.databases.admin
        async with admin.transaction():
            await admin.execute("update catalogue.data_plans set price = 1 where name = 'esim_a'")
            hiding = asyncio.ensure_future(shop.hide("esim_b"))
            while not await admin.fetchval(
                "select exists (select from pg_locks where not granted)"
            ):
                await asyncio.sleep(0.01)
            await admin.execute("update catalogue.data_plans set price = 1 where name = 'esim_b'")
        assert (await hiding).hidden


async def test_hiding_an_unknown_plan_is_refused(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        with pytest.raises(Failure) as caught:
            await shop.hide("esim_x")
        assert caught.value.reason == "PLAN_NOT_FOUND"


async def test_only_administrators_list_what_is_off_sale(open_shop: OpenShop) -> None:
    async with open_shop(FOUR) as shop:
        await shop.hide("esim_a")
        request = pb.ListPlansRequest(filter=pb.PlanFilter(include_unavailable=True))
        for token in (None, await shop.auth.token("ada@example.com")):
            with pytest.raises(Failure) as caught:
                await shop.call("ListPlans", request, token)
            assert caught.value.kind is Kind.FORBIDDEN
        token = await shop.auth.token("admin@example.com", admin=True)
        assert (await shop.call("ListPlans", request, token)).total_size == 4


async def test_sample_plans_are_identical_to_synced_plans(open_shop: OpenShop) -> None:
    async with open_shop(FOUR, read=False) as shop:
        await shop.sync()
        await shop.databases.admin.execute("delete from catalogue.data_plans")
        await runner.seed(shop.databases.admin_url)
        await runner.seed(shop.databases.admin_url)
        samples = await shop.plans()
        assert len(samples) == 10
        assert all(plan.id == str(plan_id(plan.name)) for plan in samples)

        def as_bundle(plan: pb.DataPlan) -> dict[str, object]:
            return {
                "name": plan.name,
                "description": plan.description,
                "groups": [plan.bundle_group],
                "countries": [
                    {"name": c.name, "iso": c.iso, "region": c.region} for c in plan.countries
                ],
                "dataAmount": -1 if plan.unlimited else plan.data_mb,
                "duration": plan.duration_days,
                "speed": list(plan.speeds),
                "autostart": plan.autostart,
                "unlimited": plan.unlimited,
                "price": float(money.from_proto(plan.price)),
                "profileName": plan.profile_name,
                "allowances": [
                    {
                        "type": a.type,
                        "service": a.service,
                        "description": a.description,
                        "amount": a.amount,
                        "unit": a.unit,
                        "unlimited": a.unlimited,
                    }
                    for a in plan.allowances
                ],
            }

        page = json.loads(json.dumps({"bundles": [as_bundle(plan) for plan in samples]}))
        await shop.control_sandbox("faults", path="/catalogue", status=200, body=page, count=2)
        status = await shop.sync()
        assert (status.error, status.plan_count) == ("", 10)
        assert (status.added, status.changed, status.withdrawn) == (0, 0, 0)
