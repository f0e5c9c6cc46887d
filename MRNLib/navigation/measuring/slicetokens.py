"""MRN on slices that a frozen encoder has seen already: its tokens are kept, the rest is trained.

An encoder that learns no more gives the same tokens for the same image each time, so each image is
encoded once for all trainings. What a training varies (boxes, mirror, grey values) is drawn so many
times beforehand, each draw a view of the patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from MRNLib.anatomy import ROI_NAMES
from MRNLib.models.backbone import SliceFeatures
from MRNLib.models.mrn import Mrn
from MRNLib.models.packing import Layout, RoiShape
from MRNLib.models.system import PatientInput, SystemOutput
from MRNLib.progress import Progress, silent
from MRNLib.training.dataset import CropDataset
from MRNLib.training.sampling import generator_for

# Patients that are encoded at once.
AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class EncodedRoi:
    """One ROI of one patient, as a frozen encoder sees it.

    Attributes:
        slice_tokens: ``[slices, C]``.
        patch_maps: ``[slices, C, rows, columns]`` of each tapped block.
        size: Height and width of its image in pixels.
        labels: ``[slices, h, w]`` int8 targets; None where nothing is segmented.
    """

    slice_tokens: Tensor
    patch_maps: tuple[Tensor, ...]
    size: tuple[int, int]
    labels: Tensor | None = None

    @property
    def shape(self) -> RoiShape:
        """Its grid of patches."""
        slices, _, rows, columns = self.patch_maps[-1].shape
        return RoiShape(rows, columns, slices)


EncodedPatient = Mapping[str, EncodedRoi]


@torch.no_grad()
def encoded(model: Mrn, inputs: Sequence[PatientInput]) -> list[EncodedPatient]:
    """Patients through the model's encoder; images of one size together."""
    model.eval()
    keys = [(number, name) for number in range(len(inputs)) for name in model.regions]
    stacks = {key: inputs[key[0]].stacks[key[1]] for key in keys}
    found: list[dict[str, EncodedRoi]] = [{} for _ in inputs]
    for shape in sorted({one.shape[1:] for one in stacks.values()}):
        chosen = [key for key in keys if stacks[key].shape[1:] == shape]
        counts = [len(stacks[key]) for key in chosen]
        features = model.res.backbone(torch.cat([stacks[key] for key in chosen]))
        parts = zip(*(one.split(counts) for one in features.patch_maps), strict=True)
        for (number, name), tokens, maps in zip(
            chosen, features.slice_tokens.split(counts), parts, strict=True
        ):
            targets = inputs[number].labels.get(name)
            labels = None if targets is None else targets.to(torch.int8)
            size = (int(shape[1]), int(shape[2]))
            # Copies: a part would keep all of the batch in memory.
            kept = tuple(one.clone() for one in maps)
            found[number][name] = EncodedRoi(tokens.clone(), kept, size, labels)
    return list(found)


def plain_view(
    model: Mrn, dataset: CropDataset, progress: Progress = silent
) -> list[EncodedPatient]:
    """All patients of a dataset with their true boxes and nothing random, for evaluation."""
    found: list[EncodedPatient] = []
    for start in range(0, len(dataset), AT_ONCE):
        progress(start / len(dataset), "encoding the patients to test on")
        chosen = range(start, min(start + AT_ONCE, len(dataset)))
        found += encoded(model, model.prepare(dataset.plain(chosen)))
    return found


def varied_views(
    model: Mrn, dataset: CropDataset, views: int, seed: int, progress: Progress = silent
) -> list[list[EncodedPatient]]:
    """All patients as training sees them.

    Args:
        model: Its encoder is used, nothing else.
        dataset: The patients, with the configuration's augmentation.
        views: How many draws of each patient.
        seed: Of the draws; a view depends on it, on its number and on the patient's place alone.
        progress: Called before each batch; may raise ``Cancelled``.

    Returns:
        ``[patient][view]``.
    """
    found: list[list[EncodedPatient]] = [[] for _ in range(len(dataset))]
    for start in range(0, len(dataset), AT_ONCE):
        progress(start / len(dataset), "encoding the patients to train on")
        chosen = range(start, min(start + AT_ONCE, len(dataset)))
        for view in range(views):
            chance = [generator_for(seed, patient, view) for patient in chosen]
            made = encoded(model, model.prepare(dataset.varied(chosen, chance)))
            for patient, one in zip(chosen, made, strict=True):
                found[patient].append(one)
    return found


def forward_encoded(
    model: Mrn, patients: Sequence[EncodedPatient], *, segment: bool
) -> SystemOutput:
    """What :meth:`Mrn.forward` gives for patients who have passed its encoder before.

    Args:
        model: Everything behind its encoder is used.
        patients: Their ROIs by name.
        segment: Whether to segment too, if the model can.
    """
    rois = [patient[name] for patient in patients for name in ROI_NAMES]
    layout = Layout.of([roi.shape for roi in rois])
    packed = [rois[index] for index in layout.order]
    slices, first = [], 0
    for group in layout.groups_of_rois:
        part = packed[first : first + len(group)]
        first += len(group)
        maps = [torch.cat(taps) for taps in zip(*(roi.patch_maps for roi in part), strict=True)]
        slices.append(SliceFeatures(torch.cat([roi.slice_tokens for roi in part]), maps))
    segment = segment and model.dpt is not None
    features = model.res.fuse(slices, layout, [roi.size for roi in packed], with_maps=segment)
    tokens = features.tokens.unflatten(0, (len(patients), len(ROI_NAMES)))
    segmentations = None
    if segment:
        logits = iter(model.segment(features, ROI_NAMES * len(patients)))
        segmentations = tuple(dict(zip(ROI_NAMES, logits, strict=False)) for _ in patients)
    return SystemOutput(tokens, model.classify(tokens), None, segmentations)
