"""The general department: goods whose title says what matters and whose picture says little.

Knows nothing of drawing or of single items.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GeneralType:
    """One kind of general goods, told apart by two specifications that only the title states."""

    name: str
    words: tuple[str, ...]
    """What shoppers call it, most usual first; no word belongs to two types."""
    sold_as: tuple[str, ...]
    shelf: str
    weight: float
    price: float
    brands: str
    """Which list of `GENERAL_BRANDS` makes it."""
    specs: tuple[str, ...]
    """What it is bought by: a size, a capacity, a standard."""
    packs: tuple[str, ...]
    """A second choice: a quantity, a length, a variety."""
    shape: str
    """Which drawing shows it; several types share one."""


GENERAL_TYPES = (
    GeneralType(
        "light bulb", ("light bulb", "led bulb", "lamp bulb"), ("LED Bulb", "LED Light Bulb"), "Lighting",
        8, 7,
        "electric", ("E27 40W", "E27 60W", "E27 100W", "E14 25W", "E14 40W", "GU10 35W", "GU10 50W",
        "B22 60W"),
        ("warm 2700K", "neutral 4000K", "daylight 6500K"), "bulb",
    ),
    GeneralType(
        "batteries", ("batteries", "battery", "alkaline batteries"), ("Alkaline Batteries", "Batteries"),
        "Batteries",
        7, 9, "electric", ("AA", "AAA", "C LR14", "D LR20", "9V", "CR2032"),
        ("pack of 4", "pack of 8", "pack of 12", "pack of 24"), "blister",
    ),
    GeneralType(
        "usb cable", ("usb cable", "charging cable", "charger lead"), ("USB Cable", "Charging Cable"),
        "Cables", 7, 10,
        "electronics", ("USB-C to USB-C", "USB-A to USB-C", "USB-A to Micro-USB", "USB-C to Mini-USB"),
        ("0.5 m", "1 m", "2 m", "3 m"), "coil",
    ),
    GeneralType(
        "hdmi cable", ("hdmi cable", "hdmi lead", "tv cable"), ("HDMI Cable",), "Cables", 4, 12,
        "electronics",
        ("HDMI 1.4", "HDMI 2.0 4K", "HDMI 2.1 8K"), ("1 m", "2 m", "3 m", "5 m", "10 m"), "coil",
    ),
    GeneralType(
        "network cable", ("network cable", "ethernet cable", "lan cable"), ("Ethernet Cable",
        "Network Cable"),
        "Cables", 4, 9, "electronics", ("Cat 5e", "Cat 6", "Cat 7", "Cat 8"), ("1 m", "3 m", "5 m", "10 m",
        "20 m"),
        "coil",
    ),
    GeneralType(
        "screws", ("screws", "wood screws", "chipboard screws"), ("Wood Screws", "Screws"), "Hardware", 8,
        6, "tools",
        ("3 x 20 mm", "3.5 x 30 mm", "4 x 40 mm", "4.5 x 50 mm", "5 x 60 mm", "5 x 80 mm", "6 x 100 mm"),
        ("50 pcs", "100 pcs", "200 pcs", "500 pcs"), "packet",
    ),
    GeneralType(
        "wall plugs", ("wall plugs", "wall anchors", "rawl plugs"), ("Wall Plugs",), "Hardware", 4, 5,
        "tools",
        ("5 mm", "6 mm", "8 mm", "10 mm", "12 mm"), ("20 pcs", "50 pcs", "100 pcs"), "packet",
    ),
    GeneralType(
        "paint", ("paint", "wall paint", "emulsion"), ("Wall Paint", "Emulsion Paint"), "Decorating", 6, 24,
        "tools",
        ("matt", "silk", "eggshell", "gloss"), ("1 litre", "2.5 litre", "5 litre", "10 litre"), "tin",
    ),
    GeneralType(
        "book", ("book", "novel", "paperback"), ("Paperback", "Hardback"), "Books", 9, 11, "authors",
        ("crime", "science fiction", "romance", "history", "travel", "cookery", "biography", "poetry"),
        ("first edition", "large type", "illustrated", "pocket size"), "cover",
    ),
    GeneralType(
        "storage box", ("storage box", "plastic tub", "storage container"), ("Storage Box",), "Storage", 5,
        12,
        "kitchen", ("5 litre", "10 litre", "25 litre", "45 litre", "80 litre"), ("with lid", "with wheels",
        "stackable"),
        "tub",
    ),
    GeneralType(
        "power adapter", ("power adapter", "wall charger", "plug charger"), ("Power Adapter", "Wall Charger"),
        "Electronics", 5, 19, "electronics", ("12W", "20W", "30W", "45W", "65W", "100W"),
        ("1 port", "2 ports", "3 ports"), "adapter",
    ),
    GeneralType(
        "memory card", ("memory card", "sd card", "flash card"), ("Memory Card",), "Electronics", 4, 22,
        "electronics",
        ("32 GB", "64 GB", "128 GB", "256 GB", "512 GB"), ("SD", "microSD", "CFexpress"), "card",
    ),
    GeneralType(
        "adhesive tape", ("adhesive tape", "sticky tape", "duct tape"), ("Adhesive Tape", "Duct Tape"),
        "Hardware", 4, 6,
        "tools", ("12 mm", "19 mm", "25 mm", "50 mm"), ("10 m", "25 m", "33 m", "66 m"), "roll",
    ),
    GeneralType(
        "frying pan", ("frying pan", "skillet", "fry pan"), ("Frying Pan", "Skillet"), "Kitchen", 5, 34,
        "kitchen",
        ("20 cm", "24 cm", "26 cm", "28 cm", "30 cm"), ("non-stick", "induction", "oven safe"), "pan",
    ),
    GeneralType(
        "coffee", ("coffee", "coffee beans", "ground coffee"), ("Coffee Beans", "Ground Coffee"),
        "Groceries", 5, 10,
        "groceries", ("mild roast", "medium roast", "espresso roast", "decaf"), ("250 g", "500 g", "1 kg"),
        "bag",
    ),
    GeneralType(
        "cleaning spray", ("cleaning spray", "cleaner", "spray cleaner"), ("Cleaning Spray", "Cleaner Spray"),
        "Household", 4, 5, "groceries", ("bathroom", "kitchen", "glass", "oven", "floor"),
        ("500 ml", "750 ml", "1000 ml"), "spray",
    ),
    GeneralType(
        "router", ("router", "wifi router", "wireless router"), ("Wi-Fi Router",), "Electronics", 3, 85,
        "electronics",
        ("AX1500", "AX3000", "AX5400", "BE7200"), ("single", "mesh twin", "mesh trio"), "carton",
    ),
    GeneralType(
        "hard drive", ("hard drive", "hdd", "external drive"), ("Hard Drive", "External Hard Drive"),
        "Electronics",
        4, 79, "electronics", ("500 GB", "1 TB", "2 TB", "4 TB", "8 TB"), ("2.5 inch", "3.5 inch"), "carton",
    ),
    GeneralType(
        "smoke alarm", ("smoke alarm", "smoke detector", "fire alarm"), ("Smoke Alarm",), "Safety", 3, 18,
        "electric",
        ("1 year", "5 year", "10 year"), ("set of 1", "set of 2", "set of 3"), "carton",
    ),
    GeneralType(
        "ink cartridge", ("ink cartridge", "printer ink", "ink"), ("Ink Cartridge", "Printer Ink"),
        "Office", 4, 21,
        "electronics", ("301", "304", "305", "652", "903", "953"), ("standard", "XL", "twin pack"), "carton",
    ),
    GeneralType(
        "water bottle", ("water bottle", "drinks bottle", "thermos"), ("Water Bottle", "Drinks Bottle"),
        "Kitchen", 4,
        17, "kitchen", ("350 ml", "500 ml", "750 ml", "1000 ml"), ("insulated", "single wall",
        "with straw"), "bottle",
    ),
    GeneralType(
        "vitamins", ("vitamins", "supplements", "vitamin tablets"), ("Vitamin Tablets", "Vitamins"),
        "Health", 4, 13,
        "groceries", ("vitamin C", "vitamin D3", "vitamin B12", "zinc", "magnesium", "iron"),
        ("60 tablets", "120 tablets", "240 tablets"), "jar",
    ),
)  # fmt: skip

GENERAL_BRANDS = {
    "electric": ("Voltan", "Brightway", "Lumaro", "Amperio", "Solen", "Kelvin & Co"),
    "electronics": ("Nexum", "Datarey", "Pluglet", "Corvio", "Bitforge", "Linkwell", "Orbis Tech"),
    "tools": ("Grippa", "Steelmate", "Handyman Joe", "Torsen", "Boltwerk", "Maestral"),
    "kitchen": ("Kuchina", "Potter & Pan", "Homely", "Cazo", "Stackwell"),
    "groceries": ("Fresca", "Old Mill", "Purely", "Morrow", "Vitaline", "Aroma Uno"),
    "authors": (
        "Ada Holm", "Bruno Castell", "Clara Wynn", "Dmitri Osk", "Elena Marsh", "Felix Nordahl", "Greta Lowe",
        "Hamish Pike", "Imogen Vale", "Joao Bras", "Karin Stone", "Leo Farrow",
    ),
}  # fmt: skip

BOOK_TITLES = (
    (
        "The Last",
        "A Quiet",
        "Beyond the",
        "Letters from the",
        "The Hidden",
        "Return to the",
        "Seven",
        "An Empty",
    ),
    (
        "Harbour",
        "Orchard",
        "Winter",
        "Station",
        "Island",
        "Garden",
        "Road",
        "Lighthouse",
        "Kitchen",
        "Archive",
    ),
)
