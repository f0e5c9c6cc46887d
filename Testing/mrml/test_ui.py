"""The .ui file against the Python that uses it: names, classes, parameters, texts. No Slicer.

What this does not prove: that Slicer's own widgets behave as their stand-ins here do.
"""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import fields
from pathlib import Path

from MRNDiagnosisLib import settings
from MRNDiagnosisLib.panel import present
from MRNDiagnosisLib.panel_facts import Facts
from MRNDiagnosisLib.panel_view import apply

from MRNLib.anatomy import NOTICE, ROI_NAMES
from MRNLib.parameters import DEFAULT_BUNDLE, DEVICES, PRECISIONS, Parameters

MODULE = Path(__file__).resolve().parents[2] / "MRNDiagnosis"
SOURCE = MODULE / "MRNDiagnosis.py"
ROOT = ElementTree.parse(MODULE / "Resources" / "UI" / "MRNDiagnosis.ui").getroot()
WIDGETS = {widget.get("name"): widget for widget in ROOT.iter("widget")}
# What connects to a field, from slicer.parameterNodeWrapper.guiConnectors of Slicer 5.12.
CONNECTABLE = {
    "bool": {"QCheckBox"},
    "str": {"QLineEdit"},
    "Choice": {"QComboBox"},
    "WithinRange": {"QDoubleSpinBox"},
    "vtkMRMLScalarVolumeNode": {"qMRMLNodeComboBox"},
    "vtkMRMLSegmentationNode": {"qMRMLNodeComboBox"},
}
# Methods that the Python calls and the classes that have them, from the headers of Slicer and Qt.
METHODS = {
    "setSegmentationNode": {"qMRMLSegmentEditorWidget", "qMRMLSegmentationShow3DButton"},
    "setSourceVolumeNode": {"qMRMLSegmentEditorWidget"},
    "setMRMLTableNode": {"qMRMLTableView"},
    "setMRMLPlotViewNode": {"qMRMLPlotWidget"},
    "setMarkdown": {"QTextBrowser"},
    "appendPlainText": {"QPlainTextEdit"},
    "currentPath": {"ctkPathLineEdit"},
    "setRowCount": {"QTableWidget"},
    "setItem": {"QTableWidget"},
}
INTERACTIVE = ("Button", "ComboBox", "CheckBox", "LineEdit", "SpinBox", "View", "Table", "Tabs")


def prop(widget, name: str) -> str | None:
    found = widget.find(f"property[@name='{name}']")
    return None if found is None else "".join(found.itertext()).strip()


def sources() -> dict[str, ast.Module]:
    files = [SOURCE, *sorted((MODULE / "MRNDiagnosisLib").glob("panel_*.py"))]
    return {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in files}


def of_ui(node: ast.AST) -> bool:
    """Whether a node is ``ui``, ``self.ui`` or ``self._ui``."""
    if isinstance(node, ast.Name):
        return node.id == "ui"
    return isinstance(node, ast.Attribute) and node.attr in ("ui", "_ui")


def used() -> list[tuple[str, str]]:
    """Every ``ui.<name>`` in the Python, by file."""
    return [
        (file, node.attr)
        for file, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and of_ui(node.value)
    ]


def parameter_node() -> dict[str, str]:
    """Fields of the parameter node wrapper: name to what says how it is connected."""
    tree = sources()["MRNDiagnosis.py"]
    wrapper = next(
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "MRNDiagnosisParameterNode"
    )
    assert [ast.unparse(item) for item in wrapper.decorator_list] == ["parameterNodeWrapper"]
    found = {}
    for item in wrapper.body:
        if isinstance(item, ast.AnnAssign):
            text = ast.unparse(item.annotation)
            special = re.search(r"(Choice|WithinRange)\(", text)
            found[ast.unparse(item.target)] = special[1] if special else text
    return found


def defaults() -> dict[str, object]:
    tree = sources()["MRNDiagnosis.py"]
    return {
        ast.unparse(item.target): ast.literal_eval(item.value)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "MRNDiagnosisParameterNode"
        for item in node.body
        if isinstance(item, ast.AnnAssign) and item.value is not None
    }


def test_every_widget_that_the_python_names_exists():
    names = used()
    assert len(names) > 40
    assert [entry for entry in names if entry[1] not in WIDGETS] == []


def test_every_widget_that_the_state_names_exists_with_the_right_class():
    state = present(Facts())
    for name in state.buttons:
        assert WIDGETS[name].get("class") in ("QPushButton", "QToolButton"), name
    for name in state.lines:
        assert WIDGETS[name].get("class") == "QLabel", name
        # A file's name in a sentence must not be taken for markup.
        assert prop(WIDGETS[name], "textFormat") in ("Qt::PlainText", None), name
    for name in ROI_NAMES:
        assert WIDGETS[f"go{name}Button"].get("class") == "QToolButton"
        assert WIDGETS[f"review{name}Button"].get("class") == "QToolButton"


def test_methods_are_called_on_classes_that_have_them():
    checked = 0
    for tree in sources().values():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in METHODS
                and isinstance(node.value, ast.Attribute)
                and of_ui(node.value.value)
            ):
                assert WIDGETS[node.value.attr].get("class") in METHODS[node.attr], node.value.attr
                checked += 1
    assert checked >= 10


