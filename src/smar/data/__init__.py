"""A shop on disk becomes tables, texts and tensors: files, catalogues, logs, judgments and pixels.

Has never heard of a network, a loss or a search.
"""
