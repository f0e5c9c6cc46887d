"""Where bundles are found by name: the shipped ones, and a folder of the user's own.

This module needs nothing beyond Python, so that a front end can list bundles before anything is
installed. :mod:`MRNLib.bundle_install` puts bundles into the user's folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

from MRNLib.errors import BundleError

SHIPPED = Path(__file__).parent / "bundles"
FOLDER_VARIABLE = "MRN_BUNDLES"
MANIFEST = "manifest.json"
CARD = "docs/README.md"
# A bundle's name becomes a folder's: no separators, no leading dot, nothing Windows refuses.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?<!\.)")


def user_folder() -> Path:
    """The folder of added bundles: ``MRN_BUNDLES``, or the system's place for a user's data."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "mrn-diagnosis" / "bundles"


def shipped_bundles() -> list[str]:
    """Names of the bundles that come with the library."""
    return _names(SHIPPED)


def added_bundles() -> list[str]:
    """Names of the bundles that the user added."""
    return sorted(set(_names(user_folder())).difference(shipped_bundles()))


def installed_bundles() -> list[str]:
    """All names that can be opened, sorted."""
    return sorted([*shipped_bundles(), *added_bundles()])


def folder_of(name: str) -> Path | None:
    """The folder of an installed bundle, or None; a shipped name is always the shipped one."""
    if not NAME.fullmatch(name):
        return None
    places = (SHIPPED / name, user_folder() / name)
    return next((place for place in places if (place / MANIFEST).is_file()), None)


def margin_of(bundle: str) -> tuple[float, int] | None:
    """The margin around the nuclei that a bundle was trained with, in mm and in slices.

    Args:
        bundle: A name, or a folder.

    Returns:
        None where there is no such bundle, or none that can be read; opening it says why.
    """
    folder = folder_of(bundle) or Path(bundle)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return float(manifest["margin_mm"]), int(manifest["margin_slices"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_checked(path: Path, size: int, sha256: str) -> bytes:
    """The bytes of a bundle's file, which has to be the one that the manifest describes.

    Raises:
        BundleError: The file is missing, or its size or SHA-256 is another.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise damaged(path, f"The file cannot be read ({error.strerror}).") from error
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise damaged(path, "The file is not the one its manifest describes (SHA-256 differs).")
    return data


def read_card(name: str) -> str:
    """The model card of an installed bundle, Markdown; checked as by :class:`MRNLib.bundle.Bundle`.

    Raises:
        BundleError: There is no such bundle, it has no card, or the card was changed.
    """
    folder = folder_of(name)
    if folder is None:
        raise BundleError(f"The model {name!r} is not on this computer.", remedy="add it first")
    try:
        stored = json.loads((folder / MANIFEST).read_bytes())["files"][CARD]
        size, sha256 = int(stored["size"]), str(stored["sha256"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise damaged(folder / MANIFEST, "The manifest lists no model card.") from error
    return read_checked(folder / CARD, size, sha256).decode()


def damaged(path: Path, found: str) -> BundleError:
    """What is said of a bundle that is not as it was published."""
    return BundleError(
        found,
        file=path,
        remedy="The bundle is damaged or was changed. Install it again; nothing was run with it.",
    )


def remove_bundle(name: str) -> Path:
    """Removes a bundle that the user added, and returns where it was.

    Raises:
        BundleError: It came with the library, or there is none of that name.
    """
    if name in shipped_bundles():
        raise BundleError(
            f"The bundle {name} comes with the library and stays.", remedy=_known(added_bundles())
        )
    if name not in added_bundles():
        raise BundleError(f"No bundle {name!r} was added.", remedy=_known(added_bundles()))
    folder = user_folder() / name
    gone = folder.with_name(f".removed-{os.getpid()}-{name}")
    # Renamed first: a bundle that is removed half way is never found.
    os.replace(folder, gone)
    shutil.rmtree(gone)
    return folder


def _names(folder: Path) -> list[str]:
    found = (path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
    return sorted(name for name in found if NAME.fullmatch(name))


def _known(names: list[str]) -> str:
    return "name one that was added: " + (", ".join(names) or "there is none")
