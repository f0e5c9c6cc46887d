"""What an MRN is made of, as frozen dataclasses of plain values.

The defaults are the paper's (arXiv 2509.17566, sections 3.2, 3.3 and 4.1.2); where the paper is
silent they are readings of it, and the attribute's text says so. Every ablation of Tables 2, 3, 7
and 8 is a config of its own: ``dataclasses.replace(PAPER, ffa_blocks=0, sfa_blocks=0, dpt=None)``
is the "DINOv2" row of Table 2. ``dataclasses.asdict`` gives JSON;
``pydantic.TypeAdapter(MrnConfig)`` reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
DPT_TAPS = 4
# What a backbone's weights start with where slice navigation made them.
NAVIGATION = "navigation:"
# Where pydantic reads these dataclasses (bundles, training settings), an unknown key is an error.
STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class IntensityConfig:
    """How a native crop's values become 0 to 1; the same in training and inference.

    Attributes:
        intensity: ``window``: fixed limits, below. ``percentiles``: each crop's own percentiles.
        qsm_window: Susceptibility in ppb that becomes 0 and 1.
        nm_window: Neuromelanin signal over its reference that becomes 0 and 1.
        nm_reference: What an NM crop is divided by: the median of its tissue (voxels above 0), or
            nothing.
        percentiles: Percentiles in percent that become 0 and 1 with ``intensity="percentiles"``.
    """

    __pydantic_config__ = STRICT

    intensity: Literal["window", "percentiles"] = "window"
    qsm_window: tuple[float, float] = (-150.0, 350.0)
    nm_window: tuple[float, float] = (0.7, 1.4)
    nm_reference: Literal["median", "none"] = "median"
    percentiles: tuple[float, float] = (0.5, 99.5)

    def __post_init__(self) -> None:
        for name in ("qsm_window", "nm_window", "percentiles"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(f"{name} must rise, got {low} to {high}")


@dataclass(frozen=True)
class PreprocessConfig(IntensityConfig):
    """How a native crop becomes the image of a network of slices.

    Attributes:
        roi_size: Length in pixels to which a crop's longest in-plane side is resized (section 3.3).
        patch_size: Side of a patch in pixels; the image is padded to a multiple of it.
        pad: ``multiple`` pads each side to the next multiple (rectangular), ``square`` both to the
            same length.
        mean: Channel means of the normalisation, in [0, 1] (ImageNet's, as DINOv2 was trained).
        std: Channel standard deviations of the normalisation.
    """

    roi_size: int = 224
    patch_size: int = 14
    pad: Literal["multiple", "square"] = "multiple"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch_size < 1 or self.roi_size < self.patch_size:
            raise ValueError(
                f"roi_size {self.roi_size} must hold one patch of {self.patch_size} pixels or more"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {self.std}")


@dataclass(frozen=True)
class VolumeConfig(IntensityConfig):
    """How a native crop becomes the image of a three-dimensional network: [0, 1], one size.

    Attributes:
        size: Slices, rows and columns to which the box is resized, aspect not kept.
    """

    size: tuple[int, int, int] = (16, 64, 64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.size) < 1:
            raise ValueError(f"size must be 1 or more along each axis, got {self.size}")


@dataclass(frozen=True)
class BackboneConfig:
    """The DINOv2 vision transformer, by its name in timm.

    Attributes:
        name: timm's model name, without a tag.
        weights: ``hub`` (downloaded by timm), ``none`` (random), the path of a weights file in
            Meta's or timm's format, or ``navigation:PATH``: the encoder that
            Training/pretrain_navigation.py trained on unlabelled volumes, by its
            ``tokenizer.safetensors`` or the folder that holds it. Width, depth, heads and patches
            have to be its own; the position embedding is resampled to ``image_size``.
        drop_path: Stochastic depth rate of the last block (section 4.1.2).
        image_size: Side in pixels that the position embedding is made for; other sizes resample it.
        patch_size: Side of a patch in pixels.
        embed_dim: Width C; ``None`` keeps the named model's.
        depth: Blocks; ``None`` keeps the named model's.
        num_heads: Attention heads; ``None`` keeps the named model's.
        layer_scale_init: LayerScale of a random initialisation. The named models' 1e-5 makes every
            block almost the identity, which is of no use without pre-trained weights. ``None``
            keeps it. Loaded weights bring their own.
    """

    __pydantic_config__ = STRICT

    name: str = "vit_base_patch14_reg4_dinov2"
    weights: str = "hub"
    drop_path: float = 0.2
    image_size: int = 224
    patch_size: int = 14
    embed_dim: int | None = None
    depth: int | None = None
    num_heads: int | None = None
    layer_scale_init: float | None = 0.1

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}"
            )
        if self.embed_dim and self.num_heads and self.embed_dim % (4 * self.num_heads):
            raise ValueError(
                f"embed_dim {self.embed_dim} is not a multiple of four times num_heads "
                f"{self.num_heads}, which the rotary embedding needs"
            )


@dataclass(frozen=True)
class MrnConfig:
    """An MRN: backbone, fusion, auxiliary heads.

    Attributes:
        kind: Tells this system's settings from the other systems' (``models/build.py``).
        backbone: DINOv2 (Eq. 2).
        preprocess: What the network's images are; stored with the weights, because they belong
            together.
        ffa_blocks: Feature fusion blocks, each a global then a local self-attention (section 3.2);
            0 for none.
        sfa_blocks: Slice fusion blocks; without any the ROI token is the mean of the slice tokens.
        slice_embedding: Whether Eq. 3's depth embedding is added.
        dpt: Last input of the segmentation head, ``local`` or ``global`` attention (Fig. 3);
            ``None``: no head.
        dpt_channels: Channels of the four reassembled maps, from fine to coarse.
        dpt_features: Channels while fusing them.
        fusion_layer_scale: LayerScale initialisation of FFA and SFA (VGGT's).
        rope_base: Base of the 2-D rotary embedding in FFA (VGGT's).
        projector: Whether there is a projection head for the contrastive loss.
        head_hidden: Hidden width of the classification head.
        head_dropout: Its dropout (section 4.1.2).
        projection_hidden: Hidden width of the projection head.
        projection_dim: Width of the contrastive space.
        checkpoint_activations: Recompute activations in the backward pass: less memory, about a
            third slower.
    """

    __pydantic_config__ = STRICT

    kind: Literal["mrn"] = "mrn"
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    ffa_blocks: int = 3
    sfa_blocks: int = 2
    slice_embedding: bool = True
    dpt: Literal["local", "global"] | None = "local"
    dpt_channels: tuple[int, int, int, int] = (96, 192, 384, 768)
    dpt_features: int = 256
    fusion_layer_scale: float = 0.01
    rope_base: float = 100.0
    projector: bool = True
    head_hidden: int = 768
    head_dropout: float = 0.5
    projection_hidden: int = 768
    projection_dim: int = 128
    checkpoint_activations: bool = False

    def __post_init__(self) -> None:
        if self.preprocess.patch_size != self.backbone.patch_size:
            raise ValueError(
                f"preprocess.patch_size {self.preprocess.patch_size} and backbone.patch_size "
                f"{self.backbone.patch_size} must be the same"
            )
        if self.ffa_blocks < 0 or self.sfa_blocks < 0:
            raise ValueError("ffa_blocks and sfa_blocks must be 0 or more")
        if self.dpt and self.backbone.depth and self.backbone.depth < DPT_TAPS - self.fusion_taps:
            raise ValueError(
                f"with {self.ffa_blocks} FFA blocks the segmentation head needs "
                f"{DPT_TAPS - self.fusion_taps} DINOv2 blocks or more, got {self.backbone.depth}"
            )

    @property
    def fusion_taps(self) -> int:
        """How many of the segmentation head's four inputs come from FFA: at most three."""
        return min(self.ffa_blocks, DPT_TAPS - 1)

    def for_inference(self) -> MrnConfig:
        """The same model without the heads that section 4.1.2 discards, to load weights into."""
        return replace(
            self,
            backbone=replace(self.backbone, weights="none"),
            dpt=None,
            projector=False,
            checkpoint_activations=False,
        )


PAPER = MrnConfig()

# The same architecture at a size that two CPU cores can train from scratch.
SMALL = MrnConfig(
    backbone=BackboneConfig(
        weights="none",
        drop_path=0.1,
        image_size=64,
        patch_size=8,
        embed_dim=96,
        depth=4,
        num_heads=3,
    ),
    preprocess=PreprocessConfig(roi_size=64, patch_size=8),
    dpt_channels=(24, 48, 96, 96),
    dpt_features=48,
    fusion_layer_scale=0.1,
    head_hidden=96,
    projection_hidden=96,
    projection_dim=64,
)
