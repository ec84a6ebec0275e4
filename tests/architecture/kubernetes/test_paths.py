"""The ingress leads to every path of the gateway that clients use."""

import pytest

from gateway.http import app
from gateway.settings import Settings
from kit.values.env import Env
from tests.architecture.kubernetes.rendered import OVERLAYS, of_kind, render

# Probes, which only the cluster requests.
OF_THE_CLUSTER = {"/healthz", "/readyz"}


async def routes() -> set[str]:
    """Return the paths of all routes of a gateway with the explorer."""
    needed = {"SUPABASE_URL": "http://auth", "SUPABASE_SERVICE_ROLE_KEY": "key"}
    env = Env({**needed, "GATEWAY_EXPLORER": "true", "GATEWAY_INTROSPECTION": "true"})
    settings = Settings.read(env)
    env.finish()
    async with app.open_gateway(settings) as gateway:
        return {resource.canonical for resource in gateway.app.router.resources()}


def leads_to(path: str, rule: dict[str, str]) -> bool:
    """True if a rule of an Ingress matches a path: Prefix compares whole elements."""
    if rule["pathType"] == "Exact":
        return path == rule["path"]
    return f"{path}/".startswith(f"{rule['path']}/")


@pytest.mark.parametrize("overlay", OVERLAYS)
async def test_clients_reach_every_path_of_the_gateway(overlay: str) -> None:
    [ingress] = of_kind(render(f"overlays/{overlay}"), "Ingress")
    [rules] = [
        rule["http"]["paths"]
        for rule in ingress["spec"]["rules"]
        if rule["host"] == "api.example.com"
    ]
    paths = await routes() - OF_THE_CLUSTER
    assert "/t/{token}" in paths
    assert [path for path in sorted(paths) if not any(leads_to(path, one) for one in rules)] == []


def test_a_prefix_matches_whole_elements_of_a_path() -> None:
    rule = {"path": "/t", "pathType": "Prefix"}
    assert leads_to("/t/abc", rule)
    assert not leads_to("/token", rule)


def test_every_path_of_the_gateway_leads_through_the_cache() -> None:
    [ingress] = of_kind(render("overlays/production-cache"), "Ingress")
    services = [
        (rule["host"], path["backend"]["service"]["name"])
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    assert set(services) == {("api.example.com", "cache"), ("hooks.example.com", "webhooks")}
