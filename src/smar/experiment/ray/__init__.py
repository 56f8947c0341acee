"""The two jobs that outgrow one machine, on a Ray cluster: counting a log of events, and embedding a catalogue.

Counts and embeds with the code of one machine; what it adds is dealing out, gathering, and seeing that nothing was
lost or done twice. `ray` and `pyarrow` are imported inside functions: whoever needs no cluster needs neither.
"""
