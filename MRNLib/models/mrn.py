"""MRN: four ROIs through one RES, one classification (arXiv 2509.17566, Fig. 1, Eqs. 4 to 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from MRNLib.anatomy import ROI_NAMES, ROIS
from MRNLib.models.config import MrnConfig
from MRNLib.models.dpt import DensePrediction
from MRNLib.models.heads import ClassificationHead, ProjectionHead
from MRNLib.models.preprocess import prepare_labels, prepare_stacks
from MRNLib.models.res import Res, RoiFeatures
from MRNLib.models.system import (
    PatientInput,
    RegionBatch,
    System,
    SystemOutput,
    patient_inputs,
)

# Discarded at inference (section 4.1.2).
TRAINING_ONLY = ("dpt.", "projector.")


class Mrn(System):
    """The multi-ROI driven network.

    Args:
        config: What it is made of.
        pretrained: ``False`` builds without reading DINOv2's weights, for a checkpoint to be
            loaded.

    Its parameters' names start with ``res.backbone.``, ``res.ffa.``, ``res.sfa.``, ``dpt.``,
    ``projector.`` and ``classification_head.``.
    """

    regions = ROI_NAMES

    def __init__(self, config: MrnConfig, pretrained: bool = True) -> None:
        super().__init__()
        self.config = config
        self.res = Res(config, pretrained)
        features = len(ROIS) * self.res.width
        self.classification_head = ClassificationHead(
            features, config.head_hidden, config.head_dropout
        )
        self.projector = (
            ProjectionHead(features, config.projection_hidden, config.projection_dim)
            if config.projector
            else None
        )
        self.dpt = (
            DensePrediction(
                self.res.width,
                {roi.name: roi.classes for roi in ROIS},
                config.dpt_channels,
                config.dpt_features,
            )
            if config.dpt
            else None
        )

    def encode(self, stacks: Sequence[Tensor]) -> Tensor:
        """ROI tokens ``[N, C]`` of N preprocessed ROIs ``[slices, 3, h, w]`` of any sizes."""
        return self.res(stacks).tokens

    def encode_one(self, stack: Tensor) -> Tensor:
        """The token ``[C]`` of one preprocessed ROI, or of a masked one (``preprocess.blank``)."""
        return self.encode([stack])[0]

    def encode_patients(self, patients: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """ROI tokens ``[B, 4, C]`` of patients given as preprocessed ROIs by name."""
        return self.encode(_stacks(patients)).unflatten(0, (len(patients), len(ROIS)))

    def classify(self, tokens: Tensor) -> Tensor:
        """Logits ``[B, 2]`` of ROI tokens ``[B, 4, C]`` (Eqs. 6 and 7); class 1 is PD."""
        return self.classification_head(tokens)

    def project(self, tokens: Tensor) -> Tensor:
        """Unit vectors ``[B, projection_dim]`` of ROI tokens ``[B, 4, C]`` (section 3.3.2).

        Raises:
            ValueError: the model was built without a projection head.
        """
        if self.projector is None:
            raise ValueError(
                "this model has no projection head: its config sets projector to False"
            )
        return self.projector(tokens)

    def segment(self, features: RoiFeatures, roi_names: Sequence[str]) -> list[Tensor]:
        """Segment ROIs encoded by ``res(stacks, with_maps=True)``.

        Args:
            features: What RES gave.
            roi_names: Each ROI's name, in the order the stacks were given.

        Returns:
            Logits ``[slices, classes, h, w]`` per ROI, in that order.

        Raises:
            ValueError: the model was built without a segmentation head, or RES without its inputs.
        """
        if self.dpt is None:
            raise ValueError("this model has no segmentation head: its config sets dpt to None")
        if not features.maps:
            raise ValueError("segmentation needs features encoded with with_maps=True")
        layout = features.layout
        fused = [
            roi
            for group, maps in zip(layout.groups_of_rois, features.maps, strict=True)
            for roi in self.dpt(maps).split([shape.slices for shape in group])
        ]
        logits = [
            self.dpt.logits(maps, roi_names[index], size)
            for maps, index, size in zip(fused, layout.order, features.sizes, strict=True)
        ]
        return [logits[index] for index in layout.inverse]

    def prepare(self, regions: Mapping[str, RegionBatch]) -> list[PatientInput]:
        """Stacks and, with a segmentation head, its targets (section 3.3)."""
        config = self.config.preprocess
        stacks = {name: prepare_stacks(regions[name], config) for name in self.regions}
        labels = {name: prepare_labels(regions[name], config) for name in self.regions if self.dpt}
        return patient_inputs(stacks, labels)

    def forward(
        self,
        patients: Sequence[Mapping[str, Tensor]],
        *,
        classify: bool = True,
        segment: bool = True,
    ) -> SystemOutput:
        """All heads on a batch of patients.

        Args:
            patients: For each patient the four preprocessed ROIs ``[slices, 3, h, w]`` by name.
            classify: Whether to give logits.
            segment: Whether to segment too, if the model can.
        """
        segment = segment and self.dpt is not None
        features = self.res(_stacks(patients), with_maps=segment)
        tokens = features.tokens.unflatten(0, (len(patients), len(ROIS)))
        segmentations = None
        if segment:
            logits = iter(self.segment(features, ROI_NAMES * len(patients)))
            segmentations = tuple(dict(zip(ROI_NAMES, logits, strict=False)) for _ in patients)
        return SystemOutput(
            tokens=tokens,
            logits=self.classify(tokens) if classify else None,
            projections=None if self.projector is None else self.project(tokens),
            segmentations=segmentations,
        )


def build(config: MrnConfig, *, pretrained: bool = True) -> Mrn:
    """An MRN with DINOv2's configured weights, or without reading any (``pretrained=False``).

    Raises:
        InputError: the weights cannot be had; it says how.
    """
    return Mrn(config, pretrained)


def inference_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that ``Mrn(config.for_inference())`` loads: all but the discarded heads'."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(TRAINING_ONLY)}


def _stacks(patients: Sequence[Mapping[str, Tensor]]) -> list[Tensor]:
    for patient in patients:
        missing = [name for name in ROI_NAMES if name not in patient]
        if missing:
            raise ValueError(
                f"a patient lacks {', '.join(missing)}: an absent ROI is given as preprocess.blank"
            )
    return [patient[name] for patient in patients for name in ROI_NAMES]
