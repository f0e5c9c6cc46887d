"""What a result was made from, described by content: volumes, masks, boxes, settings.

Everything is hashed where a run sees it, in canonical orientation and the masks on the canonical
grid, so that saving and reading a scene, which may flip a node's array, changes nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from MRNDiagnosisLib import rois as roi_nodes
from MRNDiagnosisLib import segmentations, volumes
from MRNDiagnosisLib.kept import SMALL
from MRNDiagnosisLib.results import FINGERPRINT
from MRNLib import geometry
from MRNLib.anatomy import ROI_NAMES, ROIS
from MRNLib.cache import content_key
from MRNLib.geometry import Grid
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES, Roi, boxes_from_masks

if TYPE_CHECKING:
    from MRNDiagnosisLib.case import Inputs
    from MRNLib.parameters import Parameters

# Settings that leave a result as it is (boxes are compared by themselves): where it is computed,
# and where intermediate results are kept.
NOT_COMPARED = ("boxes", "cache", "device")
SAME_PLACE_MM = 1e-3


@dataclass(frozen=True)
class Place:
    """A volume's content and where it lies, from :attr:`Fingerprint.volumes`.

    Attributes:
        voxels: Hash of the voxels in canonical orientation.
        phantom: Whether the volume is marked as a digital phantom.
        corners: First and last voxels' centres in mm (LPS), eight corners one after the other.
    """

    voxels: str
    phantom: bool
    corners: tuple[float, ...]

    def moved(self, other: Place) -> bool:
        """Whether the voxels lie elsewhere; headers that went through a file differ a little."""
        apart = np.abs(np.subtract(self.corners, other.corners))
        return bool(apart.max() > SAME_PLACE_MM)


@dataclass(frozen=True)
class Fingerprint:
    """What a result depends on.

    Attributes:
        volumes: By role (``QSM``, ``NM``, ``T1``): a :class:`Place` as JSON.
        boxes: By ROI: its box on the canonical grid, empty where its nuclei are missing. A ROI
            whose nuclei are still to be outlined is not among them.
        masks: By modality: hash of the mask; one that is still to be drawn is not among them.
        settings: The settings that can change a result, as JSON.
    """

    volumes: dict[str, str]
    boxes: dict[str, str]
    masks: dict[str, str]
    settings: str

    def place(self, role: str) -> Place | None:
        """A volume's content and place, None where it was not chosen."""
        if role not in self.volumes:
            return None
        values = json.loads(self.volumes[role])
        return Place(values["voxels"], values["phantom"], tuple(values["corners"]))


def fingerprint(
    inputs: Inputs,
    parameters: Parameters,
    grid: Grid,
    own_margin: tuple[float, int] = (MARGIN_MM, MARGIN_SLICES),
) -> Fingerprint:
    """The fingerprint of what is in the scene now.

    Args:
        inputs: The nodes of a run; ``roi_nodes`` are those whose boxes the user set.
        parameters: The settings of a run.
        grid: The QSM's canonical grid.
        own_margin: The model's margin in mm and in slices, for settings without one.

    Raises:
        InputError: A node that a run could not use either.
    """
    chosen = {"QSM": inputs.qsm, "NM": inputs.nm, "T1": inputs.t1}
    own_mm, slices = own_margin
    drawn = outlined(
        inputs, grid, own_mm if parameters.margin_mm is None else parameters.margin_mm, slices
    )
    found = {name: roi.box for outlines in drawn.values() for name, roi in outlines.rois.items()}
    boxes = {item.name: found[item.name] for item in ROIS if item.name in found}
    boxes |= parameters.boxes
    boxes |= {name: roi_nodes.box_of(node, grid) for name, node in inputs.roi_nodes.items()}
    return Fingerprint(
        volumes={role: _volume(node) for role, node in chosen.items() if node is not None},
        boxes={name: str(boxes[name] or "") for name in ROI_NAMES if name in boxes},
        masks={modality: outlines.key for modality, outlines in drawn.items()},
        settings=_settings(parameters, {*parameters.masked, *inputs.masked}),
    )


@dataclass(frozen=True)
class Outlines:
    """What one modality's outlines say, without their voxels.

    Attributes:
        key: Hash of the mask on the canonical grid.
        rois: The ROIs around its nuclei, by name, with what the library notices about each.
    """

    key: str
    rois: Mapping[str, Roi]


