"""Audit log of administrators and operators: one line at level info per action, with its outcome."""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message

from kit.auth.sessions import STAFF, Role, Session
from kit.errors import Failure

logger = logging.getLogger(__name__)

PLAIN = re.compile(r"[\w.:-]{1,100}")
MAX_ITEMS = 50
STAFF_NAMES = {
    Role.ADMIN: "administrator {user}",
    Role.FINANCE: "finance staff {user}",
    Role.SUPPORT: "support staff {user}",
    Role.SERVICE: "the service role key",
}


@contextmanager
def logged(
    method: str, fields: Sequence[str] | None, session: Session, request: Any
) -> Iterator[None]:
    """Log the call with these fields of its request when it ends, if its caller is not a customer.

    `method` is the gRPC path. Without `fields`, nothing is logged.
    """
    name = method.rpartition("/")[2]
    if fields is None or session.role not in STAFF:
        yield
        return
    outcome = "broken off"
    try:
        yield
        outcome = "done"
    except Failure as failure:
        outcome = f"refused, {failure.reason}"
        raise
    except Exception as error:
        outcome = f"failed, {type(error).__name__}"
        raise
    finally:
        by = STAFF_NAMES[session.role].format(user=session.user_id)
        about = "".join(
            f" {name}={_text(getattr(request, name), request.DESCRIPTOR.fields_by_name[name])}"
            for name in _given(request, fields)
        )
        logger.info("%s by %s:%s: %s", name, by, about, outcome)


def _given(request: Any, fields: Sequence[str]) -> list[str]:
    """Return the fields to log: of a oneof, only the one that is set."""
    return [
        name
        for name in fields
        if not (of := request.DESCRIPTOR.fields_by_name[name].containing_oneof)
        or request.WhichOneof(of.name) == name
    ]


def _text(value: Any, field: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        known = field.enum_type.values_by_number if field.enum_type else {}
        return known[value].name if value in known else str(value)
    if isinstance(value, Message):
        return f"{{{text_format.MessageToString(value, as_one_line=True)[:200]}}}"
    if isinstance(value, str):
        # The request isn't validated yet, so odd values are quoted and cut.
        return value if PLAIN.fullmatch(value) else json.dumps(value[:100])
    items = [_text(one, field) for one in value[:MAX_ITEMS]]
    more = f",... {len(value)} in all" if len(value) > MAX_ITEMS else ""
    return f"[{','.join(items)}{more}]"
