"""Label maps as segmentation nodes and back, voxel for voxel; left and right by physical space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from MRNDiagnosisLib.hierarchy import place_beside
from MRNDiagnosisLib.segments import BINARY, fill, has_voxels
from MRNDiagnosisLib.terminology import label_of, load_terminology, segment_id
from MRNDiagnosisLib.volumes import image_of, require_no_transform
from MRNLib.anatomy import NUCLEI_BY_MODALITY
from MRNLib.errors import InputError
from MRNLib.files import write_image
from MRNLib.geometry import Grid, back_to
from MRNLib.images import SourceInfo, Volume
from MRNLib.masks import read_mask

__all__ = [
    "load_terminology",
    "mask_of",
    "read_onto",
    "segment_id",
    "show_mask",
    "show_read",
    "write_mask",
]


def read_onto(
    path: str | Path,
    modality: str,
    reference: Any,
    *,
    swap_sides: bool = False,
    split_merged: bool = False,
) -> tuple[sitk.Image, tuple[str, ...]]:
    """A label map file on a volume node's own grid, with the library's checks and warnings.

    Raises:
        InputError: As :func:`MRNLib.masks.read_mask`.
    """
    image = image_of(reference)
    grid = Grid.of(image)
    source = SourceInfo(
        reference.GetName(),
        "",
        image.GetSize(),
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
        image.GetPixelIDTypeAsString(),
    )
    volume = Volume(sitk.DICOMOrient(image, "LPS"), modality, source)
    mask, notes = read_mask(
        path, modality, volume, swap_sides=swap_sides, split_merged=split_merged
    )
    return back_to(mask, grid), notes


def show_mask(
    scene: Any,
    path: str | Path,
    modality: str,
    reference: Any,
    name: str,
    *,
    into: Any = None,
    swap_sides: bool = False,
    split_merged: bool = False,
) -> Any:
    """Shows a label map as a segmentation node: one segment for each nucleus and side.

    A nucleus that the mask lacks gets an empty segment to draw in. The library's warnings are the
    node's description.

    Args:
        scene: Where the node goes.
        path: Label map in the challenge's numbering.
        modality: ``QSM`` or ``NM``.
        reference: The volume node it was drawn on; its grid becomes the segmentation's.
        name: The new node's name.
        into: A segmentation node whose segments are replaced instead.
        swap_sides: Exchange right and left labels if odd labels lie on the left.
        split_merged: Split merged left-right labels at the midline.

    Raises:
        InputError: The file is no mask of this volume; the scene is left as it was.
    """
    read = read_onto(path, modality, reference, swap_sides=swap_sides, split_merged=split_merged)
    return show_read(scene, read, modality, reference, name, into=into)


def show_read(
    scene: Any,
    read: tuple[sitk.Image, tuple[str, ...]],
    modality: str,
    reference: Any,
    name: str,
    *,
    into: Any = None,
) -> Any:
    """:func:`show_mask` for a label map that :func:`read_onto` has read already."""
    mask, notes = read
    node = into or scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    modifying = node.StartModify()
    try:
        node.CreateDefaultDisplayNodes()
        node.GetSegmentation().RemoveAllSegments()
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
        fill(node, mask, modality, reference)
        node.SetDescription("\n".join(notes))
        _outline(node.GetDisplayNode())
    finally:
        node.EndModify(modifying)
    place_beside(scene, node, reference)
    return node


def _outline(display: Any) -> None:
    """Outlines in the slice views; the 3-D view is the Show 3D button's."""
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(False)


def _labels(segmentation: Any, modality: str) -> dict[str, int]:
    """The label of each segment that has voxels, in the segmentation's order.

    Raises:
        InputError: A segment with voxels is none of the nuclei.
    """
    shape = segmentation.GetSegmentation()
    if shape.GetNumberOfSegments() and not shape.ContainsRepresentation(BINARY):
        shape.CreateRepresentation(BINARY)
    labels: dict[str, int] = {}
    unknown = []
    for identifier in shape.GetSegmentIDs():
        segment = shape.GetSegment(identifier)
        if not has_voxels(segment):
            continue
        label = label_of(identifier, segment.GetName(), segment.GetTerminology(), modality)
        if label is None:
            unknown.append(f"'{segment.GetName()}'")
        else:
            labels[identifier] = label
    if unknown:
        nuclei = ", ".join(nucleus.key for nucleus in NUCLEI_BY_MODALITY[modality])
        example = f"{NUCLEI_BY_MODALITY[modality][-1].key} right"
        raise InputError(
            f"'{segmentation.GetName()}' has segments that are no nuclei of the {modality} mask: "
            + ", ".join(unknown),
            expected=f"a nucleus ({nuclei}) and a side in each name, such as '{example}'",
            remedy="rename these segments or remove them",
        )
    return labels


def mask_of(segmentation: Any, modality: str, reference: Any) -> sitk.Image:
    """The label map that a segmentation shows, in the challenge's numbering.

    A segment is known by its identifier, else by its name (``SN right``, ``Right substantia
    nigra`` ...), else by its terminology. Where segments overlap the later one wins.

    Args:
        segmentation: Segmentation node, as :func:`show_mask` makes it or drawn by hand.
        modality: ``QSM`` or ``NM``.
        reference: The volume node whose grid the mask gets.

    Returns:
        A uint8 image on the reference's own grid.

    Raises:
        InputError: A segment with voxels that is none of the nuclei, or a transform.
    """
    import slicer
    import vtk
    from vtk.util import numpy_support

    require_no_transform(segmentation)
    image = image_of(reference)
    identifiers, labels = vtk.vtkStringArray(), vtk.vtkIntArray()
    for identifier, label in _labels(segmentation, modality).items():
        identifiers.InsertNextValue(identifier)
        labels.InsertNextValue(label)
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    if identifiers.GetNumberOfValues():
        merged = slicer.vtkOrientedImageData()
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.GenerateMergedLabelmapInReferenceGeometry(
            segmentation, reference, identifiers, 0, merged, labels
        )
        scalars = merged.GetPointData().GetScalars()
        array = numpy_support.vtk_to_numpy(scalars).reshape(array.shape).astype(np.uint8)
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    return mask


def write_mask(segmentation: Any, modality: str, reference: Any, path: str | Path) -> Path:
    """Writes :func:`mask_of` to ``path`` and returns it.

    Raises:
        InputError: As :func:`mask_of`, or the file cannot be written.
    """
    return write_image(mask_of(segmentation, modality, reference), path)
