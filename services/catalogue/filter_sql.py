"""The conditions of a plan filter as SQL."""

from typing import Any

from services.catalogue.plan import PlanFilter


class Where:
    """SQL conditions with the values of their parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: list[Any] = []

    @property
    def sql(self) -> str:
        return " and ".join(self.conditions) or "true"

    def place(self, value: Any) -> str:
        """Add a parameter and return its name, such as `$1`."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str, value: Any) -> None:
        """Add a condition with `{}` for its value; None adds nothing."""
        if value is not None:
            self.conditions.append(condition.format(self.place(value)))


def where(criteria: PlanFilter) -> Where:
    found = Where()
    if not criteria.include_unavailable:
        found.conditions.append("offered")
    elif criteria.min_price is not None or criteria.max_price is not None:
        found.add("currency = {}", criteria.currency)  # withdrawn plans may have another
    found.add("unlimited = {}", criteria.unlimited)
    found.add("country_keys @> array[{}::text]", criteria.country)
    found.add("country_keys @> {}::text[]", list(criteria.countries) or None)
    found.add("region_keys @> array[{}::text]", criteria.region)
    found.add("groups @> array[{}::text]", criteria.bundle_group)
    found.add("duration_days = {}", criteria.duration_days)
    found.add("duration_days >= {}", criteria.min_days)
    found.add("duration_days <= {}", criteria.max_days)
    found.add("(jsonb_array_length(countries) = 1) = {}", criteria.single_country)
    found.add("price >= {}", criteria.min_price)
    found.add("price <= {}", criteria.max_price)
    found.add("data_rank >= {}", criteria.min_data_mb)
    for word in criteria.words:
        found.add("strpos(search_text, {}) > 0", word)
    return found