def test_every_bound_widget_is_a_field_of_the_parameter_node():
    known = parameter_node()
    bound = {
        prop(widget, "SlicerParameterName"): widget
        for widget in WIDGETS.values()
        if prop(widget, "SlicerParameterName")
    }
    assert set(bound) <= set(known)
    # The model is chosen in a list that grows; everything else is bound.
    assert set(known) - set(bound) == {"bundle"}
    for name, widget in bound.items():
        assert widget.get("class") in CONNECTABLE[known[name]], name
        if widget.get("class") == "qMRMLNodeComboBox":
            assert prop(widget, "nodeTypes") == known[name]


def test_parameter_node_has_the_settings_of_the_library():
    known = parameter_node()
    assert set(settings.FIELDS) <= set(known)
    assert {f"use_{name.lower()}" for name in ROI_NAMES} <= set(known)
    # Boxes are ROI nodes, masked ROIs the four switches, the cache is the session's.
    others = {"boxes", "masked", "cache"}
    assert set(settings.FIELDS) | others == {entry.name for entry in fields(Parameters)}


def test_defaults_of_the_parameter_node_are_the_librarys():
    given, standard = defaults(), Parameters()
    assert given["bundle"] == DEFAULT_BUNDLE
    assert given["margin_mm"] == settings.OWN_MARGIN
    assert given["folds"] == ""
    for name in set(settings.FIELDS) - {"folds", "margin_mm"}:
        assert given[name] == getattr(standard, name), name
    assert all(given[f"use_{name.lower()}"] for name in ROI_NAMES)
    text = SOURCE.read_text(encoding="utf-8")
    for choices in (DEVICES, PRECISIONS):
        listed = str(list(choices)).replace("'", '"')
        assert f"Choice({listed})" in text
    assert prop(WIDGETS["marginSpinBox"], "specialValueText") == "the model's own"


def test_notice_is_always_visible():
    notice = WIDGETS["noticeLabel"]
    assert prop(notice, "text") == NOTICE
    assert prop(notice, "visible") is None
    first = next(ROOT.iter("layout")).find("item/widget")
    assert first is notice
    used_names = {name for _, name in used()} | set(present(Facts()).lines)
    assert "noticeLabel" not in used_names


def test_everything_that_can_be_used_has_a_tooltip():
    for name, widget in WIDGETS.items():
        if name.endswith(INTERACTIVE) or widget.get("class") == "QLabel":
            assert prop(widget, "toolTip"), name


def test_sections_are_in_order_and_folded_where_they_are_rarely_needed():
    sections = [
        (prop(widget, "text"), prop(widget, "collapsed") == "true")
        for widget in WIDGETS.values()
        if widget.get("class") == "ctkCollapsibleButton" and widget.get("name")[0] != "e"
    ]
    assert sections == [
        ("Inputs", False),
        ("Nuclei", False),
        ("ROIs", False),
        ("Diagnosis", False),
        ("Advanced", True),
        ("Batch", True),
        ("Setup", True),
    ]
    assert list(WIDGETS)[-1].startswith("export")


def test_names_are_unique_and_custom_classes_declared():
    names = [widget.get("name") for widget in ROOT.iter("widget")]
    assert len(names) == len(set(names))
    declared = {entry.findtext("class") for entry in ROOT.iter("customwidget")}
    custom = {w.get("class") for w in WIDGETS.values() if not w.get("class").startswith("Q")}
    assert custom <= declared


def test_widgets_of_slicer_are_given_the_scene():
    receivers = {
        connection.findtext("receiver")
        for connection in ROOT.iter("connection")
        if connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    given = {
        name
        for name, widget in WIDGETS.items()
        if widget.get("class") in ("qMRMLNodeComboBox", "qMRMLTableView", "qMRMLPlotWidget")
    }
    assert receivers == given  # the Segment Editor is given its own node first


class Recorder:
    """A widget that remembers what its setters were given."""

    def __init__(self):
        self.values = {}

    def __getattr__(self, name):
        if not name.startswith("set"):
            raise AttributeError(name)
        return lambda *given: self.values.__setitem__(name[3:].lower(), given[-1])


class FakeUi:
    def __init__(self):
        self.__dict__.update({name: Recorder() for name in WIDGETS})


def test_view_puts_a_state_on_the_screen():
    ui = FakeUi()
    apply(present(Facts(qsm="QSM", nm="NM", checked=True, running="diagnose", fraction=0.5)), ui)
    assert ui.diagnoseButton.values["enabled"] is False
    assert "being made" in ui.diagnoseButton.values["tooltip"]
    assert ui.inputsLabel.values["text"].startswith("✓ ")
    assert ui.freshnessLabel.values["visible"] is False
    assert ui.progressBar.values == {"visible": True, "value": 50}


def test_module_file_is_short_and_asks_for_nothing_when_it_is_loaded():
    text = SOURCE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    tree = ast.parse(text)
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    roots = {name.split(".")[0] for name in imported}
    assert roots <= {"os", "sys", "typing", "slicer", "vtk"}
    quiet = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign)
    done = [node for node in tree.body if not isinstance(node, quiet)]
    assert done == [tree.body[0]]  # the docstring


def test_module_file_can_be_read_by_the_python_of_an_older_slicer():
    """It has to say which Slicer it needs; so must what it asks for that."""
    for path in (SOURCE, MODULE / "MRNDiagnosisLib" / "packages.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
