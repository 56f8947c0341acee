"""The paper's table on one's own shop: every baseline and ablation, trained, judged and laid side by side."""
