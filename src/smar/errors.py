"""Every error a user can cause. Knows nothing of shops, models or search."""

from __future__ import annotations


class SmarError(Exception):
    """What is wrong, where, and what to do, in one line; the command line prints it and exits with 2."""


class ConfigError(SmarError):
    """A configuration names an unknown field, or gives one a value it cannot take."""


class DataError(SmarError):
    """A shop's files are missing, unreadable or contradict each other."""


class ModelError(SmarError):
    """A model folder is missing, incomplete or made for something else."""


class MismatchError(SmarError):
    """A model, an index and a catalogue that do not belong together were put together."""


class QueryError(SmarError):
    """A search asks for something that cannot be: an empty query, an unknown filter field, k below one."""


class Unavailable(SmarError):  # noqa: N818 - a state of other machines
    """Machines that hold a part of the index do not answer in time; later they may."""
