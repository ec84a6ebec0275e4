"""Who may call the prices service, and what sessions may read of prices in the database."""

from typing import Any

import asyncpg
import pytest

from kit.errors import Failure, Kind
from kit.rpc.access import Access
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.access import PRICES_ACCESS
from tests.component.catalogue.conftest import OpenShop, Shop
from tests.component.catalogue.market import ONE, as_user
from tests.component.catalogue.price_rules import USD, markup, set_rules

COSTS = (
    *("cost", "cost_currency", "least_price", "exchange_rate", "exchange_rate_at", "lifted"),
    *("rule", "rule_version"),
)


async def failed(shop: Shop, method: str, request: Any, token: str) -> Kind | None:
    """Return the kind of a call's failure; None if it succeeded."""
    try:
        await shop.prices(method, request, token)
    except Failure as failure:
        return failure.kind
    return None


async def test_every_method_is_for_the_finance_staff_or_services(open_shop: OpenShop) -> None:
    async with open_shop(ONE) as shop:
        tokens = {
            role: (await shop.auth.sign_in(f"{role}@example.com", role=role))["access_token"]
            for role in ("finance", "support")
        }
        tokens["customer"] = await shop.auth.token("ada@example.com")
        for method, rule in PRICES_ACCESS.items():
            request = getattr(pb, f"{method}Request")()
            assert rule.access in (Access.FINANCE, Access.SERVICE)
            for role, token in tokens.items():
                allowed = role == "finance" and rule.access is Access.FINANCE
                kind = await failed(shop, method, request, token)
                assert (kind is not Kind.FORBIDDEN) is allowed, (method, role)


@pytest.mark.parametrize("claims", [{}, {"sub": "u"}, {"app_metadata": {"role": "admin"}}])
async def test_sessions_read_retail_prices_and_never_a_cost(
    open_shop: OpenShop, claims: dict[str, object]
) -> None:
    async with open_shop(ONE) as shop:
        await set_rules(shop, [USD], [markup("All", "50")])
        async with as_user(shop.databases, claims) as connection:
            assert await connection.fetchval("select retail from catalogue.plan_prices") == 15
            assert await connection.fetchval("select price from catalogue.listed_plans") == 15
            statements = [f"select {column} from catalogue.plan_prices" for column in COSTS]  # noqa: S608
            for table in ("price_rule_sets", "plan_price_history", "tax_rates", "exchange_rates"):
                statements.append(f"select * from catalogue.{table}")  # noqa: S608
            statements.append("update catalogue.plan_prices set retail = 0")
            for statement in statements:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
