"""Reads an uploaded form (multipart/form-data) with one file, within limits of size and time."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from kit.errors import Failure, Kind

MAX_PARTS = 20
MAX_TEXT = 4_096  # bytes of a field that is no file
# Bytes beside the file: boundaries, headers and the other fields.
MAX_OVERHEAD = 64 * 1024
# What aiohttp raises for a malformed form, such as one without a boundary, an end or a part's name.
MALFORMED = (
    ValueError,
    AssertionError,
    RuntimeError,
    ConnectionError,
    HttpProcessingError,
    web.RequestPayloadError,
)


@dataclass(slots=True)
class Form:
    """A form: its file with the charset that the client declared for it, and its other fields."""

    file: bytes | None = None
    charset: str | None = None
    texts: dict[str, str] = field(default_factory=dict)


async def read(
    request: web.Request,
    file: str,
    texts: Collection[str],
    *,
    max_file: int,
    seconds: float,
    too_large: Callable[[], Failure],
) -> Form:
    """Read a form whose file is the field `file`; `texts` are the names of the other fields.

    Raises web.HTTPException for a malformed request, Failure INVALID for a field that is unknown, repeated,
    missing or empty, and `too_large()` as soon as the file has more than `max_file` bytes.
    """
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(
            text=f"Send a form, with Content-Type: multipart/form-data and the file in the field"
            f" `{file}`"
        )
    if (request.content_length or 0) > max_file + MAX_OVERHEAD:
        raise too_large()
    try:
        async with asyncio.timeout(seconds):
            form = await _read(request, file, texts, max_file, too_large)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="The form did not arrive in time; try again") from error
    except MALFORMED as error:
        raise web.HTTPBadRequest(text="The request body is not a complete form") from error
    if form.file is None:
        raise _invalid(file, "is required: send the file in this field")
    return form


async def _read(
    request: web.Request,
    file: str,
    texts: Collection[str],
    max_file: int,
    too_large: Callable[[], Failure],
) -> Form:
    form = Form()
    parts = 0
    async for part in await request.multipart():
        parts += 1
        if parts > MAX_PARTS or not isinstance(part, BodyPartReader):
            raise ValueError("not a form")
        name = part.name or ""
        if name == file and form.file is None:
            form.file = await _content(part, max_file, too_large)
            form.charset = part.get_charset("") or None
        elif name in texts and name not in form.texts:
            content = await _content(part, MAX_TEXT, partial(_invalid, name, "is too long"))
            text = content.decode().strip()
            if not text:
                raise _invalid(name, "must not be empty; leave out the field instead")
            form.texts[name] = text
        else:
            known = ", ".join(sorted({file, *texts}))
            raise _invalid(name[:100] or "field", f"is unknown or repeated; the fields are {known}")
    return form


async def _content(part: BodyPartReader, limit: int, too_large: Callable[[], Failure]) -> bytes:
    content = bytearray()
    while piece := await part.read_chunk():
        content += piece
        if len(content) > limit:
            raise too_large()
    return bytes(content)


def _invalid(name: str, problem: str) -> Failure:
    return Failure(Kind.INVALID, "INVALID_ARGUMENT", f"{name}: {problem}", fields={name: problem})
