"""The fonts that PDF files embed, chosen by the characters of their texts."""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from fontTools.ttLib import TTFont

# Latin, Greek and Cyrillic.
BASE = "NotoSans[wght].ttf"
# Chinese, Japanese and Korean, with the Japanese forms of characters that these languages write differently.
EAST_ASIAN = "NotoSansCJKjp-Regular.otf"
# Emoji also have the digits, so they come last.
LAST = "NotoEmoji[wght].ttf"


@cache
def paths() -> tuple[Path, ...]:
    """Return all font files in the order in which they are tried, the base font first."""
    folder = Path(str(files("manimgx_fonts")))
    others = sorted(
        path
        for path in folder.glob("*.ttf")
        if path.name not in (BASE, LAST) and "Italic" not in path.name
    )
    east_asian = Path(str(files("noto_cjk_sans_jp_regular"))) / EAST_ASIAN
    return (folder / BASE, *others, east_asian, folder / LAST)


@cache
def coverage(path: Path) -> frozenset[str]:
    """Return the characters of a font."""
    with TTFont(path, lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))


def needed(characters: Iterable[str]) -> Iterator[Path]:
    """Yield the fonts besides the base font that are needed for these characters.

    Characters that no font has are drawn as an empty box.
    """
    base, *others = paths()
    missing = set(characters) - coverage(base)
    for path in others:
        if not missing:
            return
        if found := missing & coverage(path):
            missing -= found
            yield path
