"""All probes of one kind of frozen features: what they read on patients they have not met."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from MRNLib.anatomy import NUCLEI_BY_MODALITY
from MRNLib.navigation.clips import ClipSettings
from MRNLib.navigation.measuring.denseprobes import (
    PROBES,
    dice_of_patients,
    mean_of_nuclei,
    outlined,
    trained_probe,
)
from MRNLib.navigation.measuring.networkprobe import network_places
from MRNLib.navigation.measuring.pairprobes import Pairs, read_pairs
from MRNLib.navigation.measuring.poseprobes import (
    Places,
    nearest_planes,
    plane_classes,
    ridge_places,
)
from MRNLib.navigation.measuring.probeclips import ProbeClips, probe_clips
from MRNLib.navigation.measuring.probefeatures import Features
from MRNLib.navigation.volumes import Volume
from MRNLib.progress import Progress, part
from MRNLib.training.settingsfile import Strict

FeaturesOf = Callable[[Tensor], Features]
ByPatient = dict[str, float]


class ProbeSettings(Strict):
    """How much is probed.

    Attributes:
        clips: Of each volume, from anywhere, for poses and planes.
        nuclei_clips: Of each volume, around its nuclei, for outlines.
        linear_steps: Optimizer steps of each linear probe that outlines.
        dpt_steps: The same of each segmentation head.
        seed: Of clips, pairs, and the outlining probes' starts; the same for all arms.
    """

    clips: int = Field(default=6, ge=1)
    nuclei_clips: int = Field(default=4, ge=1)
    linear_steps: int = Field(default=1000, ge=1)
    dpt_steps: int = Field(default=600, ge=1)
    seed: int = Field(default=1, ge=0)

    def outlining_steps(self, probe: str) -> int:
        """Of one of :data:`~MRNLib.navigation.measuring.denseprobes.PROBES`."""
        return {"linear": self.linear_steps, "dpt": self.dpt_steps}[probe]


@dataclass(frozen=True, eq=False)
class Side:
    """The clips of the patients that probes learn from, or of those they are tested on.

    Attributes:
        anywhere: For poses and planes.
        nuclei: For outlines, with labels.
    """

    anywhere: ProbeClips
    nuclei: ProbeClips

    @classmethod
    def cut(
        cls,
        volumes: Sequence[Volume],
        clips: ClipSettings,
        settings: ProbeSettings,
        progress: Progress,
    ) -> Side:
        """Both sets of some volumes."""
        cut = functools.partial(probe_clips, volumes, clips, seed=settings.seed)
        first, second = part(progress, 0.0, 0.5), part(progress, 0.5, 1.0)
        return cls(
            cut(number=settings.clips, progress=first),
            cut(number=settings.nuclei_clips, nuclei=True, progress=second),
        )


def probed(
    features_of: FeaturesOf,
    train: Side,
    test: Side,
    settings: ProbeSettings,
    device: torch.device,
    progress: Progress,
) -> dict[str, Any]:
    """What all probes read from one kind of features.

    Args:
        features_of: Gives them for frames ``[B, T, S, S]``: nothing else can reach a probe, no
            action above all.
        train: Clips to learn the probes from.
        test: Clips of other patients.
        settings: Steps and seed.
        device: Where the probes that outline learn.
        progress: Called between the probes; may raise ``Cancelled``.

    Returns:
        JSON values: ``patients``: each measure by test patient; ``squares``: of measures of the
        variance explained, sums by test patient (:func:`.pairprobes.squares`); ``nuclei``: each
        probe's Dice by nucleus and test patient; ``pooled``: measures without patients: of all
        test slices together, and the outlines' Dice on the patients learned from.
    """
    progress(0.0, "poses")
    grids = [features_of(one.anywhere.frames).pooled() for one in (train, test)]
    absolute = _poses(grids, train.anywhere, test.anywhere)
    progress(0.2, "pairs of slices")
    relative, squares = read_pairs(
        *(
            Pairs.drawn(grid, one.anywhere.poses, one.anywhere.patients, settings.seed)
            for grid, one in zip(grids, (train, test), strict=True)
        )
    )
    progress(0.4, "planes")
    planes = _planes(grids, train.anywhere, test.anywhere)
    features = [features_of(one.nuclei.frames) for one in (train, test)]
    outlines = probed_outlines(features, train, test, settings, device, part(progress, 0.5, 1.0))
    return {
        "patients": {
            **absolute,
            **_prefixed("relative", relative),
            "plane_accuracy": planes["accuracy"],
            **outlines["patients"],
        },
        "squares": _prefixed("relative", squares),
        "nuclei": outlines["nuclei"],
        "pooled": {"plane_balanced_accuracy": planes["balanced"], **outlines["pooled"]},
    }


def probed_outlines(
    features: Sequence[Features],
    train: Side,
    test: Side,
    settings: ProbeSettings,
    device: torch.device,
    progress: Progress,
) -> dict[str, Any]:
    """What the probes that outline read, as :func:`probed` gives it.

    Args:
        features: Of the slices around the nuclei, of both sides.
        train: Clips to learn the probes from.
        test: Clips of other patients.
        settings: Steps and seed.
        device: Where the probes that outline learn.
        progress: Called between the probes; may raise ``Cancelled``.
    """
    patients, nuclei, pooled = {}, {}, {}
    for number, name in enumerate(PROBES):
        progress(number / len(PROBES), f"outlines ({name})")
        sides = train.nuclei, test.nuclei
        learned, nuclei[name] = _outlines(name, features, *sides, settings, device)
        patients[f"{name}_dice"] = mean_of_nuclei(nuclei[name])
        pooled[f"{name}_training_dice"] = float(np.mean([*mean_of_nuclei(learned).values()]))
    return {"patients": patients, "nuclei": nuclei, "pooled": pooled}


def _poses(
    grids: Sequence[NDArray[np.float32]], train: ProbeClips, test: ProbeClips
) -> dict[str, ByPatient]:
    """Errors of slices' poses, by measure and patient."""
    length = train.frames.shape[1]
    flat = [one.reshape(-1, one.shape[-1]) for one in grids]
    owners = [_repeated(one, length) for one in (train, test)]
    places = [Places.of_slices(one.poses) for one in (train, test)]
    result: dict[str, ByPatient] = {}
    for way, read in (("ridge", ridge_places), ("network", network_places)):
        found = read(flat[0], places[0], owners[0], flat[1])
        result |= _by_patient(f"absolute_{way}", found.errors(places[1]), owners[1])
    return result


