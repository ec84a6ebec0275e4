"""Checks what an administrator sets for a plan; a Failure names every bad field of a request."""

from collections.abc import Iterable
from urllib.parse import urlsplit
from uuid import UUID

from kit.values.checks import Checks
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.curation.curated import Texts
from services.catalogue.language import locales

# Characters.
MAX_NAME = 120
MAX_DESCRIPTION = 2_000
MAX_HIGHLIGHT = 120
MAX_BADGE = 40
MAX_URL = 500
# Items.
MAX_HIGHLIGHTS = 10
MAX_BADGES = 5


def texts(request: pb.SetPlanTextsRequest) -> tuple[UUID, str, Texts]:
    """Return the plan, the canonical locale and the texts; raises Failure INVALID."""
    checks = Checks()
    plan = checks.uuid("plan_id", request.plan_id)
    locale = locales.exact(request.locale)
    if locale is None:
        checks.fail("locale", "must be the BCP 47 code of a language in CLDR, such as de or pt-BR")
    found = Texts(
        checks.free_text("name", request.name, MAX_NAME),
        _description(checks, request.description),
        _items(checks, "highlights", request.highlights, MAX_HIGHLIGHTS, MAX_HIGHLIGHT),
    )
    checks.done()
    assert locale is not None  # or checks.done() had raised
    return plan, locale, found


def display(request: pb.SetPlanDisplayRequest) -> tuple[UUID, str, tuple[str, ...]]:
    """Return the plan, the image's address and the badges; raises Failure INVALID."""
    checks = Checks()
    plan = checks.uuid("plan_id", request.plan_id)
    url = checks.free_text("image_url", request.image_url, MAX_URL)
    if url and (problem := _url_problem(url)):
        checks.fail("image_url", problem)
    badges = _items(checks, "badges", request.badges, MAX_BADGES, MAX_BADGE)
    checks.done()
    return plan, url, badges


def isos(request: pb.BatchListNetworksRequest, most: int) -> list[str]:
    """Return the countries' codes, each once; raises Failure INVALID."""
    checks = Checks()
    if not 1 <= len(request.isos) <= most:
        checks.fail("isos", f"must contain 1 to {most} ISO codes, not {len(request.isos)}")
    checks.done()
    return list(dict.fromkeys(iso.strip().upper().replace("\x00", "") for iso in request.isos))


def _description(checks: Checks, text: str) -> str:
    """Check a text that may have several paragraphs; line breaks become plain ones."""
    lines = text.strip().replace("\r\n", "\n").split("\n")
    found = "\n".join(checks.free_text("description", line, MAX_DESCRIPTION) for line in lines)
    if len(found) > MAX_DESCRIPTION:
        checks.fail(
            "description", f"must have at most {MAX_DESCRIPTION} characters, not {len(found)}"
        )
    return found


def _items(
    checks: Checks, field: str, given: Iterable[str], most: int, length: int
) -> tuple[str, ...]:
    """Check a list of short texts, none of them blank or repeated."""
    items = list(given)
    if len(items) > most:
        checks.fail(field, f"must contain at most {most} texts, not {len(items)}")
        return ()
    found = [checks.free_text(f"{field}[{i}]", item, length) for i, item in enumerate(items)]
    for i, item in enumerate(found):
        if not item:
            checks.fail(f"{field}[{i}]", "must not be blank")
        elif item in found[:i]:
            checks.fail(f"{field}[{i}]", "must not repeat another one")
    return tuple(found)


def _url_problem(url: str) -> str | None:
    """Return what is wrong with an image's address, to follow a field's name; None if it is valid."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # brackets or a port that can't be parsed
        return "must be an HTTPS address, such as https://shop.example/france.png"
    if parts.scheme != "https" or not host or not url.isascii() or any(map(str.isspace, url)):
        return "must be an HTTPS address, such as https://shop.example/france.png"
    if "@" in parts.netloc:
        return "must not contain a user or a password"
    if any(sign in url for sign in "\"'<>\\^`{|}"):
        return "must quote special characters, such as %20 for a space"
    return None
