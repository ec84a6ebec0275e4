"""HTML and SVG elements whose texts and attributes are escaped."""

from html import escape

VOID = frozenset({"meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: object) -> Markup:
    """Return an element. Children that are no Markup are escaped, and attributes always are.

    Attributes are named as in Python: `class_` is class, `aria_label` is aria-label. None leaves one out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Return the children in a row."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children))
