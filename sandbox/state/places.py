"""Countries and areas of the built-in catalogue, and the networks in each country."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

# code, ISO 3166 alpha-3 (for TADIG codes), mobile country code, price of one GB, profile, region, name
_COUNTRIES = """
AD AND 213 4.10 4 Europe Andorra
AE ARE 424 2.60 3 Middle_East United Arab Emirates
AL ALB 276 1.90 2 Europe Albania
AR ARG 722 2.80 3 South_America Argentina
AT AUT 232 1.10 1 Europe Austria
AU AUS 505 1.60 1 Oceania Australia
BA BIH 218 2.20 2 Europe Bosnia and Herzegovina
BB BRB 342 6.20 3 Caribbean Barbados
BE BEL 206 1.15 1 Europe Belgium
BG BGR 284 1.05 1 Europe Bulgaria
BR BRA 724 2.40 1 South_America Brazil
CA CAN 302 2.30 1 North_America Canada
CH CHE 228 1.45 1 Europe Switzerland
CL CHL 730 1.95 1 South_America Chile
CN CHN 460 1.70 4 Asia China
CO COL 732 2.10 3 South_America Colombia
CR CRI 712 2.90 3 North_America Costa Rica
CY CYP 280 1.25 1 Asia Cyprus
CYP CYN 286 2.45 2 Europe Northern Cyprus
CZ CZE 230 1.10 1 Europe Czechia
DE DEU 262 1.10 1 Europe Germany
DK DNK 238 1.05 1 Europe Denmark
DO DOM 370 4.40 3 Caribbean Dominican Republic
EE EST 248 1.00 1 Europe Estonia
EG EGY 602 2.05 2 Africa Egypt
ES ESP 214 1.00 1 Europe Spain
FI FIN 244 1.10 1 Europe Finland
FJ FJI 542 5.30 4 Oceania Fiji
FR FRA 208 1.00 1 Europe France
GB GBR 234 1.05 1 Europe United Kingdom
GH GHA 620 3.40 2 Africa Ghana
GR GRC 202 1.05 1 Europe Greece
HK HKG 454 1.15 4 Asia Hong Kong
HR HRV 219 1.05 1 Europe Croatia
HU HUN 216 1.05 1 Europe Hungary
ID IDN 510 1.35 4 Asia Indonesia
IE IRL 272 1.10 1 Europe Ireland
IL ISR 425 1.30 1 Middle_East Israel
IN IND 404 2.00 4 Asia India
IS ISL 274 1.20 1 Europe Iceland
IT ITA 222 1.00 1 Europe Italy
JM JAM 338 5.60 3 Caribbean Jamaica
JO JOR 416 2.70 2 Middle_East Jordan
JP JPN 440 1.40 4 Asia Japan
KE KEN 639 2.50 2 Africa Kenya
KR KOR 450 1.30 4 Asia South Korea
KZ KAZ 401 2.15 2 Asia Kazakhstan
LK LKA 413 2.25 4 Asia Sri Lanka
MA MAR 604 2.35 2 Africa Morocco
ME MNE 297 1.85 2 Europe Montenegro
MX MEX 334 2.20 1 North_America Mexico
MY MYS 502 1.25 4 Asia Malaysia
NG NGA 621 3.10 2 Africa Nigeria
NL NLD 204 1.05 1 Europe Netherlands
NO NOR 242 1.10 1 Europe Norway
NZ NZL 530 1.75 1 Oceania New Zealand
PE PER 716 2.45 3 South_America Peru
PL POL 260 1.00 1 Europe Poland
PT PRT 268 1.00 1 Europe Portugal
QA QAT 427 2.95 3 Middle_East Qatar
RO ROU 226 1.00 1 Europe Romania
RS SRB 220 1.80 2 Europe Serbia
SA SAU 420 2.55 3 Middle_East Saudi Arabia
SE SWE 240 1.05 1 Europe Sweden
SG SGP 525 1.20 4 Asia Singapore
TH THA 520 1.20 4 Asia Thailand
TN TUN 605 2.65 2 Africa Tunisia
TR TUR 286 1.35 1 Middle_East Türkiye
TW TWN 466 1.30 4 Asia Taiwan
TZ TZA 640 3.05 2 Africa Tanzania
US USA 310 1.55 1 North_America United States
US-HI USA 310 2.05 3 North_America Hawaii
UY URY 748 2.75 3 South_America Uruguay
VN VNM 452 1.25 4 Asia Vietnam
ZA ZAF 655 2.30 2 Africa South Africa
"""

# code, price of one GB, profile, name; countries follow the colon
_REGIONS = """
RAF 3.60 2 Africa: EG GH KE MA NG TN TZ ZA
RAS 1.70 4 Asia: HK ID IN JP KR LK MY SG TH TW VN
RBK 1.95 2 Balkans: AL BA HR ME RS
RCA 6.10 3 Caribbean: BB DO JM
REUP 1.25 1 Europe Plus: AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT NL NO PL PT RO SE TR
REUS 1.60 4 Europe + USA: AT BE BG CH CZ DE DK ES FI FR GB GR HU IE IT NL NO PL PT RO SE US
RGB 3.90 3 Global: AE AR AU BR CA CH CL DE EG ES FR GB IN IT JP KE MX NZ SG TH TR US ZA
RLA 3.20 3 Latin America: AR BR CL CO CR MX PE UY
RME 2.85 3 Middle East: AE IL JO QA SA TR
RNA 2.40 1 North America: CA MX US
ROC 2.10 1 Oceania: AU FJ NZ
"""


@dataclass(frozen=True, slots=True)
class Country:
    """A country, or a place that the provider treats as one."""

    iso: str
    alpha3: str
    mcc: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class Area:
    """Where a bundle is valid: one country or several."""

    code: str
    name: str
    gigabyte: Decimal
    profile: str
    countries: tuple[Country, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A network that eSIMs attach to; `tadig` is its code among operators."""

    name: str
    brand: str
    mcc: str
    mnc: str
    tadig: str


@cache
def read_places() -> tuple[Mapping[str, Country], Sequence[Area]]:
    """Return all countries by code, and all areas in the order of their codes."""
    countries: dict[str, Country] = {}
    areas: list[Area] = []
    for line in _COUNTRIES.strip().splitlines():
        code, alpha3, mcc, gigabyte, profile, region, name = line.split(" ", 6)
        country = Country(code, alpha3, mcc, region.replace("_", " "), name)
        countries[code] = country
        areas.append(Area(code, name, Decimal(gigabyte), f"Profile {profile}", (country,)))
    for line in _REGIONS.strip().splitlines():
        head, members = line.split(": ")
        code, gigabyte, profile, name = head.split(" ", 3)
        covered = tuple(countries[iso] for iso in members.split())
        areas.append(Area(code, name, Decimal(gigabyte), f"Profile {profile}", covered))
    return countries, sorted(areas, key=lambda area: area.code)


# Invented brands, of which a country has two, selected by its mobile country code.
_BRANDS = ("Meridian", "Northwave", "Telvia", "Orbita", "Clarion", "Lumen")


def networks_of(country: Country) -> tuple[Network, Network]:
    """Return the two networks of a country; eSIMs attach to the first."""
    first = int(country.mcc) % len(_BRANDS)
    return (_network(country, first, "01"), _network(country, (first + 1) % len(_BRANDS), "02"))


def _network(country: Country, brand: int, mnc: str) -> Network:
    name = _BRANDS[brand]
    return Network(
        name=f"{name} {country.name}",
        brand=name,
        mcc=country.mcc,
        mnc=mnc,
        tadig=f"{country.alpha3}{name[:2].upper()}",
    )
