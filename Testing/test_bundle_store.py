"""Bundles that a user adds: found by name, checked before they are there, never half there."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import io
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from MRNLib import bundle_store
from MRNLib.bundle import open_bundle
from MRNLib.bundle_install import add_bundle
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT
from MRNLib.errors import BundleError, Cancelled
from MRNLib.parameters import DEFAULT_BUNDLE


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    folder = tmp_path / "own bundles"
    monkeypatch.setenv("MRN_BUNDLES", str(folder))
    return folder


@pytest.fixture(scope="session")
def zipped(random_bundle, tmp_path_factory):
    """The random bundle as a zip with one folder in it, as people make them."""
    path = tmp_path_factory.mktemp("zipped") / "random.zip"
    return make_zip(path, {f"random/{name}": data for name, data in files(random_bundle).items()})


def files(folder):
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def make_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def unchanged(store):
    return not store.exists() or list(store.iterdir()) == []


@contextlib.contextmanager
def served(folder, handler=http.server.SimpleHTTPRequestHandler):
    """A web server on this machine alone."""
    quiet = type("Quiet", (handler,), {"log_message": lambda *values: None})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"]["docs/README.md"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="leaves the bundle"):
        add_bundle(str(copy))
    assert unchanged(store)


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "dot.", DEFAULT_BUNDLE])
def test_a_name_that_cannot_be_used_is_refused(name, random_bundle, tmp_path, store):
    copy = shutil.copytree(random_bundle, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "name": name}))
    with pytest.raises(BundleError, match="name"):
        add_bundle(str(copy))
    assert unchanged(store)


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
    manifest = json.loads((copy / "manifest.json").read_text())
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
        values = json.loads(manifest.read_text())
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
