"""Vector indexes, one module a library, all behind the `VectorIndex` protocol.

Knows nothing of items, text or filters' fields: only vectors, rows and which rows are allowed.
"""
