"""What is exported: each case into its own folder, and DICOM SEG as Slicer's plugin needs it."""

from __future__ import annotations

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
import SimpleITK as sitk
from MRNDiagnosisLib import dicom_seg, export, panel_export, segmentations, volumes, work
from MRNDiagnosisLib.dicom_seg import separated
from MRNDiagnosisLib.facts import facts_of
from report_helpers import examination
from scenes import cube, new_transform, write_patient

from MRNLib.anatomy import nucleus
from MRNLib.errors import InputError
from MRNLib.examination import to_json


@pytest.fixture
def patient(session, phantom_case):
    """A digital patient with outlines, chosen."""
    chosen = session.chosen
    chosen.qsm = volumes.load(session.scene, phantom_case.qsm, "QSM")
    chosen.nm = volumes.load(session.scene, phantom_case.nm, "NM")
    work.import_mask(session, "QSM", phantom_case.qsm_mask)
    work.import_mask(session, "NM", phantom_case.nm_mask)
    return phantom_case


@pytest.fixture
def diagnose(session, patient, runner, tmp_path):
    """Makes a diagnosis of what is chosen; the result is whose it is told to be."""

    def made(identifier: str) -> None:
        result = dataclasses.replace(examination(phantom=True), identifier=identifier)
        path = tmp_path / "diagnosis.json"
        path.write_text(to_json(result), encoding="utf-8")
        work.diagnose(session)
        masks = {"QSM_mask.nii.gz": patient.qsm_mask, "NM_mask.nii.gz": patient.nm_mask}
        runner.finish_with({"diagnosis.json": path} | masks)

    return made


@pytest.fixture
def plugin(monkeypatch):
    """In place of Slicer's plugin: writes a file of the segments that it takes for filled."""
    made = types.SimpleNamespace(problem="", seen=[])

    class Plugin:
        def examineForExport(self, item):  # noqa: N802
            import slicer

            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
            return [types.SimpleNamespace(node=hierarchy.GetItemDataNode(item), directory="")]

        def export(self, exportables):
            for each in exportables:
                segmentation = each.node.GetSegmentation()
                seen = {}
                for name in segmentation.GetSegmentIDs():
                    image = segmentation.GetSegment(name).GetRepresentation("Binary labelmap")
                    values = image.GetPointData().GetArray("ImageScalars")
                    seen[name] = values is not None and values.GetValueRange() != (0, 0)
                made.seen.append((each.node.GetName(), seen))
                if made.problem:
                    return made.problem
                with open(f"{each.directory}/seg.dcm", "w") as file:
                    file.write(each.node.GetName())
            return ""

    module = types.SimpleNamespace(DICOMSegmentationPluginClass=Plugin)
    monkeypatch.setitem(sys.modules, "DICOMSegmentationPlugin", module)
    return made


def canonical(path) -> np.ndarray:
    """A node's array may be flipped against its file's; in space they are the same."""
    return sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"))


def test_everything_of_a_case_goes_into_its_folder(session, patient, diagnose, tmp_path):
    diagnose("case (1)")
    out = tmp_path / "export"
    target = out / "case__1_"
    assert export.export_json(session, out).folder == target
    assert (target / "diagnosis.json").read_text(encoding="utf-8") == to_json(session.result)
    written = export.export_files(session, out)
    assert (written.folder, written.case, written.changes) == (target, "case (1)", ())
    assert (target / "QSM_mask.nii.gz").read_bytes() == patient.qsm_mask.read_bytes()
    assert json.loads((target / "exported.json").read_text(encoding="utf-8"))["case"] == "case (1)"
    assert list(out.iterdir()) == [target]  # nothing half written is left


def test_masks_are_written_as_they_are_now(session, patient, tmp_path):
    written = export.export_masks(session, tmp_path / "export")
    assert written.folder == tmp_path / "export" / "QSM"  # the volume's name: no result yet
    assert written.modalities == ("QSM", "NM")
    for name, path in (("QSM", patient.qsm_mask), ("NM", patient.nm_mask)):
        assert np.array_equal(canonical(path), canonical(written.folder / f"{name}_mask.nii.gz"))
    assert export.export_masks(session, tmp_path / "export").folder == written.folder


def test_corrected_outlines_leave_the_files_of_the_result_alone(session, diagnose, tmp_path):
    diagnose("A")
    first = export.export_files(session, tmp_path)
    before = (first.folder / "QSM_mask.nii.gz").read_bytes()
    cube(session.chosen.qsm_segmentation, "SN_R", session.chosen.qsm, (2, 60, 5))
    session.look()
    second = export.export_masks(session, tmp_path)
    assert (first.folder.name, second.folder.name) == ("A", "A_2")
    assert (first.folder / "QSM_mask.nii.gz").read_bytes() == before
    late = export.export_json(session, tmp_path)
    assert late.folder == first.folder
    said = panel_export.said(late)
    assert "Result of 'A'" in said
    assert "Out of date" in said
    assert session.changes
    assert all(change in said for change in session.changes)


def test_two_patients_of_one_name_are_never_mixed(session, patient, diagnose, tmp_path):
    out = tmp_path / "export"
    diagnose("A")
    first = export.export_files(session, out)
    kept = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    # Another patient, whose result has the same name, and whose outlines lack a result.
    other = write_patient(tmp_path / "other")
    chosen = session.chosen
    chosen.qsm_segmentation = chosen.nm_segmentation = None
    chosen.qsm = volumes.load(session.scene, other["qsm"], "A")
    chosen.nm = volumes.load(session.scene, other["nm"], "A NM")
    work.import_mask(session, "QSM", other["qsm_mask"])
    work.import_mask(session, "NM", other["nm_mask"])
    assert export.export_masks(session, out).folder.name == "A_2"
    assert export.export_json(session, out).folder.name == "A"  # still the first one's
    diagnose("A")
    assert export.export_json(session, out).folder.name == "A_2"
    assert export.export_files(session, out).folder.name == "A_3"  # with masks of another version
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == kept


