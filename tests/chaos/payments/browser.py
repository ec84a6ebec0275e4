"""The browser of a buyer at the payment sandbox, and cards that it refuses or accepts."""

from collections import Counter
from typing import Any

import aiohttp

from tests.chaos.purchase.machine import Machine

GOOD, DECLINED, RISKY, SECURE = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009235",
    "4000000000003220",
)


class Browser:
    """Pays at the payment sandbox; `actions` counts the outcomes."""

    def __init__(self, machine: Machine, actions: Counter[str]) -> None:
        self._machine = machine
        self._actions = actions

    async def pay(self, path: str, body: dict[str, Any]) -> None:
        """Pay at the payment sandbox as the buyer's browser does; a refusal is an expected outcome."""
        url = f"{self._machine.payments_url}/_control{path}"
        async with self._machine.http.post(url, json=body) as response:
            content = await response.json()
            error = content.get("error") if response.status < 400 else content["error"]
        self._actions["card payments" if error is None else f"refused: {error['code']}"] += 1

    async def tamper(self, path: str) -> None:
        """Change the amount of an intent by a cent, as an attacker with a stolen key could."""
        _, kind, id_, _ = path.split("/")
        if kind != "payment_intents":
            return
        url = f"{self._machine.payments_url}/v1/payment_intents/{id_}"
        headers = {"Authorization": "Bearer sk_test_sandbox"}
        try:
            async with self._machine.http.get(url, headers=headers) as response:
                amount = int((await response.json())["amount"])
            async with self._machine.http.post(
                url, data={"amount": str(amount + 1)}, headers=headers
            ) as response:
                await response.read()
                self._actions["amounts changed"] += response.status == 200
        except (aiohttp.ClientError, ValueError, KeyError):
            self._actions["amounts that a fault protected"] += 1


def path_of(payment: dict[str, Any]) -> str | None:
    """Return the path at which the sandbox pays a payment; None until its secret or page exists."""
    if payment["redirectUrl"]:
        return f"/checkout_sessions/{session_of(payment['redirectUrl'])}/pay"
    if payment["clientSecret"]:
        return f"/payment_intents/{intent_of(payment['clientSecret'])}/pay"
    return None


def intent_of(secret: str) -> str:
    """Return the id of the intent with this client secret."""
    return secret.split("_secret_")[0]


def session_of(url: str) -> str:
    """Return the id of the Checkout Session with this page."""
    return url.rsplit("/", 1)[1].partition("#")[0]
