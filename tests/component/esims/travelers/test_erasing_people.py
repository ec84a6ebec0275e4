"""Export and erasure of a person cover every table and column of esims that may hold one.

Each table of the schema is named here, and each of its columns that can hold a person: a new one fails the
test until it is filled, exported and erased.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from kit.errors import Failure
from kit.rpc import client as rpc_client
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import travelers_pb2 as tpb
from tests.component.esims.running import Service
from tests.component.esims.travelers.company import Company, Person
from tests.component.esims.travelers.links import create, opened

NAME, EMAIL = "Ann Erased", "ann.erased@example.com"
NOBODY = "00000000-0000-0000-0000-000000000000"
# Tables that hold no person.
IMPERSONAL = {
    *("change_cursors", "outbox_deletions", "write_trials"),
    *("usage_zones", "usage_by_day", "bundle_plans", "usage_watermarks", "usage_state"),
}
# Of the other tables: the columns that can hold a person.
PEOPLE: Mapping[str, set[str]] = {
    "esims": {"customer_id", "traveler_user_id"},
    "esim_bundles": {"customer_id", "traveler_user_id"},
    "memberships": {"user_id"},
    "travelers": {"owner_id", "user_id", "name", "email"},
    "share_links": {"created_by"},
    "outbox": {"customer_id"},
    # Where a customer's own eSIM was, and what it used, is unlinked from it.
    "usage_samples": {"esim_id", "assignment_id"},
    "visits": {"esim_id"},
}
OF_ESIMS = {"usage_samples", "visits"}
# Columns of a customer's own eSIM with what is personal about it; they are cleared, as older tests show.
OF_OWN = {"matching_id", "smdp_address", "customer_ref", "msisdn", "last_country"}
# The other columns of these tables with text, JSON or an id, which hold no person.
NEUTRAL = {
    *("id", "esim_id", "order_id", "plan_id", "organization_id", "group_id", "traveler_id"),
    *("subject_id", "assignment_id", "iccid", "order_reference", "bundle_name", "status", "name"),
    *("provider_state", "last_action", "profile_status", "description", "assignment_reference"),
    *("state", "role", "type", "body", "used_source", "source", "country"),
}
COLUMNS = """
select c.relname::text as relation, a.attname::text as name
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'esims' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
    and format_type(a.atttypid, null) in ('uuid', 'text', 'jsonb', 'text[]', 'inet')
