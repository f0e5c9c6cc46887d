"""What the panel has chosen, as the files of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.rois import box_of
from MRNDiagnosisLib.segmentations import write_mask
from MRNDiagnosisLib.volumes import canonical_grid, file_of
from MRNLib.boxes import Box
from MRNLib.cases import Case, load_case
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters


@dataclass
class Inputs:
    """The nodes of one examination.

    Attributes:
        qsm: Volume node of the susceptibility map.
        nm: Volume node of the neuromelanin image.
        t1: Volume node of the T1 image, or None.
        qsm_segmentation: Segmentation node of the 16 nuclei, or None to have them segmented.
        nm_segmentation: Segmentation node of the NM mask, or None.
        roi_nodes: ROI nodes whose boxes replace those of the masks, by ROI name.
        masked: ROIs to leave out.
    """

    qsm: Any = None
    nm: Any = None
    t1: Any = None
    qsm_segmentation: Any = None
    nm_segmentation: Any = None
    roi_nodes: Mapping[str, Any] = field(default_factory=dict)
    masked: tuple[str, ...] = ()

    def boxes(self) -> dict[str, Box]:
        """The boxes of ``roi_nodes`` on the QSM's canonical grid.

        Raises:
            InputError: As :func:`MRNDiagnosisLib.rois.box_of`.
        """
        if not self.roi_nodes:
            return {}
        grid = canonical_grid(self.qsm)
        return {name: box_of(node, grid) for name, node in self.roi_nodes.items()}


def prepare(inputs: Inputs, folder: str | Path) -> Case:
    """The files of a run: the volumes' own where they still show the nodes, else written.

    Args:
        inputs: The nodes.
        folder: Where volumes and masks are written.

    Raises:
        InputError: QSM or NM is not chosen, or a node cannot be used.
    """
    missing = [name for name, node in (("QSM", inputs.qsm), ("NM", inputs.nm)) if node is None]
    if missing:
        raise InputError(
            f"no {' and no '.join(missing)} volume is chosen",
            expected="a susceptibility map and a neuromelanin image of one patient",
            remedy="choose them under Inputs",
        )
    folder = Path(folder)
    masks: dict[str, Path | None] = {"QSM": None, "NM": None}
    for modality, segmentation, volume in (
        ("QSM", inputs.qsm_segmentation, inputs.qsm),
        ("NM", inputs.nm_segmentation, inputs.nm),
    ):
        if segmentation is not None:
            path = folder / f"{modality}_mask.nrrd"
            masks[modality] = write_mask(segmentation, modality, volume, path)
    return Case(
        inputs.qsm.GetName(),
        file_of(inputs.qsm, folder, "QSM"),
        file_of(inputs.nm, folder, "NM"),
        None if inputs.t1 is None else file_of(inputs.t1, folder, "T1"),
        masks["QSM"],
        masks["NM"],
    )


def check(inputs: Inputs, folder: str | Path, parameters: Parameters | None = None) -> str:
    """What is wrong or doubtful about a choice, in the library's words; empty when nothing is.

    Reads the files as a run does, so what it lets pass a run accepts.

    Args:
        inputs: The nodes.
        folder: As for :func:`prepare`.
        parameters: Whether modalities are swapped, sides exchanged or merged labels split.
    """
    settings = parameters or Parameters()
    try:
        inputs.boxes()
        images = load_case(
            prepare(inputs, folder),
            swap_modalities=settings.swap_modalities,
            swap_sides=settings.swap_sides,
            split_merged=settings.split_merged,
        )
        return "\n".join(images.warnings)
    except InputError as error:
        return str(error)
