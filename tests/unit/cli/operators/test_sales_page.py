"""The page of a month's sales: complete, escaped, readable without colors, pictures or a network."""

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.operators.sales import charts, texts
from cli.operators.sales.elements import VOID
from cli.operators.sales.lines import document, lines
from cli.operators.sales.month import Month
from cli.operators.sales.page import page
from cli.operators.sales.style import STYLE
from kit.values import money
from protos.orders.v1 import reports_pb2 as pb
from tests.unit.cli.operators.sales_months import LONG, figures, month, months, row, section

MONTHS = months()
EACH = pytest.mark.parametrize("shown", MONTHS.values(), ids=MONTHS)
AMOUNTS = st.decimals(Decimal(-(10**12)), Decimal(10**12), places=3)


@dataclass
class Read(HTMLParser):
    """What a page consists of; `rows` are the texts of each table's rows by its caption."""

    tags: Counter[str] = field(default_factory=Counter)
    attributes: list[tuple[str, str, str | None]] = field(default_factory=list)
    rows: dict[str, list[list[str]]] = field(default_factory=dict)
    text: str = ""
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._cells: list[str] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[name] += 1
        self.attributes += [(name, key, value) for key, value in attributes]
        if name not in VOID:
            self._open.append(name)
        if name == "tr":
            self._cells = []
        elif name in ("td", "th"):
            self._cells.append("")

    def handle_endtag(self, name: str) -> None:
        if not self._open or self._open.pop() != name:
            self.problems.append(name)
        if name == "tr":
            list(self.rows.values())[-1].append(self._cells)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "caption":
            caption = data if data not in self.rows else f"{data} {len(self.rows)}"
            self.rows[caption] = []
        elif self._open and self._open[-1] in ("td", "th"):
            self._cells[-1] += data
        if self._open and self._open[-1] != "style":
            self.text += data


def read(shown: Month) -> Read:
    found = Read()
    found.feed(page(shown))
    assert found.problems == []
    return found


@EACH
def test_a_page_loads_and_runs_nothing(shown: Month) -> None:
    found = read(shown)
    known = "html head meta title style body main header section nav footer h1 h2 h3 p a ul li dl dt dd div"
    known += " figure figcaption strong span svg rect line text table caption thead tbody tr th td"
    assert set(found.tags) <= set(known.split())
    addresses = [value for _, key, value in found.attributes if key in ("href", "src", "style")]
    assert all(value and value.startswith("#") for value in addresses)
    assert not any(key.startswith("on") for _, key, _ in found.attributes)
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


@EACH
def test_a_page_can_be_read_by_screen_readers(shown: Month) -> None:
    found = read(shown)
    assert ("html", "lang", "en") in found.attributes
    assert found.tags["h1"] == found.tags["main"] == 1
    assert found.tags["caption"] == found.tags["table"]
    scopes = [value for name, key, value in found.attributes if (name, key) == ("th", "scope")]
    assert len(scopes) == found.tags["th"]
    pictures = [
        value for name, key, value in found.attributes if (name, key) == ("svg", "aria-label")
    ]
    hidden = [1 for name, key, _ in found.attributes if (name, key) == ("svg", "aria-hidden")]
    assert len(pictures) + len(hidden) == found.tags["svg"]
    assert all(pictures)
    identifiers = [value for _, key, value in found.attributes if key == "id"]
    linked = [value for _, key, value in found.attributes if key == "aria-labelledby"]
    assert len(set(identifiers)) == len(identifiers)
    assert set(linked) == set(identifiers)
    for rows in found.rows.values():
        assert len({len(cells) for cells in rows}) == 1


def test_every_figure_of_every_day_is_on_the_page() -> None:
    shown = MONTHS["currencies"]
    found = read(shown)
    for one in shown.sections:
        rows = found.rows[f"Figures by day, in {one.currency}"]
        assert len(rows) == 1 + 30 + 1
        for cells, day in zip(rows[1:], [*one.days, row(one.figures)], strict=True):
            amounts = [
                Decimal(re.sub(",", "", text).replace(texts.MINUS, "-")) for text in cells[1:]
            ]
            names = ("gross", "tax", "refunds", "disputes", "net", "cost", "fees", "margin")
            expected = [money.from_proto(getattr(day.figures, name)) for name in names]
            assert amounts == [day.figures.orders, *expected]
    assert found.rows["Amounts by currency"][1][-2:] == ["4.35", f"{texts.MINUS}4.35"]


