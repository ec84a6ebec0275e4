"""The explorer: who may open it, its content security policy, and that it works without internet access."""

import asyncio
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.http import explorer_page
from gateway.settings import Settings
from kit.values.env import Env
from protos.catalogue.v1 import catalogue_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.answers.changes import Changes
from tests.fixtures.browser.chromium import Browser
from tests.fixtures.browser.javascript import run
from tests.fixtures.gateway import Gateway
from tests.fixtures.gateway_customer import ORDER_ID, PLAN, order
from tests.fixtures.sandboxes import Auth

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SOURCE = Path(explorer_page.__file__).parent / "explorer" / "source"
SIGN_IN = "document.querySelector('.sign-in')"
RESULT = "document.querySelector('.result-window').textContent"
EDITOR = "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror"
# The editor appears before its key handlers are ready.
READY = f"""{EDITOR}.state.keyMaps.some((keys) => 'Ctrl-Enter' in keys)
    && document.querySelector('.result-window .CodeMirror')"""


@pytest.fixture
def gateway_settings(gateway_settings: Settings, auth: Auth) -> Settings:
    return replace(gateway_settings, explorer=True, supabase_anon_key=auth.anon_key)


def test_the_explorer_signs_in_at_the_public_supabase_url() -> None:
    page = explorer_page.Explorer("/graphql", "http://localhost:4011", "anon").page()
    assert "connect-src 'self' http://localhost:4011;" in page.headers["Content-Security-Policy"]
    values = {"SUPABASE_URL": "http://auth:4011", "SUPABASE_PUBLIC_URL": "http://localhost:4011/"}
    settings = Settings.read(Env(values))
    assert settings.supabase_public_url == "http://localhost:4011"
    assert Settings.read(Env({"SUPABASE_URL": "http://auth:4011"})).supabase_public_url is None


async def test_the_explorer_page_may_load_nothing_from_other_origins(
    gateway: Gateway, auth: Auth
) -> None:
    async with gateway.client.http.get(f"{gateway.client.url}/graphql", headers=HTML) as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
        assert answer.content_type == "text/html"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["connect-src"] == f"'self' {auth.url}"
    assert "unsafe" not in policy
    assert auth.service_role_key not in page
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        async with gateway.client.http.get(f"{gateway.client.url}{asset}") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "immutable" in answer.headers["Cache-Control"]
            assert auth.service_role_key not in await answer.text()


async def test_each_visit_gets_its_own_nonce(gateway: Gateway) -> None:
    policies = set()
    for _ in range(2):
        async with gateway.client.http.get(f"{gateway.client.url}/graphql", headers=HTML) as answer:
            policies.add(answer.headers["Content-Security-Policy"])
    assert len(policies) == 2


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/graphql?query={__typename}", HTML["Accept"]),
        ("/graphql", "application/json"),
        ("/graphql", "*/*"),
    ],
)
async def test_graphql_clients_get_no_explorer_page(
    gateway: Gateway, path: str, accept: str
) -> None:
    headers = {"Accept": accept}
    async with gateway.client.http.get(f"{gateway.client.url}{path}", headers=headers) as answer:
        assert "json" in answer.content_type


async def test_only_known_assets_are_served(gateway: Gateway) -> None:
    for name in ("../source/build.mjs", "..%2fsource%2fbuild.mjs", "explorer.js", ""):
        url = f"{gateway.client.url}/graphql/assets/{name}"
        async with gateway.client.http.get(url) as answer:
            assert answer.status == 404