"""


async def test_every_table_and_column_is_known(service: Service) -> None:
    admin = service.databases.admin
    tables = {
        row["tablename"]
        for row in await admin.fetch("select tablename from pg_tables where schemaname = 'esims'")
    }
    assert tables == IMPERSONAL | set(PEOPLE)
    rows = await admin.fetch(COLUMNS)
    for table, people in PEOPLE.items():
        wordy = {row["name"] for row in rows if row["relation"] == table}
        personal = people | (OF_OWN if table == "esims" else set())
        assert wordy - NEUTRAL - personal == set(), f"{table}: fill, export and erase the column"
        assert people <= wordy


async def fill(service: Service, company: Company) -> tuple[Person, dict[str, pb.ESIM]]:
    """Make the buyer of the company known to every column of PEOPLE, and check that."""
    ann = company.members["BUYER"]
    (own,) = await service.deliver(customer_id=str(ann.id), customer_ref="my trip")
    request = tpb.AssignESIMRequest(esim_id=own.id, traveler=pb.Traveler(name=NAME, email=EMAIL))
    await service.ask(service.travelers.AssignESIM, request, ann.token)
    bought = await company.deliver("BUYER", customer_ref="Rome")
    traveling = await company.deliver("OWNER")
    await company.assign(traveling, name=NAME, email=EMAIL, user_id=str(ann.id))
    await create(company, bought, "BUYER")
    share = tpb.CreateShareLinkRequest(esim_id=own.id)
    await service.ask(service.travelers.CreateShareLink, share, ann.token)
    for esim in (own, bought, traveling):
        await service.ask(
            service.stub.BatchListBundles,
            pb.BatchListBundlesRequest(esim_ids=[esim.id]),
            service.admin,
        )
    for esim in (own, bought):
        # As callbacks and refreshes store it.
        for statement in (
            "update esims.esim_bundles set remaining_bytes = initial_bytes - 1 where esim_id = $1",
            "update esims.esims set last_country = 'FR', last_country_at = now() where id = $1",
        ):
            await service.databases.admin.execute(statement, esim.id)
    for table, columns in PEOPLE.items():
        for column in columns - (columns if table in OF_ESIMS else set()):
            known = await service.databases.admin.fetchval(
                f"select count(*) from esims.{table} where {column}::text = any($1)",  # noqa: S608 - names of this test
                [str(ann.id), NAME, EMAIL],
            )
            assert known, f"{table}.{column} is not filled"
    return ann, {"own": own, "bought": bought, "traveling": traveling}


async def everything(service: Service) -> str:
    """Return all rows of the schema as text."""
    texts = []
    for table in (*PEOPLE, *IMPERSONAL):
        rows = await service.databases.admin.fetch(f"select t::text as row from esims.{table} t")  # noqa: S608 - names of this test
        texts += [row["row"] for row in rows]
    return "\n".join(texts)


async def export(service: Service, person: Person, *emails: str) -> dict[str, list[dict[str, Any]]]:
    request = pb.ExportCustomerRequest(customer_id=str(person.id), emails=emails)
    tables: dict[str, list[dict[str, Any]]] = {}
    async for message in rpc_client.stream(
        service.stub.ExportCustomer, request, token=service.auth.service_role_key
    ):
        tables.setdefault(message.table, []).append(json.loads(message.row_json))
    return tables


async def erase(service: Service, person: Person, *iccids: str) -> int:
    request = pb.EraseCustomerRequest(customer_id=str(person.id), iccids=iccids)
    answer: pb.EraseCustomerResponse = await service.ask(
        service.stub.EraseCustomer, request, service.auth.service_role_key
    )
    return answer.esims


async def test_the_export_has_all_of_the_person_and_no_secret_of_the_organization(
    service: Service, company: Company
) -> None:
    ann, esims = await fill(service, company)
    tables = await export(service, ann)
    assert set(tables) == {*PEOPLE, "traveled_esims"} - {"outbox"}
    assert {row["id"] for row in tables["esims"]} == {esims["own"].id, esims["bought"].id}
    assert [row["id"] for row in tables["traveled_esims"]] == [esims["traveling"].id]
    assert {row["name"] for row in tables["travelers"]} == {NAME}
    assert len(tables["travelers"]) == len(tables["share_links"]) == 2
    text = json.dumps(tables)
    assert esims["own"].matching_id in text
    for name in ("bought", "traveling"):
        assert esims[name].matching_id not in text
    assert "hash" not in text
    for table in OF_ESIMS:
        assert {row["esim_id"] for row in tables[table]} == {esims["own"].id}


async def test_the_erasure_leaves_nothing_of_the_person_and_the_organization_its_esims(
    service: Service, company: Company
) -> None:
    ann, esims = await fill(service, company)
    link = await create(company, esims["traveling"])
    assert await erase(service, ann) == 2
    text = await everything(service)
    for secret in (str(ann.id), NAME, EMAIL, esims["own"].matching_id, "my trip"):
        assert secret not in text, secret
    assert await export(service, ann) == {}
    assert await erase(service, ann) == 0
    owner = company.members["OWNER"].token
    for name in ("bought", "traveling"):
        request = pb.GetESIMRequest(esim_id=esims[name].id)
        now = (await service.ask(service.stub.GetESIM, request, owner)).esim
        assert now.matching_id == esims[name].matching_id
        assert not now.HasField("traveler")
    request = pb.GetESIMRequest(esim_id=esims["bought"].id)
    bought = (await service.ask(service.stub.GetESIM, request, owner)).esim
    assert (bought.customer_id, bought.customer_ref) == (NOBODY, "Rome")
    # Usage figures stay for reports: with the organization for its eSIM, without it for the person's own.
    for table in OF_ESIMS:
        query = f"select esim_id from esims.{table} order by id"  # noqa: S608 - names of this test
        linked = [row["esim_id"] for row in await service.databases.admin.fetch(query)]
        assert linked == [None, UUID(bought.id)]
    with pytest.raises(Failure) as caught:
        await opened(service, link.token)
    assert caught.value.reason == "SHARE_LINK_REVOKED"
    with pytest.raises(Failure):
        await company.listed("BUYER")


async def test_a_person_without_esims_is_erased_too(service: Service, company: Company) -> None:
    traveler = company.members["TRAVELER"]
    esim = await company.assign(
        await company.deliver("OWNER"), name=NAME, email=EMAIL, user_id=str(traveler.id)
    )
    assert await erase(service, traveler, esim.iccid) == 0
    text = await everything(service)
    for secret in (str(traveler.id), NAME, EMAIL):
        assert secret not in text, secret


async def test_another_traveler_of_the_same_name_stays(service: Service, company: Company) -> None:
    ann, _ = await fill(service, company)
    namesake = await company.assign(
        await company.deliver("OWNER"), name=NAME, email="x@example.com"
    )
    await erase(service, ann)
    request = pb.GetESIMRequest(esim_id=namesake.id)
    owner = company.members["OWNER"].token
    now = (await service.ask(service.stub.GetESIM, request, owner)).esim
    assert now.traveler == namesake.traveler


async def erase_travelers(service: Service, *emails: str) -> None:
    request = tpb.EraseTravelersRequest(emails=emails)
    await service.ask(service.travelers.EraseTravelers, request, service.auth.service_role_key)


async def test_a_traveler_without_an_account_is_exported_and_erased_by_address(
    service: Service, company: Company
) -> None:
    esim = await company.assign(
        await company.deliver("OWNER"), name=NAME, email="Ann.Erased@example.com"
    )
    other = await company.assign(
        await company.deliver("OWNER"), name="Bob", email="bob@example.com"
    )
    links = [await create(company, one) for one in (esim, other)]
    ann = company.members["BUYER"]
    assert "travelers" not in await export(service, ann)
    (found,) = (await export(service, ann, EMAIL))["travelers"]
    assert (found["id"], found["name"]) == (esim.traveler.id, NAME)

    for _ in range(2):
        await erase_travelers(service, EMAIL)
    text = await everything(service)
    assert NAME not in text
    assert EMAIL not in text.lower()
    owner = company.members["OWNER"].token
    request = pb.GetESIMRequest(esim_id=esim.id)
    now = (await service.ask(service.stub.GetESIM, request, owner)).esim
    assert not now.HasField("traveler")
    with pytest.raises(Failure) as caught:
        await opened(service, links[0].token)
    assert caught.value.reason == "SHARE_LINK_REVOKED"
    assert (await opened(service, links[1].token)).traveler_name == "Bob"


async def test_the_account_of_another_person_stays_without_the_erased_address(
    service: Service, company: Company
) -> None:
    traveler = company.members["TRAVELER"]
    given = {"name": "Kim", "user_id": str(traveler.id)}
    esims = [
        await company.assign(await company.deliver("OWNER"), **given, email=email)
        for email in ("", EMAIL, "second@example.com")
    ]
    await erase_travelers(service, EMAIL, "second@example.com")
    text = await everything(service)
    assert EMAIL not in text
    assert "second@example.com" not in text
    assert set(await company.listed("TRAVELER")) == {esim.id for esim in esims}
