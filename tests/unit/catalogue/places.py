"""Countries of plans."""

from decimal import Decimal

from services.catalogue.plan import Allowance, Bundle, Country

FRANCE = Country("France", "FR", "Europe")
GERMANY = Country("Germany", "DE", "Europe")
JAPAN = Country("Japan", "JP", "Asia")
PLAIN = Bundle(
    name="esim_1GB_7D_FR_V2",
    description="eSIM, 1GB, 7 Days, France, V2",
    groups=("Standard Fixed",),
    countries=(FRANCE,),
    duration_days=7,
    price=Decimal("1.36"),
    data_mb=1000,
    unlimited=False,
    speeds=("2G", "3G", "4G"),
    autostart=False,
    profile_name="Profile 1",
    allowances=(Allowance("DATA", "STANDARD", "Data", 1000, "MB", False),),
)
