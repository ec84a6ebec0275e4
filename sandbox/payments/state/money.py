"""Currencies: minor units, smallest and largest amounts, and the fee of a payment."""

from sandbox.payments.errors import ApiError, invalid

_ZERO_DECIMAL = frozenset(
    {
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"),
    }
)
_THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# Charged with two decimals, which must be 00.
_WHOLE_UNITS = frozenset({"isk", "ugx"})
_OTHERS = """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf
    cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl hrk htg huf idr ils
    inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad
    ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl
    thb tjs top try ttd twd tzs uah ugx uyu uzs wst xcd yer zar zmw
"""
CURRENCIES = _ZERO_DECIMAL | _THREE_DECIMAL | frozenset(_OTHERS.split())

# Smallest amounts in minor units; others have none here, as they depend on an exchange rate.
_FIFTY = ("usd", "eur", "ars", "aud", "brl", "cad", "chf", "cop", "idr", "ils", "inr", "nzd")
_SMALLEST = {
    **dict.fromkeys((*_FIFTY, "php", "rub", "sgd", "zar", "jpy", "krw"), 50),
    **dict.fromkeys(("nok", "sek"), 300),
    **dict.fromkeys(("aed", "myr", "pln", "ron"), 200),
    **dict.fromkeys(("mxn", "thb"), 1000),
    "gbp": 30,
    "czk": 1500,
    "dkk": 250,
    "hkd": 400,
    "huf": 17_500,
}
# Twelve digits.
LARGEST = 999_999_999_999

FEE_PER_MILLE = 29
FEE_FIXED_HUNDREDTHS = 30
DISPUTE_FEE_UNITS = 15


def decimals(currency: str) -> int:
    """Return the number of decimals of an amount in minor units."""
    if currency in _ZERO_DECIMAL:
        return 0
    return 3 if currency in _THREE_DECIMAL else 2


def written(amount: int, currency: str) -> str:
    """Format an amount for people, such as `12.50 USD`."""
    places = decimals(currency)
    sign, digits = "-" if amount < 0 else "", str(abs(amount)).rjust(places + 1, "0")
    whole = digits[:-places] + "." + digits[-places:] if places else digits
    return f"{sign}{whole} {currency.upper()}"


def check_currency(currency: str) -> str:
    """Return the currency in lower case; raise ApiError if it is unknown."""
    code = currency.lower()
    if code not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}", "currency")
    return code


def check_amount(amount: int, currency: str, param: str = "amount") -> None:
    """Raise ApiError if a payment of this amount is not possible."""
    smallest = _SMALLEST.get(currency, 1)
    if amount < smallest:
        message = f"Amount must be at least {written(smallest, currency)}"
        raise ApiError(400, message, code="amount_too_small", param=param)
    if amount > LARGEST:
        message = f"Amount must be no more than {written(LARGEST, currency)}"
        raise ApiError(400, message, code="amount_too_large", param=param)
    check_digits(amount, currency, param)


def check_digits(amount: int, currency: str, param: str = "amount") -> None:
    """Raise ApiError if the last digits of an amount are not those that the currency has."""
    if currency in _THREE_DECIMAL and amount % 10:
        raise invalid(f"{currency.upper()} amounts must end in 0", param)
    if currency in _WHOLE_UNITS and amount % 100:
        raise invalid(f"{currency.upper()} amounts must end in 00", param)


def payment_fee(amount: int, currency: str) -> int:
    """Return 2.9 % plus 0.30 of the currency, rounded half up to the minor unit."""
    fixed = _hundredths(FEE_FIXED_HUNDREDTHS, currency)
    return (amount * FEE_PER_MILLE * 2 + 1000) // 2000 + fixed


def dispute_fee(currency: str) -> int:
    """Return the fee of a dispute: 15 of the currency."""
    return _hundredths(DISPUTE_FEE_UNITS * 100, currency)


def _hundredths(hundredths: int, currency: str) -> int:
    # A currency without minor units is worth about a hundredth of one with them: 30 JPY, not 0.30.
    return hundredths * 10 if decimals(currency) == 3 else hundredths
