"""The fashion department: its types, what sellers and shoppers call them, what a picture can show.

Knows nothing of drawing or of single items.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL_OVER = ("plain", "striped", "checked", "dotted", "floral", "animal")
KNITTED = ("plain", "striped", "melange", "checked", "graphic")
JERSEY = ("plain", "striped", "melange", "dotted", "floral", "animal", "graphic")
CLOTH_FITS = ("Regular Fit", "Slim Fit", "Relaxed Fit", "Oversized")


@dataclass(frozen=True, slots=True)
class FashionType:
    """One kind of garment. Empty options mean that the picture does not vary there."""

    name: str
    words: tuple[str, ...]
    """What shoppers call it, most usual first; no word belongs to two types."""
    sold_as: tuple[str, ...]
    """What sellers call it in titles."""
    shelf: str
    """The category it is listed under."""
    weight: float
    """How many designs the shop has of it, relative to the others."""
    price: float
    """Median price."""
    patterns: tuple[str, ...]
    materials: tuple[str, ...]
    fits: tuple[str, ...] = ()
    sleeves: tuple[str, ...] = ()
    necklines: tuple[str, ...] = ()
    lengths: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ("women", "men", "kids")


FASHION_TYPES = (
    FashionType(
        "t-shirt", ("t-shirt", "tshirt", "tee", "t shirt"), ("T-Shirt", "Tee"), "T-Shirts & Tops", 12, 15,
        JERSEY, ("cotton", "organic cotton", "modal"), CLOTH_FITS,
        sleeves=("short", "long", "sleeveless"), necklines=("crew", "v-neck"),
    ),
    FashionType(
        "polo shirt", ("polo shirt", "polo", "polo tee"), ("Polo Shirt", "Polo"), "T-Shirts & Tops", 3, 28,
        ("plain", "striped", "melange"), ("cotton piqué", "cotton"), CLOTH_FITS[:3], sleeves=("short",
        "long"),
    ),
    FashionType(
        "shirt", ("shirt", "button up shirt", "button down"), ("Shirt",), "Shirts & Blouses", 9, 34,
        ALL_OVER, ("cotton poplin", "linen", "viscose"), CLOTH_FITS, sleeves=("long", "short"),
    ),
    FashionType(
        "jumper", ("jumper", "sweater", "pullover"), ("Jumper", "Sweater"), "Knitwear", 9, 42,
        KNITTED, ("lambswool", "merino wool", "cotton knit"), CLOTH_FITS,
        necklines=("crew", "v-neck", "roll neck"),
    ),
    FashionType(
        "cardigan", ("cardigan", "cardi", "knit jacket"), ("Cardigan",), "Knitwear", 4, 45,
        ("plain", "striped", "melange", "checked"), ("lambswool", "merino wool", "cotton knit"), CLOTH_FITS,
    ),
    FashionType(
        "hoodie", ("hoodie", "hooded sweatshirt", "hoody"), ("Hoodie", "Hooded Sweatshirt"), "Sweatshirts",
        6, 39,
        ("plain", "melange", "graphic", "striped"), ("brushed cotton", "cotton fleece"), CLOTH_FITS,
    ),
    FashionType(
        "blazer", ("blazer", "suit jacket"), ("Blazer",), "Tailoring", 3, 89,
        ("plain", "checked", "striped", "melange"), ("wool blend", "linen", "stretch twill"), CLOTH_FITS[:3],
        audiences=("women", "men"),
    ),
    FashionType(
        "jacket", ("jacket", "bomber", "bomber jacket"), ("Jacket", "Bomber Jacket"), "Jackets & Coats", 5,
        69,
        ("plain", "checked", "floral", "animal"), ("nylon", "cotton twill", "leather look"), CLOTH_FITS,
    ),
    FashionType(
        "coat", ("coat", "overcoat", "winter coat"), ("Coat", "Overcoat"), "Jackets & Coats", 4, 119,
        ("plain", "checked", "melange", "animal"), ("wool blend", "bouclé wool"), CLOTH_FITS[:3],
    ),
    FashionType(
        "dress", ("dress", "frock"), ("Dress",), "Dresses", 9, 49, ALL_OVER,
        ("viscose", "cotton", "linen", "crêpe"),
        ("Fit and Flare", "Straight Cut", "Relaxed Fit"),
        sleeves=("sleeveless", "short", "long"), necklines=("crew", "v-neck"), lengths=("mini", "midi",
        "maxi"),
        audiences=("women", "kids"),
    ),
    FashionType(
        "skirt", ("skirt", "skirts"), ("Skirt",), "Skirts", 5, 32, ALL_OVER,
        ("viscose", "cotton twill", "crêpe"), ("A-Line", "Pleated", "Pencil"),
        lengths=("mini", "midi", "maxi"), audiences=("women", "kids"),
    ),
    FashionType(
        "trousers", ("trousers", "pants", "slacks"), ("Trousers", "Pants"), "Trousers", 7, 45,
        ("plain", "checked", "striped", "floral"), ("stretch twill", "linen", "wool blend"),
        ("Slim Leg", "Straight Leg", "Wide Leg", "Tapered"),
    ),
    FashionType(
        "jeans", ("jeans", "denim pants", "denims"), ("Jeans",), "Jeans", 6, 55, ("plain",), ("denim",),
        ("Skinny", "Slim Leg", "Straight Leg", "Wide Leg"),
    ),
    FashionType(
        "shorts", ("shorts", "short pants", "bermudas"), ("Shorts",), "Shorts", 4, 27,
        ("plain", "striped", "checked", "floral", "melange"), ("cotton twill", "linen", "cotton"),
        ("Slim Fit", "Regular Fit", "Wide Leg"),
    ),
    FashionType(
        "trainers", ("trainers", "sneakers", "running shoes"), ("Trainers", "Sneakers"), "Shoes", 4, 72,
        ("plain", "checked", "animal", "floral"), ("mesh", "canvas", "suede"), ("Low Top", "High Top"),
    ),
    FashionType(
        "boots", ("boots", "ankle boots", "chelsea boots"), ("Boots", "Ankle Boots"), "Shoes", 3, 95,
        ("plain", "animal"), ("leather", "suede"),
    ),
    FashionType(
        "handbag", ("handbag", "purse", "shoulder bag"), ("Handbag", "Shoulder Bag"), "Bags", 4, 59,
        ("plain", "checked", "animal", "floral", "striped"), ("leather", "leather look", "canvas"),
    ),
    FashionType(
        "backpack", ("backpack", "rucksack", "school bag"), ("Backpack", "Rucksack"), "Bags", 3, 49,
        ("plain", "checked", "floral", "dotted", "graphic"), ("canvas", "nylon"),
    ),
    FashionType(
        "cap", ("cap", "baseball cap", "baseball hat"), ("Cap", "Baseball Cap"), "Hats & Scarves", 3, 18,
        ("plain", "checked", "graphic", "animal", "melange"), ("cotton twill", "canvas"),
    ),
    FashionType(
        "beanie", ("beanie", "knitted hat", "bobble hat"), ("Beanie", "Knitted Hat"), "Hats & Scarves", 3, 17,
        ("plain", "striped", "melange"), ("lambswool", "cotton knit"),
    ),
    FashionType(
        "scarf", ("scarf", "shawl", "neck scarf"), ("Scarf",), "Hats & Scarves", 3, 24,
        ALL_OVER, ("lambswool", "viscose", "cotton"),
    ),
    FashionType(
        "socks", ("socks", "ankle socks", "crew socks"), ("Socks",), "Socks", 4, 9,
        ("plain", "striped", "dotted", "melange", "checked"), ("cotton", "organic cotton"),
    ),
)  # fmt: skip

SLEEVE_WORDS = {
    "short": ("short sleeve", "short sleeved", "with short sleeves"),
    "long": ("long sleeve", "long sleeved", "with long sleeves"),
    "sleeveless": ("sleeveless", "without sleeves"),
}
NECKLINE_WORDS = {
    "crew": ("crew neck", "round neck"),
    "v-neck": ("v-neck", "v neck", "with v neck"),
    "roll neck": ("roll neck", "turtleneck", "with roll neck"),
}
LENGTH_WORDS = {
    "mini": ("mini", "short"),
    "midi": ("midi", "knee length"),
    "maxi": ("maxi", "long", "floor length"),
}
AUDIENCE_WORDS = {
    "women": ("womens", "women's", "ladies", "for women"),
    "men": ("mens", "men's", "for men"),
    "kids": ("kids", "childrens", "for kids"),
}
AUDIENCE_TITLES = {"women": "Women's", "men": "Men's", "kids": "Kids'"}

FASHION_BRANDS = (
    "Norrby", "Halden", "Ostra & Vik", "Calder Row", "Marlowe", "Fenwright", "Tindra", "Bramley Lane",
    "Petrichor",
    "Lunden", "Aldous", "Quill & Thread", "Sorrento Club", "Kestrel", "Mira Lund", "Vantage", "Hartwell",
    "Ondine",
    "Bexley", "Casa Toro", "Nordlys", "Everley", "Pallas", "Juniper Street",
)  # fmt: skip

STYLE_NAMES = (
    "Aina", "Alma", "Arlo", "Astor", "Bay", "Bea", "Benno", "Birk", "Brooke", "Carlin", "Celia", "Clio",
    "Dara",
    "Della", "Edie", "Elio", "Emmett", "Enzo", "Esme", "Fabian", "Faye", "Finn", "Freya", "Gala", "Gwen",
    "Hedda",
    "Hugo", "Ida", "Ines", "Iris", "Ivo", "Jonas", "Juno", "Kaja", "Lars", "Lena", "Lennox", "Liv", "Luca",
    "Maeve",
    "Malin", "Milo", "Nadia", "Nell", "Nico", "Nora", "Odin", "Orla", "Otto", "Paloma", "Petra", "Quinn",
    "Rafe",
    "Remy", "Rhea", "Roman", "Runa", "Saskia", "Selma", "Signe", "Sven", "Talia", "Tess", "Thea", "Theo",
    "Tilda",
    "Tove", "Ulla", "Vera", "Vigo", "Wanda", "Wilma", "Xenia", "Yara", "Yves", "Zelda", "Zora",
)  # fmt: skip
