"""What sellers write: for fashion all that a picture does not show, for general goods everything.

Knows nothing of shoppers; never writes a colour or a pattern of a fashion item.
"""

from __future__ import annotations

from smar.market.fashion import AUDIENCE_TITLES, FashionType
from smar.market.general import BOOK_TITLES, GeneralType
from smar.market.stock import Stock

_CARE = ("Machine wash at 30 degrees.", "Hand wash.", "Dry clean only.", "Wipe with a damp cloth.")
_PRAISE = (
    "Easy to wear all day.",
    "A favourite of our customers.",
    "Made to last.",
    "New this season.",
    "Softly lined.",
)


def title(stock: Stock, row: int) -> str:
    """The title of one item."""
    kind = stock.type(row)
    pick = int(stock.noun[row])
    brand = stock.value("brand", row)
    noun = kind.sold_as[pick % len(kind.sold_as)]
    if isinstance(kind, FashionType):
        words = [brand, stock.value("style", row), stock.value("fit", row), noun]
        return " ".join(word for word in words if word)
    spec, pack = stock.value("spec", row), stock.value("pack", row)
    if kind.name == "book":
        first, second = BOOK_TITLES
        name = f"{first[pick % len(first)]} {second[pick // 8 % len(second)]}"
        return f"{name} by {brand}, {spec} {noun.lower()}, {pack}"
    code = f"{brand[:2].upper()}-{100 + pick % 900}"
    match pick % 3:
        case 0:
            return f"{brand} {noun} {spec}, {pack} ({code})"
        case 1:
            return f"{brand} {code} {spec} {noun}, {pack}"
        case _:
            return f"{noun} {spec} {pack} {brand} {code}"


def description(stock: Stock, row: int) -> str:
    """One or two sentences about one item."""
    kind = stock.type(row)
    pick = int(stock.noun[row])
    if isinstance(kind, FashionType):
        audience = AUDIENCE_TITLES[stock.value("audience", row)]
        fit = f", {stock.value('fit', row).lower()}" if stock.value("fit", row) else ""
        material = stock.value("material", row)
        praise, care = _PRAISE[pick % len(_PRAISE)], _CARE[pick // 5 % len(_CARE)]
        return f"{audience} {kind.sold_as[0].lower()} in {material}{fit}. {praise} {care}"
    return f"{kind.shelf}: {kind.name}, {stock.value('spec', row)}, {stock.value('pack', row)}."


def category(stock: Stock, row: int) -> str:
    """The shelf one item is listed on."""
    kind: FashionType | GeneralType = stock.type(row)
    return kind.shelf
