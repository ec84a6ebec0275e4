"""PDF documents with texts in any script: pages of a fixed layout, and reports with tables."""

import io
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

from gateway.sheets import fonts

# The library warns about each character that no font has, and would log names.
logging.getLogger("fpdf").setLevel(logging.ERROR)
logging.getLogger("fontTools").setLevel(logging.ERROR)

# Millimeters.
MARGIN = 18.0
BETWEEN_ROWS = 0.8
# The default size of text, in points.
SIZE = 10.0
# Line height as a multiple of the size. Some scripts need more room than Latin.
LEADING = 1.45
POINTS_PER_MILLIMETER = 72 / 25.4
INK = (17, 24, 39)
GRAY = (107, 114, 128)
BLUE = (29, 78, 216)
FAMILY = "text"
# Texts whose lines are cached.
MAX_WRAPPED = 256

Align = Literal["L", "R", "C"]


class Document:
    """A PDF on A4 pages. The fonts of other scripts are added when a text needs them."""

    def __init__(self, title: str) -> None:
        self._pdf = FPDF(format="A4")
        self._pdf.str_alias_nb_pages = ""  # otherwise {nb} in a text becomes the number of pages
        self._pdf.set_margin(MARGIN)
        self._pdf.set_auto_page_break(True, MARGIN)
        self._pdf.add_font(FAMILY, fname=fonts.paths()[0])
        self._pdf.set_title(title)
        self._pdf.set_lang("en")
        self._pdf.set_text_color(*INK)
        self._fallbacks: list[Path] = []
        # Pages repeat most of their texts, and finding their lines takes most of the time.
        self._wrapped = lru_cache(MAX_WRAPPED)(self._wrap)
        self._known = set(map(chr, range(0x20, 0x7F)))

    @property
    def y(self) -> float:
        """The position of the next text, in millimeters from the top of the page."""
        return float(self._pdf.get_y())

    @property
    def width(self) -> float:
        """The width between the margins, in millimeters."""
        return float(self._pdf.epw)

    def page(self) -> None:
        """Begin a page."""
        self._pdf.add_page()

    def move(self, y: float) -> None:
        """Continue at this position."""
        self._pdf.set_xy(MARGIN, y)

    def gap(self, millimeters: float) -> None:
        """Leave space before the next text."""
        self._pdf.set_xy(MARGIN, self.y + millimeters)

    def text(
        self,
        text: str,
        *,
        size: float = SIZE,
        x: float = 0.0,
        width: float | None = None,
        gray: bool = False,
        link: str = "",
        most: int | None = None,
    ) -> None:
        """Write a paragraph `x` millimeters right of the margin, and continue below it.

        A text that needs more than `most` lines is cut.
        """
        self._pdf.set_text_color(*(BLUE if link else GRAY if gray else INK))
        room = self.width - x if width is None else width
        lines = self._wrapped(text, size, room)
        if most is not None and len(lines) > most:
            lines = (*lines[: most - 1], f"{lines[most - 1][:-2]}…")
        self._prepare("".join(lines), size)
        for line in lines:
            self._pdf.set_x(MARGIN + x)
            self._pdf.cell(
                room,
                _line_height(size),
                line,
                link=link,
                new_x=XPos.LMARGIN,
                new_y=YPos.NEXT,
            )

    def rule(self) -> None:
        """Draw a horizontal line, and continue below it."""
        self._pdf.set_draw_color(*GRAY)
        self._pdf.set_line_width(0.2)
        self._pdf.line(MARGIN, self.y, MARGIN + self.width, self.y)
        self.gap(2)

    def picture(self, png: bytes, side: float) -> None:
        """Draw a square picture at this position; the next text does not move."""
        self._pdf.image(io.BytesIO(png), x=MARGIN, y=self.y, w=side, h=side)

    def row(
        self,
        cells: Sequence[str],
        widths: Sequence[float],
        aligns: Sequence[Align],
        *,
        gray: bool = False,
    ) -> None:
        """Write one row of a table; `widths` are in millimeters. A text that is too long is wrapped."""
        size = SIZE - 1
        height = _line_height(size)
        lines = [
            self._wrapped(cell, size, width) for cell, width in zip(cells, widths, strict=True)
        ]
        rows = max(1, *map(len, lines))
        if self._pdf.will_page_break(height * rows):
            self.page()
        self._pdf.set_text_color(*(GRAY if gray else INK))
        top, x = self.y, MARGIN
        for cell, width, align in zip(lines, widths, aligns, strict=True):
            for number, line in enumerate(cell):
                self._prepare(line, size)
                self._pdf.set_xy(x, top + number * height)
                self._pdf.cell(width, height, line, align=align)
            x += width
        self.move(top + height * rows + BETWEEN_ROWS)

    def finish(self) -> bytes:
        """Return the file."""
        return bytes(self._pdf.output())

    def _wrap(self, text: str, size: float, width: float) -> tuple[str, ...]:
        self._prepare(text, size)
        lines = self._pdf.multi_cell(
            width, _line_height(size), text, dry_run=True, output=MethodReturnValue.LINES
        )
        return tuple(cast("list[str]", lines))

    def _prepare(self, text: str, size: float) -> None:
        """Select the font, and add those of characters that were not used before."""
        fresh = set(text) - self._known
        if fresh:
            self._known |= fresh
            added = [path for path in fonts.needed(fresh) if path not in self._fallbacks]
            for path in added:
                self._pdf.add_font(path.name, fname=path)
            if added:
                self._fallbacks += added
                self._pdf.set_fallback_fonts([path.name for path in self._fallbacks])
        # Shaping joins Arabic letters and orders texts from right to left; plain texts are faster without it.
        self._pdf.set_text_shaping(not text.isascii())
        self._pdf.set_font(FAMILY, size=size)


def _line_height(size: float) -> float:
    return size * LEADING / POINTS_PER_MILLIMETER
