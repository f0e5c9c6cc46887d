"""What one pre-training by slice navigation is: strict settings from YAML.

The method is arXiv 2605.06487's, of which only a summary was at hand: it names a task of controlled
navigation, a tokenizer, a dynamics model and the baselines. Every number here is our reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from MRNLib.models.config import IMAGENET_MEAN, IMAGENET_STD, BackboneConfig
from MRNLib.navigation.clips import ClipSettings
from MRNLib.training.settingsfile import Strict, checked, read_settings

Arm = Literal["aligned", "shuffled", "zeroed", "tokenizer", "static"]
ARMS: tuple[Arm, ...] = ("aligned", "shuffled", "zeroed", "tokenizer", "static")
# The arms whose second stage is more reconstruction in the place of dynamics.
WITHOUT_DYNAMICS: tuple[Arm, ...] = ("tokenizer", "static")
# How a training is computed, not what: a checkpoint goes on with other values of these.
WAYS = ("compile", "checkpoint_minutes", "tensorboard")


class ImageSettings(Strict):
    """What the encoder's images are normalised with, as an MRN's ``preprocess``.

    Attributes:
        mean: Channel means, in [0, 1].
        std: Channel standard deviations, in [0, 1].
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @model_validator(mode="after")
    def _above_zero(self) -> ImageSettings:
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {self.std}")
        return self


class TokenizerSettings(Strict):
    """Masked reconstruction, and the decoder that it is done with.

    Attributes:
        mask_share: Share of a frame's patches that are hidden from the encoder.
        normalise_patches: Reconstruct each patch's pixels less their mean, over their standard
            deviation, instead of the grey values themselves.
        visible_weight: Of the same loss of the patches that are not hidden, which keeps in a
            token what its own patch shows; 0 leaves it out.
        decoder_width: Channels of the decoder.
        decoder_depth: Its transformer blocks.
        decoder_heads: Its attention heads.
    """

    mask_share: float = Field(default=0.6, gt=0, lt=1)
    normalise_patches: bool = False
    visible_weight: float = Field(default=1.0, ge=0)
    decoder_width: int = Field(default=256, ge=1)
    decoder_depth: int = Field(default=2, ge=1)
    decoder_heads: int = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> TokenizerSettings:
        width, heads = self.decoder_width, self.decoder_heads
        if width % heads:
            raise ValueError(f"decoder_width {width} is not a multiple of decoder_heads {heads}")
        return self


class DynamicsSettings(Strict):
    """The model of what the next slice shows, and its losses.

    Attributes:
        width: Channels.
        depth: Transformer blocks.
        heads: Attention heads.
        teacher_forcing: Weight of the next frame's loss, from true frames.
        rollout: Weight of the loss of frames predicted from predicted frames; 0 leaves it out.
        rollout_steps: Frames that are predicted one from another.
    """

    width: int = Field(default=768, ge=2)
    depth: int = Field(default=12, ge=1)
    heads: int = Field(default=12, ge=1)
    teacher_forcing: float = Field(default=1.0, ge=0)
    rollout: float = Field(default=1.0, ge=0)
    rollout_steps: int = Field(default=2, ge=2)

    @model_validator(mode="after")
    def _consistent(self) -> DynamicsSettings:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of twice heads {self.heads}")
        if self.teacher_forcing + self.rollout == 0:
            raise ValueError("teacher_forcing and rollout are both 0: nothing is learned")
        return self


