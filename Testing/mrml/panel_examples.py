"""An examination's facts at a few stages, which the panel's states vary."""

from __future__ import annotations

import dataclasses

from MRNDiagnosisLib.panel_facts import Facts, RoiFacts
from report_helpers import examination

from MRNLib.anatomy import ROI_NAMES

# Name, facts, whether Diagnose can be clicked, part of its tooltip, a label and part of its text.
State = tuple[str, Facts, bool, str, str, str]
ROIS = tuple(RoiFacts(name, 9, (31.0, 24.0, 18.0)) for name in ROI_NAMES)
READY = Facts(qsm="QSM", nm="NM", checked=True, bundle="phantom-tiny")
OUTLINED = dataclasses.replace(READY, masks=("QSM", "NM"), rois=ROIS)


def done(**changes) -> Facts:
    return dataclasses.replace(OUTLINED, **({"result": examination(), "files": True} | changes))
