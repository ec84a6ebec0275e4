"""Commands that set the texts, image and badges of plans, against the whole platform."""

from tests.fixtures.local.command import Run, printed, read

NAME = "esim_1GB_7D_FR_V2"
IMAGE = "https://shop.example/paris.png"


async def test_an_operator_names_and_decorates_a_plan(run: Run) -> None:
    options = ("--name", "Paris", "--description", "Schnell.", "--highlight", "5G")
    text = await printed(run, "catalogue", "texts", NAME, "de", *options)
    assert text == f"{NAME} in de:\nParis: Schnell.\n5G\n"
    cleared = await read(run, "catalogue", "texts", NAME, "de")
    assert cleared["title"] == "Frankreich, 1\xa0GB, 7 Tage"

    shown = await printed(run, "catalogue", "display", NAME, "--image", IMAGE, "--badge", "New")
    assert shown == f"{NAME}: image {IMAGE}, badges New\n"
    lines = (await printed(run, "catalogue", "show", NAME)).splitlines()
    assert f"image        {IMAGE}" in lines
    assert "badges       New" in lines
    assert await printed(run, "catalogue", "display", NAME) == f"{NAME}: no image, no badges\n"


async def test_bad_values_name_the_field(run: Run) -> None:
    refused = await run("catalogue", "texts", NAME, "xx", "--name", "Paris")
    assert refused.returncode == 1
    assert "locale: must be the BCP 47 code" in refused.stderr
    refused = await run("catalogue", "display", NAME, "--image", "http://shop.example/a.png")
    assert refused.returncode == 1
    assert "image_url: must be an HTTPS address" in refused.stderr
