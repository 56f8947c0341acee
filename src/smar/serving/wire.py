"""The form of every record that goes over the wire. Knows none of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Number = int | Annotated[float, Field(allow_inf_nan=False)]
Value = str | bool | Number


class Wire(BaseModel):
    """A frozen record that refuses fields it does not know, and values of other types than it states."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
