"""ZIP archives and PDF files: every QR code is read back from the file itself."""

import csv
import io
import zipfile
from collections.abc import Iterator

import pypdfium2
import pytest
from PIL import Image

from gateway.sheets import archive, fonts, installation, report_pages
from gateway.sheets.esims import HEADER, DeliveredESIM
from gateway.sheets.report import Report, Table
from tests.fixtures.qr_codes import decoded

NAMES = (
    "Jürgen Müller-Lüdenscheidt",
    "Ελένη Παπαδοπούλου",
    "Иван Петров",
    "محمد بن سلمان",
    "דוד כהן",
    "山田太郎",
    "王小明",
    "김철수",
    "สมชาย ใจดี",
    "अमित शर्मा",
    "Nguyễn Thị Ánh",
    "{nb} **Ann** [x](https://evil.example)",
    '=HYPERLINK("http://evil.example","x")',
)


def esims(number: int = len(NAMES)) -> Iterator[DeliveredESIM]:
    for n in range(number):
        yield DeliveredESIM(
            position=n + 1,
            number=1,
            iccid=f"894400000000000{n:04d}",
            smdp_address="rsp-0026.example.com",
            matching_id=f"K2-7Q4WZB-9MRT{n:04d}",
            name=NAMES[n % len(NAMES)],
            email=f"t{n}@firm.example",
            reference="Trip 7",
            plan_title="Europe, 5 GB, 30 days",
        )


def rendered(data: bytes, page: int, scale: float = 2) -> Image.Image:
    picture: Image.Image = pypdfium2.PdfDocument(data)[page].render(scale=scale).to_pil()
    return picture


def zipped(number: int = len(NAMES)) -> zipfile.ZipFile:
    class Pipe(io.RawIOBase):
        """Like standard output: it can't be rewound."""

        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += memoryview(data)  # type: ignore[arg-type]
            return len(memoryview(data))  # type: ignore[arg-type]

    pipe = Pipe()
    archive.write(esims(number), pipe)  # type: ignore[arg-type]
    return zipfile.ZipFile(io.BytesIO(bytes(pipe.data)))


def test_an_archive_has_a_picture_per_esim_and_a_sheet() -> None:
    with zipped() as found:
        assert found.testzip() is None
        names = found.namelist()
        for esim in esims():
            name = f"{esim.position:04d}-{esim.iccid}.png"
            assert name in names
            picture = Image.open(io.BytesIO(found.read(name)))
            assert decoded(picture) == esim.activation_code
        text = found.read("esims.csv").decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == HEADER
    assert [row[HEADER.index("iccid")] for row in rows] == [esim.iccid for esim in esims()]
    assert rows[-1][HEADER.index("name")].startswith("'=HYPERLINK(")


def test_an_esim_without_an_activation_code_is_in_the_sheet_only() -> None:
    waiting = DeliveredESIM(1, 1, "8944000000000000001", "", "")
    output = io.BytesIO()
    archive.write([waiting], output)
    with zipfile.ZipFile(output) as found:
        assert found.namelist() == ["esims.csv"]
    page = installation.render([waiting], "")
    assert "Download this page again later" in (
        pypdfium2.PdfDocument(page)[0].get_textpage().get_text_range()
    )


def test_every_page_has_its_qr_code_its_plan_and_the_support_address() -> None:
    data = installation.render(esims(), "help@shop.example")
    document = pypdfium2.PdfDocument(data)
    assert len(document) == len(NAMES)
    for number, esim in enumerate(esims()):
        assert decoded(rendered(data, number)) == esim.activation_code
        text = document[number].get_textpage().get_text_range()
        for said in (esim.iccid, esim.plan_title, "iPhone", "Android", "help@shop.example"):
            assert said in text
        assert esim.matching_id in text


@pytest.mark.parametrize("name", [name for name in NAMES if name[0] not in "م ד ส अ"])
def test_names_are_text_in_the_file(name: str) -> None:
    """Texts from right to left and with combined glyphs are compared as pictures below."""
    esim = DeliveredESIM(1, 1, "8944000000000000001", "smdp.example", "M", name=name)
    data = installation.render([esim], "")
    assert name in pypdfium2.PdfDocument(data)[0].get_textpage().get_text_range()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_its_glyphs(name: str) -> None:
    covered = fonts.coverage(fonts.paths()[0]).union(*map(fonts.coverage, fonts.needed(name)))
    assert set(name) <= covered


def test_only_the_fonts_that_a_text_needs_are_embedded() -> None:
    assert not list(fonts.needed("Jürgen Müller, Ελένη, Иван"))
    assert [path.name for path in fonts.needed("山田")] == [fonts.EAST_ASIAN]
    assert [path.name for path in fonts.needed("محمد")] == ["NotoSansArabic[wght].ttf"]


def test_a_character_that_no_font_has_does_not_end_the_file() -> None:
    esim = DeliveredESIM(
        1, 1, "8944000000000000001", "smdp.example", "M", name="a\U0001347fb\ue000"
    )
    assert installation.render([esim], "").startswith(b"%PDF-")


def test_long_texts_stay_on_their_page() -> None:
    esim = DeliveredESIM(
        *(1, 1, "8944000000000000001", "smdp.example", "M"),
        name="山" * 200,
        email="e" * 300 + "@firm.example",
        reference="W" * 100,
        plan_title="Europe and more countries " * 5,
    )
    data = installation.render([esim, esim], "help@shop.example")
    assert len(pypdfium2.PdfDocument(data)) == 2
    assert "Help: help@shop.example" in (
        pypdfium2.PdfDocument(data)[1].get_textpage().get_text_range()
    )
    assert decoded(rendered(data, 1)) == esim.activation_code


def test_a_report_has_its_facts_tables_and_notes_on_as_many_pages_as_it_needs() -> None:
    lines = [
        (f"2026-11-{n % 30 + 1:02d}", f"Order {n} – Müller 山田", "-12.50") for n in range(120)
    ]
    data = report_pages.render(
        Report(
            "Statement 2026-0007",
            facts=[("Customer", "Müller GmbH, 山田商事"), ("Due", "2026-12-31")],
            tables=[Table(("Date", "What", "EUR"), lines, (30, 110, 34), numeric=(2,))],
            notes=["Please pay within 30 days."],
        )
    )
    document = pypdfium2.PdfDocument(data)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    assert len(document) > 2
    for said in ("Statement 2026-0007", "山田商事", "Order 0 ", "Order 119 ", "Please pay"):
        assert said in text
    assert text.count("-12.50") == 120
