"""The pages on which a person pays: Checkout Sessions, single PaymentIntents, and 3-D Secure."""

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from sandbox.payments.errors import ApiError
from sandbox.payments.pages import html
from sandbox.payments.pages.card_form import card_form, entered_method
from sandbox.payments.state import buying, confirming, money, sessions
from sandbox.payments.state.payment_intent import PaymentIntent
from sandbox.payments.state.session import Session
from sandbox.payments.state.world import World
from sandbox.payments.webhooks.sender import Sender


class Pages:
    """Handlers of the hosted pages."""

    def __init__(self, world: World, sender: Sender) -> None:
        self._world = world
        self._sender = sender

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for aiohttp."""
        return [
            web.get("/c/pay/{session}", self._session),
            web.post("/c/pay/{session}", self._pay_session),
            web.get("/pay/{secret}", self._intent),
            web.post("/pay/{secret}", self._pay_intent),
            web.get("/authenticate/{token}", self._authentication),
            web.post("/authenticate/{token}", self._authenticate),
            web.get("/receipts/{charge}", self._receipt),
        ]

    async def _session(self, request: web.Request) -> web.Response:
        self._world.run_due()
        session = self._world.sessions.get(request.match_info["session"])
        if session is None:
            return _unknown()
        intent = self._world.intents.get(session.payment_intent or "")
        error = intent.last_payment_error if intent else None
        failed = error["message"] if error and "failed" in request.query else None
        return self._show_session(session, failed, {})

    async def _pay_session(self, request: web.Request) -> web.Response:
        self._world.run_due()
        session = self._world.sessions.get(request.match_info["session"])
        if session is None:
            return _unknown()
        typed = dict(await request.post())
        with buying.acting(self._world) as caller:
            try:
                sessions.check_open(session)
                method = entered_method(self._world, typed)
                email = str(typed.get("email", "")).strip() or None
                intent = sessions.pay(
                    self._world, session, method, email=email, authenticate="leave"
                )
            except ApiError as error:
                return self._show_session(session, error.message, typed)
        return await self._continue(intent, caller.request)

    def _show_session(
        self, session: Session, error: str | None, typed: Mapping[str, Any]
    ) -> web.Response:
        if session.status == "complete":
            return html.message(
                "Payment complete", "This payment was made. You can close this page."
            )
        if session.status == "expired":
            return html.message(
                "Session expired", "This page is no longer valid. Go back and start again.", 410
            )
        lines = "".join(
            f"<dt>{escape(item.name)} &times; {item.quantity}</dt>"
            f"<dd>{escape(money.written(item.total, item.currency))}</dd>"
            for item in session.line_items
        )
        form = card_form(
            action=f"/c/pay/{session.id}",
            amount=money.written(session.amount, session.currency),
            error=error,
            typed=typed,
            ask_email=session.customer_email is None and session.customer is None,
            cancel_url=session.cancel_url,
        )
        return html.respond("Checkout", f"<dl>{lines}</dl>{form}", 402 if error else 200)

    async def _intent(self, request: web.Request) -> web.Response:
        self._world.run_due()
        try:
            intent = buying.by_secret(self._world, request.match_info["secret"])
        except ApiError:
            return _unknown()
        return self._show_intent(intent, request, None, {})

    async def _pay_intent(self, request: web.Request) -> web.Response:
        self._world.run_due()
        try:
            intent = buying.by_secret(self._world, request.match_info["secret"])
        except ApiError:
            return _unknown()
        typed = dict(await request.post())
        with buying.acting(self._world) as caller:
            try:
                confirming.check_confirmable(intent)
                return_url = request.query.get("return_url")
                if return_url:
                    sessions.check_url("return_url", return_url)
                buying.pay(
                    self._world,
                    intent,
                    entered_method(self._world, typed),
                    return_url=return_url,
                    authenticate="leave",
                )
            except ApiError as error:
                return self._show_intent(intent, request, error.message, typed)
        return await self._continue(intent, caller.request)

    def _show_intent(
        self,
        intent: PaymentIntent,
        request: web.Request,
        error: str | None,
        typed: Mapping[str, Any],
    ) -> web.Response:
        if intent.status in ("succeeded", "requires_capture", "processing"):
            return html.message(
                "Payment complete", "This payment was made. You can close this page."
            )
        if intent.status == "canceled":
            return html.message("Payment canceled", "This payment was canceled.", 410)
        if error is None and intent.last_payment_error:
            error = intent.last_payment_error["message"]
        form = card_form(
            action=str(request.rel_url),
            amount=money.written(intent.amount, intent.currency),
            error=error,
            typed=typed,
            ask_email=False,
            cancel_url=None,
        )
        about = f"<p>{escape(intent.description)}</p>" if intent.description else ""
        return html.respond("Payment", about + form, 402 if error and typed else 200)

    async def _authentication(self, request: web.Request) -> web.Response:
        self._world.run_due()
        try:
            intent = confirming.by_token(self._world, request.match_info["token"])
        except ApiError:
            return _unknown()
        amount = escape(money.written(intent.amount, intent.currency))
        return html.respond(
            "3-D Secure authentication",
            f'<p>Your bank asks you to confirm the payment of {amount}.</p><form method="post">'
            '<button type="submit" name="outcome" value="complete">Complete authentication</button>'
            '<button type="submit" name="outcome" value="fail" class="second">Fail authentication'
            "</button></form>",
        )

    async def _authenticate(self, request: web.Request) -> web.Response:
        self._world.run_due()
        try:
            intent = confirming.by_token(self._world, request.match_info["token"])
        except ApiError:
            return _unknown()
        outcome = (await request.post()).get("outcome")
        with buying.acting(self._world) as caller:
            try:
                confirming.authenticate(self._world, intent, succeeds=outcome == "complete")
            except ApiError:
                return self._back(intent)
        return await self._continue(intent, caller.request)

    def _back(self, intent: PaymentIntent) -> web.Response:
        """Send the buyer back after a failed authentication or a decline."""
        if intent.session:
            return _see(f"/c/pay/{quote(intent.session)}?failed=1")
        if intent.return_url:
            return _see(_returned(intent, "failed"))
        return _see(f"/pay/{intent.client_secret}")

    async def _continue(self, intent: PaymentIntent, request_id: str | None) -> web.Response:
        """Send the buyer to 3-D Secure, or to where the payment ends."""
        if intent.status == "requires_action":
            return _see(f"/authenticate/{intent.authentication}")
        if intent.session:
            if self._world.switches.checkout_waits:
                await self._sender.deliver_now(request_id)
            return _see(self._world.sessions[intent.session].landing_url)
        if intent.return_url:
            return _see(_returned(intent, "succeeded"))
        return _see(f"/pay/{intent.client_secret}")

    async def _receipt(self, request: web.Request) -> web.Response:
        charge = self._world.charges.get(request.match_info["charge"])
        if charge is None:
            return _unknown()
        amount = money.written(charge.amount_captured, charge.currency)
        return html.message(
            "Receipt", f"Paid {amount} with the card ending in {charge.method.last4}."
        )


def _returned(intent: PaymentIntent, status: str) -> str:
    url = intent.return_url or ""
    query = urlencode(
        {
            "payment_intent": intent.id,
            "payment_intent_client_secret": intent.client_secret,
            "redirect_status": status,
        }
    )
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _see(url: str) -> web.Response:
    """Redirect with GET, keeping the URL's encoding unchanged."""
    return web.Response(status=303, headers={"Location": url})


def _unknown() -> web.Response:
    return html.message("Not found", "There is no such payment. Check the link.", 404)
