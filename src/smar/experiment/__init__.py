"""Where training and retrieval meet: a run is trained, validated by search, and opened again."""
