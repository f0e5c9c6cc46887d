"""The Nuclei section: Show 3D, importing masks, and Slicer's Segment Editor. Qt inside Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MRNDiagnosisLib import rois, views, work
from MRNDiagnosisLib.session import Session
from MRNDiagnosisLib.translation import tr as _
from MRNLib.anatomy import roi

EDITOR_TAG = "MRNDiagnosis"
MASK_FILES = "(*.nii.gz *.nii *.nrrd *.mha)"


class NucleiPart:
    """Wires the Nuclei section.

    Args:
        ui: The panel's widgets by name.
        session: The session.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._edited: tuple[str, Any] = ("", None)
        ui.segmentButton.connect("clicked()", self.segment)
        ui.importQsmMaskButton.connect("clicked()", lambda: self._import("QSM"))
        ui.importNmMaskButton.connect("clicked()", lambda: self._import("NM"))
        ui.editQsmButton.connect("clicked()", lambda: self.edit("QSM"))
        ui.editNmButton.connect("clicked()", lambda: self.edit("NM"))
        for button in (ui.qsmShow3DButton, ui.nmShow3DButton):
            button.connect("toggled(bool)", self._shown_3d)

    def segment(self) -> None:
        """Starts outlining; what it reads is written first, which can take a moment."""
        import slicer

        with slicer.util.WaitCursor():
            work.segment(self._session)

    def enter(self) -> None:
        """Gives the editor its own node, so that it does not disturb the Segment Editor module."""
        import slicer

        scene, editor = self._session.scene, self._ui.segmentEditorWidget
        node = scene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(EDITOR_TAG)
            node = scene.AddNode(node)
        # The node first: what the editor chooses by itself is then kept in it.
        editor.setMRMLSegmentEditorNode(node)
        editor.setMRMLScene(scene)
        editor.installKeyboardShortcuts()

    def leave(self) -> None:
        """Puts the brush away; the mouse belongs to the next module."""
        editor = self._ui.segmentEditorWidget
        editor.setActiveEffect(None)
        editor.uninstallKeyboardShortcuts()
        editor.removeViewObservations()

    def close(self) -> None:
        """Lets go of a scene that is about to be closed."""
        self.leave()
        self._ui.segmentEditorWidget.setSegmentationNode(None)
        self._edited = ("", None)
        self._ui.editQsmButton.setChecked(False)
        self._ui.editNmButton.setChecked(False)
        self.update()

    def update(self) -> None:
        """Shows what is chosen in the 3-D buttons."""
        chosen = self._session.chosen
        for button, node in (
            (self._ui.qsmShow3DButton, chosen and chosen.qsm_segmentation),
            (self._ui.nmShow3DButton, chosen and chosen.nm_segmentation),
        ):
            button.setSegmentationNode(node)
            if node is None:
                button.setChecked(False)  # it would stay as it was
        modality, node = self._edited
        now = chosen and getattr(chosen, f"{modality.lower()}_segmentation") if modality else None
        if now is not None and now is not node:
            # Strokes in outlines that are not chosen any more would count for nothing.
            self._edited = (modality, now)
            self._ui.segmentEditorWidget.setSegmentationNode(now)

    def _shown_3d(self, shown: bool) -> None:
        if shown:
            work.centre(self._session)

    def edit(self, modality: str) -> None:
        """Opens one modality's outlines in the editor, on its own volume."""
        chosen, editor = self._session.chosen, self._ui.segmentEditorWidget
        if chosen is None:
            return
        segmentation, volume = {
            "QSM": (chosen.qsm_segmentation, chosen.qsm),
            "NM": (chosen.nm_segmentation, chosen.nm),
        }[modality]
        nodes = rois.find_nodes(self._session.scene)
        boxes = [node for name, node in nodes.items() if roi(name).modality == modality]
        self._ui.editQsmButton.setChecked(modality == "QSM")
        self._ui.editNmButton.setChecked(modality == "NM")
        self._edited = (modality, segmentation)
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(volume)
        views.look_at(volume, views.around(boxes))

    def _import(self, modality: str) -> None:
        import qt
        import slicer

        path = qt.QFileDialog.getOpenFileName(
            self._ui.segmentButton.window(),
            _("{modality} mask").format(modality=modality),
            "",
            f"{_('Label maps')} {MASK_FILES}",
        )
        if path:
            with slicer.util.WaitCursor():
                work.import_mask(self._session, modality, Path(path))
