"""Files are rendered by a process of their own, which ends with the download."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import aclosing

import pypdfium2
import pytest

from gateway.http.files import rendering
from gateway.http.files.rendering import Renderer
from gateway.sheets.esims import DeliveredESIM
from gateway.sheets.report import Report, Table
from kit.errors import Failure, Kind
from tests.fixtures.no_more_files import no_more_files
from tests.fixtures.programs.processes import children


async def esims(number: int) -> AsyncIterator[DeliveredESIM]:
    for n in range(1, number + 1):
        yield DeliveredESIM(n, 1, f"89440000000000{n:05d}", "smdp.example", f"M-{n}", name="Zoë 山")


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


@pytest.mark.slow
async def test_an_archive_a_file_of_pages_and_a_report() -> None:
    renderer = Renderer("help@shop.example")
    before = children()
    with zipfile.ZipFile(io.BytesIO(await whole(renderer.archive(esims(3))))) as found:
        assert len(found.namelist()) == 4
    pages = pypdfium2.PdfDocument(await whole(renderer.pages(esims(3))))
    assert len(pages) == 3
    assert "help@shop.example" in pages[2].get_textpage().get_text_range()
    report = Report(
        "Statement 7",
        facts=[("Customer", "Müller")],
        tables=[Table(("a", "b"), [("x", "1")], (100, 74), (1,))],
        notes=["Thank you."],
    )
    text = pypdfium2.PdfDocument(await whole(renderer.report(report)))[0].get_textpage()
    assert "Statement 7" in text.get_text_range()
    assert children() == before


async def test_an_archive_arrives_while_its_esims_are_still_read() -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[DeliveredESIM]:
        async for esim in esims(300):
            yield esim
        await more.wait()
        yield DeliveredESIM(301, 1, "8944000000000000301", "smdp.example", "M-301")

    async with aclosing(Renderer("").archive(slowly())) as pieces:
        first = await anext(pieces)
        assert first.startswith(b"PK")
        more.set()
        rest = [piece async for piece in pieces]
    with zipfile.ZipFile(io.BytesIO(first + b"".join(rest))) as found:
        assert len(found.namelist()) == 302


async def test_a_download_that_is_left_ends_its_process() -> None:
    before = children()
    renderer = Renderer("")

    async def endless() -> AsyncIterator[DeliveredESIM]:
        while True:
            async for esim in esims(100):
                yield esim

    for _ in range(rendering.MAX_RENDERERS + 1):  # no slot is lost
        async with aclosing(renderer.archive(endless())) as pieces:
            await anext(pieces)
            assert children() > before
        assert children() == before


async def test_a_failure_while_esims_are_read_is_not_taken_for_their_end() -> None:
    async def broken() -> AsyncIterator[DeliveredESIM]:
        async for esim in esims(2):
            yield esim
        raise Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "The orders service is unavailable")

    before = children()
    for kind in (Renderer("").archive, Renderer("").pages):
        data = bytearray()
        with pytest.raises(Failure, match="orders service"):
            async for piece in kind(broken()):
                data += piece
        assert not zipfile.is_zipfile(io.BytesIO(data))
        assert b"%%EOF" not in data
    assert children() == before


async def test_a_renderer_that_fails_is_reported_without_its_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def invalid() -> AsyncIterator[DeliveredESIM]:
        yield DeliveredESIM(1, 1, "1", "smdp.example", "SECRET" * 2_000)  # no QR code is so large

    with pytest.raises(Failure) as raised:
        await whole(Renderer("").archive(invalid()))
    assert raised.value.reason == "RENDERING_FAILED"
    assert "ended with status 1" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_renderer_that_cannot_start_is_no_internal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with no_more_files(), pytest.raises(Failure) as raised:
        await whole(Renderer("").archive(esims(1)))
    assert (raised.value.kind, raised.value.reason) == (Kind.EXHAUSTED, "TOO_MANY_DOWNLOADS")
    assert (
        "the renderer of a file (archive) could not be started: Too many open files" in caplog.text
    )


async def test_further_downloads_wait_for_a_free_renderer() -> None:
    renderer, more = Renderer("", wait=0.05), asyncio.Event()

    async def waiting() -> AsyncIterator[DeliveredESIM]:
        async for esim in esims(200):
            yield esim
        await more.wait()

    running = [renderer.archive(waiting()) for _ in range(rendering.MAX_RENDERERS)]
    for pieces in running:
        await anext(pieces)
    with pytest.raises(Failure) as raised:
        await anext(renderer.archive(esims(1)))
    assert raised.value.kind is Kind.EXHAUSTED
    more.set()
    for pieces in running:
        await whole(pieces)
    assert await whole(renderer.archive(esims(1)))
