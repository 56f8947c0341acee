"""Which numbers a device multiplies fast, and how to compute in them. Knows devices only."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def is_fast_in_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def low_precision(device: torch.device, *, enabled: bool) -> torch.autocast:
    """Compute matrix products of the block in bfloat16, if `enabled`; weights and sums stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
