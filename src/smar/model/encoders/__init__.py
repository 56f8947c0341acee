"""Pretrained readers of text and of pictures, behind one shape each.

Knows nothing of products, of what is done with their states, or of training.
"""
