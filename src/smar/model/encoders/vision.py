"""Any vision encoder of `transformers` (ViT, Swin, DINO, half of CLIP or SigLIP), read at four depths.

Knows that library's outputs; nothing of colours, caches or training.
"""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from transformers import AutoConfig, AutoModel
from transformers.image_processing_base import ImageProcessingMixin
from transformers.utils import logging as transformers_logging

from smar.errors import ModelError
from smar.model.encoders.image import ImageEncoder, ImageEncoderConfig, ImageStates, Moments

_NETWORK = "config.json"
_INPUT = "input.json"


@dataclass(frozen=True)
class VisionInput:
    """How a vision network wants its pixels, and whether a pooler was published with it."""

    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)
    has_pooler: bool = True

    def normalise(
        self, pixels: UInt8[Tensor, "image height width 3"]
    ) -> Float[Tensor, "image 3 height width"]:
        """Bytes become numbers around zero."""
        mean, deviation = torch.tensor([self.mean, self.deviation], device=pixels.device)
        values: Tensor = (pixels.float() / 255 - mean) / deviation
        return values.permute(0, 3, 1, 2)


class VisionEncoder(ImageEncoder):
    """A `transformers` vision network at a quarter, half, three quarters and all of its depth.

    The summary is mean and deviation at each depth, and the pooled output if there is one; a patch is the
    means of the last and of the half-depth states in its cell.
    """

    def __init__(
        self,
        config: ImageEncoderConfig,
        network: Any,
        vision_input: VisionInput,
        widths: tuple[int, int],
    ) -> None:
        super().__init__(config, network, *widths)
        self.vision_input = vision_input

    @classmethod
    def load(
        cls, config: ImageEncoderConfig, architecture: Path | None = None, *, pretrained: bool
    ) -> VisionEncoder:
        """Read the network that `config` names; arguments and faults as of `load_image_encoder`."""
        try:
            if pretrained:
                network, vision_input = _read(config.name)
            elif architecture is not None:
                network, vision_input = _rebuild(architecture)
            else:
                network = _unread(config.name)
                vision_input = _read_input(config.name, has_pooler=True)
        except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
            raise ModelError(
                f"image encoder {config.name!r}: cannot be loaded ({_first_line(error)}); give "
                "`efficientnet-lite0`, `small`, or the folder or hub name of a transformers vision encoder"
            ) from error
        blank = torch.zeros(1, config.image_size, config.image_size, 3, dtype=torch.uint8)
        try:
            with torch.no_grad():
                states = _look(network.eval(), vision_input, blank, config.grid)
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ModelError(
                f"image encoder {config.name!r}: {type(network).__name__} cannot read pictures of "
                f"{config.image_size} pixels a side ({_first_line(error)}); change image_size, or name another"
            ) from error
        return cls(config, network, vision_input, (states.summary.shape[1], states.patches.shape[2]))

    def look(self, pixels: UInt8[Tensor, "image height width 3"]) -> ImageStates:
        """Moments of four depths, and the pooled output."""
        return _look(self.network, self.vision_input, pixels, self.config.grid)

    def architecture(self) -> str:
        """The kind of network, and its input."""
        return json.dumps([self.network.config.model_type, asdict(self.vision_input)])

    def save_architecture(self, folder: Path) -> None:
        """Write the network's configuration and its input's."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _NETWORK).write_text(self.network.config.to_json_string(), encoding="utf-8")
        (folder / _INPUT).write_text(json.dumps(asdict(self.vision_input), indent=2) + "\n", encoding="utf-8")


def _look(
    network: Any, vision_input: VisionInput, pixels: UInt8[Tensor, "image height width 3"], grid: int
) -> ImageStates:
    settings: dict[str, Any] = {"output_hidden_states": True}
    takes_other_sizes = "interpolate_pos_encoding" in inspect.signature(network.forward).parameters
    if takes_other_sizes and getattr(network.config, "image_size", None) != pixels.shape[1]:
        settings["interpolate_pos_encoding"] = True
    outputs = network(pixel_values=vision_input.normalise(pixels), **settings)
    depths = _depths(outputs, network.config, pixels.shape[1])
    quarters = sorted({math.ceil(len(depths) * quarter / 4) - 1 for quarter in (1, 2, 3, 4)})
    moments = {depth: Moments.of(depths[depth], grid) for depth in quarters}
    summary = [one.whole for one in moments.values()]
    pooled = outputs.get("pooler_output")
    if pooled is not None:
        summary.append(pooled.flatten(1).float())
    last, half = moments[len(depths) - 1], moments[math.ceil(len(depths) / 2) - 1]
    return ImageStates(torch.cat(summary, dim=1), torch.cat([last.cell_mean, half.cell_mean], dim=2))


def _depths(outputs: Any, config: Any, size: int) -> list[Float[Tensor, "image channel row column"]]:
    """Maps of features after each layer, first to last; the last one normalised, where the network does so."""
    shaped = outputs.get("reshaped_hidden_states")
    if shaped is not None:
        return list(shaped[1:])
    hidden = [*outputs.hidden_states[1:-1], outputs.last_hidden_state]
    return [states if states.ndim == 4 else _as_map(states, config, size) for states in hidden]


def _as_map(tokens: Float[Tensor, "image token channel"], config: Any, size: int) -> Tensor:
    """Lay the patch tokens out as the picture; class and register tokens, which come first, are left out."""
    patch = getattr(config, "patch_size", None)
    side = size // patch if isinstance(patch, int) else math.isqrt(tokens.shape[1])
    if not 0 < side**2 <= tokens.shape[1]:
        side = math.isqrt(tokens.shape[1])
    patches = tokens[:, -(side**2) :].transpose(1, 2)
    return patches.reshape(len(tokens), -1, side, side)


def _read(name: str) -> tuple[Any, VisionInput]:
    """Published weights, of which only the pooler's may be missing: the network then goes without."""
    verbosity = transformers_logging.get_verbosity()
    # What is missing is judged below; what is not used (a text half, a classifier) need not be told.
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        whole, loaded = AutoModel.from_pretrained(
            name, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    network = _vision_half(whole)
    prefix = "vision_model." if network is not whole else ""
    missing = {key for key in loaded["missing_keys"] if key.startswith(prefix)}
    untrained = {key for key in missing if key.startswith(f"{prefix}pooler.")}
    if missing - untrained:
        raise ValueError(f"weights are missing: {', '.join(sorted(missing - untrained)[:3])}")
    if untrained:
        network.pooler = None
    return network, _read_input(name, has_pooler=not untrained)


def _read_input(name: str, *, has_pooler: bool) -> VisionInput:
    try:
        published, _ = ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:  # none was published with it
        published = {}
    default = VisionInput()
    return VisionInput(
        tuple(published.get("image_mean") or default.mean),
        tuple(published.get("image_std") or default.deviation),
        has_pooler,
    )


def _rebuild(folder: Path) -> tuple[Any, VisionInput]:
    network = _unread(folder)
    stored = json.loads((folder / _INPUT).read_text(encoding="utf-8"))
    if not stored["has_pooler"]:
        network.pooler = None
    return network, VisionInput(tuple(stored["mean"]), tuple(stored["deviation"]), stored["has_pooler"])


def _unread(source: str | Path) -> Any:
    """The network with random weights."""
    return _vision_half(AutoModel.from_config(AutoConfig.from_pretrained(source), dtype=torch.float32))  # type: ignore[no-untyped-call]


def _vision_half(network: Any) -> Any:
    """Dual encoders (CLIP, SigLIP) keep their vision half under this name."""
    return getattr(network, "vision_model", network)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
