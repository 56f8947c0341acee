from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from transformers import (
    AutoModel,
    BertConfig,
    CLIPConfig,
    CLIPVisionConfig,
    Dinov2WithRegistersConfig,
    PreTrainedConfig,
    ResNetConfig,
    SiglipConfig,
    SiglipVisionConfig,
    SwinConfig,
    ViTConfig,
)

from smar.errors import ConfigError, ModelError
from smar.model.encoders.colour import HISTOGRAM_WIDTH
from smar.model.encoders.image import (
    ImageEncoder,
    ImageEncoderConfig,
    ImageStates,
    Moments,
    load_image_encoder,
)

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
}
TINY_TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 50,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
NETWORKS: dict[str, Callable[[], PreTrainedConfig]] = {
    "vit": lambda: ViTConfig(**TINY, patch_size=8),
    "swin": lambda: SwinConfig(
        image_size=32, patch_size=2, embed_dim=8, depths=[1, 1, 2], num_heads=[1, 2, 4], window_size=4
    ),
    "clip-vision": lambda: CLIPVisionConfig(**TINY, patch_size=8),
    "siglip-vision": lambda: SiglipVisionConfig(**TINY, patch_size=8),
    "clip": lambda: CLIPConfig(vision_config={**TINY, "patch_size": 8}, text_config=TINY_TEXT),
    "siglip": lambda: SiglipConfig(vision_config={**TINY, "patch_size": 8}, text_config=TINY_TEXT),
    "dino-with-registers": lambda: Dinov2WithRegistersConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=32, patch_size=8
    ),
    "resnet": lambda: ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 24], depths=[1, 1, 2, 1], layer_type="basic"
    ),
}
PACKAGED = ["efficientnet-lite0", "small"]


