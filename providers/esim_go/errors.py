"""Conversion of the provider's error responses to failures, for reads and for writes."""

from kit.errors import Failure, Kind
from kit.logs.log import redact
from kit.values import exact_json

# Enough for the provider's messages; longer ones are HTML pages of proxies.
MESSAGE_LIMIT = 500

REFUSALS = {
    401: (Kind.REFUSED, "PROVIDER_FORBIDDEN"),
    # Not only for an invalid key: also for an ICCID of another organization, a disabled feature, and an
    # IP address outside the allowlist.
    403: (Kind.REFUSED, "PROVIDER_FORBIDDEN"),
    404: (Kind.NOT_FOUND, "PROVIDER_NOT_FOUND"),
    410: (Kind.REFUSED, "PROVIDER_GONE"),
    429: (Kind.EXHAUSTED, "PROVIDER_RATE_LIMITED"),
}
MESSAGES = {
    "PROVIDER_BAD_REQUEST": "The provider refused the request.",
    "PROVIDER_FORBIDDEN": "The provider does not allow this request: it concerns an object of"
    " another organization, uses a feature that is not enabled, or the API"
    " key or IP address is not accepted.",
    "PROVIDER_NOT_FOUND": "The provider does not know the requested object.",
    "PROVIDER_GONE": "The provider has deactivated this object, so it can no longer be used.",
    "PROVIDER_RATE_LIMITED": "The provider's rate limit has been reached; try again later.",
    "PROVIDER_PROCESSING": "The provider is still processing it; try again later.",
    "PROVIDER_ERROR": "The provider failed; try again later.",
    "PROVIDER_TIMEOUT": "The provider did not answer in time; try again later.",
    "PROVIDER_UNREACHABLE": "The provider could not be reached, and the request was not sent; try"
    " again later.",
    "PROVIDER_BAD_ANSWER": "The provider's response could not be parsed; try again later.",
    "PROVIDER_UNCLEAR": "The provider may or may not have carried out the request; check before"
    " repeating it.",
}


def refusal(
    endpoint: str,
    status: int,
    body: str,
    *,
    write: bool,
    retry_after: float | None,
    secrets: tuple[str, ...],
) -> Failure:
    """Return the failure for an error response.

    After 408, 3xx and 5xx a write may have been carried out, so they are UNCLEAR. That includes 503, which
    the provider documents as "still processing". `retry_after` is in seconds.
    """
    details = {"provider_status": str(status), "endpoint": endpoint}
    if text := _message(body):
        details["provider_message"] = redact(text, secrets)[:MESSAGE_LIMIT]
    if 400 <= status < 500 and status != 408:
        kind, reason = REFUSALS.get(status, (Kind.REFUSED, "PROVIDER_BAD_REQUEST"))
    elif write:
        kind, reason = Kind.UNCLEAR, "PROVIDER_UNCLEAR"
    elif status == 503:
        kind, reason = Kind.UNAVAILABLE, "PROVIDER_PROCESSING"
    elif status >= 500 or status == 408:
        kind, reason = Kind.UNAVAILABLE, "PROVIDER_ERROR"
    else:
        kind, reason = Kind.UNAVAILABLE, "PROVIDER_BAD_ANSWER"
    return Failure(kind, reason, MESSAGES[reason], retry_after=retry_after, details=details)


def breakdown(endpoint: str, reason: str, *, write: bool, sent: bool = True) -> Failure:
    """Return the failure for a missing or unreadable response; UNCLEAR for a write that was `sent`."""
    kind = Kind.UNAVAILABLE
    if write and sent:
        kind, reason = Kind.UNCLEAR, "PROVIDER_UNCLEAR"
    return Failure(kind, reason, MESSAGES[reason], details={"endpoint": endpoint})


def _message(body: str) -> str:
    """Return the text of the provider's `{"message": ...}` object, or the plain text of the body."""
    try:
        envelope = exact_json.loads(body)
    except ValueError:
        return body.strip()
    if isinstance(envelope, dict) and isinstance(envelope.get("message"), str):
        return str(envelope["message"]).strip()
    return body.strip()
