"""A trained model on disk: safetensors and JSON, hashed, no pickle.

A bundle is a folder::

    manifest.json                          what it is, and size and SHA-256 of every other file
    docs/README.md                         the model card
    mrn/fold_0.encoder.safetensors ...     RES of one fold, stored in half precision
    mrn/fold_0.head.safetensors ...        its head alone, which is all that cached tokens need
    segmenter_qsm/ segmenter_nm/           nnU-Nets in the form MRNLib.segmentation reads

The identity of a bundle is the SHA-256 of its manifest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from MRNLib.bundle_store import CARD, damaged, folder_of, installed_bundles, read_checked
from MRNLib.errors import BundleError
from MRNLib.manifest import Manifest, SegmenterEntry, encoder_file, head_file
from MRNLib.models.heads import HEAD_PREFIX

if TYPE_CHECKING:
    from torch import Tensor

    from MRNLib.models.mrn import Mrn

HEAD_TENSORS = {
    f"{HEAD_PREFIX}hidden.weight": 2,
    f"{HEAD_PREFIX}hidden.bias": 1,
    f"{HEAD_PREFIX}output.weight": 2,
    f"{HEAD_PREFIX}output.bias": 1,
}


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; files are read, and checked against the manifest, when they are used."""

    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def identity(self) -> str:
        """Name, version and the start of the hash, for people."""
        return f"{self.manifest.name} {self.manifest.version} ({self.sha256[:12]})"

    @property
    def measured_sha256(self) -> str:
        """One hash over all that its results depend on: everything but the card, which tells them.

        What was measured of a bundle stays known when the card is written from it.
        """
        content = self.manifest.model_dump(mode="json")
        del content["files"][CARD]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def needs_t1(self) -> bool:
        """Whether a segmenter was trained with T1."""
        return any("T1" in entry.channels for entry in self.manifest.segmenters.values())

    def read(self, name: str) -> bytes:
        """The bytes of one file, after its size and hash were checked."""
        stored = self.manifest.files.get(name)
        if stored is None:
            raise BundleError(f"The manifest does not list {name}.", file=self.folder)
        return read_checked(self.folder / name, stored.size, stored.sha256)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The finite float32 tensors of one safetensors file."""
        import safetensors
        import safetensors.torch

        try:
            state = safetensors.torch.load(self.read(name))
        except safetensors.SafetensorError as error:
            raise damaged(self.folder / name, "This is not a safetensors file.") from error
        for key, tensor in state.items():
            if not tensor.isfinite().all():
                raise damaged(self.folder / name, f"Tensor {key} holds NaN or infinity.")
        return {key: tensor.float() for key, tensor in state.items()}

    def head(self, fold: int) -> dict[str, Tensor]:
        """The classification head of one fold; needs torch alone."""
        name = head_file(self._checked(fold))
        state = self.tensors(name)
        if {key: tensor.ndim for key, tensor in state.items()} != HEAD_TENSORS or not (
            state[f"{HEAD_PREFIX}hidden.weight"].shape[0]
            == state[f"{HEAD_PREFIX}hidden.bias"].shape[0]
            == state[f"{HEAD_PREFIX}output.weight"].shape[1]
        ):
            raise damaged(self.folder / name, "The tensors are no classification head.")
        return state

    def encoder(self, fold: int) -> Mrn:
        """One fold's MRN in inference form (no DPT, no projector), in eval mode on the CPU."""
        from MRNLib.models.mrn import build

        name = encoder_file(self._checked(fold))
        model = build(self.manifest.model.for_inference(), pretrained=False)
        state = self.tensors(name) | self.head(fold)
        expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        found = {key: tuple(value.shape) for key, value in state.items()}
        if expected != found:
            wrong = sorted(
                k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k)
            )
            raise damaged(
                self.folder / name,
                f"{len(wrong)} tensors do not fit the model, the first is {wrong[0]}.",
            )
        model.load_state_dict(state)
        return model.eval()

    def encoder_sha256(self, fold: int) -> str:
        """Hash of one fold's encoder weights, as the manifest states it: part of the cache key."""
        return self.manifest.files[encoder_file(self._checked(fold))].sha256

    def segmenter_folder(self, modality: Literal["QSM", "NM"]) -> Path:
        """Folder of the segmenter of ``modality``, all its files checked."""
        name = self._segmenter(modality).folder
        for path in sorted((self.folder / name).rglob("*")):
            if path.is_file():
                self.read(path.relative_to(self.folder).as_posix())
        for file in self.manifest.files:
            if file.startswith(name + "/"):
                self.read(file)
        return self.folder / name

    def segmenter_sha256(self, modality: Literal["QSM", "NM"]) -> str:
        """One hash over all files of a segmenter: part of the mask cache's key."""
        prefix = self._segmenter(modality).folder + "/"
        parts = {k: v.sha256 for k, v in self.manifest.files.items() if k.startswith(prefix)}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def segmenter_channels(self, modality: Literal["QSM", "NM"]) -> tuple[str, ...]:
        """Which volumes a segmenter looks at, such as ``("QSM", "T1")``."""
        return self._segmenter(modality).channels

    def _segmenter(self, modality: Literal["QSM", "NM"]) -> SegmenterEntry:
        if modality not in self.manifest.segmenters:
            raise BundleError(
                f"The bundle has no segmenter for {modality}.",
                file=self.folder,
                remedy=f"give a {modality} mask, or use another bundle",
            )
        return self.manifest.segmenters[modality]

    def card(self) -> str:
        """The model card, Markdown."""
        return self.read(CARD).decode()

    def _checked(self, fold: int) -> int:
        if fold not in self.manifest.folds:
            raise BundleError(
                f"There is no fold {fold}.",
                file=self.folder,
                expected=f"one of {', '.join(map(str, self.manifest.folds))}",
            )
        return fold


def open_bundle(name_or_folder: str | Path) -> Bundle:
    """Opens an installed bundle (shipped or added) by name, or any bundle by its folder.

    Raises:
        BundleError: Nothing there, or the manifest is not a valid one.
    """
    folder = Path(name_or_folder)
    if not folder.is_dir():
        folder = folder_of(str(name_or_folder)) or folder
    path = folder / "manifest.json"
    if not path.is_file():
        raise BundleError(
            "This is not a model bundle: there is no manifest.json.",
            file=folder,
            expected="a bundle folder, or one of: " + ", ".join(installed_bundles() or ["(none)"]),
        )
    data = path.read_bytes()
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise damaged(path, f"The manifest is not valid: {where}: {first['msg']}.") from error
    return Bundle(folder, manifest, hashlib.sha256(data).hexdigest())