def outlined(
    inputs: Inputs, grid: Grid, margin_mm: float, margin_slices: int
) -> dict[str, Outlines]:
    """What the chosen outlines say, by modality; one that is still to be drawn is not there.

    Raises:
        InputError: A segmentation that is no mask.
    """
    (x, y, z), found = grid.spacing, {}
    for modality, node, volume in (
        ("QSM", inputs.qsm_segmentation, inputs.qsm),
        ("NM", inputs.nm_segmentation, inputs.nm),
    ):
        if node is None or volume is None:
            continue

        def make(modality: str = modality, node: Any = node, volume: Any = volume) -> Outlines:
            mask = mask_on(node, modality, volume, grid)
            qsm_mask, nm_mask = (mask, None) if modality == "QSM" else (None, mask)
            drawn = boxes_from_masks(qsm_mask, nm_mask, (x, y, z), margin_mm, margin_slices)
            names = [item.name for item in ROIS if item.modality == modality]
            return Outlines(content_key(mask), {name: drawn[name] for name in names})

        values = (grid, margin_mm, margin_slices)
        found[modality] = SMALL.get(f"{modality} outlines", (node, volume), values, make)
    return found


def involved(inputs: Inputs) -> list[Any]:
    """The nodes whose modification can make a result out of date, for a ``Watcher``."""
    nodes = [inputs.qsm, inputs.nm, inputs.t1, inputs.qsm_segmentation, inputs.nm_segmentation]
    return [node for node in (*nodes, *inputs.roi_nodes.values()) if node is not None]


def to_json(value: Fingerprint) -> str:
    """``value`` as text."""
    return json.dumps(dataclasses.asdict(value), sort_keys=True)


def from_json(text: str) -> Fingerprint:
    """What :func:`to_json` wrote.

    Raises:
        ValueError: The text is none of it, such as that of another version.
    """
    values = json.loads(text)
    names = {field.name for field in dataclasses.fields(Fingerprint)}
    if not isinstance(values, dict) or set(values) != names:
        raise ValueError("not a fingerprint")
    return Fingerprint(**values)


def remember(result: Any, value: Fingerprint) -> None:
    """Stores with a result's text node what the result was made from.

    Masks that the run drew have to be in ``value``: take it after they were shown and chosen, or
    the first look at the scene would find them to be new.
    """
    result.SetAttribute(FINGERPRINT, to_json(value))


def remembered(result: Any) -> Fingerprint | None:
    """What a result's text node says it was made from, None where it does not say."""
    text = result.GetAttribute(FINGERPRINT)
    try:
        return from_json(text) if text else None
    except ValueError:
        return None


def mask_on(segmentation: Any, modality: str, volume: Any, grid: Grid) -> NDArray[np.uint8]:
    """The labels ``[k, j, i]`` that a segmentation shows, on ``grid``, as a run brings them there.

    Raises:
        InputError: As :func:`MRNDiagnosisLib.segmentations.mask_of`.
    """
    mask = segmentations.mask_of(segmentation, modality, volume)
    oriented, target = sitk.DICOMOrient(mask, "LPS"), grid.empty()
    if not geometry.same_grid(oriented, target):
        oriented = geometry.onto(oriented, target, sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(oriented)


def _volume(node: Any) -> str:
    return SMALL.get("content", [node], None, lambda: _content(node))


def _content(node: Any) -> str:
    image = sitk.DICOMOrient(volumes.image_of(node), "LPS")
    corners = Grid.of(image).corners().round(6)
    values = {
        "voxels": content_key(sitk.GetArrayViewFromImage(image)),
        "phantom": node.GetAttribute(volumes.PHANTOM_ATTRIBUTE) == "1",
        "corners": corners.ravel().tolist(),
    }
    return json.dumps(values, sort_keys=True)


def _settings(parameters: Parameters, masked: set[str]) -> str:
    values = {k: v for k, v in parameters.to_jsonable().items() if k not in NOT_COMPARED}
    values["masked"] = [name for name in ROI_NAMES if name in masked]
    return json.dumps(values, sort_keys=True)
