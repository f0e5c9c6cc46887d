"""Whether a case of a folder is done already: what every front end goes by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MRNLib.bundle_store import MANIFEST, folder_of
from MRNLib.casefiles import Case
from MRNLib.files import sha256
from MRNLib.parameters import Parameters

RESULT = "diagnosis.json"
# Settings that change how a result is computed, not what it is; the bundle is compared by hash.
WITHOUT_EFFECT = ("bundle", "cache", "device")


def finished_result(folder: Path, case: Case, parameters: Parameters) -> dict[str, Any] | None:
    """What an earlier run wrote into ``folder``, if it is this case's result with this bundle.

    Compared are the hashes of the bundle, the volumes and the given masks, and the settings that
    change a result; not when, where and by which version it was computed.
    """
    try:
        written = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        source = written["provenance"]
        same = (
            source["bundle"]["sha256"] == bundle_hash(parameters.bundle)
            and _settings(source["parameters"]) == _settings(parameters.to_jsonable())
            and {role: entry["sha256"] for role, entry in source["inputs"].items()}
            == _volume_hashes(case, parameters)
            and {role: entry.get("sha256") for role, entry in source["masks"].items()}
            == _mask_hashes(case)
        )
        same = same and {"probability_pd", "decision"} <= written.keys()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # none there, or none that this library wrote: it is done again
    return written if same else None


def result_identity(case: Case, parameters: Parameters, bundle_sha256: str) -> str:
    """Hash of all that a case's result follows from: bundle, files, settings that change it.

    Raises:
        OSError: A file cannot be read.
    """
    parts = {
        "bundle": bundle_sha256,
        "settings": _settings(parameters.to_jsonable()),
        "inputs": _volume_hashes(case, parameters),
        "masks": _mask_hashes(case),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def settings_hash(settings: Mapping[str, Any], bundle_sha256: str) -> str:
    """Short hash of a bundle and of settings, without those that change no result."""
    text = json.dumps([bundle_sha256, _settings(settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in WITHOUT_EFFECT}


def bundle_hash(bundle: str) -> str | None:
    """Identity of a bundle by name or folder, None if there is none; its manifest is not read."""
    folder = Path(bundle) if Path(bundle).is_dir() else folder_of(bundle)
    return None if folder is None else sha256(folder / MANIFEST)


def _volume_hashes(case: Case, parameters: Parameters) -> dict[str, str]:
    qsm, nm = (case.nm, case.qsm) if parameters.swap_modalities else (case.qsm, case.nm)
    volumes = {"QSM": qsm, "NM": nm, "T1": case.t1}
    return {role: sha256(path) for role, path in volumes.items() if path is not None}


def _mask_hashes(case: Case) -> dict[str, str | None]:
    masks = {"QSM": case.qsm_mask, "NM": case.nm_mask}
    return {role: None if path is None else sha256(path) for role, path in masks.items()}
