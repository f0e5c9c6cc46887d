"""How the tests of a result's nodes read them."""

from __future__ import annotations

from MRNDiagnosisLib import results

PARTS = ("text", "maskings", "biomarkers", "rois", "series", "chart")
TABLES = ("maskings", "biomarkers", "rois")


def column(node, name):
    """A column's values as Python's."""
    array = node.GetTable().GetColumnByName(name)
    return [array.GetValue(row) for row in range(array.GetNumberOfValues())]


def kinds(node):
    table = node.GetTable()
    columns = [table.GetColumn(n) for n in range(table.GetNumberOfColumns())]
    return {array.GetName(): array.GetDataTypeAsString() for array in columns}


def saved_and_read(scene, tmp_path):
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path, None)
    scene.Clear(0)
    assert results.find(scene) is None
    assert scene.ReadFromMRB(path, True, None)
    return scene
