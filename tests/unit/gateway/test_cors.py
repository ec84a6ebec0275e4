"""CORS: the values of GATEWAY_CORS_ORIGINS, and what is logged about a refused page."""

import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.http.cors import MAX_LOGGED, MAX_LOGGED_LENGTH, Origins, Pages
from gateway.settings import Settings
from kit.values.env import Env

LOCAL = Origins.parse("localhost")


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:5173",
        "http://localhost",
        "https://localhost:8443",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "http://shop.localhost:5173",
        "HTTP://LOCALHOST:5173",
    ],
)
def test_localhost_allows_every_local_page(origin: str) -> None:
    assert LOCAL.allow(origin)
    assert not Origins.parse("https://shop.example").allow(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://localhost:5173.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "file://localhost",
        "null",
        "",
        "http://[",
    ],
)
def test_localhost_allows_no_other_page(origin: str) -> None:
    assert not LOCAL.allow(origin)


def test_named_origins_are_compared_as_browsers_send_them() -> None:
    origins = Origins.parse(" https://Shop.example/, https://app.example:8443 ")
    assert origins.allow("https://shop.example")
    assert origins.allow("https://app.example:8443")
    assert not origins.allow("http://shop.example")
    assert not origins.allow("https://app.example")
    assert not origins.allow("http://localhost:5173")
    assert Origins.parse("*").allow("https://any.example")
    assert str(Origins.parse("localhost,https://b.example,https://a.example")) == (
        "localhost, https://a.example, https://b.example"
    )
    assert str(Origins.parse("")) == "none"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://shop.example:443", "https://shop.example"),
        ("http://shop.example:80/", "http://shop.example"),
        ("https://shop.example:80", "https://shop.example:80"),
        ("https://Müller.example", "https://xn--mller-kva.example"),
        ("https://müller.example:8443", "https://xn--mller-kva.example:8443"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_accepted_in_common_spellings(written: str, sent: str) -> None:
    assert Origins.parse(written).allow(sent)


@pytest.mark.parametrize(
    "text",
    [
        *("shop.example", "https://shop.example/path", "https://a b", "https://*.shop.example"),
        *("https://[", "https://ü..example", "null"),
    ],
)
def test_an_impossible_origin_is_refused_at_startup(text: str) -> None:
    env = Env({"GATEWAY_CORS_ORIGINS": text, "SUPABASE_URL": "https://p.supabase.co"})
    Settings.read(env)
    assert any("GATEWAY_CORS_ORIGINS" in p and "https://shop.example" in p for p in env.problems)


@pytest.mark.parametrize(
    ("values", "local"),
    [
        ({}, False),
        ({"APP_ENV": "development"}, True),
        ({"APP_ENV": "development", "GATEWAY_CORS_ORIGINS": "https://shop.example"}, False),
        ({"GATEWAY_CORS_ORIGINS": "https://shop.example, localhost"}, True),
    ],
)
def test_local_pages_may_call_in_development(values: dict[str, str], local: bool) -> None:
    settings = Settings.read(Env(values))
    assert settings.cors_origins.allow("http://localhost:5173") is local
    development = values.get("APP_ENV") == "development"
    assert settings.explorer is development
    assert settings.defence.introspection is development


def asked_from(origin: str | None, host: str = "api.example") -> web.Request:
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    return make_mocked_request("POST", "/graphql", headers=headers)


def test_a_refused_origin_is_logged_once_with_the_setting_that_allows_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pages = Pages(Origins.parse("https://shop.example"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not pages.allowed(asked_from("https://other.example"))
        assert pages.allowed(asked_from("https://shop.example"))
        assert pages.allowed(asked_from("https://api.example"))
        assert pages.allowed(asked_from(None))
    [line] = caplog.messages
    assert "'https://other.example'" in line
    assert "GATEWAY_CORS_ORIGINS" in line
    assert "https://shop.example" in line


def test_an_origin_that_no_setting_can_allow_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not Pages(Origins()).allowed(asked_from("null"))
    assert not caplog.messages


def test_invented_origins_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    pages = Pages(Origins())
    with caplog.at_level(logging.WARNING):
        for number in range(MAX_LOGGED + 30):
            assert not pages.allowed(asked_from(f"https://{number}.example"))
        assert not pages.allowed(asked_from("http://[\x1b" + "x" * 1000))
    assert len(caplog.messages) == MAX_LOGGED
    assert "nor are any further ones" in caplog.messages[-1]


def test_a_long_or_unusual_origin_is_logged_truncated_and_escaped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not Pages(Origins()).allowed(asked_from("http://[\x1b" + "x" * 1000))
    assert "\\x1b" in caplog.messages[0]
    assert len(caplog.messages[0]) < MAX_LOGGED_LENGTH + 250


async def test_a_preflight_grants_an_allowed_page_any_header() -> None:
    pages = Pages(LOCAL)
    wanted = {"Access-Control-Request-Headers": "authorization,sentry-trace,baggage"}
    for origin, granted in (("http://localhost:5173", True), ("https://evil.example", False)):
        request = make_mocked_request(
            "OPTIONS", "/graphql", headers={"Host": "api.example", "Origin": origin, **wanted}
        )
        response = await pages.preflight(request)
        allowed = response.headers["Access-Control-Allow-Headers"]
        assert ("sentry-trace" in allowed) is granted
        assert "authorization" in allowed.lower()
