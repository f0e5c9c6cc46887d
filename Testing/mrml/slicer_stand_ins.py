"""What Slicer's application brings, as far as the module's file uses it: widgets that remember."""

from __future__ import annotations

import sys
import types
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from panel_helpers import Chosen

MODULE = Path(__file__).resolve().parents[2] / "MRNDiagnosis"


UI = MODULE / "Resources" / "UI" / "MRNDiagnosis.ui"


class Widget:
    """Setters set what can be read as a property; signals are connected by their text."""

    def __init__(self, kind="QWidget"):
        self.__dict__.update(kind=kind, given={}, handlers={}, text="", currentPath="")
        self.__dict__.update(checked=False)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def setter(*values):
            value = values[0] if len(values) == 1 else values
            self.given[name] = value
            if name.startswith("set") and len(values) == 1:
                self.__dict__[name[3].lower() + name[4:]] = value

        return setter

    def connect(self, signal, handler):
        self.handlers.setdefault(signal, []).append(handler)

    def emit(self, signal="clicked()", *values):
        for handler in self.handlers[signal]:
            handler(*values)

    def window(self):
        return self


class Timer(Widget):
    def __init__(self):
        super().__init__()
        self.__dict__["started"] = 0

    def start(self):
        self.__dict__["started"] += 1


class Node(Chosen):
    """The parameter node with its wrapper's methods."""

    def connectGui(self, ui):  # noqa: N802
        return "tag"

    def disconnectGui(self, tag):  # noqa: N802
        assert tag == "tag"


class Observing:
    """slicer.util.VTKObservationMixin, as far as it is used."""

    def __init__(self):
        self.observed = {}

    def addObserver(self, node, event, handler):  # noqa: N802
        self.observed[id(node), event] = handler

    def removeObserver(self, node, event, handler):  # noqa: N802
        del self.observed[id(node), event]

    def removeObservers(self):  # noqa: N802
        self.observed = {}


class Module:
    def __init__(self, parent):
        self.parent = parent

    def resourcePath(self, name):  # noqa: N802
        return str(MODULE / "Resources" / name)


class ModuleWidget:
    def __init__(self, parent=None):
        self.parent = types.SimpleNamespace(isEntered=True)
        self.layout = Widget()

    def setup(self):
        pass

    def resourcePath(self, name):  # noqa: N802
        return str(MODULE / "Resources" / name)


class Cursor:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


def widgets() -> types.SimpleNamespace:
    names = {w.get("name"): w.get("class") for w in ElementTree.parse(UI).getroot().iter("widget")}
    return types.SimpleNamespace(**{name: Widget(kind) for name, kind in names.items()})


def application(folder: Path, monkeypatch) -> types.SimpleNamespace:
    """Puts stand-ins for what the application brings into slicer-core's ``slicer``."""
    import slicer

    made = types.SimpleNamespace(
        majorVersion=5,
        minorVersion=12,
        mainApplicationPatchVersion=1,
        temporaryPath=str(folder),
        started=[],
    )
    made.connect = lambda signal, handler: made.started.append(handler)
    for name, module in _modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    panel = Widget()
    for name, value in {
        "VTKObservationMixin": Observing,
        "WaitCursor": Cursor,
        "loadUI": lambda path: panel,
        "childWidgetVariables": lambda widget: widgets(),
        "setSliceViewerLayers": lambda **layers: None,
    }.items():
        monkeypatch.setattr(slicer.util, name, value, raising=False)
    monkeypatch.setattr(slicer, "app", made, raising=False)
    return made


def _modules() -> dict[str, types.ModuleType]:
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    base.ScriptedLoadableModule, base.ScriptedLoadableModuleWidget = Module, ModuleWidget
    base.ScriptedLoadableModuleLogic = base.ScriptedLoadableModuleTest = object
    wrapper = types.ModuleType("slicer.parameterNodeWrapper")
    wrapper.parameterNodeWrapper = lambda kind: kind
    wrapper.Choice, wrapper.WithinRange = (lambda *values: values), (lambda *values: values)
    words = types.ModuleType("slicer.i18n")
    words.tr, words.translate = (lambda text: text), (lambda context, text: text)
    qt = types.ModuleType("qt")
    qt.QTimer, qt.QLabel = Timer, Widget
    return {module.__name__: module for module in (base, wrapper, words, qt)}