def shirt(colour: tuple[int, int, int], size: int = 64) -> Tensor:
    image = Image.new("RGB", (size, size), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    draw.rectangle([size // 4, size // 5, 3 * size // 4, 9 * size // 10], fill=colour)
    draw.rectangle([size // 12, size // 5, 11 * size // 12, size // 2], fill=colour)
    return torch.from_numpy(np.array(image))


def pictures(count: int, size: int = 64) -> Tensor:
    """Shirts of many colours, some with noise."""
    rng = np.random.default_rng(3)
    drawn = [shirt(tuple(rng.integers(0, 230, 3).tolist()), size) for _ in range(count)]
    noise = torch.from_numpy(rng.integers(-9, 9, (count, size, size, 3)))
    return (torch.stack(drawn) + noise).clamp(0, 255).byte()


def published(folder: Path, kind: str) -> Path:
    """A folder with a tiny network of `kind` and random weights."""
    torch.manual_seed(5)
    AutoModel.from_config(NETWORKS[kind]()).save_pretrained(folder / kind)
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.2],
    }
    (folder / kind / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder / kind


@pytest.fixture(params=[*PACKAGED, *NETWORKS])
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> ImageEncoder:
    torch.manual_seed(1)
    name = request.param if request.param in PACKAGED else str(published(tmp_path, request.param))
    size = 64 if request.param in PACKAGED else 32
    return load_image_encoder(ImageEncoderConfig(name=name, image_size=size, grid=3))


def small(**settings: object) -> ImageEncoder:
    torch.manual_seed(1)
    return load_image_encoder(
        ImageEncoderConfig(**{"name": "small", "image_size": 32, "grid": 4, **settings})
    )  # type: ignore[arg-type]


def assert_alike(left: ImageStates, right: ImageStates) -> None:
    torch.testing.assert_close(left.summary, right.summary, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(left.patches, right.patches, rtol=1e-4, atol=1e-4)


def test_states_have_the_widths_that_the_encoder_states(encoder: ImageEncoder) -> None:
    states = encoder(pictures(3, encoder.image_size))
    assert states.summary.shape == (3, encoder.summary_width)
    assert (
        states.patches.shape == (3, encoder.patch_count, encoder.patch_width) == (3, 9, encoder.patch_width)
    )
    assert states.summary.dtype == states.patches.dtype == torch.float32
    assert states.summary.isfinite().all()
    assert states.patches.isfinite().all()
    assert not states.summary.requires_grad
    assert len(states) == 3


def test_a_batch_permuted_gives_its_states_permuted(encoder: ImageEncoder) -> None:
    pixels = pictures(11, encoder.image_size)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(2))
    states, permuted = encoder(pixels), encoder(pixels[order])
    assert_alike(ImageStates(states.summary[order], states.patches[order]), permuted)


def test_a_picture_alone_has_the_states_it_has_among_others(encoder: ImageEncoder) -> None:
    pixels = pictures(3, encoder.image_size)
    states = encoder(pixels)
    for row in range(3):
        one = slice(row, row + 1)
        assert_alike(encoder(pixels[one]), ImageStates(states.summary[one], states.patches[one]))


def test_a_red_and_a_blue_shirt_have_different_summaries(encoder: ImageEncoder) -> None:
    size = encoder.image_size
    states = encoder(torch.stack([shirt((200, 20, 30), size), shirt((20, 40, 190), size)]))
    red, blue = states.summary[:, -HISTOGRAM_WIDTH:]
    assert red @ blue < 0.3
    seen = states.summary[:, :-HISTOGRAM_WIDTH]
    assert (seen[0] - seen[1]).norm() > 1e-3 * seen[0].norm()


def test_a_saved_architecture_and_the_weights_give_the_encoder_again(
    encoder: ImageEncoder, tmp_path: Path
) -> None:
    pixels = pictures(2, encoder.image_size)
    encoder.save_architecture(tmp_path / "saved")
    # The name leads nowhere any more: what is saved must do.
    config = encoder.config
    if config.name not in PACKAGED:
        config = config.model_copy(update={"name": str(tmp_path / "gone")})
    torch.manual_seed(99)
    again = load_image_encoder(config, tmp_path / "saved", pretrained=False)
    assert again.fingerprint != encoder.fingerprint
    again.load_state_dict(encoder.state_dict())
    assert again.fingerprint == encoder.fingerprint
    assert_alike(again(pixels), encoder(pixels))
    assert (again.summary_width, again.patch_width) == (encoder.summary_width, encoder.patch_width)


def test_without_colours_a_summary_ends_where_the_colours_began(encoder: ImageEncoder) -> None:
    pixels = pictures(2, encoder.image_size)
    states = encoder(pixels)
    plain = load_image_encoder(encoder.config.model_copy(update={"colours": False}))
    plain.load_state_dict(encoder.state_dict())
    alone = plain(pixels)
    assert alone.summary.shape == (2, plain.summary_width)
    assert_alike(alone, ImageStates(states.summary[:, :-HISTOGRAM_WIDTH], states.patches[:, :, :-7]))


def test_the_last_depth_alone_is_the_end_of_what_several_tell() -> None:
    several, last = (
        load_image_encoder(ImageEncoderConfig(image_size=64, colours=False, depths=depths))
        for depths in ("several", "last")
    )
    whole, end = several(shirt((200, 30, 30))[None]), last(shirt((200, 30, 30))[None])
    assert end.summary.shape[1] == last.summary_width
    torch.testing.assert_close(end.summary, whole.summary[:, -last.summary_width :])
    torch.testing.assert_close(end.patches, whole.patches[:, :, -last.patch_width :])
    assert several.fingerprint != last.fingerprint


def test_no_picture_has_no_states(encoder: ImageEncoder) -> None:
    if encoder.config.name in PACKAGED:
        states = encoder(pictures(2, encoder.image_size)[:0])
        assert states.summary.shape == (0, encoder.summary_width)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "small", "vit", "resnet"])
def test_a_trained_encoder_learns_and_its_batch_statistics_stay(name: str, tmp_path: Path) -> None:
    home = name if name in PACKAGED else str(published(tmp_path, name))
    config = ImageEncoderConfig(name=home, image_size=32, grid=2, trained="all")
    encoder = load_image_encoder(config, pretrained=name not in PACKAGED)
    encoder.train()
    before = {key: tensor.clone() for key, tensor in encoder.named_buffers()}
    states = encoder(pictures(3, 32))
    (states.summary.square().sum() + states.patches.square().sum()).backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
    assert sum(gradient is not None and bool(gradient.any()) for gradient in gradients) > 0.8 * len(gradients)
    for key, tensor in encoder.named_buffers():
        torch.testing.assert_close(tensor, before[key])


def test_a_blank_picture_gives_finite_gradients() -> None:
    encoder = small(trained="all")
    encoder(torch.full((1, 32, 32, 3), 255, dtype=torch.uint8)).summary.sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in encoder.parameters()
    )


def test_a_frozen_encoder_stays_in_evaluation_mode_and_has_no_gradient(encoder: ImageEncoder) -> None:
    encoder.train()
    assert encoder.is_frozen
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_a_frozen_encoder_ignores_autocast() -> None:
    encoder, pixels = small(), pictures(2, 32)
    with torch.autocast("cpu", torch.bfloat16):
        states = encoder(pixels)
    assert torch.equal(states.summary, encoder(pixels).summary)


def test_a_trained_encoder_follows_autocast_and_still_gives_full_precision_statistics() -> None:
    encoder, pixels = small(trained="all"), pictures(2, 32)
    with torch.autocast("cpu", torch.bfloat16):
        states = encoder(pixels)
    assert states.summary.dtype == torch.float32
    full = encoder(pixels)
    assert not torch.equal(states.summary, full.summary)
    torch.testing.assert_close(states.summary, full.summary, rtol=0.1, atol=0.02)


def test_states_of_a_frozen_encoder_can_feed_layers_that_are_trained() -> None:
    encoder = small()
    layer = torch.nn.Linear(encoder.summary_width, 1)
    layer(encoder(pictures(2, 32)).summary).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("efficientnet-lite0", "network._blocks.14."),
        ("vit", "network.layers.2."),
        ("small", "network.layers.1."),
    ],
)
def test_the_last_two_layers_and_what_follows_them_are_trained(name: str, first: str, tmp_path: Path) -> None:
    home = name if name in PACKAGED else str(published(tmp_path, name))
    encoder = load_image_encoder(ImageEncoderConfig(name=home, image_size=32, trained=2))
    assert not encoder.is_frozen
    trained = [key for key, parameter in encoder.named_parameters() if parameter.requires_grad]
    names = [key for key, _ in encoder.named_parameters()]
    start = next(place for place, key in enumerate(names) if key.startswith(first))
    assert trained == names[start:]


