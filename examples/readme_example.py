"""README's example as a program: train, index, search and judge, all in memory.

    python examples/readme_example.py [SHOP] [CONFIG]

SHOP is a shop's folder (default shops/demo; `smar make-shop shops/demo --items 2000` makes it), CONFIG a file of
settings (default configs/demo.toml).
"""

from __future__ import annotations

import argparse

import smar


def main(shop_folder: str, config_file: str) -> None:
    """Learn from the shop's clicks, then ask for a jumper and judge the answers to all judged queries."""
    shop = smar.Shop.open(shop_folder)
    config = smar.ExperimentConfig.load(config_file)
    model = smar.SMAR.build(config.model)
    smar.pretrain(model, shop, config.pretraining)  # stage one
    smar.adapt(model, shop, config.adaptation)  # stage two
    engine = smar.SearchEngine.build(model, shop.catalog, config.index)
    for hit in engine.search("striped navy jumper", k=5).hits:
        print(hit.rank, f"{hit.score:.3f}", hit.item.title)
    print(smar.evaluate(engine, shop.queries("dev"), shop.qrels("dev"), ["R@50", "P@50", "nDCG@10"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shop", nargs="?", default="shops/demo")
    parser.add_argument("config", nargs="?", default="configs/demo.toml")
    arguments = parser.parse_args()
    main(arguments.shop, arguments.config)
