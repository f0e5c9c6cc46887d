"""Bundles that a user has: found by name, removed, listed, with the card that came with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_helpers import sha256, unchanged

from MRNLib import bundle_store
from MRNLib.bundle import open_bundle
from MRNLib.bundle_install import add_bundle
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_INPUT
from MRNLib.errors import BundleError
from MRNLib.parameters import DEFAULT_BUNDLE


@pytest.mark.parametrize("name", [DEFAULT_BUNDLE, "never-added", "../own bundles", ""])
def test_only_what_was_added_can_be_removed(name, random_bundle, store):
    add_bundle(str(random_bundle))
    with pytest.raises(BundleError):
        bundle_store.remove_bundle(name)
    assert open_bundle(DEFAULT_BUNDLE)
    assert open_bundle("random")


def test_removed_is_gone(random_bundle, store):
    add_bundle(str(random_bundle))
    bundle_store.remove_bundle("random")
    assert unchanged(store)
    with pytest.raises(BundleError):
        open_bundle("random")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, ".local/share/mrn-diagnosis/bundles"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/mrn-diagnosis/bundles"),
        ("darwin", {}, "Library/Application Support/mrn-diagnosis/bundles"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/mrn-diagnosis/bundles"),
        ("win32", {}, "AppData/Local/mrn-diagnosis/bundles"),
    ],
)
def test_the_users_folder_follows_the_system(platform, variables, expected, monkeypatch):
    for name in ("MRN_BUNDLES", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert bundle_store.user_folder() == Path.home() / expected


def test_the_command_adds_lists_and_removes(zipped, store, capfd):
    options = ["--progress=json", f"--sha256={sha256(zipped)}"]
    assert run(["bundle", "add", str(zipped), *options]) == 0
    last = json.loads(capfd.readouterr().out.splitlines()[-1].removeprefix("@mrn "))
    assert last["event"] == "result"
    assert last["bundle"] == "random"
    assert run(["bundle", "list"]) == 0
    assert "(added)" in capfd.readouterr().out
    assert run(["bundle", "remove", "random"]) == 0
    assert run(["bundle", "remove", "random"]) == EXIT_INPUT
    assert run(["bundle", "remove", DEFAULT_BUNDLE]) == EXIT_INPUT
    assert run(["bundle", "add", str(store / "nowhere")]) == EXIT_INPUT
    said = capfd.readouterr().err
    assert "stays" in said
    assert "no such file" in said
    assert "Traceback" not in said


def test_a_card_is_the_one_that_the_opened_bundle_gives():
    assert bundle_store.read_card(DEFAULT_BUNDLE) == open_bundle(DEFAULT_BUNDLE).card()


@pytest.mark.parametrize("harm", ["changed", "gone", "unlisted", "no manifest", "no bundle"])
def test_a_card_that_is_not_the_publishers_is_refused(harm, random_bundle, store):
    folder = Path(shutil.copytree(random_bundle, store / "random"))
    card, manifest = folder / bundle_store.CARD, folder / bundle_store.MANIFEST
    if harm == "changed":
        card.write_text("# Approved for clinical use")
    elif harm == "gone":
        card.unlink()
    elif harm == "unlisted":
        values = json.loads(manifest.read_text(encoding="utf-8"))
        del values["files"][bundle_store.CARD]
        manifest.write_text(json.dumps(values))
    elif harm == "no manifest":
        manifest.write_text("[]")
    else:
        shutil.rmtree(folder)
    with pytest.raises(BundleError) as caught:
        bundle_store.read_card("random")
    assert len(str(caught.value).splitlines()) <= 3


def test_listing_bundles_needs_nothing_beyond_python():
    script = (
        "import sys; from MRNLib.bundle_store import installed_bundles, read_card;"
        "read_card(installed_bundles()[0]);"
        "sys.exit(any(n in sys.modules for n in ('numpy', 'torch', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_margin_is_the_one_that_a_run_takes(random_bundle, tmp_path):
    manifest = open_bundle(str(random_bundle)).manifest
    expected = manifest.margin_mm, manifest.margin_slices
    assert bundle_store.margin_of(str(random_bundle)) == expected
    assert bundle_store.margin_of(DEFAULT_BUNDLE) is not None
    other = shutil.copytree(random_bundle, tmp_path / "other")
    for text in ("[]", "{", '{"margin_mm": 5.0}'):
        (other / "manifest.json").write_text(text)
        assert bundle_store.margin_of(str(other)) is None
    assert bundle_store.margin_of(str(tmp_path / "none")) is None
