"""A made-up shop of any size: drawn pictures, sellers' titles, simulated shoppers and exact judgements.

Knows nothing of models, training or search.
"""
