"""Which trainings the paper's tables need; a training that several tables show is one cell.

A cell is a system's base file with a few overrides, so that a base file can be tuned without
touching the comparisons. Where a row leaves out both the segmentation head and mSupMoCo, phase 1
has no loss and is left out; every row has the same epochs with the classification loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from MRNLib.anatomy import ROI_NAMES
from MRNLib.errors import InputError
from MRNLib.training.config import TrainingConfig, load_config

Kind = Literal["network", "radiomics", "oracles"]
# Of the training patients, fold 0 of five is left out of every training (paper section 4.1.1).
FOLDS = 5
VOTERS = FOLDS

FULL = "mrn"
RADIOMICS = "radiomics"
ORACLES = "oracles"
MIDBRAIN_FOLDS = tuple(f"midbrain-cnn-fold{fold}" for fold in range(VOTERS))
IMAGE_ORACLE, LATENT_ORACLE = "image oracle", "latent oracle"


@dataclass(frozen=True)
class Cell:
    """One job: a training with its predictions, the radiomics models, or the oracles.

    Attributes:
        key: Name of its files.
        system: Name of its base file, without ``.yaml``; of a network only.
        overrides: ``group.key=value`` on top of the base file.
        fold: Which of :data:`FOLDS` folds is left out.
        masked: Predict under every masking of ROIs, not only with all of them.
        small: Put the scale's smaller backbone in (Table 7).
        kind: What is run.
    """

    key: str
    system: str = ""
    overrides: tuple[str, ...] = ()
    fold: int = 0
    masked: bool = False
    small: bool = False
    kind: Kind = "network"


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        name: As on the command line.
        folder: Of the base files, below ``Training/configs``.
        files: Base files that are not called ``SYSTEM.yaml``.
        small: Overrides that make the smaller backbone.
        draws: Bootstrap draws of an interval.
    """

    name: str
    folder: str
    files: tuple[tuple[str, str], ...] = ()
    small: tuple[str, ...] = ()
    draws: int = 1000


_HALF_WIDTH = ("model.backbone.embed_dim=32", "model.backbone.num_heads=2")
SCALES = {
    "smoke": Scale("smoke", "smoke", small=("model.backbone.embed_dim=8",), draws=100),
    "tiny": Scale("tiny", "tiny", small=_HALF_WIDTH),
    "paper": Scale(
        "paper",
        "",
        (("mrn", "paper.yaml"),),
        ("model.backbone.name=vit_small_patch14_reg4_dinov2",),
    ),
}

_NO_FFA, _NO_SFA = "model.ffa_blocks=0", "model.sfa_blocks=0"
_NO_DEPTH = "model.slice_embedding=false"  # it serves the fusion alone (Eq. 3)
_NO_DPT = ("model.dpt=null", "loss.segmentation=0")
_NO_CONTRAST = ("model.projector=false", "loss.contrastive=0")
_NEITHER = (*_NO_DPT, *_NO_CONTRAST, "train.phase1_epochs=0")


def _mrn(key: str, *overrides: str, masked: bool = False, small: bool = False) -> Cell:
    return Cell(key, "mrn", overrides, masked=masked, small=small)


def _depths(ffa: int, sfa: int) -> Cell:
    return _mrn(f"mrn-ffa{ffa}-sfa{sfa}", f"model.ffa_blocks={ffa}", f"model.sfa_blocks={sfa}")


def _contrast(key: str, capacity: int, temperature: float) -> Cell:
    bank, tau = f"loss.bank_capacity={capacity}", f"loss.temperature={temperature}"
    return Cell(f"seres10-msupmoco-{key}", "seres10-msupmoco", (bank, tau))


