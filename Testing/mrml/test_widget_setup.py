"""Packages and models that a user adds in the panel, with stand-ins for Qt; see test_widget."""

from __future__ import annotations

import shutil

import pytest


def test_failed_install(widget):
    from MRNLib.errors import InputError

    def refuse():
        raise InputError("Slicer's PyTorch extension is not installed.")

    setup = widget.parts["setup"]
    setup._tools = refuse
    widget.ui.installButton.emit()
    assert "PyTorch extension" in widget.ui.setupLabel.text
    assert widget.session.runs.task == ""


@pytest.mark.parametrize(
    "error", [RuntimeError("only supported on the main thread"), ValueError(), KeyError("torch")]
)
def test_an_installer_that_raises_anything_is_said_in_the_panel(widget, error, caplog):
    def fail():
        raise error

    widget.parts["setup"]._tools = fail
    widget.ui.installButton.emit()
    assert "The installation failed" in widget.ui.setupLabel.text
    assert (str(error) or "ValueError()") in widget.ui.setupLabel.text
    assert "Traceback" in caplog.text
    assert widget.session.runs.task == ""


def test_models(widget, runner):
    ui = widget.ui
    ui.addBundleUrlButton.emit()
    assert "Name the folder" in ui.statusLabel.text
    ui.bundleUrlLineEdit.text = "https://example.org/bundle.zip"
    ui.bundleHashLineEdit.text = "0" * 64
    ui.addBundleUrlButton.emit()
    assert runner.started[-1][:3] == ["bundle", "add", "https://example.org/bundle.zip"]
    runner.finish(bundle="another")
    assert widget.session.chosen.bundle == "another"
    assert ui.bundleComboBox.given["addItems"][-1] == "another"
    ui.showCardButton.emit("toggled(bool)", True)
    assert ui.cardTextBrowser.visible is True
    assert "not on this computer" in ui.cardTextBrowser.plainText


def test_a_changed_card_is_not_shown(widget, random_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("MRN_BUNDLES", str(tmp_path))
    folder = shutil.copytree(random_bundle, tmp_path / "random")
    ui, chosen = widget.ui, widget.session.chosen
    chosen.bundle = "random"
    ui.showCardButton.emit("toggled(bool)", True)
    assert ui.cardTextBrowser.markdown == (folder / "docs" / "README.md").read_text("utf-8")
    (folder / "docs" / "README.md").write_text("# Approved for clinical use")
    ui.showCardButton.emit("toggled(bool)", True)
    assert "SHA-256 differs" in ui.cardTextBrowser.plainText
