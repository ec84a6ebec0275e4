"""Errors of the payment API, in the shape that the official library parses."""

from typing import Any

Json = dict[str, Any]

INVALID = "invalid_request_error"


class ApiError(Exception):
    """An error response of the API.

    `stored` is true if the request was executing when it failed. The response is then stored under the
    idempotency key, and a retry with that key gets the same error.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        stored: bool = False,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.stored = stored
        self.extra = extra

    def body(self) -> Json:
        """Return the JSON body; absent members are left out, as in Stripe's responses."""
        members: Json = {"message": self.message, "type": self.kind}
        if self.code is not None:
            members["code"] = self.code
            members["doc_url"] = (
                f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
            )
        if self.param is not None:
            members["param"] = self.param
        return {"error": members | self.extra}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return the error of an invalid parameter."""
    return ApiError(400, message, code=code, param=param)


def refused(message: str, code: str | None = None, **extra: Any) -> ApiError:
    """Return the error of a valid request that the state of an object doesn't permit."""
    return ApiError(400, message, code=code, stored=True, **extra)


def not_found(kind: str, id_: str, param: str = "id") -> ApiError:
    """Return the error for an unknown object, named by kind as in `No such charge: 'ch_1'`."""
    return ApiError(404, f"No such {kind}: '{id_}'", code="resource_missing", param=param)
