import pytest

from providers.esim_go.countries import code_of, country_key, flag, iso3, iso_code
from services.catalogue.provider_bundle import read_bundle

PLAN = {"name": "esim_x", "price": 2, "duration": 30}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("UK", "gb"),
        ("uk", "gb"),
        (" U.K. ", "gb"),
        ("GB", "gb"),
        ("GBR", "gb"),
        ("826", "gb"),
        ("Great Britain", "gb"),
        ("united kingdom", "gb"),
        ("England", "gb"),
        ("USA", "us"),
        ("U.S.A.", "us"),
        ("United States of America", "us"),
        ("UAE", "ae"),
        ("EL", "gr"),
        ("Turkey", "tr"),
        ("Türkiye", "tr"),
        ("Czech Republic", "cz"),
        ("Ivory Coast", "ci"),
        ("Côte d’Ivoire", "ci"),
        ("Holland", "nl"),
        ("Burma", "mm"),
        ("Viet Nam", "vn"),
        ("Republic of Korea", "kr"),
        ("Saint Kitts and Nevis", "kn"),
        ("St. Kitts & Nevis", "kn"),
        ("Saint Vincent and the Grenadines", "vc"),
        ("The Bahamas", "bs"),
        ("Guinea Bissau", "gw"),
        ("Kosovo", "xk"),
        ("XKX", "xk"),
        # Official names, in either word order.
        ("Korea, Republic of", "kr"),
        ("Korea (Democratic People's Republic of)", "kp"),
        ("Moldova, Republic of", "md"),
        ("Republic of Moldova", "md"),
        ("Iran, Islamic Republic of", "ir"),
        ("Venezuela (Bolivarian Republic of)", "ve"),
        ("Bolivia, Plurinational State of", "bo"),
        ("Micronesia (Federated States of)", "fm"),
        ("Tanzania, the United Republic of", "tz"),
        ("Kingdom of Saudi Arabia", "sa"),
        ("People’s Republic of China", "cn"),
        ("Republic of China", "tw"),
        ("Gambia, The", "gm"),
        ("Congo (DRC)", "cd"),
        ("Congo, the Democratic Republic of the", "cd"),
        ("Congo, Republic of the", "cg"),
        ("United Kingdom of Great Britain and Northern Ireland", "gb"),
        ("Hong Kong SAR", "hk"),
        ("China, Hong Kong SAR", "hk"),
        ("Virgin Islands (U.S.)", "vi"),
        ("Virgin Islands, British", "vg"),
        ("Saint Martin (French part)", "mf"),
        ("Sint Maarten (Dutch part)", "sx"),
        ("\u200bFrance\ufeff", "fr"),
        ("\u200eUK", "gb"),
        # Ambiguous suffixes behind a comma are not guessed.
        ("Ireland, Northern", "ireland, northern"),
        ("Korea, North", "korea, north"),
        ("Republic of", "republic of"),
        ("of", "of"),
        (", of", ", of"),
        # The provider's own places are found by its names for them.
        ("CYP", "cyp"),
        ("Northern Cyprus", "northern cyprus"),
        ("US-HI", "us-hi"),
        ("AN", "an"),
        ("Atlantis", "atlantis"),
    ],
)
def test_a_country_is_found_by_codes_aliases_and_names(text: str, key: str) -> None:
    assert country_key(text) == key


@pytest.mark.parametrize(
    ("iso", "name", "code"),
    [
        ("FR", "France", "FR"),
        ("fr", "France", "FR"),
        ("UK", "United Kingdom", "GB"),
        ("UK", "Somewhere", "GB"),
        ("FRA", "France", "FR"),
        ("PO", "Poland", "PL"),
        ("CYP", "Northern Cyprus", "CYP"),
        ("US-HI", "Hawaii", "US-HI"),
        ("AN", "Netherlands Antilles", "AN"),
        ("XX", "Nowhere", "XX"),
    ],
)
def test_a_code_that_iso_lacks_is_corrected_if_the_country_is_known(
    iso: str, name: str, code: str
) -> None:
    assert code_of(iso, name) == code


@pytest.mark.parametrize(
    ("code", "alpha3", "emoji"),
    [
        ("FR", "FRA", "🇫🇷"),
        ("GB", "GBR", "🇬🇧"),
        ("DE", "DEU", "🇩🇪"),
        ("RS", "SRB", "🇷🇸"),
        ("CD", "COD", "🇨🇩"),
        ("XK", "", "🇽🇰"),
        ("IC", "", "🇮🇨"),
        ("US-HI", "", "🇺🇸"),
        ("CYP", "", ""),
        ("AN", "", ""),
    ],
)
def test_alpha3_and_flag_are_empty_if_there_is_none(code: str, alpha3: str, emoji: str) -> None:
    assert (iso3(code), flag(code)) == (alpha3, emoji)


def test_a_country_listed_twice_in_a_bundle_appears_once() -> None:
    listed = [
        {"name": "Poland", "iso": "PL", "region": "Europe"},
        {"name": "Poland", "iso": "PO", "region": "Europe"},
        {"name": "Turkey", "iso": "tr", "region": "Asia"},
        {"name": "Türkiye", "iso": "TR", "region": "Europe"},
        {"name": "Poland", "iso": "PL", "region": "Europe"},
    ]
    bundle = read_bundle({**PLAN, "countries": listed})
    assert [(country.iso, country.name) for country in bundle.countries] == [
        ("PL", "Poland"),
        ("TR", "Turkey"),
    ]
    assert not bundle.single_country
    assert read_bundle({**PLAN, "countries": listed[:2]}).single_country


@pytest.mark.parametrize(
    ("code", "name", "expected"),
    [
        ("FR", "", "FR"),
        ("fr", "Somewhere", "FR"),
        ("FRA", "", "FR"),
        ("", "France", "FR"),
        ("UK", "", "GB"),
        ("PO", "Poland", "PL"),
        ("US-HI", "Hawaii", "US"),
        ("250", "", "FR"),
        ("XK", "", "XK"),
        ("", "Guinea-Bissau", "GW"),
        # The provider's code of Northern Cyprus is that of Cyprus at ISO.
        ("CYP", "Northern Cyprus", ""),
        ("CYP", "Cyprus", "CY"),
        ("", "Somewhere far away", ""),
        ("ZZ", "", ""),
        ("EU", "Europe", ""),
        ("", "", ""),
    ],
)
def test_a_place_is_its_country_or_unknown(code: str, name: str, expected: str) -> None:
    assert iso_code(code, name) == expected
