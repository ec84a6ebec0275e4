import base64
import io

import pytest
import zxingcpp
from PIL import Image

from gateway.schema.esims import qr


@pytest.mark.parametrize(
    "code", ["LPA:1$rsp-0026.example.com$K2-7Q4WZB-9MRTXC3", "LPA:1$a.example$" + "X" * 120]
)
def test_the_qr_code_decodes_to_the_activation_code(code: str) -> None:
    head, _, body = qr.data_uri(code).partition(",")
    assert head == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(body)))
    assert picture.width >= 300
    (found,) = zxingcpp.read_barcodes(picture)
    assert found.text == code