def test_more_layers_than_there_are_cannot_be_trained() -> None:
    with pytest.raises(ModelError, match="3 layers"):
        small(trained=4)


@pytest.mark.parametrize(
    "settings", [{"trained": 0}, {"trained": "some"}, {"grid": 0}, {"image_size": 8}, {"name": ""}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        ImageEncoderConfig.check(settings, where="image.toml")


def test_the_fingerprint_follows_whatever_changes_states_and_nothing_else() -> None:
    fingerprint = small().fingerprint
    assert small().fingerprint == fingerprint
    assert small(trained="all").fingerprint == fingerprint
    assert len({fingerprint, *(small(**{key: value}).fingerprint for key, value in
                               {"image_size": 48, "grid": 2, "colours": False}.items())}) == 4  # fmt: skip
    changed = small()
    with torch.no_grad():
        next(changed.parameters()).view(-1)[7] += 0.01
    assert changed.fingerprint != fingerprint


def test_a_vision_network_reads_pictures_of_another_size_than_it_was_made_for(tmp_path: Path) -> None:
    for kind in ("vit", "swin", "clip", "siglip-vision", "dino-with-registers"):
        name = str(published(tmp_path, kind))
        encoder = load_image_encoder(ImageEncoderConfig(name=name, image_size=48, grid=2))
        assert encoder(pictures(2, 48)).patches.shape == (2, 4, encoder.patch_width)


def test_patches_are_where_they_are_in_the_picture_whatever_tokens_come_before_them(tmp_path: Path) -> None:
    pixels = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    pixels[1, 24:, :8] = 255
    for kind in ("siglip-vision", "vit", "dino-with-registers"):
        home = published(tmp_path, kind)
        encoder = load_image_encoder(ImageEncoderConfig(name=str(home), image_size=32, grid=4, colours=False))
        black, marked = encoder(pixels).patches
        apart = (black - marked).norm(dim=1)
        assert apart.argmax() == 12


def test_pixels_are_normalised_as_the_network_was_published(tmp_path: Path) -> None:
    home = published(tmp_path, "vit")
    config = ImageEncoderConfig(name=str(home), image_size=32)
    encoder = load_image_encoder(config)
    (home / "preprocessor_config.json").unlink()
    unstated = load_image_encoder(config)
    assert encoder.vision_input.mean == (0.4, 0.5, 0.6)  # type: ignore[union-attr]
    assert unstated.vision_input.mean == (0.5, 0.5, 0.5)  # type: ignore[union-attr]
    assert encoder.fingerprint != unstated.fingerprint


def test_a_pooler_that_was_never_trained_is_left_out(tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = AutoModel.from_config(NETWORKS["vit"](), add_pooling_layer=False)
    network.save_pretrained(tmp_path / "headless")
    with_pooler = load_image_encoder(ImageEncoderConfig(name=str(published(tmp_path, "vit")), image_size=32))
    config = ImageEncoderConfig(name=str(tmp_path / "headless"), image_size=32)
    encoder, again = load_image_encoder(config), load_image_encoder(config)
    assert encoder.summary_width == with_pooler.summary_width - 16
    assert torch.equal(encoder(pictures(2, 32)).summary, again(pictures(2, 32)).summary)
    assert encoder.fingerprint == again.fingerprint


def test_a_folder_that_is_missing_empty_or_reads_text_is_told_as_such(tmp_path: Path) -> None:
    AutoModel.from_config(
        BertConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=30
        )
    ).save_pretrained(tmp_path / "bert")
    (tmp_path / "empty").mkdir()
    for name, words in {
        "none": "cannot be loaded",
        "empty": "cannot be loaded",
        "bert": "cannot read pictures",
    }.items():
        with pytest.raises(ModelError, match=words) as raised:
            load_image_encoder(ImageEncoderConfig(name=str(tmp_path / name), image_size=32))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("side", "grid"), [(8, 2), (7, 7), (10, 7), (4, 7), (1, 3)])
def test_moments_of_any_map_on_any_grid_are_those_of_its_cells(side: int, grid: int) -> None:
    values = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(side)) + 40
    moments = Moments.of(values, grid)
    assert moments.cells.shape == (2, grid**2, 6)
    large = -(-side // grid) * grid
    rows = ((torch.arange(large) + 0.5) * side / large).long()
    repeated = values[:, :, rows][:, :, :, rows]
    torch.testing.assert_close(moments.mean, repeated.mean(dim=(2, 3)))
    torch.testing.assert_close(moments.variance, repeated.var(dim=(2, 3), correction=0), rtol=1e-3, atol=1e-5)
    cell = repeated[:, :, : large // grid, : large // grid]
    torch.testing.assert_close(moments.cell_mean[:, 0], cell.mean(dim=(2, 3)))
    torch.testing.assert_close(
        moments.cell_variance[:, 0], cell.var(dim=(2, 3), correction=0), rtol=1e-3, atol=1e-5
    )
