"""What a result was made from, described by content: volumes, masks, boxes, settings.

Everything is hashed where a run sees it, in canonical orientation and the masks on the canonical
grid, so that saving and reading a scene, which may flip a node's array, changes nothing.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from MRNDiagnosisLib import rois as roi_nodes
from MRNDiagnosisLib import segmentations, volumes
from MRNDiagnosisLib.results import FINGERPRINT
from MRNLib import geometry
from MRNLib.anatomy import ROI_NAMES, ROIS
from MRNLib.cache import content_key
from MRNLib.geometry import Grid
from MRNLib.rois import MARGIN_MM, MARGIN_SLICES, boxes_from_masks

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
    outlines = {"QSM": inputs.qsm_segmentation, "NM": inputs.nm_segmentation}
    masks = {
        modality: _on_grid(segmentations.mask_of(node, modality, chosen[modality]), grid)
        for modality, node in outlines.items()
        if node is not None and chosen[modality] is not None
    }
    (x, y, z), (own_mm, slices) = grid.spacing, own_margin
    drawn = boxes_from_masks(
        masks.get("QSM"),
        masks.get("NM"),
        (x, y, z),
        margin_mm=own_mm if parameters.margin_mm is None else parameters.margin_mm,
        margin_slices=slices,
    )
    boxes = {item.name: drawn[item.name].box for item in ROIS if item.modality in masks}
    boxes |= parameters.boxes
    boxes |= {name: roi_nodes.box_of(node, grid) for name, node in inputs.roi_nodes.items()}
    return Fingerprint(
        volumes={role: _volume(node) for role, node in chosen.items() if node is not None},
        boxes={name: str(boxes[name] or "") for name in ROI_NAMES if name in boxes},
        masks={modality: content_key(mask) for modality, mask in masks.items()},
        settings=_settings(parameters, {*parameters.masked, *inputs.masked}),
    )


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


def _volume(node: Any) -> str:
    image = sitk.DICOMOrient(volumes.image_of(node), "LPS")
    corners = Grid.of(image).corners().round(6)
    values = {
        "voxels": content_key(sitk.GetArrayViewFromImage(image)),
        "phantom": node.GetAttribute(volumes.PHANTOM_ATTRIBUTE) == "1",
        "corners": corners.ravel().tolist(),
    }
    return json.dumps(values, sort_keys=True)


def _on_grid(mask: sitk.Image, grid: Grid) -> np.ndarray:
    """A mask's labels ``[k, j, i]`` on the canonical grid, as a run brings them there."""
    oriented, target = sitk.DICOMOrient(mask, "LPS"), grid.empty()
    if not geometry.same_grid(oriented, target):
        oriented = geometry.onto(oriented, target, sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(oriented)


def _settings(parameters: Parameters, masked: set[str]) -> str:
    values = {k: v for k, v in parameters.to_jsonable().items() if k not in NOT_COMPARED}
    values["masked"] = [name for name in ROI_NAMES if name in masked]
    return json.dumps(values, sort_keys=True)