def _planes(
    grids: Sequence[NDArray[np.float32]], train: ProbeClips, test: ProbeClips
) -> dict[str, Any]:
    from sklearn.metrics import balanced_accuracy_score

    length = train.frames.shape[1]
    flat = [one.reshape(-1, one.shape[-1]) for one in grids]
    learned, true = (nearest_planes(Places.of_slices(one.poses).rotation) for one in (train, test))
    found = plane_classes(flat[0], learned, _repeated(train, length), flat[1])
    right = _by_patient("plane", {"accuracy": found == true}, _repeated(test, length))
    balanced = float(balanced_accuracy_score(true, found))
    return {"accuracy": right["plane_accuracy"], "balanced": balanced}


def _outlines(
    name: str,
    features: Sequence[Features],
    train: ProbeClips,
    test: ProbeClips,
    settings: ProbeSettings,
    device: torch.device,
) -> tuple[dict[str, ByPatient], dict[str, ByPatient]]:
    """Dice by nucleus and patient, of the training's and of the test's patients.

    Each role (QSM, NM) has nuclei and a probe of its own.
    """
    result: tuple[dict[str, ByPatient], dict[str, ByPatient]] = ({}, {})
    for role in NUCLEI_BY_MODALITY:
        sides = [one.outlined_of(role) for one in (train, test)]
        if not all(patients for _, _, patients in sides):
            continue
        own = [one.of(chosen) for one, (chosen, _, _) in zip(features, sides, strict=True)]
        classes = len(NUCLEI_BY_MODALITY[role]) + 1
        steps = settings.outlining_steps(name)
        probe = trained_probe(name, own[0], sides[0][1], classes, steps, settings.seed, device)
        for dice, maps, (_, labels, patients) in zip(result, own, sides, strict=True):
            dice |= dice_of_patients(outlined(probe, maps), labels, patients, role)
    return result


def _repeated(clips: ProbeClips, length: int) -> list[str]:
    """Whose each slice of all clips is."""
    return [name for name in clips.patients for _ in range(length)]


def _by_patient(
    prefix: str, values: Mapping[str, NDArray[np.generic]], owners: Sequence[str]
) -> dict[str, ByPatient]:
    """Means over each patient's samples, named ``prefix_name``."""
    names = np.array(owners)
    return {
        f"{prefix}_{key}": {name: float(one[names == name].mean()) for name in sorted({*owners})}
        for key, one in values.items()
    }


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{key}": one for key, one in values.items()}
