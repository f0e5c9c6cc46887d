"""Everything that the panel says by itself goes through Slicer's translation.

A stand-in puts brackets around what it translates: what is left outside them came with the facts
(names, the library's own words) or was forgotten.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import sys
import types
from pathlib import Path

import pytest
from MRNDiagnosisLib import translation
from MRNDiagnosisLib.panel import present
from panel_states import STATES, each_state

from MRNLib.anatomy import NOT_ATYPICAL, ROI_NAMES
from MRNLib.rois import STRAYS

LIBRARY = Path(__file__).resolve().parents[2] / "MRNDiagnosis" / "MRNDiagnosisLib"
FILES = sorted(LIBRARY.glob("panel*.py"))
# Two words beside each other: a text for people, no name, key, signal or style.
WORDS = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
# Symbols, and what the library calls things.
SAME_EVERYWHERE = {"QSM", "NM", "P(PD) =", *ROI_NAMES, NOT_ATYPICAL}


@pytest.fixture
def brackets(monkeypatch):
    """Every file of the panel translates into brackets."""
    for path in FILES:
        module = importlib.import_module(f"MRNDiagnosisLib.{path.stem}")
        if hasattr(module, "_"):
            monkeypatch.setattr(module, "_", lambda text: f"⟦{text}⟧")


def texts_of(state):
    """Everything that can be read in a state, by widget."""
    for name, button in state.buttons.items():
        yield name, button.tip
        yield name, button.text or ""
    for name, line in state.lines.items():
        yield name, line.text


def given(facts) -> set[str]:
    """The texts among the facts, those of the result's warnings and of the ROIs too."""
    found = set()

    def walk(value):
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, dict):
            for entry in value.values():
                walk(entry)
        elif isinstance(value, list | tuple):
            for entry in value:
                walk(entry)

    walk(dataclasses.asdict(facts))
    # A ROI's row says it without the ROI's name.
    found |= {text.removeprefix(f"ROI {name}").lstrip(": ") for text in found for name in ROI_NAMES}
    found |= {text.removeprefix(STRAYS) for text in found}
    if facts.result is not None:
        found |= {facts.result.notice, facts.result.headline, facts.result.robustness}
    return {text for text in found if text.strip()}


def untranslated(text: str, known: set[str]) -> str:
    """The letters of ``text`` that are neither in brackets nor known."""
    while text != (text := re.sub(r"⟦[^⟦⟧]*⟧", "", text)):
        pass
    for part in sorted(known | SAME_EVERYWHERE, key=len, reverse=True):
        text = text.replace(part, "")
    return "".join(re.findall(r"[A-Za-z]+", text))


@each_state("facts")
def test_nothing_visible_is_without_brackets(brackets, facts):
    seen = list(texts_of(present(facts)))
    assert sum("⟦" in text for _, text in seen) > 30
    known = given(facts)
    left = {(name, text) for name, text in seen if untranslated(text, known)}
    assert left == set()


def test_a_forgotten_text_would_be_seen(brackets):
    assert untranslated("⟦Left out: ⟦QSM⟧.⟧ Forgotten", set()) == "Forgotten"
    assert untranslated("⟦Choose the NM volume too.⟧ QSM", set()) == ""


def test_a_table_of_cases_is_translated(monkeypatch):
    from MRNDiagnosisLib import panel_batch
    from MRNDiagnosisLib.batch import Row

    monkeypatch.setattr(panel_batch, "_", str.upper)
    for word in ("waiting", "running", "done", "failed", "stopped"):
        assert panel_batch.cells(Row("P1", word))[:2] == ("P1", word.upper())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_texts_are_where_a_translator_finds_them(path):
    """Slicer's tool takes ``_("a literal")``; a value in it would never be found again."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if is_translation(node)]
    for call in calls:
        (argument,) = call.args
        assert isinstance(argument, ast.Constant), ast.unparse(call)
    covered = {id(call.args[0]) for call in calls} | {id(text) for text in docstrings(tree)}
    forgotten = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in covered and WORDS.search(node.value)
    ]
    assert forgotten == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_translated_before_the_language_is_known(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.ClassDef)
    loaded = [node for node in tree.body if not isinstance(node, functions)]
    assert not any(is_translation(node) for part in loaded for node in ast.walk(part))


def is_translation(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"


def docstrings(tree: ast.AST):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            yield body[0].value


def test_translation_is_slicers_own_where_there_is_a_slicer(monkeypatch):
    """Its very function: it finds a text's context by the file that calls it."""
    words = types.ModuleType("slicer.i18n")
    words.tr = str.upper
    try:
        monkeypatch.setitem(sys.modules, "slicer.i18n", words)
        assert importlib.reload(translation).tr is words.tr
        monkeypatch.setitem(sys.modules, "slicer.i18n", None)
        assert importlib.reload(translation).tr("as it is") == "as it is"
    finally:
        monkeypatch.undo()
        importlib.reload(translation)


def test_states_cover_every_text_of_the_panel(brackets):
    """A text that no state shows could break unseen when its values are filled in."""
    shown = {text for row in STATES for _, text in texts_of(present(row[1]))}
    templates = []
    for path in FILES:
        if path.stem in ("panel_lines", "panel_buttons", "panel_buttons_folded", "panel_reasons"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            templates += [n.args[0].value for n in ast.walk(tree) if is_translation(n)]
    assert len(templates) > 80
    everything = "\n".join(shown)
    missing = [text for text in templates if not re.search(pattern(text), everything)]
    assert missing == []


def pattern(template: str) -> str:
    return "⟦" + re.sub(r"\\\{\w+\\\}", r"(?s:.*?)", re.escape(template)) + "⟧"
