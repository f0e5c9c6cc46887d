"""Bundles that a user adds, from everywhere: whole, or not there at all."""

from __future__ import annotations

import http.server
import json
import shutil

import pytest
from bundle_helpers import files, served, sha256, unchanged

from MRNLib import bundle_store
from MRNLib.bundle import open_bundle
from MRNLib.bundle_install import add_bundle
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_CANCELLED
from MRNLib.errors import BundleError, Cancelled
from MRNLib.parameters import DEFAULT_BUNDLE


def test_a_folder_is_added_and_found_by_name(random_bundle, store):
    heard = []
    added = add_bundle(
        str(random_bundle), progress=lambda fraction, message: heard.append(fraction)
    )
    assert added.folder == store / "random"
    assert open_bundle("random").sha256 == open_bundle(random_bundle).sha256
    assert bundle_store.added_bundles() == ["random"]
    assert bundle_store.installed_bundles() == sorted([DEFAULT_BUNDLE, "random"])
    assert files(added.folder) == files(random_bundle)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert [path.name for path in store.iterdir()] == ["random"]


@pytest.mark.parametrize("kind", ["zip", "file", "http"])
def test_a_zip_is_added_from_everywhere(kind, zipped, random_bundle, store):
    with served(zipped.parent) as address:
        source = {
            "zip": str(zipped),
            "file": zipped.as_uri(),
            "http": f"{address}/random.zip",
        }[kind]
        added = add_bundle(source, f"SHA256:{sha256(zipped).upper()}")
    assert files(added.folder) == files(random_bundle)
    assert [path.name for path in store.iterdir()] == ["random"]


def test_what_the_manifest_does_not_list_stays_behind(random_bundle, tmp_path):
    copy = shutil.copytree(random_bundle, tmp_path / "copy")
    (copy / "run_me.py").write_text("print('surprise')")
    assert not (add_bundle(str(copy)).folder / "run_me.py").exists()


def test_a_damaged_bundle_leaves_the_one_before(random_bundle, tmp_path, store):
    add_bundle(str(random_bundle))
    before = files(store)
    copy = shutil.copytree(random_bundle, tmp_path / "copy")
    with (copy / "mrn" / "fold_1.encoder.safetensors").open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\0\0\0\0")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        add_bundle(str(copy))
    assert files(store) == before


def test_a_bundle_takes_the_place_of_its_older_self(random_bundle, tmp_path, store):
    add_bundle(str(random_bundle))
    copy = shutil.copytree(random_bundle, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    (copy / "manifest.json").write_text(json.dumps({**manifest, "version": "1"}))
    add_bundle(str(copy))
    assert open_bundle("random").manifest.version == "1"
    assert [path.name for path in store.iterdir()] == ["random"]


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.72, 0.9, 0.97])
def test_cancel_leaves_nothing(fraction, zipped, store):
    def cancel(done, message):
        if done >= fraction:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        add_bundle(zipped.as_uri(), sha256(zipped), cancel)
    assert unchanged(store)


def test_a_cancel_file_stops_the_command(zipped, store, tmp_path, capfd):
    (tmp_path / "stop").touch()
    arguments = ["bundle", "add", zipped.as_uri(), f"--sha256={sha256(zipped)}"]
    assert run([*arguments, f"--cancel-file={tmp_path / 'stop'}"]) == EXIT_CANCELLED
    assert "Cancelled" in capfd.readouterr().err
    assert unchanged(store)


class CutShort(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source, outputfile):
        outputfile.write(source.read(1000))


def test_a_download_that_breaks_off_is_said(zipped, store):
    with served(zipped.parent, CutShort) as address, pytest.raises(BundleError, match="download"):
        add_bundle(f"{address}/random.zip", sha256(zipped))
    assert unchanged(store)


def test_an_address_with_nothing_there_is_said(tmp_path, store):
    with served(tmp_path) as address, pytest.raises(BundleError, match="not found"):
        add_bundle(f"{address}/random.zip", "0" * 64)
    assert unchanged(store)
