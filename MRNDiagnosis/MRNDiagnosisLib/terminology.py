"""What a segment is: its identifier, its name and its code in Slicer's terminology (DICOM SEG).

All of it comes from MRNLib.anatomy; no scene is needed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from MRNLib.anatomy import NUCLEI, NUCLEI_BY_MODALITY, SIDE_CODES, SIDE_NAMES, SIDES, Nucleus

CONTEXT = "Segmentation category and type - Parkinson's MRN nuclei"
SCHEMA = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/segment-context-schema.json#"
SCHEME = "SCT"
# DICOM CID 7150 (segmentation property categories): the category of the nuclei in Slicer's lists.
CATEGORY_CODE, CATEGORY = "123037004", "Anatomical Structure"


def _code(code: str, meaning: str) -> dict[str, Any]:
    return {
        "CodingSchemeDesignator": SCHEME,
        "CodeValue": code,
        "CodeMeaning": meaning,
        "SNOMEDCTConceptID": code,
    }


def _concepts() -> dict[str, Nucleus]:
    """One nucleus for each code: the substantia nigra is outlined in both masks."""
    concepts: dict[str, Nucleus] = {}
    for nucleus in NUCLEI:
        concepts.setdefault(nucleus.snomed, nucleus)
    return concepts


def terminology() -> dict[str, Any]:
    """The content of ``MRNDiagnosis.term.json``, as dcmqi's segment context schema has it."""
    types = []
    for code, nucleus in _concepts().items():
        sides = []
        for side in SIDES:
            word = SIDE_NAMES[side]
            sides.append(
                _code(SIDE_CODES[side], word.capitalize())
                | {
                    "cid": "244",
                    "contextGroupName": "Laterality",
                    "recommendedDisplayRGBValue": list(nucleus.color),
                    "3dSlicerLabel": f"{word} {nucleus.name.lower()}",
                }
            )
        types.append(_code(code, nucleus.name) | {"Modifier": sides})
    category = _code(CATEGORY_CODE, CATEGORY) | {
        "cid": "7150",
        "contextGroupName": "Segmentation Property Categories",
        "showAnatomy": False,
        "Type": types,
    }
    return {
        "SegmentationCategoryTypeContextName": CONTEXT,
        "@schema": SCHEMA,
        "SegmentationCodes": {"Category": [category]},
    }


def entry(nucleus: Nucleus, side: str) -> str:
    """What a segment of ``nucleus`` on ``side`` is, in Slicer's serialised form."""
    meaning = _concepts()[nucleus.snomed].name
    modifier = f"{SCHEME}^{SIDE_CODES[side]}^{SIDE_NAMES[side].capitalize()}"
    kind = f"{SCHEME}^{nucleus.snomed}^{meaning}"
    return f"{CONTEXT}~{SCHEME}^{CATEGORY_CODE}^{CATEGORY}~{kind}~{modifier}~~^^~^^"


def segment_id(nucleus: Nucleus, side: str) -> str:
    """The identifier of a nucleus's segment, such as ``SN_R``."""
    return f"{nucleus.key}_{side}"


def label_of(identifier: str, name: str, serialised: str, modality: str) -> int | None:
    """The mask's label for a segment.

    Args:
        identifier: Decides when it is one of :func:`segment_id`'s.
        name: Decides otherwise: ``SN right``, ``Right substantia nigra`` and the like.
        serialised: The terminology entry, of any context; decides when the name says nothing.
        modality: ``QSM`` or ``NM``.

    Returns:
        None for a segment that is no nucleus of this modality's mask.
    """
    for nucleus in NUCLEI:
        for side in SIDES:
            if identifier == segment_id(nucleus, side):
                return nucleus.label(side) if nucleus.modality == modality else None
    found = _named(name, modality) or _coded(serialised, modality)
    return found[0].label(found[1]) if found else None


def _named(name: str, modality: str) -> tuple[Nucleus, str] | None:
    """The nucleus and side that a name spells, in either order."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    spelled = {word: side for side in SIDES for word in (side.lower(), SIDE_NAMES[side])}
    sides = [spelled[word] for word in words if word in spelled]
    rest = " ".join(word for word in words if word not in spelled)
    if len(sides) != 1:
        return None
    for nucleus in NUCLEI_BY_MODALITY[modality]:
        # In the NM mask the substantia nigra may go by its own name.
        concept = _concepts()[nucleus.snomed]
        names = (nucleus.key, nucleus.name, concept.key, concept.name)
        if rest in (re.sub("[^a-z0-9]+", " ", known.lower()) for known in names):
            return nucleus, sides[0]
    return None


def _coded(serialised: str, modality: str) -> tuple[Nucleus, str] | None:
    """The nucleus and side of a terminology entry."""
    parts = [part.split("^") for part in serialised.split("~")]
    if len(parts) < 4 or any(len(part) < 2 or part[0] != SCHEME for part in parts[2:4]):
        return None
    code, side_code = parts[2][1], parts[3][1]
    sides = [side for side in SIDES if SIDE_CODES[side] == side_code]
    nuclei = [nucleus for nucleus in NUCLEI_BY_MODALITY[modality] if nucleus.snomed == code]
    return (nuclei[0], sides[0]) if nuclei and sides else None


def load_terminology(logic: Any, path: str | Path) -> str:
    """Makes the nuclei choosable in the Segment Editor.

    Args:
        logic: The Terminologies module's logic.
        path: ``MRNDiagnosis.term.json``.

    Returns:
        The context's name; empty when the file could not be loaded.
    """
    if logic.IsTerminologyContextLoaded(CONTEXT):
        return CONTEXT
    return logic.LoadTerminologyFromFile(str(path))
