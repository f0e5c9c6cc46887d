"""Which nucleus a segment is, by identifier, code or name; and the terminology's file."""

from __future__ import annotations

import json

import pytest
from MRNDiagnosisLib.segmentations import (
    load_terminology,
)
from MRNDiagnosisLib.terminology import CONTEXT, entry, label_of, terminology
from scenes import MODULE

from MRNLib.anatomy import NUCLEI, nucleus

TERMS = MODULE / "Resources" / "Terminology" / "MRNDiagnosis.term.json"


@pytest.mark.parametrize(
    ("name", "modality", "label"),
    [
        ("SN right", "QSM", 11),
        ("left SN", "QSM", 12),
        ("Substantia Nigra (L)", "QSM", 12),
        ("substantia_nigra_right", "NM", 1),
        ("NM-SN left", "NM", 2),
        ("Neuromelanin-rich substantia nigra R", "NM", 1),
        ("NM-SN left", "QSM", None),
        ("SN", "QSM", None),
        ("SN left right", "QSM", None),
        ("", "QSM", None),
    ],
)
def test_what_names_say(name, modality, label):
    assert label_of("Segment_1", name, "", modality) == label


def test_an_identifier_says_more_than_name_and_code():
    other = entry(nucleus("RN"), "L")
    assert label_of("SN_R", "PUT left", other, "QSM") == nucleus("SN").right
    assert label_of("x", "PUT left", other, "QSM") == nucleus("PUT").left
    assert label_of("x", "y", other, "QSM") == nucleus("RN").left
    assert label_of("x", "y", entry(nucleus("NM-SN"), "R"), "NM") == 1
    assert label_of("NM-SN_R", "SN right", "", "QSM") is None
    for broken in ("", "~~~~", "a~SCT^1^b~SCT^70007007^c~SCT^1^d", "a~b~99^70007007~SCT^7771000"):
        assert label_of("x", "y", broken, "QSM") is None


def test_the_terminology_file_is_what_the_anatomy_says():
    assert json.loads(TERMS.read_text(encoding="utf-8")) == terminology()


def test_slicer_finds_every_nucleus_in_the_terminology(scene):
    import slicer

    logic = slicer.modules.terminologies.logic()
    assert load_terminology(logic, TERMS) == CONTEXT
    assert load_terminology(logic, TERMS) == CONTEXT
    category = slicer.vtkSlicerTerminologyCategory()
    assert logic.GetNthCategoryInTerminology(CONTEXT, 0, category)
    assert logic.GetNumberOfTypesInTerminologyCategory(CONTEXT, category) == 8
    for item in NUCLEI:
        for side, word in (("R", "right"), ("L", "left")):
            label = f"{word} {nucleus('SN').name if item.key == 'NM-SN' else item.name}".lower()
            term = slicer.vtkSlicerTerminologyEntry()
            assert logic.FindTypeInTerminologyBy3dSlicerLabel(CONTEXT, label, term)
            # A segment's code is the file's, so that choosing it again changes nothing.
            assert logic.SerializeTerminologyEntry(term) == entry(item, side)
            color = term.GetTypeModifierObject().GetRecommendedDisplayRGBValue()
            assert item.key == "NM-SN" or tuple(color) == item.color


def test_a_terminology_that_cannot_be_read_gives_no_name(tmp_path, scene):
    import slicer

    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    logic.GlobalWarningDisplayOff()
    try:
        assert load_terminology(logic, tmp_path / "none.json") == ""
    finally:
        logic.GlobalWarningDisplayOn()
