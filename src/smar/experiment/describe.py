"""Writes the reference of every setting as Markdown, from the settings themselves.

Knows how a `Config` is put together; nothing of what any field means.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from smar.config import Config
from smar.data.images import ImageLimits
from smar.experiment.config import ExperimentConfig
from smar.market.config import MarketConfig
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.lexical import BM25Config
from smar.serving.config import ServeConfig
from smar.serving.keys import Keys
from smar.serving.online import OnlineTest

_INTRODUCTION = """# Configuration

Written by `smar config > docs/configuration.md` from the settings themselves; a test checks that both agree.

A training is described by one TOML file, given as `smar train --config FILE`; `configs/` has several. Each
heading below is a table of that file, and what the file leaves out has its default. For one run,
`--set pretraining.loop.epochs=2` changes a field. An unknown field, or a value out of range, is refused by name.
"""
_ELSEWHERE = """# Settings that are no part of a training file

`smar serve --config FILE` reads `ServeConfig`, which names files of `Keys` and `OnlineTest`. An `--engine` is read as
`MilvusAddress`: `milvus://HOST:PORT?shards=2&replicas=2`. `smar make-shop` sets the first two fields of `MarketConfig`;
the rest of what follows is for Python.
"""
_WORDS: dict[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    Path: "path",
    datetime: "time",
    type(None): "unset",
}
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <="}


@dataclass(frozen=True, slots=True)
class Section:
    """A record of settings and where it is found: `model.text` is the table `[model.text]` of a TOML file."""

    name: str
    record: type[Config]


def configuration_page() -> str:
    """The whole of docs/configuration.md."""
    parts = [_INTRODUCTION, describe(ExperimentConfig), _ELSEWHERE]
    return (
        "\n".join(
            parts
            + [
                describe(config)
                for config in (
                    ServeConfig,
                    Keys,
                    OnlineTest,
                    MilvusAddress,
                    MarketConfig,
                    BM25Config,
                    ImageLimits,
                )
            ]
        ).strip()
        + "\n"
    )


def describe(config: type[Config], name: str = "") -> str:
    """A heading and a table of fields for `config` and for every record inside it, as Markdown."""
    return "\n".join(line for section in sections(config, name) for line in _page(section))


def sections(config: type[Config], name: str = "") -> list[Section]:
    """`config` and every record that a field of it can hold, in the order of the fields."""
    found = [Section(name, config)]
    for field_name, field in config.model_fields.items():
        inner = f"{name}.{field_name}" if name else field_name
        for record in _records(field.annotation):
            found += sections(record, inner)
    return found


def _page(section: Section) -> Iterator[str]:
    title = f"`[{section.name}]` {section.record.__name__}" if section.name else section.record.__name__
    yield f"## {title}"
    yield ""
    yield " ".join((section.record.__doc__ or "").split("\n\n")[0].split())
    fields = {
        name: field for name, field in section.record.model_fields.items() if not _records(field.annotation)
    }
    yield ""
    if not fields:
        return
    yield "| field | type | default | |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        words = " ".join((field.description or "").split())
        cells = (f"`{name}`", _type(field), _default(field), words)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _records(annotation: object) -> list[type[Config]]:
    """The records an annotation allows: itself, or those among its alternatives and members."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _records(get_args(annotation)[0])
    return [record for part in get_args(annotation) for record in _records(part)]


def _type(field: FieldInfo) -> str:
    words = _type_words(field.annotation)
    limits = [word for rule in field.metadata for word in _limits(rule)]
    return f"{words}, {', '.join(limits)}" if limits else words


def _type_words(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is Annotated:
        return _type_words(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_type_words(part) for part in parts)
    if origin is dict:
        return f"table: {_type_words(parts[1])} by name"
    if origin is not None:
        members = [part for part in parts if part is not Ellipsis]
        return f"list of {' or '.join(dict.fromkeys(_type_words(part) for part in members))}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{one.value}`" for one in annotation)
    return _WORDS.get(annotation) or str(annotation.__name__)


def _limits(rule: object) -> Iterator[str]:
    for name, sign in _SIGNS.items():
        bound = getattr(rule, name, None)
        if bound is not None:
            yield f"{sign} {bound}"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True) if field.default_factory else field.default
    if value is PydanticUndefined:
        return "must be given"
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        return f"`{[str(part) if isinstance(part, Path) else part for part in value]}`".replace("'", '"')
    return f"`{value}`"
