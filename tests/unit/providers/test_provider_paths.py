"""Values in paths can't change the endpoint, templates contain none of them, and bad keys are refused."""

import aiohttp
import pytest

from kit.errors import Failure, Kind
from kit.values.env import Env
from providers.esim_go.client import Provider, ProviderSettings, segment
from providers.esim_go.paths import template
from tests.unit.providers.fake_provider import FakeProvider


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "...", "../orders", "a/../orders", "a/..", "./a", "..\\orders", "a\n", "\x00"],
)
def test_a_value_that_could_lead_to_another_path_is_refused(value: str) -> None:
    with pytest.raises(Failure) as raised:
        segment(value)
    assert raised.value.kind == Kind.INVALID


@pytest.mark.parametrize(
    "value",
    [
        "esim_1GB_7D_GB_V2",
        "a b?c#d%2F&é",
        "8943108169900000016",
        "a/b",
        "esim_2/3GB_7D",
        "a\\b",
        "..a/b..",
        "/a",
        "a//b/",
    ],
)
async def test_a_value_is_sent_as_one_path_segment(
    http: aiohttp.ClientSession, fake: FakeProvider, value: str
) -> None:
    await fake.client(http).get(f"/catalogue/bundle/{segment(value)}")
    assert fake.received[0].path == f"/v2.5/catalogue/bundle/{segment(value)}"
    assert fake.received[0].query == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/orders", "/orders"),
        ("/orders/4c9c1f0e-aaaa-4bbb-8ccc-0123456789ab", "/orders/{}"),
        ("/esims/8943108169900000016/bundles/esim_1GB_7D_GB_V2", "/esims/{}/bundles/{}"),
        ("/esims/8943108169900000016/suspend", "/esims/{}/suspend"),
        ("/catalogue/bundle/a%20b", "/catalogue/bundle/{}"),
        ("/esims/89/bundles/esim%2F1GB/assignments/a-1", "/esims/{}/bundles/{}/assignments/{}"),
    ],
)
def test_a_template_names_the_endpoint_without_values(path: str, expected: str) -> None:
    assert template(path) == expected


def test_a_missing_key_is_reported_with_its_variable() -> None:
    env = Env({})
    ProviderSettings.read(env)
    assert env.problems == ["eSIM Go API key not configured: set ESIM_GO_API_KEY"]


def test_settings_come_from_the_environment() -> None:
    env = Env({"ESIM_GO_API_KEY": "k", "ESIM_GO_BASE_URL": "http://localhost:1/v2.5/"})
    settings = ProviderSettings.read(env)
    env.finish()
    assert (settings.base_url, settings.api_key) == ("http://localhost:1/v2.5", "k")
    assert settings.timeout == 15


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_contain_is_reported_without_its_value(key: str) -> None:
    env = Env({"ESIM_GO_API_KEY": key})
    ProviderSettings.read(env)
    assert len(env.problems) == 1
    assert "ESIM_GO_API_KEY" in env.problems[0]
    assert key not in env.problems[0]


async def test_a_client_without_a_key_is_not_created(http: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match="eSIM Go API key not configured: set ESIM_GO_API_KEY"):
        Provider(http, ProviderSettings("http://localhost:1", ""))
