"""HTTP over a trained run: search, items, photos and suggestions. Knows no training and no evaluation."""
