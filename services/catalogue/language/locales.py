"""Locales of requests: which ones are known, how they are written, and what they fall back to."""

import re
from collections.abc import Sequence
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from kit.errors import invalid

ENGLISH = "en"
# Characters. RFC 5646 asks software to support at least 35.
MAX_LOCALE = 35
SHAPE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
# A language, and optionally a script and a territory. Texts are stored for no other subtags.
PLAIN = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_](?:[A-Za-z]{2}|[0-9]{3}))?")
# CLDR keeps both codes of Norwegian Bokmål, without an alias between them.
ALIASES = {"no": "nb"}
# Requested locales whose canonical form is cached.
MAX_CACHED = 2_000


def of_request(text: str) -> str:
    """Return the canonical known locale for the `locale` of a request: English for an unknown language.

    Subtags that CLDR doesn't know are dropped: "de-XX" is "de". As there are some 1,100 results, they can be
    part of cache keys. Raises Failure INVALID for text that can't be a BCP 47 code.
    """
    if not text:
        return ENGLISH
    if len(text) > MAX_LOCALE or not SHAPE.fullmatch(text):
        raise invalid({"locale": "must be a BCP 47 code, such as de or pt-BR"})
    return _known(text.replace("_", "-"))


def exact(text: str) -> str | None:
    """Return the canonical form of a known language, optionally with script and territory; else None."""
    if len(text) > MAX_LOCALE or not PLAIN.fullmatch(text):
        return None
    return _parsed(text.replace("_", "-").split("-"))


@lru_cache(maxsize=2_000)
def fallbacks(locale: str) -> Sequence[str]:
    """Return a canonical locale and its more general ones, as CLDR inherits: es-MX, es-419, es.

    A script that the language isn't normally written in doesn't fall back to the language: zh-Hant is no zh.
    """
    found, name = [], locale.replace("-", "_")
    while name and name != "root":
        found.append(name.replace("_", "-"))
        name = _parent(name)
    return tuple(found)


@lru_cache(maxsize=MAX_CACHED)
def _known(text: str) -> str:
    subtags = text.split("-")
    for count in range(len(subtags), 0, -1):
        if (found := _parsed(subtags[:count])) is not None:
            return found
    return ENGLISH


def _parsed(subtags: list[str]) -> str | None:
    language, *others = subtags
    language = language.lower()
    language = get_global("language_aliases").get(language) or language
    language = ALIASES.get(language, language)
    try:
        found = Locale.parse("_".join([language, *others]), sep="_")
    except (UnknownLocaleError, ValueError):
        return None
    if found.language == "root":
        return None
    parts = (found.language, found.script, found.territory)
    return "-".join(part for part in parts if part)


def _parent(name: str) -> str:
    """Return the locale that one inherits from in CLDR, "root" or empty at the end."""
    exception: str | None = get_global("parent_exceptions").get(name)
    if exception is not None:
        return exception
    head, _, last = name.rpartition("_")
    likely: str = get_global("likely_subtags").get(head, "")
    if len(last) == 4 and last.isalpha() and last not in likely.split("_"):
        return "root"
    return head
