"""The process, its settings, and the admin API's own rules."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from sandbox.payments.settings import PaymentSettings, from_environment
from tests.fixtures.payments import PaymentSandbox, run_payment_sandbox


async def started(**variables: str) -> tuple[asyncio.subprocess.Process, str]:
    """Start the process, and return it with the first line that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox.payments",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | variables,
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode()


async def test_the_process_serves_until_it_is_ended() -> None:
    process, line = await started(
        SANDBOX_PAYMENTS_PORT="0", SANDBOX_PAYMENTS_SECRET_KEY="sk_test_x"
    )
    assert line.startswith("payments ready on http://127.0.0.1:")
    url = line.split()[-1]
    async with aiohttp.ClientSession(url, headers={"Authorization": "Bearer sk_test_x"}) as http:
        assert (await http.get("/healthz")).status == 200
        assert (await http.get("/v1/payment_intents")).status == 200
    process.terminate()
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_an_invalid_setting_is_reported() -> None:
    process, line = await started(SANDBOX_PAYMENTS_PORT="high")
    _, errors = await process.communicate()
    assert (line, process.returncode) == ("", 1)
    assert errors.decode().strip() == (
        "payment sandbox can't start: SANDBOX_PAYMENTS_PORT must be a whole number, not 'high'"
    )


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    assert from_environment({}) == PaymentSettings()
    secret = tmp_path / "secret"
    secret.write_text("whsec_a, whsec_b\n")
    settings = from_environment(
        {
            "SANDBOX_PAYMENTS_PORT": "5000",
            "SANDBOX_PAYMENTS_WEBHOOK_URL": "http://127.0.0.1:4001/webhooks/stripe",
            "SANDBOX_PAYMENTS_WEBHOOK_SECRET_FILE": str(secret),
            "SANDBOX_PAYMENTS_PUBLIC_URL": "https://pay.example/",
            "SANDBOX_PAYMENTS_WEBHOOK_TYPES": "refund.*, review.opened",
            "SANDBOX_PAYMENTS_SEED": "7",
        }
    )
    assert settings.port == 5000
    assert settings.webhook_secrets == ("whsec_a", "whsec_b")
    assert settings.public_url == "https://pay.example"
    assert settings.webhook_types == ("refund.*", "review.opened")
    assert settings.seed == 7
    assert "whsec" not in repr(settings)
    assert "sk_test" not in repr(settings)


@pytest.mark.parametrize(
    "wrong",
    [{"secret_key": ""}, {"webhook_secrets": ()}, {"webhook_secrets": ("a", "")}, {"port": 70_000}],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|at least one"):
        PaymentSettings(**wrong)  # type: ignore[arg-type]


async def test_web_pages_can_not_use_the_admin_api(payment_provider: PaymentSandbox) -> None:
    answer = await payment_provider.http.post(
        f"{payment_provider.control_url}/reset", headers={"Origin": "https://evil.example"}
    )
    assert answer.status == 403


async def test_the_admin_api_lists_its_routes_and_refuses_unknown_members(
    payment_provider: PaymentSandbox,
) -> None:
    routes = await payment_provider.control("GET", "")
    assert any(route.startswith("POST /_control/clock/advance:") for route in routes)
    for path, body in (
        ("/clock/advance", {"hours": -1}),
        ("/clock/advance", {"weeks": 1}),
        ("/clock/advance", {"days": 10_000}),
        ("/faults", {"kind": "flood"}),
        ("/faults", {"kind": "html", "stored": True}),
        ("/webhooks", {"secrets": []}),
        ("/payment_intents/pi_unknown/pay", {}),
        ("/delivery", {"copies": 0}),
        ("/switches", {"short": True}),
        ("/payouts", {"currency": "usd"}),
    ):
        answer = await payment_provider.http.post(
            f"{payment_provider.control_url}{path}", json=body
        )
        assert answer.status in (400, 404), path
        assert "message" in (await answer.json())["error"]


async def test_the_clock_stops_and_continues(payment_provider: PaymentSandbox) -> None:
    frozen = await payment_provider.control("POST", "/clock/freeze")
    later = await payment_provider.control("POST", "/clock/advance", {"hours": 1})
    assert later["now"] == frozen["now"] + 3600
    released = await payment_provider.control("POST", "/clock/release")
    assert released["now"] == later["now"]
    target = released["now"] + 100
    assert (await payment_provider.control("POST", "/clock/advance", {"to": target}))[
        "now"
    ] == target


async def test_reset_deletes_everything(payment_provider: PaymentSandbox) -> None:
    headers = {"Authorization": f"Bearer {payment_provider.secret_key}"}
    url = f"{payment_provider.url}/v1/payment_intents"
    await payment_provider.http.post(url, data={"amount": 500, "currency": "usd"}, headers=headers)
    await payment_provider.control("POST", "/faults", {"kind": "error"})
    await payment_provider.control("POST", "/reset")
    snapshot = await payment_provider.control("GET", "/snapshot")
    assert (snapshot["payment_intents"], snapshot["events"]) == ([], 0)
    assert await payment_provider.control("GET", "/faults") == []


async def test_a_seed_makes_ids_reproducible(http: aiohttp.ClientSession) -> None:
    ids = []
    for seed in (7, 7, None):
        async with run_payment_sandbox(http, seed=seed) as provider:
            answer = await http.post(
                f"{provider.url}/v1/payment_intents",
                data={"amount": 500, "currency": "usd"},
                headers={"Authorization": f"Bearer {provider.secret_key}"},
            )
            ids.append((await answer.json())["id"])
    assert ids[0] == ids[1] != ids[2]