class TrainSettings(Strict):
    """Schedule, optimizer and how it is computed.

    Attributes:
        seed: Of everything random.
        tokenizer_steps: Optimizer steps of the first stage, masked reconstruction.
        dynamics_steps: Of the second stage; with the arms ``tokenizer`` and ``static`` the first
            goes on for so many more, and there is none.
        batch_size: Clips of one optimizer step, over all processes.
        learning_rate: Full learning rate.
        weight_decay: AdamW's; not on norms, biases, tokens, positions and LayerScale.
        betas: AdamW's.
        warm_up_steps: Linear rise of the learning rate in each stage, before half a cosine.
        clip: Largest norm of the gradient.
        precision: ``bf16`` is autocast; ``auto`` is that on a GPU that has it, and fp32 elsewhere.
        compile: Compile the transformer blocks (torch.compile).
        from_scratch: Start the encoder as a small MRN without pre-trained weights is started
            (:mod:`MRNLib.training.initialisation`).
        record_steps: Steps between lines of the metrics; the "epochs" of the metrics.
        checkpoint_minutes: Minutes between checkpoints.
        tensorboard: Write the metrics for TensorBoard too, where it is installed.
    """

    seed: int = 1
    tokenizer_steps: int = Field(default=100_000, ge=1)
    dynamics_steps: int = Field(default=100_000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)
    warm_up_steps: int = Field(default=2000, ge=0)
    clip: float = Field(default=1.0, gt=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    from_scratch: bool = False
    record_steps: int = Field(default=100, ge=1)
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    tensorboard: bool = True


class HeldOutSettings(Strict):
    """The patients whom no step sees, for the gap between aligned and shuffled actions.

    Attributes:
        share: Share of the patients; of two or more at least one, unless it is 0.
        clips: Clips of each of their volumes.
    """

    share: float = Field(default=0.1, ge=0, lt=1)
    clips: int = Field(default=16, ge=2)


class NavigationConfig(Strict):
    """Everything one pre-training needs besides the volumes.

    Attributes:
        trained_on: What the volumes are of.
        arm: ``aligned`` is the method; the others are its baselines at equal frames and steps:
            ``shuffled`` gives each clip the actions of another, ``zeroed`` none, ``tokenizer`` is
            reconstruction alone, ``static`` the same of neighbouring axial slices.
        encoder: The tokenizer's encoder, MRN's own backbone.
        images: How its images are normalised.
        clips: What the slices are and how they are moved.
        tokenizer: Masked reconstruction.
        dynamics: Prediction of the next slice.
        held_out: Patients for the gap.
        train: The course of both stages.
    """

    trained_on: Literal["phantom", "human"] = "human"
    arm: Arm = "aligned"
    encoder: BackboneConfig = BackboneConfig(weights="none", drop_path=0.0)
    images: ImageSettings = ImageSettings()
    clips: ClipSettings = ClipSettings(size=224)
    tokenizer: TokenizerSettings = TokenizerSettings()
    dynamics: DynamicsSettings = DynamicsSettings()
    held_out: HeldOutSettings = HeldOutSettings()
    train: TrainSettings = TrainSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> NavigationConfig:
        if self.encoder.image_size != self.clips.size:
            sizes = f"{self.encoder.image_size} and clips.size {self.clips.size}"
            raise ValueError(f"encoder.image_size {sizes} must be the same")
        if not 0 < self.masked_patches < self.patches:
            raise ValueError(
                f"tokenizer.mask_share {self.tokenizer.mask_share} hides {self.masked_patches} of "
                f"{self.patches} patches; some must be hidden and some seen"
            )
        length, steps = self.clips.length, self.dynamics.rollout_steps
        if self.learns_dynamics and length <= steps:
            raise ValueError(f"clips.length {length} must be above dynamics.rollout_steps {steps}")
        if self.arm == "shuffled" and self.train.batch_size < 2:
            raise ValueError("train.batch_size must be 2 or more to exchange actions between clips")
        return self

    @property
    def patches(self) -> int:
        """Patches of a frame."""
        return (self.encoder.image_size // self.encoder.patch_size) ** 2

    @property
    def masked_patches(self) -> int:
        """How many of them are hidden from the encoder."""
        return round(self.tokenizer.mask_share * self.patches)

    @property
    def learns_dynamics(self) -> bool:
        """Whether there is a second stage."""
        return self.arm not in WITHOUT_DYNAMICS

    @property
    def tokenizer_steps(self) -> int:
        """Optimizer steps of masked reconstruction."""
        second = 0 if self.learns_dynamics else self.train.dynamics_steps
        return self.train.tokenizer_steps + second

    def as_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return json.loads(self.model_dump_json())

    def tokenizer_identity(self) -> dict[str, Any]:
        """What makes a tokenizer this one; the arms with dynamics share theirs."""
        settings = self.identity()
        del settings["arm"], settings["dynamics"]
        del settings["train"]["tokenizer_steps"], settings["train"]["dynamics_steps"]
        return {**settings, "steps": self.tokenizer_steps, "static": self.arm == "static"}

    def identity(self) -> dict[str, Any]:
        """The settings that make this training this one: neither :data:`WAYS` nor the gap's."""
        settings = self.as_json()
        settings["train"] = {k: v for k, v in settings["train"].items() if k not in WAYS}
        del settings["held_out"]["clips"]
        return settings


def load_config(path: Path | None, overrides: Iterable[str] = ()) -> NavigationConfig:
    """Reads settings.

    Args:
        path: YAML file, or None for the defaults (``Training/configs/navigation/paper.yaml``).
        overrides: ``group.key=value`` texts, as in ``train.learning_rate=1e-4``.

    Raises:
        InputError: A missing file, bad YAML, an unknown key, or a bad value.
    """
    return checked(read_settings(path, overrides), NavigationConfig, path)
