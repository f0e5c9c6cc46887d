"""The ROIs section: jumping to a box, and the four side by side. Qt inside Slicer."""

from __future__ import annotations

from typing import Any

from MRNDiagnosisLib import review, rois, views
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
        self._drawn: Any = None
        self._pictures: review.Pictures | None = None
        ui.reviewButton.connect("clicked()", self.review)
        ui.resetBoxesButton.connect("clicked()", session.reset_boxes)
        for name in ROI_NAMES:
            for prefix in ("go", "review"):
                button = getattr(ui, f"{prefix}{name}Button")
                button.connect("clicked()", lambda name=name: self.go(name))

    def go(self, name: str) -> None:
        """Shows one ROI in the slice views, on the volume that it is taken from."""
        node = rois.find_nodes(self._session.scene).get(name)
        chosen = self._session.chosen
        if node is None or chosen is None:
            return
        volume = chosen.qsm if roi(name).modality == "QSM" else chosen.nm
        views.look_at(volume, views.around([node]))

    def review(self) -> None:
        """Draws the four ROIs side by side as they are now, and again when they are edited."""
        import qt
        import slicer

        self._drawn = self._session.now
        if self._pictures is None:
            self._pictures = review.Pictures(self._session, self._session.folder / "review")
        try:
            with slicer.util.WaitCursor():
                pictures = self._pictures.draw()
        except InputError as error:
            self.close()
            self._session.runs.say(str(error))
            return
        for name in ROI_NAMES:
            button = getattr(self._ui, f"review{name}Button")
            button.setVisible(name in pictures)
            if name in pictures:
                button.setIcon(qt.QIcon(qt.QPixmap(str(pictures[name]))))
        self._ui.reviewWidget.setVisible(True)

    def update(self) -> None:
        """Pictures that are shown follow the boxes and the outlines."""
        before, now = self._drawn, self._session.now
        if before is None or self._session.runs.task:
            return
        if now is None:
            self.close()
        elif (before.volumes, before.masks, before.boxes) != (now.volumes, now.masks, now.boxes):
            self.review()

    def close(self) -> None:
        """Hides the pictures, which do not hold any more, and lets go of what they were made of."""
        self._drawn = self._pictures = None
        self._ui.reviewWidget.setVisible(False)
