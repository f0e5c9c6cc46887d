"""Adding a bundle from a folder, a zip or an address: checked whole before it can be opened."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import stat
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from MRNLib.bundle import Bundle, open_bundle
from MRNLib.bundle_store import MANIFEST, NAME, folder_of, shipped_bundles, user_folder
from MRNLib.errors import BundleError
from MRNLib.progress import Progress, part, silent
from MRNLib.writing import replaced_folder, require_folder

BLOCK = 1 << 20
TIMEOUT_S = 60
SCHEMES = ("http://", "https://", "file://")
# A zip that unpacks to more than this was not made for this library.
LARGEST = 20 << 30


def add_bundle(source: str, sha256: str | None = None, progress: Progress = silent) -> Bundle:
    """Puts a bundle into the user's folder, in place of one of the same name there.

    Args:
        source: A bundle folder, a zip of one, or the address of such a zip.
        sha256: The zip's SHA-256, or a folder's manifest's; checked before anything is unpacked.
            An address needs one.
        progress: Called with the share done; may cancel.

    Raises:
        BundleError: There is no bundle, it is damaged, is not the one that was meant, or bears the
            name of a shipped one. Nothing is changed then.
    """
    store = user_folder()
    require_folder(store)
    remote = source.lower().startswith(SCHEMES)
    if remote and sha256 is None:
        raise BundleError(
            "An address was given without the SHA-256 of what is there.",
            file=source,
            remedy="take the hash from whoever published the bundle and give it with --sha256",
        )
    wanted = None if sha256 is None else _hash(sha256)
    if not remote and not Path(source).exists():
        raise BundleError("there is no such file or folder", file=source, remedy="check the path")
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=store) as temporary:
        place = Path(temporary)
        path = Path(source)
        if remote:
            path = place / "download.zip"
            _download(source, path, part(progress, 0.0, 0.7))
        if path.is_dir():
            _require_hash(path / MANIFEST, wanted, source)
            folder = path
        else:
            _require_hash(path, wanted, source)
            folder = _unpack(path, place / "unpacked", source, part(progress, 0.7, 0.85))
        return _install(folder, store, part(progress, 0.85, 1.0))


def verify(bundle: Bundle, progress: Progress = silent) -> None:
    """Reads every file of a bundle against its hash.

    Raises:
        BundleError: A file is missing or another one than the manifest describes.
    """
    for number, name in enumerate(bundle.manifest.files):
        progress(number / len(bundle.manifest.files), f"Checking {name}")
        bundle.read(name)


def _install(folder: Path, store: Path, progress: Progress) -> Bundle:
    """Copies what the manifest lists, checks the copy and moves it to its name."""
    found = open_bundle(folder)
    name = found.manifest.name
    if not NAME.fullmatch(name):
        raise BundleError(
            f"The bundle's name {name!r} cannot be a folder's.",
            file=folder / MANIFEST,
            expected="letters, digits, '.', '_' and '-', at most 64",
        )
    if name in shipped_bundles():
        raise BundleError(
            f"A bundle of the name {name} comes with the library.",
            file=folder / MANIFEST,
            remedy="give the new one another name in its manifest",
        )
    verify(found, part(progress, 0.0, 0.5))
    with replaced_folder(store / name) as partial:
        for file in (MANIFEST, *found.manifest.files):
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file, partial / file)
        verify(open_bundle(partial), part(progress, 0.5, 1.0))
    progress(1.0, "Added")
    installed = folder_of(name)
    assert installed is not None
    return open_bundle(installed)


def _download(address: str, target: Path, progress: Progress) -> None:
    try:
        with (
            urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer,
            target.open("wb") as stream,
        ):
            size = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while block := answer.read(BLOCK):
                stream.write(block)
                done += len(block)
                progress(done / size if size else 0.0, f"Downloading: {done / 1e6:.0f} MB")
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise BundleError(
            f"The download failed ({reason}).",
            file=address,
            remedy="check address and network, or download the zip elsewhere and add the file",
        ) from error
    if size and done != size:
        raise BundleError(
            f"The download ended after {done} of {size} bytes.", file=address, remedy="try again"
        )


def _hash(text: str) -> str:
    digits = text.strip().lower().removeprefix("sha256:")
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise BundleError(f"{text!r} is no SHA-256.", expected="64 hexadecimal digits")
    return digits


def _require_hash(path: Path, wanted: str | None, source: str) -> None:
    if wanted is None or not path.is_file():
        return
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != wanted:
        raise BundleError(
            f"This is not the bundle that was meant: its SHA-256 is {digest.hexdigest()}.",
            file=source,
            expected=wanted,
            remedy="nothing was unpacked; get the file and its hash again from the publisher",
        )


def _unpack(path: Path, target: Path, source: str, progress: Progress) -> Path:
    """Unpacks a zip and returns the folder in it that holds the manifest."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            for entry in entries:
                _require_inside(entry, source)
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise BundleError("The zip is too large to be a bundle.", file=source)
            for number, entry in enumerate(entries):
                progress(number / len(entries), f"Unpacking {entry.filename}")
                archive.extract(entry, target)
    # NotImplementedError is zipfile's for a compression it lacks, RuntimeError for a password.
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BundleError(
            f"The file cannot be unpacked as a zip ({error}).",
            file=source,
            expected="a bundle folder, or a zip of one",
        ) from error
    manifests = sorted(target.rglob(MANIFEST), key=lambda found: len(found.parts))
    if not manifests:
        raise BundleError(f"There is no {MANIFEST} in the zip.", file=source)
    return manifests[0].parent


def _require_inside(entry: zipfile.ZipInfo, source: str) -> None:
    """Refuses names that lead out of the folder, and links."""
    inside = PurePosixPath(entry.filename.replace("\\", "/"))
    leads_out = inside.is_absolute() or ".." in inside.parts or ":" in entry.filename
    if leads_out or stat.S_ISLNK(entry.external_attr >> 16):
        raise BundleError(
            f"The zip holds {entry.filename!r}, which would lead out of its folder.",
            file=source,
            remedy="nothing was unpacked; do not trust this file",
        )
