"""Finds items for a query: item vectors, indexes, filters, published generations, and the engine over them.

Knows the model as something that embeds; knows nothing of training or of measures.
"""
