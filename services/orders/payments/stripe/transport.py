"""The HTTP client under Stripe's library: one attempt over the service's own session, within limits."""

from collections.abc import Mapping

import aiohttp
import stripe
from yarl import URL

from kit.net import bounded_body

# Seconds. TCP and TLS handshakes across the world take well under a second.
CONNECT_TIMEOUT = 5.0
# Bytes of one answer. A page of 100 objects, each with an expanded charge, takes about 1 MB.
MAX_ANSWER = 8 * 1024 * 1024


class NotSentError(stripe.APIConnectionError):
    """No connection was made, so that the request surely was not received."""


class LostError(stripe.APIConnectionError):
    """The answer is missing, cut or too large: the request may have been carried out."""


class Transport(stripe.HTTPClient):
    """Sends each request once. Redirects are not followed, as they would take the key elsewhere."""

    name = "esimgo"

    def __init__(self, session: aiohttp.ClientSession, timeout: float) -> None:
        super().__init__()
        self._session = session
        self._timeout = aiohttp.ClientTimeout(
            total=timeout, connect=min(CONNECT_TIMEOUT, timeout / 2)
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Return body, status and headers. Raises NotSentError and LostError, which hold no secrets."""
        problem: type[stripe.APIConnectionError]
        try:
            async with self._session.request(
                method.upper(),
                URL(url, encoded=True),
                headers={**headers, **bounded_body.ACCEPT_ENCODING},
                data=post_data,
                allow_redirects=False,
                timeout=self._timeout,
                auto_decompress=False,
            ) as response:
                body = await bounded_body.read(response, MAX_ANSWER)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            problem = NotSentError
        except (TimeoutError, aiohttp.ClientError, bounded_body.UnreadableBodyError):
            problem = LostError
        else:
            return body, response.status, response.headers
        # Outside of the handlers: errors of aiohttp can contain headers, and tracebacks show contexts.
        raise problem(problem.__doc__)

    async def close_async(self) -> None:
        """Leave the session open: the service closes it."""
