"""Masked reconstruction: what is hidden, what is learned, and that the encoder stays MRN's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from MRNLib.models.backbone import Backbone
from MRNLib.models.config import BackboneConfig
from MRNLib.models.preprocess import normalise
from MRNLib.navigation.config import ImageSettings, TokenizerSettings
from MRNLib.navigation.tokenizer import (
    LEAST_VARIANCE,
    MaskedReconstruction,
    Tokenizer,
    patchified,
    random_masks,
    reconstruction_loss,
    unpatchified,
)
from MRNLib.training.sampling import generator_for

SIZE, PATCH, WIDTH = 28, 7, 16
PATCHES = (SIZE // PATCH) ** 2
ENCODER = BackboneConfig(
    weights="none",
    drop_path=0.0,
    image_size=SIZE,
    patch_size=PATCH,
    embed_dim=WIDTH,
    depth=2,
    num_heads=2,
    layer_scale_init=0.3,
)
IMAGES = ImageSettings(mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
SETTINGS = TokenizerSettings(decoder_width=16, decoder_depth=1, decoder_heads=2)


def frames(count: int = 3, seed: int = 1) -> Tensor:
    return torch.rand(count, SIZE, SIZE, generator=generator_for(seed))


def reconstruction(**changes: object) -> MaskedReconstruction:
    torch.manual_seed(4)
    settings = SETTINGS.model_copy(update=changes)
    return MaskedReconstruction(Tokenizer(ENCODER, IMAGES), SIZE, PATCH, settings)


def test_exactly_the_share_is_masked_and_the_seed_decides_which():
    masked = random_masks(50, PATCHES, 10, generator_for(1, 2))
    assert masked.dtype == torch.bool
    assert masked.sum(dim=1).tolist() == [10] * 50
    assert torch.equal(masked, random_masks(50, PATCHES, 10, generator_for(1, 2)))
    assert not torch.equal(masked, random_masks(50, PATCHES, 10, generator_for(1, 3)))
    # Every patch has its turn, and no two frames need share a mask.
    assert masked.any(dim=0).all()
    assert len({tuple(one) for one in masked.tolist()}) > 40


def test_patches_lie_row_by_row_and_go_back():
    image = frames()
    pixels = patchified(image, PATCH)
    assert pixels.shape == (3, PATCHES, PATCH**2)
    assert torch.equal(pixels[1, 6].view(PATCH, PATCH), image[1, 7:14, 14:21])
    assert torch.equal(unpatchified(pixels, PATCH), image)


@pytest.mark.parametrize("normalised", [True, False])
def test_loss_is_that_of_a_naive_loop_over_hidden_patches(normalised):
    model = reconstruction(normalise_patches=normalised)
    image, masked = frames(), random_masks(3, PATCHES, 9, generator_for(7))
    predicted = torch.randn(3, PATCHES, PATCH**2)
    errors = []
    for frame in range(3):
        for patch in range(PATCHES):
            row, column = divmod(patch, SIZE // PATCH)
            block = image[frame, row * PATCH :, column * PATCH :][:PATCH, :PATCH].flatten()
            if normalised:
                block = (block - block.mean()) / (block.var() + LEAST_VARIANCE) ** 0.5
            if masked[frame, patch]:
                errors += (predicted[frame, patch] - block).square().tolist()
    wanted = sum(errors) / len(errors)
    found = reconstruction_loss(predicted, model.targets(image), masked)
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_noise_is_not_stretched_to_the_contrast_of_anatomy():
    noise = torch.randn(64, SIZE, SIZE, generator=generator_for(4))
    model = reconstruction(normalise_patches=True)
    assert model.targets(0.5 + 0.015 * noise).std() < 0.35
    assert model.targets(0.5 + 0.1 * noise).std() > 0.85


def test_only_hidden_patches_enter_the_loss():
    masked = random_masks(3, PATCHES, 9, generator_for(7))
    predicted, targets = torch.randn(2, 3, PATCHES, PATCH**2).unbind()
    before = reconstruction_loss(predicted, targets, masked)
    seen = torch.where(masked[..., None], predicted, predicted + 5)
    assert torch.equal(before, reconstruction_loss(seen, targets, masked))
    hidden = torch.where(masked[..., None], predicted + 5, predicted)
    assert reconstruction_loss(hidden, targets, masked) > before + 1


def test_visible_patches_count_where_they_have_a_weight():
    image, masked = frames(), random_masks(3, PATCHES, 9, generator_for(7))
    model = reconstruction(visible_weight=0.5).eval()
    losses = model(image, masked)
    predicted = model.decoder(model.tokenizer.masked_latents(image, masked, model.mask_token))
    error = (predicted - model.targets(image)).square().mean(-1)
    wanted = error[masked].mean() + 0.5 * error[~masked].mean()
    torch.testing.assert_close(losses["total"], wanted)
    assert losses["hidden"] + 0.5 * losses["visible"] == losses["total"]
    assert set(reconstruction(visible_weight=0.0)(image, masked)) == {"total"}


def test_what_is_hidden_is_hidden():
    model, image = reconstruction().eval(), frames()
    masked = random_masks(3, PATCHES, 9, generator_for(7))
    pixels = patchified(image, PATCH)
    other = unpatchified(torch.where(masked[..., None], 1 - pixels, pixels), PATCH)

    def latents(one: Tensor) -> Tensor:
        return model.tokenizer.masked_latents(one, masked, model.mask_token)

    assert torch.equal(latents(image), latents(other))
    with torch.no_grad():
        model.mask_token.add_(1.0)
    assert not torch.allclose(latents(image), latents(other - 0.1))


def test_with_nothing_hidden_the_encoder_is_mrns():
    model, image = reconstruction().eval(), frames()
    nothing = torch.zeros(3, PATCHES, dtype=torch.bool)
    found = model.tokenizer.masked_latents(image, nothing, model.mask_token)
    assert torch.allclose(found, model.tokenizer.latents(image), atol=1e-6)
    backbone = Backbone(ENCODER).eval()
    backbone.load_state_dict(model.tokenizer.encoder.state_dict())
    expected = backbone(normalise(image, IMAGES))
    features = model.tokenizer.encode(image)
    assert torch.equal(features.slice_tokens, expected.slice_tokens)
    assert torch.equal(features.patch_maps[0], expected.patch_maps[0])


def test_latents_are_cls_and_patches_row_by_row_each_normed():
    tokenizer, image = reconstruction().eval().tokenizer, frames(6)
    latents = tokenizer.latents(image.view(2, 3, SIZE, SIZE))
    assert latents.shape == (2, 3, 1 + PATCHES, WIDTH)
    assert torch.allclose(latents.mean(-1), torch.zeros(2, 3, 1 + PATCHES), atol=1e-5)
    assert torch.allclose(latents.var(-1, unbiased=False), torch.ones(2, 3, 1 + PATCHES), atol=1e-2)
    features = tokenizer.encode(image)
    token = features.patch_maps[0][4, :, 1, 2]
    wanted = torch.nn.functional.layer_norm(token, (WIDTH,))
    assert torch.allclose(latents[1, 1, 1 + 6], wanted, atol=1e-5)


def test_every_weight_learns_and_the_loss_falls():
    model = reconstruction()
    steps, image = torch.optim.AdamW(model.parameters(), 3e-3), frames(8).round(decimals=1)
    losses = []
    for step in range(30):
        masked = random_masks(8, PATCHES, 9, generator_for(step))
        loss = model(image, masked)["total"]
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.97 * sum(losses[:5])
    assert all(one.grad is not None and one.grad.any() for one in model.parameters())


def test_a_decoder_gives_whole_frames():
    model = reconstruction()
    latents = torch.randn(2, 3, 1 + PATCHES, WIDTH)
    pictures = model.decoder.frames(latents)
    assert pictures.shape == (2, 3, SIZE, SIZE)
    pixels = model.decoder(latents.flatten(0, 1))
    assert torch.equal(pictures[1, 2, 7:14, 14:21], pixels[5, 6].view(PATCH, PATCH))
