"""The ROIs section: jumping to a box, and the four side by side. Qt inside Slicer."""

from __future__ import annotations

from typing import Any

from MRNDiagnosisLib import review, rois
from MRNDiagnosisLib.session import Session
from MRNLib.anatomy import ROI_NAMES, roi
from MRNLib.errors import InputError


class RoisPart:
    """Wires the ROIs section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        ui.reviewButton.connect("clicked()", self.review)
        ui.resetBoxesButton.connect("clicked()", session.reset_boxes)
        for name in ROI_NAMES:
            for prefix in ("go", "review"):
                button = getattr(ui, f"{prefix}{name}Button")
                button.connect("clicked()", lambda name=name: self.go(name))

    def go(self, name: str) -> None:
        """Shows one ROI in the slice views, on the volume that it is taken from."""
        import slicer

        node = rois.find_nodes(self._session.scene).get(name)
        chosen = self._session.chosen
        if node is None or chosen is None:
            return
        volume = chosen.qsm if roi(name).modality == "QSM" else chosen.nm
        slicer.util.setSliceViewerLayers(background=volume)
        slices = slicer.vtkMRMLSliceNode
        slices.JumpAllSlices(self._session.scene, *rois.centre_of(node), slices.CenteredJumpSlice)

    def review(self) -> None:
        """Draws the four ROIs side by side as they are now."""
        import qt
        import slicer

        try:
            with slicer.util.WaitCursor():
                pictures = review.draw(self._session, self._session.folder / "review")
        except InputError as error:
            self._session.runs.say(str(error))
            return
        for name in ROI_NAMES:
            button = getattr(self._ui, f"review{name}Button")
            button.setVisible(name in pictures)
            if name in pictures:
                button.setIcon(qt.QIcon(qt.QPixmap(str(pictures[name]))))
        self._ui.reviewWidget.setVisible(True)

    def close(self) -> None:
        """Hides pictures of a scene that is about to be closed."""
        self._ui.reviewWidget.setVisible(False)
