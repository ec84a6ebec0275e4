"""What administrators add to a plan: texts by language, an image and badges."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Texts:
    """A plan's texts in one language; an empty one falls back."""

    name: str = ""
    description: str = ""
    highlights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Curated:
    """What is shown of a plan in one locale; empty where the provider's data applies.

    `name` is in the locale's own language, as generated titles are. `description` and `highlights`, which
    can't be generated, may be the English ones.
    """

    name: str = ""
    description: str = ""
    highlights: tuple[str, ...] = ()
    image_url: str = ""
    badges: tuple[str, ...] = ()


NOTHING = Curated()
