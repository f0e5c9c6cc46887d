"""What Slicer's views look at; without the application's views nothing happens.

Layouts are the user's: nothing here changes one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

# How much wider than what is framed a slice view is.
ROOM = 1.5


def _layout() -> Any:
    """The application's layout manager, or None."""
    import slicer

    application = getattr(slicer, "app", None)
    manager = getattr(application, "layoutManager", None)
    return None if manager is None else manager()


def show_volume(volume: Any) -> None:
    """Shows a volume alone in the slice views, all of it."""
    import slicer

    if _layout() is not None:
        slicer.util.setSliceViewerLayers(background=volume, foreground=None, fit=True)


def look_at(volume: Any, bounds: Sequence[float] | None) -> None:
    """Shows a part of a volume in the slice views, at a size at which it can be judged.

    Args:
        volume: The volume.
        bounds: The part in RAS, lower and upper end along each axis in turn; None for all of it.
    """
    import slicer

    layout = _layout()
    if layout is None:
        return
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    if bounds is None:
        return
    for name in layout.sliceViewNames():
        frame(layout.sliceWidget(name).mrmlSliceNode(), bounds)


def frame(slice_node: Any, bounds: Sequence[float]) -> None:
    """Moves a slice view to the middle of ``bounds`` and zooms to it."""
    lower, upper = bounds[0::2], bounds[1::2]
    centre = [(low + high) / 2 for low, high in zip(lower, upper, strict=True)]
    matrix = slice_node.GetSliceToRAS()
    fields = slice_node.GetFieldOfView()
    # What the box takes up of the view's width and height, whichever way the view is turned.
    shares = [
        sum(abs(matrix.GetElement(row, column)) * (upper[row] - lower[row]) for row in range(3))
        / fields[column]
        for column in range(2)
    ]
    zoom = ROOM * max(shares)
    if zoom > 0:
        slice_node.SetFieldOfView(fields[0] * zoom, fields[1] * zoom, fields[2])
    slice_node.JumpSliceByCentering(*centre)


def around(nodes: Iterable[Any]) -> list[float] | None:
    """The bounds in RAS of several nodes, such as boxes, together; None for no nodes."""
    found = []
    for node in nodes:
        bounds = [0.0] * 6
        node.GetRASBounds(bounds)
        found.append(bounds)
    if not found:
        return None
    ends = (min, max) * 3
    return [end(values) for end, values in zip(ends, zip(*found, strict=True), strict=True)]


def centre_3d(bounds: Sequence[float] | None) -> None:
    """Centres the 3-D views on a part of the patient, seen from where they are seen now."""
    import slicer

    layout = _layout()
    if layout is None or bounds is None:
        return
    cameras = slicer.modules.cameras.logic()
    for number in range(layout.threeDViewCount):
        view = layout.threeDWidget(number).mrmlViewNode()
        aim(cameras.GetViewActiveCameraNode(view), bounds)


def aim(camera_node: Any, bounds: Sequence[float]) -> None:
    """Points a camera at the middle of ``bounds``, from as far as it takes to see all of it."""
    centre = [(bounds[n] + bounds[n + 1]) / 2 for n in (0, 2, 4)]
    radius = math.dist(bounds[0::2], bounds[1::2]) / 2
    distance = radius / math.sin(math.radians(camera_node.GetViewAngle() / 2))
    along = camera_node.GetCamera().GetDirectionOfProjection()
    camera_node.SetFocalPoint(centre)
    camera_node.SetPosition([c - distance * a for c, a in zip(centre, along, strict=True)])
    camera_node.ResetClippingRange()
