"""Learning from clicks: stage one (three contrastive tasks), stage two (the gate). Knows no index and no search."""
