"""What the panel has chosen, as the settings and the nodes of a run.

``chosen`` is the module's parameter node; anything with its attributes will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.case import Inputs
from MRNLib.anatomy import ROI_NAMES
from MRNLib.parameters import Parameters, parse_folds

# The margin's spin box stands here for "the model's own".
OWN_MARGIN = -1.0
# The settings of a run that the panel has, under the names of MRNLib.parameters.Parameters.
FIELDS = (
    "bundle",
    "folds",
    "margin_mm",
    "device",
    "precision",
    "tta",
    "exact_segmentation",
    "jitter",
    "swap_modalities",
    "swap_sides",
    "split_merged",
)


def parameters_of(chosen: Any, cache: Path | None = None) -> Parameters:
    """The settings of a run.

    Args:
        chosen: The parameter node.
        cache: Folder for tokens and masks.

    Raises:
        InputError: A text that is no list of folds.
    """
    values = {name: getattr(chosen, name) for name in FIELDS}
    values["folds"] = parse_folds(values["folds"])
    values["margin_mm"] = None if values["margin_mm"] < 0 else float(values["margin_mm"])
    return Parameters(**values, masked=unused(chosen), cache=cache)


def unused(chosen: Any) -> tuple[str, ...]:
    """The ROIs that are switched off."""
    return tuple(name for name in ROI_NAMES if not getattr(chosen, f"use_{name.lower()}"))


def inputs_of(chosen: Any, roi_nodes: Mapping[str, Any]) -> Inputs:
    """The nodes of a run.

    Args:
        chosen: The parameter node.
        roi_nodes: The ROI nodes whose boxes the user set.
    """
    return Inputs(
        chosen.qsm,
        chosen.nm,
        chosen.t1,
        chosen.qsm_segmentation,
        chosen.nm_segmentation,
        roi_nodes,
        unused(chosen),
    )


def volumes_of(chosen: Any) -> Inputs:
    """The chosen volumes alone, for a first look at them."""
    return Inputs(chosen.qsm, chosen.nm, chosen.t1)


def foreign_outlines(chosen: Any) -> str:
    """Why the chosen outlines do not belong to the chosen volumes; empty where they do.

    Outlines of another patient would fit in space and say nothing.
    """
    said = []
    for modality, node, volume in (
        ("QSM", chosen.qsm_segmentation, chosen.qsm),
        ("NM", chosen.nm_segmentation, chosen.nm),
    ):
        drawn_on = None if node is None else reference_of(node)
        if drawn_on is not None and volume is not None and drawn_on is not volume:
            said.append(
                f"The {modality} outlines were drawn on '{drawn_on.GetName()}', not on "
                f"'{volume.GetName()}'. Choose others, or none to have them drawn."
            )
    return "\n".join(said)


def reference_of(segmentation: Any) -> Any:
    """The volume node that a segmentation was drawn on, or None where it does not say."""
    return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())