def test_names_are_escaped_and_complete() -> None:
    found = read(MONTHS["usual"])
    assert found.rows["By net sales, in EUR 2"][3][0] == LONG
    assert "script" not in found.tags


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_no_name_changes_what_the_page_consists_of(name: str) -> None:
    def named(label: str) -> Read:
        sold = row(figures("EUR", 1, "9.90"), pb.SALES_DIMENSION_PLAN, "id", label)
        one = section("EUR", 1, "9.90")
        one.plans[:] = [sold]
        return read(month(one))

    found, expected = named(name), named("plan")
    assert found.tags == expected.tags
    assert found.attributes == expected.attributes
    assert found.text == expected.text.replace("plan", name)


def test_what_may_mislead_is_said() -> None:
    text = read(MONTHS["unfinished"]).text
    assert "November 2026 is not over yet" in text
    assert "figures may be too low" in text
    assert "3 entries have no recorded exchange rate to USD, and are missing here" in text
    assert "its tables may differ" in text
    assert "not over" not in read(MONTHS["usual"]).text
    assert "Nothing was sold in November 2026 or October 2026." in read(MONTHS["nothing"]).text
    assert "Nothing was sold in November 2026." in read(MONTHS["empty"]).text


@EACH
def test_the_report_is_shown_in_terminals_too(shown: Month) -> None:
    found = "\n".join(lines(shown))
    assert all(f"November 2026 in {one.currency}" in found for one in shown.sections)
    assert f'"time_zone": "{shown.time_zone}"' in "\n".join(document(shown))


def test_a_terminal_leaves_out_no_amount_and_no_warning() -> None:
    fees = next(line for line in lines(MONTHS["currencies"]) if line.startswith("EUR "))
    assert fees.split()[-2:] == ["4.35", f"{texts.MINUS}4.35"]
    found = "\n".join(lines(MONTHS["unfinished"]))
    assert "November 2026 is not over yet" in found
    assert "figures may be too low" in found
    assert "entries without a rate to USD: 3" in found
    assert "more was sold meanwhile" in found
    assert "not over" not in "\n".join(lines(MONTHS["usual"]))


@given(st.lists(AMOUNTS, max_size=40))
def test_an_axis_has_zero_and_all_values_between_few_round_lines(values: list[Decimal]) -> None:
    found = charts.axis(values)
    assert 0 in found
    assert 2 <= len(found) <= charts.TICKS + 3
    assert all(found[0] <= value <= found[-1] for value in values)
    distances = {after - before for before, after in pairwise(found)}
    assert len(distances) == 1
    assert set(str(distances.pop().normalize()).partition("E")[0]) <= set("125.0")


@given(st.lists(AMOUNTS, min_size=1, max_size=31))
def test_charts_stay_within_their_frame(values: list[Decimal]) -> None:
    labels = [str(n) for n in range(len(values))]
    drawn = charts.columns("Chart", labels, labels, [charts.Series("Net", "net", values)])
    for x, y, width, height in re.findall(
        r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', drawn
    ):
        assert 0 <= float(x) <= float(x) + float(width) <= charts.WIDTH + 0.02
        assert 0 <= float(y) <= float(y) + float(height) <= charts.HEIGHT + 0.02
    for value in values:
        x, width = re.findall(
            r'rect x="(\S+)" y="0" width="(\S+)"', charts.bar(value, values, "net")
        )[0]
        assert -0.01 <= float(x) <= float(x) + float(width) <= 100.02


@given(AMOUNTS, st.sampled_from(["EUR", "JPY", "KWD", ""]))
def test_amounts_are_written_exactly(value: Decimal, currency: str) -> None:
    text = texts.amount(money.to_proto(value, currency))
    assert Decimal(text.replace(",", "").replace(texts.MINUS, "-")) == value


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        ("150", "100", "+50.0"),
        ("-50", "100", f"{texts.MINUS}150.0"),
        ("-50", "-100", "+50.0"),
        ("100.01", "100", "0.0"),
        ("2500", "1", "+249,900.0"),
    ],
)
def test_a_change_is_relative_to_the_month_before(now: str, before: str, text: str) -> None:
    assert texts.change(Decimal(now), Decimal(before)) == text + texts.PERCENT
    assert texts.change(Decimal(now), Decimal(0)) == texts.NONE


def luminance(color: str) -> float:
    digits = color * 2 if len(color) == 3 else color
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colors_have_the_contrast_of_the_accessibility_guidelines(scheme: int) -> None:
    colors = dict(
        re.findall(r"--(\w+): #(\w+);", STYLE.split("prefers-color-scheme: dark")[scheme])
    )
    for text in ("ink", "quiet", "loss", "net"):
        for below in ("page", "soft"):
            assert contrast(colors[text], colors[below]) >= 4.5, (text, below)
    for area in ("net", "margin", "loss"):
        assert contrast(colors[area], colors["page"]) >= 3, area
