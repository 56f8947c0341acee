"""Judges rankings: measures, runs, reports and the comparison of two reports.

Has never heard of models, indexes or training; anything that ranks can be judged.
"""
