"""One examination in the scene: what is chosen, done and known about it. No Qt, no dialogs.

The panel is one front end of a session; a script or another program on the same MRML scene may be
another. What is chosen lives in ``chosen`` (the module's parameter node), what is shown in the
scene; the session holds only what can be found again from the two.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MRNDiagnosisLib import (
    boxes,
    comparing,
    freshness,
    hierarchy,
    results,
    rois,
    settings,
    temporary,
)
from MRNDiagnosisLib.case import Inputs
from MRNDiagnosisLib.freshness import Fingerprint, Watcher
from MRNDiagnosisLib.inspection import Look, inspect
from MRNDiagnosisLib.jobs import Runner
from MRNDiagnosisLib.panel_facts import RoiFacts
from MRNDiagnosisLib.runs import Runs
from MRNDiagnosisLib.volumes import canonical_grid
from MRNDiagnosisLib.watcher import state
from MRNLib.boxes import Box
from MRNLib.errors import InputError
from MRNLib.parameters import Parameters

if TYPE_CHECKING:
    from MRNLib.examination import Examination


# What ends with the scene; anything else that runs has nothing to do with it.
OF_THE_SCENE = ("segment", "diagnose")


class Session:
    """Everything about the examination that is chosen.

    Args:
        scene: The MRML scene.
        folder: For results and what is kept between runs; :meth:`close` removes it.
        runner: Makes what starts the program.
        changed: Called whenever something to be shown has changed.
        touched: Called when a node was edited: :meth:`look` is due once the user pauses.
        log: Called with the program's log lines.

    Attributes:
        chosen: The parameter node, or None while there is none.
        runs: What is being done.
        result: The diagnosis that is shown.
        nodes: The nodes it is shown in.
        result_folder: Where the files of a diagnosis are.
        changes: What changed since, one sentence each.
        recompute: What a new diagnosis would do again.
        rois: The ROIs as they are in the scene; empty before there are outlines.
        now: What a run would be made from, as of the last look.
        roi_problem: Why a box or an outline cannot be used.
        outline_problem: Why the chosen outlines do not belong to the chosen volumes.
        checked: What the library says about the volumes; None before it was asked.
        kept: Bytes that are kept between runs.
        computed_here: Whether the shown result was computed in this session, so that its tokens
            are still there.
    """

    def __init__(
        self,
        scene: Any,
        folder: Path,
        runner: Callable[[], Runner],
        *,
        changed: Callable[[], None] = lambda: None,
        touched: Callable[[], None] = lambda: None,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.scene, self.folder = scene, folder
        self.changed, self._touched = changed, touched
        self.result_folder = folder / "result"
        self.runs = Runs(runner, changed, log, folder, failed=self.look)
        self.chosen: Any = None
        self._watcher = Watcher(self._edited)
        self._forget()

    def _forget(self) -> None:
        self.result: Examination | None = None
        self.nodes: results.ResultNodes | None = None
        self.changes: tuple[str, ...] = ()
        self.recompute = self.roi_problem = self.outline_problem = ""
        self.rois: tuple[RoiFacts, ...] = ()
        self.now: Fingerprint | None = None
        self.checked: Look | None = None
        self._looked_at: Any = None
        self.computed_here = False
        self.kept = 0

    # What is chosen

    def choose(self, chosen: Any) -> None:
        """Takes up what the parameter node says; None ends what belongs to the scene."""
        if not self.has(chosen):
            if self.runs.task in OF_THE_SCENE:
                self.runs.cancel()
            self.runs.forget()
            self._watcher.release()
            self._forget()
        # Slicer's wrapper keeps what it read first: of a scene that is being read, too little.
        self.chosen = chosen
        if chosen is not None:
            self._restore()
            self.look()

    def has(self, chosen: Any) -> bool:
        """Whether this is what is chosen from, though the wrapper may be another."""
        return _node(chosen) is _node(self.chosen)

    def _restore(self) -> None:
        """Takes up the result that is in the scene, such as one read from a file."""
        if self.nodes is not None and results.find(self.scene) is self.nodes.text:
            return
        try:
            self.result, self.nodes = results.restore(self.scene) or (None, None)
        except InputError as error:
            self.result = self.nodes = None
            self.runs.say(str(error))

    def close(self) -> None:
        """Ends what runs and removes what was derived from patients; nothing can be done after."""
        self.runs.kill()
        self.choose(None)
        temporary.remove(self.folder)

    @property
    def cache(self) -> Path:
        """Folder of tokens and masks: derived from patients, and gone with the session."""
        return self.folder / "cache"

    def has_files(self) -> bool:
        """Whether the files on disk are those of the result that is shown."""
        if self.nodes is None:
            return False
        try:
            written = (self.result_folder / "diagnosis.json").read_text(encoding="utf-8")
        except OSError:
            return False
        return bool(written == self.nodes.text.GetText())

    def clear_cache(self) -> None:
        """Forgets what is kept between runs."""
        shutil.rmtree(self.cache, ignore_errors=True)
        self.computed_here = False
        self.look()

    def parameters(self) -> Parameters:
        """The settings of a run.

        Raises:
            InputError: A setting that cannot be used.
        """
        return settings.parameters_of(self.chosen, self.cache)

    def inputs(self) -> Inputs:
        """The nodes of a run, with the boxes that were set by hand.

        Raises:
            InputError: The QSM cannot be used.
        """
        by_hand = {}
        if self.chosen.qsm is not None:
            by_hand = boxes.set_by_hand(self.scene, canonical_grid(self.chosen.qsm))
        return settings.inputs_of(self.chosen, by_hand)

    def check(self) -> None:
        """Asks the library about the chosen volumes, unless nothing changed since it was asked."""
        chosen = settings.volumes_of(self.chosen)
        if chosen.qsm is None or chosen.nm is None:
            self.checked, self._looked_at = None, None
            return
        nodes = [node for node in (chosen.qsm, chosen.nm, chosen.t1) if node is not None]
        doubt = hierarchy.different_patients(self.scene, (chosen.qsm, chosen.nm))
        swapped = self.chosen.swap_modalities
        key = [swapped, doubt, *((node.GetID(), state(node)) for node in nodes)]
        if key == self._looked_at:
            return
        self._looked_at = key
        self.checked = inspect(chosen, self.folder / "check", swapped, doubt)
        self.changed()

    # Boxes, and whether the result still holds

    def _edited(self) -> None:
        self._watch()
        self._touched()

    def _watch(self) -> None:
        if self.chosen is not None:
            nodes = settings.inputs_of(self.chosen, rois.find_nodes(self.scene))
            self._watcher.watch(freshness.involved(nodes))

    def look(self) -> None:
        """Lets the boxes follow the outlines, and compares the scene with the result's."""
        self.rois, self.outline_problem = (), ""
        self.kept = sum(path.stat().st_size for path in self.cache.rglob("*") if path.is_file())
        take = None
        if self.chosen is not None and self.chosen.qsm is not None:
            self.outline_problem = settings.foreign_outlines(self.chosen)
            take = self.fingerprint
        found = comparing.compare(self.nodes, take, self.computed_here)
        self.now, self.changes, self.recompute = found.now, found.changes, found.recompute
        self.roi_problem = found.problem
        self._watch()
        self.changed()

    def fingerprint(self) -> Fingerprint:
        """What a run would be made from now; the boxes follow the outlines.

        Raises:
            InputError: A node or a setting that a run could not use either.
        """
        qsm = self.chosen.qsm
        grid = canonical_grid(qsm)
        boxes.forget_others(self.scene, qsm)
        by_hand = boxes.set_by_hand(self.scene, grid)
        inputs = settings.inputs_of(self.chosen, by_hand)
        own_mm, slices = boxes.own_margin(self.chosen.bundle)
        parameters = self.parameters()
        now = freshness.fingerprint(inputs, parameters, grid, (own_mm, slices))
        shown = {name: Box.parse(text) for name, text in now.boxes.items() if text}
        boxes.follow(self.scene, shown, by_hand, grid, qsm)
        margin = own_mm if parameters.margin_mm is None else parameters.margin_mm
        drawn = boxes.drawn(inputs, grid, margin, slices)
        self.rois = boxes.rows({n: shown.get(n) for n in now.boxes}, by_hand, drawn, grid)
        return now

    def reset_boxes(self) -> None:
        """Puts the boxes set by hand back around the outlines."""
        boxes.forget(self.scene, self.inputs().roi_nodes)
        self.look()


def _node(chosen: Any) -> Any:
    """The MRML node behind a parameter node, of which each look makes a new wrapper."""
    return getattr(chosen, "parameterNode", chosen)
