"""Where a result comes from: inputs, versions, bundle, device, settings; plain JSON values."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from MRNLib.anatomy import NOTICE
from MRNLib.bundle import Bundle
from MRNLib.cases import CaseImages
from MRNLib.classifier import Classifier
from MRNLib.files import sha256
from MRNLib.geometry import Grid
from MRNLib.parameters import Parameters

PACKAGES = ("mrn-diagnosis", "torch", "timm", "nnunetv2", "numpy", "SimpleITK", "safetensors")


def provenance(
    images: CaseImages, bundle: Bundle, classifier: Classifier, parameters: Parameters
) -> dict[str, Any]:
    """Everything needed to tell whether a result would come out the same again.

    Files are named without their folders, which often carry a patient's or a user's name.
    """
    found = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "inputs": {
            volume.role: asdict(volume.source) | {"path": Path(volume.source.path).name}
            for volume in (images.qsm, images.nm, images.t1)
            if volume is not None
        },
        # The canonical grid: the boxes of the ROIs are voxels of it, not of the QSM's file.
        "grid": asdict(Grid.of(images.qsm.image)),
        "masks": {
            "QSM": _mask_source(images.case.qsm_mask, bundle, "QSM"),
            "NM": _mask_source(images.case.nm_mask, bundle, "NM"),
        },
        "bundle": {
            "name": bundle.manifest.name,
            "version": bundle.manifest.version,
            "sha256": bundle.sha256,
            "trained_on": bundle.manifest.trained_on,
        },
        "parameters": parameters.to_jsonable()
        | {"bundle": Path(parameters.bundle).name, "cache": parameters.cache is not None},
        "folds": list(classifier.folds),
        "device": classifier.device,
        "precision": classifier.precision,
        "encodings": {str(fold): count for fold, count in classifier.computed.items()},
        "seeds": "none: nothing in a diagnosis is random",
        "versions": _versions(),
        "platform": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "notice": NOTICE,
    }
    return json.loads(json.dumps(found))  # tuples become lists, as they do on disk


def _mask_source(path: Path | None, bundle: Bundle, modality: Literal["QSM", "NM"]) -> Any:
    """The given mask's file, or the segmenter that made it."""
    if path is None:
        return {"segmenter_sha256": bundle.segmenter_sha256(modality)}
    return {"path": path.name, "sha256": sha256(path)}


def _versions() -> dict[str, str]:
    """Versions of the packages that take part, read without importing any of them."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
