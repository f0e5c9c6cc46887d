"""DICOM segmentations of the outlines, written by the plugin in Slicer's core. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.hierarchy import place_beside
from MRNDiagnosisLib.segments import BINARY, SCALARS, has_voxels
from MRNDiagnosisLib.volumes import require_no_transform
from MRNLib.errors import InputError

INSTANCES = "DICOM.instanceUIDs"


def from_dicom(volume: Any) -> bool:
    """Whether a volume node was loaded from the DICOM database, without which there is no SEG."""
    return bool(volume.GetAttribute(INSTANCES))


def write(scene: Any, node: Any, volume: Any, folder: Path) -> None:
    """Writes one segmentation as a DICOM SEG object; one without voxels is not in it.

    Args:
        scene: The MRML scene.
        node: Segmentation node.
        volume: The volume node it belongs to.
        folder: Gets the file, whose name the plugin makes of the time.

    Raises:
        InputError: There is nothing outlined, the volume is not in DICOM, or the plugin refused.
    """
    import DICOMSegmentationPlugin
    import slicer

    if not from_dicom(volume):
        raise InputError(
            f"'{volume.GetName()}' was not loaded from the DICOM database",
            remedy="load the volume through Slicer's DICOM module",
        )
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    exporter = DICOMSegmentationPlugin.DICOMSegmentationPluginClass()
    with separated(scene, node, volume) as copy:
        exportables = exporter.examineForExport(hierarchy.GetItemByDataNode(copy))
        for exportable in exportables:
            exportable.directory = str(folder)
        if not exportables:
            problem = "its volume is not in the DICOM database"
        else:
            problem = exporter.export(exportables)
    if problem:
        raise InputError(f"'{node.GetName()}' was not written: {problem}", file=folder)


@contextmanager
def separated(scene: Any, node: Any, volume: Any) -> Iterator[Any]:
    """A copy of a segmentation for the plugin, in the scene as long as the block lasts.

    The plugin looks for an array called ``ImageScalars`` and at all of its values: segments of one
    shared label map would all count as filled, and the file would hold empty ones. Each segment
    of the copy has a label map of its own, and those without voxels are left out.

    Raises:
        InputError: A transform, or no segment has voxels.
    """
    import slicer

    require_no_transform(node)
    copy = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", node.GetName())
    try:
        copy.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        source, target = node.GetSegmentation(), copy.GetSegmentation()
        target.SetSourceRepresentationName(source.GetSourceRepresentationName())
        for identifier in source.GetSegmentIDs():
            target.CopySegmentFromSegmentation(source, identifier)
        if source.GetNumberOfSegments() and not target.ContainsRepresentation(BINARY):
            target.CreateRepresentation(BINARY)
        for identifier in target.GetSegmentIDs():
            if not has_voxels(target.GetSegment(identifier)):
                target.RemoveSegment(identifier)
        if not target.GetNumberOfSegments():
            raise InputError(f"'{node.GetName()}' is empty", remedy="draw the outlines first")
        for identifier in target.GetSegmentIDs():
            target.SeparateSegmentLabelmap(identifier)
            image = target.GetSegment(identifier).GetRepresentation(BINARY)
            image.GetPointData().GetScalars().SetName(SCALARS)
        place_beside(scene, copy, volume)
        yield copy
    finally:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(copy)
        if item:
            hierarchy.RemoveItem(item)
        if copy.GetScene() is not None:
            scene.RemoveNode(copy)