_CELLS = (
    _mrn(FULL, masked=True),
    # Table 2
    _mrn("mrn-d", _NO_FFA, _NO_SFA, _NO_DEPTH, *_NEITHER),
    _mrn("mrn-d-ffa", _NO_SFA, *_NEITHER),
    _mrn("mrn-d-sfa", _NO_FFA, *_NEITHER),
    _mrn("mrn-d-dpt", _NO_FFA, _NO_SFA, _NO_DEPTH, *_NO_CONTRAST),
    _mrn("mrn-d-ffa-sfa", *_NEITHER),
    _mrn("mrn-d-ffa-dpt", _NO_SFA, *_NO_CONTRAST),
    _mrn("mrn-d-sfa-dpt", _NO_FFA, *_NO_CONTRAST),
    _mrn("mrn-d-ffa-sfa-dpt", *_NO_CONTRAST),
    _mrn("mrn-d-ffa-dpt-msupmoco", _NO_SFA),
    # Table 3
    *(_depths(ffa, sfa) for ffa, sfa in ((2, 1), (2, 2), (3, 1), (4, 1), (4, 2), (4, 3))),
    # Tables 5 and 6; the system's own row of Tables 6, 7 and 8 is the one at tau .1
    Cell("seres10", "seres10"),
    Cell("seres10-msupmoco", "seres10-msupmoco", ("loss.bank_capacity=1024",)),
    *(_contrast(f"k{capacity}", capacity, 0.07) for capacity in (128, 256, 512, 1024)),
    _contrast("tau0.01", 1024, 0.01),
    # Tables 7 and 8
    _mrn("mrn-small", small=True),
    _mrn("mrn-global", "model.dpt=global"),
    # Table 9 and the table of all systems
    Cell("m3d-clip", "m3d-clip"),
    *(Cell(key, "midbrain-cnn", fold=fold) for fold, key in enumerate(MIDBRAIN_FOLDS)),
    Cell(RADIOMICS, kind="radiomics"),
    Cell(ORACLES, kind="oracles"),
)
CELLS = {cell.key: cell for cell in _CELLS}


def cell_config(
    cell: Cell, scale: Scale, configs: Path, trained_on: str, extra: Sequence[str] = ()
) -> TrainingConfig:
    """The settings of a network's training.

    Args:
        cell: A cell of kind ``network``.
        scale: Which base file.
        configs: ``Training/configs``.
        trained_on: ``phantom`` or ``human``, from the patients.
        extra: The user's ``NAME:group.key=value`` for all cells; NAME is a system or a cell. A
            system's come before what makes the cell what it is, a cell's after.

    Raises:
        InputError: The base file cannot be read, or a setting is unknown or cannot be.
    """
    name = dict(scale.files).get(cell.system, f"{cell.system}.yaml")
    own = {key: [one for to, _, one in map(_parted, extra) if to == key] for key in _names(cell)}
    overrides = [
        *own[cell.system],
        *(scale.small if cell.small else ()),
        *cell.overrides,
        *(own[cell.key] if cell.key != cell.system else ()),
        f"trained_on={trained_on}",
    ]
    return load_config(configs / scale.folder / name, overrides)


def _names(cell: Cell) -> tuple[str, str]:
    return cell.system, cell.key


def _parted(text: str) -> tuple[str, str, str]:
    return text.partition(":")


def check_extra(extra: Iterable[str]) -> None:
    """Refuses a ``NAME:group.key=value`` whose NAME is neither a system nor a cell.

    Raises:
        InputError: Such a name.
    """
    systems = {cell.system for cell in _CELLS if cell.system}
    for text in extra:
        name, colon, _ = _parted(text)
        if not colon or name not in systems | set(CELLS):
            raise InputError(
                f"--set {text}: '{name}' is neither a system nor a cell",
                expected=f"NAME:group.key=value with NAME one of {', '.join(sorted(systems))}, or "
                "a cell such as mrn-small",
            )


def chosen(keys: Iterable[str]) -> list[Cell]:
    """Cells by key, once each, in the order of :data:`CELLS`."""
    wanted = set(keys)
    if unknown := wanted - set(CELLS):
        raise InputError(f"no such cell: {', '.join(sorted(unknown))}")
    return [cell for cell in _CELLS if cell.key in wanted]


def latent_variant(masked: str) -> str:
    """Name of the latent oracle's predictions without the features of a masking's ROIs."""
    return f"{LATENT_ORACLE}, {masked} masked" if masked else LATENT_ORACLE


def masking_name(masked: Iterable[str]) -> str:
    """``""`` for none, else ``NM+QSM1`` and the like: the key of a masking's predictions."""
    hidden = set(masked)
    return "+".join(name for name in ROI_NAMES if name in hidden)
