"""Calls back once when a node that a result was made from is modified in a way that matters."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from MRNDiagnosisLib.volumes import PHANTOM_ATTRIBUTE


class Watcher:
    """Observes nodes; calls back at the first change that can make a result out of date.

    Later changes are not reported until :meth:`watch` is called again, so a stroke of the brush
    costs one call, not hundreds. Names, colours, windows and visibility do not count. The watcher
    keeps no node alive longer than the scene does, and a watcher that is dropped stops by itself.

    Args:
        callback: Called without arguments, inside the modification: schedule what takes long.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._observed: list[tuple[Any, int]] = []
        self._seen: list[tuple[Any, Any]] = []

    @property
    def watching(self) -> bool:
        """Whether a change would be reported."""
        return bool(self._observed)

    def watch(self, nodes: Iterable[Any]) -> None:
        """Observes ``nodes`` (None is passed over) as they are now, and no others any more."""
        self.release()
        nodes = [node for node in nodes if node is not None]
        self._seen = [(node, state(node)) for node in nodes]
        handler = _handler(weakref.ref(self))
        for node in nodes:
            for event in _events(node):
                self._observed.append((node, node.AddObserver(event, handler)))
        for scene in {id(scene): scene for scene in map(_scene, nodes) if scene}.values():
            self._observed.append((scene, scene.AddObserver(scene.NodeRemovedEvent, handler)))

    def release(self) -> None:
        """Removes every observer and forgets the nodes; may be called any number of times."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed, self._seen = [], []

    def _modified(self) -> None:
        if any(state(node) != before for node, before in self._seen):
            self.release()
            self._callback()

    def __del__(self) -> None:
        self.release()


def _handler(watcher: weakref.ref[Watcher]) -> Callable[[Any, str], None]:
    def modified(caller: Any, event: str) -> None:
        found = watcher()
        if found is not None:
            found._modified()

    return modified


def _scene(node: Any) -> Any:
    return node.GetScene()


def _events(node: Any) -> list[int]:
    """The events of a node that can mean other content or another place."""
    import vtk

    events = [int(vtk.vtkCommand.ModifiedEvent)]
    if node.IsA("vtkMRMLTransformableNode"):
        events.append(node.TransformModifiedEvent)
    content = node.GetContentModifiedEvents()
    return events + [content.GetValue(number) for number in range(content.GetNumberOfValues())]


def state(node: Any) -> Any:
    """What of a node matters, as something cheap to compare."""
    if node.GetScene() is None:
        return None  # it was removed
    if node.IsA("vtkMRMLVolumeNode"):
        return _place(node), _volume(node)
    if node.IsA("vtkMRMLSegmentationNode"):
        return _place(node), _segments(node)
    if node.IsA("vtkMRMLMarkupsROINode"):
        matrix = node.GetObjectToWorldMatrix()
        return tuple(node.GetSize()), _elements(matrix)
    return node.GetMTime()


def _elements(matrix: Any) -> tuple[float, ...]:
    return tuple(matrix.GetElement(i, j) for i in range(4) for j in range(4))


def _place(node: Any) -> Any:
    transform = node.GetParentTransformNode()
    if transform is None:
        return None
    return transform.GetID(), transform.GetTransformToWorldMTime()


def _volume(node: Any) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = node.GetImageData()
    time = None if image is None else image.GetMTime()
    return _elements(matrix), time, node.GetAttribute(PHANTOM_ATTRIBUTE)


def _segments(node: Any) -> Any:
    segmentation = node.GetSegmentation()
    found = []
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        voxels = segment.GetRepresentation(segmentation.GetSourceRepresentationName())
        time = None if voxels is None else voxels.GetMTime()
        what = segmentation.GetNthSegmentID(number), segment.GetName(), segment.GetTerminology()
        found.append((*what, segment.GetLabelValue(), time))
    return tuple(found)