def test_folders_of_others_are_left_alone(session, diagnose, tmp_path):
    diagnose("A")
    (tmp_path / "out" / "A").mkdir(parents=True)
    (tmp_path / "out" / "A" / "notes.txt").write_text("of somebody")
    assert export.export_files(session, tmp_path / "out").folder.name == "A_2"
    assert [path.name for path in (tmp_path / "out" / "A").iterdir()] == ["notes.txt"]
    for folder in (session.result_folder, session.result_folder / "deeper"):
        with pytest.raises(InputError, match="folder of the result itself"):
            export.export_files(session, folder)


def test_a_mask_that_cannot_be_written_leaves_nothing(session, patient, tmp_path):
    session.chosen.nm_segmentation.SetAndObserveTransformNodeID(
        new_transform(session.scene).GetID()
    )
    with pytest.raises(InputError, match="lies under the transform"):
        export.export_masks(session, tmp_path / "export")
    assert list((tmp_path / "export").iterdir()) == []


def test_the_label_map_has_the_name_that_slicers_dicom_export_looks_for(session, patient):
    segmentation = session.chosen.qsm_segmentation.GetSegmentation()
    for identifier in segmentation.GetSegmentIDs():
        image = segmentation.GetSegment(identifier).GetRepresentation("Binary labelmap")
        assert image.GetPointData().GetScalars().GetName() == "ImageScalars"
        assert image.GetPointData().GetArray("ImageScalars") is not None


def test_dicom_gets_each_filled_segment_alone(session, patient, tmp_path):
    import slicer

    scene, node, volume = session.scene, session.chosen.qsm_segmentation, session.chosen.qsm
    before = sitk.GetArrayFromImage(segmentations.mask_of(node, "QSM", volume))
    erased = np.zeros(before.shape, np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(erased, node, "DN_L", volume)
    cube(node, "SN_R", volume, (2, 60, 5))
    node.GetSegmentation().AddEmptySegment("", "never drawn")
    expected = sitk.GetArrayFromImage(segmentations.mask_of(node, "QSM", volume))
    count = scene.GetNumberOfNodes()
    with separated(scene, node, volume) as copy:
        parts = copy.GetSegmentation()
        assert copy.GetName() == node.GetName()
        assert copy.GetNodeReference("referenceImageGeometryRef") is volume
        assert parts.GetNumberOfSegments() == 15
        assert parts.GetSegment("DN_L") is None
        assert parts.GetNumberOfLayers("Binary labelmap") == 15
        for name in parts.GetSegmentIDs():
            segment, original = parts.GetSegment(name), node.GetSegmentation().GetSegment(name)
            values = segment.GetRepresentation("Binary labelmap").GetPointData()
            assert values.GetArray("ImageScalars").GetValueRange()[1] == segment.GetLabelValue()
            assert segment.GetTerminology() == original.GetTerminology()
            assert segment.GetName() == original.GetName()
        found = sitk.GetArrayFromImage(segmentations.mask_of(copy, "QSM", volume))
        assert np.array_equal(found, expected)
    assert scene.GetNumberOfNodes() == count
    after = sitk.GetArrayFromImage(segmentations.mask_of(node, "QSM", volume))
    assert np.array_equal(after, expected)
    assert (after[2:5, 60:63, 5:8] == nucleus("SN").right).all()
    for identifier in node.GetSegmentation().GetSegmentIDs():
        slicer.util.updateSegmentBinaryLabelmapFromArray(erased, node, identifier, volume)
    count = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="is empty"), separated(scene, node, volume):
        pass
    assert scene.GetNumberOfNodes() == count


def test_dicom_of_both_goes_into_two_folders(session, patient, plugin, tmp_path):
    for volume in (session.chosen.qsm, session.chosen.nm):
        volume.SetAttribute(dicom_seg.INSTANCES, "1.2 1.3")
    written = export.export_dicom(session, tmp_path / "out")
    assert (written.modalities, written.left_out) == (("QSM", "NM"), ())
    for modality in ("QSM", "NM"):
        assert (tmp_path / "out" / "QSM" / f"DICOM_SEG_{modality}" / "seg.dcm").is_file()
    assert [len(seen) for _, seen in plugin.seen] == [16, 2]
    assert all(all(seen.values()) for _, seen in plugin.seen)


@pytest.mark.parametrize("loaded", ["qsm", "nm"])
def test_one_volume_that_is_not_in_dicom_is_left_out_and_named(
    loaded, session, patient, plugin, tmp_path
):
    assert not facts_of(session).dicom
    getattr(session.chosen, loaded).SetAttribute(dicom_seg.INSTANCES, "1.2 1.3")
    assert facts_of(session).dicom
    written = export.export_dicom(session, tmp_path)
    other = {"qsm": "NM", "nm": "QSM"}[loaded]
    assert written.modalities == (loaded.upper(),)
    assert f"{other}: '{other}' was not loaded from the DICOM" in "".join(written.left_out)
    assert f"Left out:\n{other}:" in panel_export.said(written)
    assert not (written.folder / f"DICOM_SEG_{other}").exists()


def test_dicom_that_the_plugin_refuses_leaves_nothing(session, patient, plugin, tmp_path):
    session.chosen.qsm.SetAttribute(dicom_seg.INSTANCES, "1.2 1.3")
    plugin.problem = "no such file"
    count = session.scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="was not written: no such file") as error:
        export.export_dicom(session, tmp_path / "out")
    assert "NM: 'NM' was not loaded" in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []
    assert session.scene.GetNumberOfNodes() == count
