"""Learning from clicks: stage one (three contrastive tasks) and stage two (the gate). Knows the model, never the index."""
