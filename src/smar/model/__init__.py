"""The network: what turns queries and products into vectors.

Knows nothing of losses, indexes or judgments.
"""
