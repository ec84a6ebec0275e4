"""ZIP archive of QR codes, written while the eSIMs arrive."""

import time
from collections.abc import Iterable
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from gateway.sheets import qr, writing
from gateway.sheets.esims import HEADER, DeliveredESIM

# The sheet with all eSIMs, which also tells whose picture each is.
SHEET = "esims.csv"


def write(esims: Iterable[DeliveredESIM], output: IO[bytes]) -> None:
    """Write a picture per eSIM, `{position}-{iccid}.png`, and then the sheet.

    The output need not be seekable.
    """
    now = time.gmtime()[:6]
    sheet = bytearray(b"".join(writing.lines(HEADER, (), byte_order_mark=True)))
    with ZipFile(output, "w") as archive:
        for esim in esims:
            sheet += writing.line(esim.row())
            if code := esim.activation_code:
                picture = ZipInfo(f"{esim.position:04d}-{esim.iccid}.png", now)
                picture.compress_type = ZIP_STORED  # a PNG is compressed already
                archive.writestr(picture, qr.png(code))
        entry = ZipInfo(SHEET, now)
        entry.compress_type = ZIP_DEFLATED
        archive.writestr(entry, bytes(sheet))
