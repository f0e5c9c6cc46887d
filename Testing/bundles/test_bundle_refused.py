"""What is not added: other files than were meant, paths that lead out, names, what is no bundle."""

from __future__ import annotations

import io
import json
import shutil
import zipfile

import pytest
from bundle_helpers import files, make_zip, served, unchanged

from MRNLib.bundle import open_bundle
from MRNLib.bundle_install import add_bundle
from MRNLib.errors import BundleError
from MRNLib.parameters import DEFAULT_BUNDLE


def test_an_address_needs_a_hash(zipped, store):
    with pytest.raises(BundleError, match="SHA-256"):
        add_bundle(zipped.as_uri())
    assert unchanged(store)


def test_another_file_than_was_meant_is_not_even_unpacked(zipped, store, monkeypatch):
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(BundleError, match="not the bundle that was meant"):
        add_bundle(str(zipped), "0" * 64)
    with served(zipped.parent) as address, pytest.raises(BundleError, match="nothing was unpacked"):
        add_bundle(f"{address}/random.zip", "0" * 64)
    assert unchanged(store)


def test_a_folders_hash_is_its_manifests(random_bundle, store):
    with pytest.raises(BundleError, match="not the bundle that was meant"):
        add_bundle(str(random_bundle), "0" * 64)
    assert unchanged(store)
    assert add_bundle(str(random_bundle), open_bundle(random_bundle).sha256)


ESCAPES = ("../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "C:/out.txt")


@pytest.mark.parametrize("name", ESCAPES)
def test_a_path_that_leads_out_of_the_zip_is_refused(name, random_bundle, tmp_path, store):
    path = make_zip(tmp_path / "bad.zip", {**files(random_bundle), name: b"out"})
    before = files(tmp_path)
    with pytest.raises(BundleError, match="lead out"):
        add_bundle(str(path))
    assert files(tmp_path) == before
    assert unchanged(store)


def test_a_link_in_the_zip_is_refused(random_bundle, tmp_path, store):
    path = make_zip(tmp_path / "bad.zip", files(random_bundle))
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
    with pytest.raises(BundleError, match="lead out"):
        add_bundle(str(path))
    assert unchanged(store)


@pytest.mark.parametrize("name", ["../docs/README.md", "/etc/hostname", "..\\x", "C:x"])
def test_a_manifest_that_lists_a_file_outside_is_refused(name, random_bundle, tmp_path, store):
    copy = shutil.copytree(random_bundle, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][name] = manifest["files"]["docs/README.md"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="leaves the bundle"):
        add_bundle(str(copy))
    assert unchanged(store)


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "dot.", DEFAULT_BUNDLE])
def test_a_name_that_cannot_be_used_is_refused(name, random_bundle, tmp_path, store):
    copy = shutil.copytree(random_bundle, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    (copy / "manifest.json").write_text(json.dumps({**manifest, "name": name}))
    with pytest.raises(BundleError, match="name"):
        add_bundle(str(copy))
    assert unchanged(store)


def no_zip(folder):
    (folder / "x.zip").write_bytes(b"no zip")


def broken_zip(folder):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"abc" * 1000)
    data = bytearray(stream.getvalue())
    data[45:60] = b"\xff" * 15
    (folder / "x.zip").write_bytes(data)


def zip_of_something_else(folder):
    make_zip(folder / "x.zip", {"readme.txt": b"x"})


@pytest.mark.parametrize("build", [no_zip, broken_zip, zip_of_something_else])
def test_a_file_that_is_no_bundle_is_said(build, tmp_path, store):
    build(tmp_path)
    with pytest.raises(BundleError, match="zip"):
        add_bundle(str(tmp_path / "x.zip"))
    assert unchanged(store)