async def test_a_query_runs_in_a_browser_without_network(
    gateway: Gateway, browser: Browser
) -> None:
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse(
        plans=[PLAN]
    )
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse()
    await browser.visit(f"{gateway.client.url}/graphql")
    await written(browser, "{ featuredPlans { name price } }")
    assert PLAN.name in await browser.until(f"{RESULT}.includes('featuredPlans') && {RESULT}")
    await browser.run(
        "document.querySelector('button[aria-label=\"Show Documentation Explorer\"]').click()"
    )
    await browser.until(
        "document.querySelector('.graphiql-doc-explorer-content').textContent.includes('Subscription')"
    )

    # The first sign-in creates the account, the second finds it.
    await pressed(browser, "Sign in as a local customer")
    await browser.until(f"{SIGN_IN}.textContent.includes('Signed in as')")
    await pressed(browser, "Sign out")
    await browser.until(f"{SIGN_IN}.textContent.includes('local customer')")
    await pressed(browser, "Sign in as a local customer")
    await browser.until(f"{SIGN_IN}.textContent.includes('Signed in as')")
    await written(browser, "{ myOrders { id } }")
    await browser.until(f"{RESULT}.includes('\"myOrders\": []')")
    if shots := os.environ.get("EXPLORER_PICTURE"):
        await asyncio.to_thread(Path(shots).write_bytes, await browser.picture())

    own = (gateway.client.url, gateway.settings.sessions.supabase_url, "data:")
    assert [url for url in browser.asked if not url.startswith(own)] == []
    # No policy violation, no failed request, no error.
    assert browser.messages == []


async def test_a_signed_in_user_sees_each_event_of_a_subscription(
    gateway: Gateway, browser: Browser, auth: Auth
) -> None:
    customer = {"email": "ann@example.com", "password": "correct horse battery"}
    async with auth.http.post(
        f"{auth.url}/auth/v1/signup", json=customer, headers={"apikey": auth.anon_key}
    ) as signed_up:
        ann = (await signed_up.json())["user"]["id"]
    changes = Changes(
        orders_pb2.WatchOrderResponse(order=order(status=orders_pb2.ORDER_STATUS_PROCESSING))
    )
    gateway.orders.answers["WatchOrder"] = changes
    await browser.visit(f"{gateway.client.url}/graphql")
    await browser.until(SIGN_IN)
    for name, text in customer.items():
        await browser.run(f"document.querySelector('.sign-in input[name={name}]').focus()")
        await browser.write(text)
    await pressed(browser, "Sign in")
    await browser.until(f"{SIGN_IN}.textContent.includes('Signed in as ann@example.com')")
    await written(
        browser, f'subscription {{ orderUpdated(orderId: "{ORDER_ID}") {{ id status }} }}'
    )
    await browser.until(f"{RESULT}.includes('PROCESSING')")
    await changes.publish(orders_pb2.WatchOrderResponse(order=order()))
    await browser.until(f"{RESULT}.includes('COMPLETED')")
    assert gateway.orders.callers == [ann]
    assert browser.messages == []


async def test_a_wrong_password_is_reported_beside_the_form(
    gateway: Gateway, browser: Browser
) -> None:
    await browser.visit(f"{gateway.client.url}/graphql")
    await browser.until(SIGN_IN)
    for name, text in (("email", "ann@example.com"), ("password", "not hers")):
        await browser.run(f"document.querySelector('.sign-in input[name={name}]').focus()")
        await browser.write(text)
    await pressed(browser, "Sign in")
    await browser.until(f"{SIGN_IN}.textContent.includes('Not signed in: Invalid login')")


async def pressed(browser: Browser, label: str) -> None:
    """Click the button with exactly that label, other than the sign-in button."""
    await browser.until(f"[...{SIGN_IN}.querySelectorAll('button')].length")
    await browser.run(
        f"[...{SIGN_IN}.querySelectorAll('button')]"
        f".find((button) => button.textContent === '{label}').click()"
    )


async def written(browser: Browser, query: str) -> None:
    """Replace the query and run it."""
    await browser.until(READY)
    await browser.run(f"{EDITOR}.focus(), {EDITOR}.execCommand('selectAll')")
    await browser.write(query)
    await browser.press("Enter", 13, control=True)


def test_the_assets_match_a_build_from_the_lock_file(node: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("node_modules"))
    run("npm", "ci", "--prefix", str(source), "--no-audit", "--no-fund")
    run(node, str(source / "build.mjs"), str(tmp_path / "built"))
    built = {file.name: file.read_bytes() for file in (tmp_path / "built").iterdir()}
    assert built == {file.name: file.read_bytes() for file in explorer_page.ASSETS.iterdir()}
