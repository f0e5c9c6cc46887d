"""Who a digital patient is: diagnosis, age, and the latent state the images are painted from.

The latent state is one Gaussian vector per patient: the mean susceptibility of each nucleus, and
    four signs of
Parkinson's disease (PD). All entries are z-scores with standard deviation 1 within a class; PD only
shifts the mean. Effects (Cohen's d) and correlations are chosen so that the best linear reading of
the vector reaches the published level of separation (see :mod:`MRNLib.phantom.oracle`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from MRNLib.phantom.tables import AGE_MEAN, AGE_SD, SIDE_DIFFERENCE_SD, SUSCEPTIBILITY

DIAGNOSES = ("HC", "PD")
SIGNS = ("nm_contrast", "nm_volume", "nigrosome", "asymmetry")
NUCLEI = tuple(SUSCEPTIBILITY)
FEATURES = (*NUCLEI, *SIGNS)

# Cohen's d of each sign, positive = more like PD. The nuclei's follow from the table of
# susceptibilities.
SIGN_EFFECTS = {"nm_contrast": 1.6, "nm_volume": 1.2, "nigrosome": 1.4, "asymmetry": 0.6}

# Which features are seen through which region of interest. Asymmetry is painted into NM and QSM2
# alike.
REGION_FEATURES = {
    "NM": ("nm_contrast", "nm_volume"),
    "QSM1": ("CN", "PUT", "GP", "TH"),
    "QSM2": ("STN", "SN", "RN", "nigrosome"),
    "QSM3": ("DN",),
}

# Within-class correlations. Nuclei: 59 patients, Thomas 2024 (doi 10.1002/mds.29702), SN = its SNpc
# row; TH and STN, which it lacks, are set to moderate values. Signs: tuned within .1 to .55 so that
# the oracle's AUC comes out at .92, and .851 without NM, .886 without QSM2, .918 without QSM1. Age:
# slope x age SD / between-subject SD.
_CORRELATIONS: dict[str, dict[str, float]] = {
    "DN": {"SN": 0.19, "RN": 0.64, "CN": 0.40, "PUT": 0.50, "GP": 0.19},
    "SN": {"RN": 0.45, "CN": 0.27, "PUT": 0.45, "GP": 0.51},
    "RN": {"CN": 0.49, "PUT": 0.64, "GP": 0.33},
    "CN": {"PUT": 0.76, "GP": 0.18},
    "PUT": {"GP": 0.22},
    "TH": {"CN": 0.3, "PUT": 0.3, "GP": 0.2, "SN": 0.25, "RN": 0.25, "DN": 0.2, "STN": 0.2},
    "STN": {"CN": 0.3, "PUT": 0.35, "GP": 0.35, "SN": 0.5, "RN": 0.5, "DN": 0.3},
    "nm_contrast": {
        "nm_volume": 0.51,
        "nigrosome": 0.27,
        "asymmetry": 0.32,
        "SN": 0.29,
        "GP": 0.15,
    },
    "nm_volume": {"nigrosome": 0.28, "asymmetry": 0.26, "SN": 0.25, "GP": 0.10},
    "nigrosome": {"asymmetry": 0.35, "SN": 0.41, "GP": 0.19},
    "asymmetry": {"SN": 0.20, "GP": 0.11},
    "age": {
        "CN": 0.30,
        "PUT": 0.40,
        "GP": -0.06,
        "TH": 0.10,
        "STN": 0.15,
        "SN": 0.15,
        "RN": 0.18,
        "DN": 0.11,
        "nigrosome": 0.10,
    },
}


def class_effects() -> np.ndarray:
    """Cohen's d of every entry of :data:`FEATURES`, PD minus HC."""
    nuclei = [(row.pd - row.hc) / row.sd for row in SUSCEPTIBILITY.values()]
    return np.array([*nuclei, *(SIGN_EFFECTS[name] for name in SIGNS)])


def correlation_matrix() -> np.ndarray:
    """Within-class correlations of :data:`FEATURES` followed by age, [13, 13]."""
    names = (*FEATURES, "age")
    matrix = np.eye(len(names))
    for first, row in _CORRELATIONS.items():
        for second, value in row.items():
            i, j = names.index(first), names.index(second)
            matrix[i, j] = matrix[j, i] = value
    return matrix


@dataclass(frozen=True)
class Truth:
    """What is known about one digital patient, and never about a real one.

    Attributes:
        seed: The patient's number; decides everything together with the diagnosis.
        diagnosis: ``HC`` or ``PD``.
        age: Years.
        sex: ``F`` or ``M``; has no effect on the images.
        more_affected_side: ``R`` or ``L``, random in both classes.
        latent: z-score per entry of :data:`FEATURES`; 0 is the mean of HC.
        side_difference: Left minus right susceptibility per nucleus, ppb, before the disease's
            asymmetry.
    """

    seed: int
    diagnosis: str
    age: float
    sex: str
    more_affected_side: str
    latent: dict[str, float]
    side_difference: dict[str, float]


def diagnosis_of(seed: int) -> str:
    """The balanced diagnosis of ``seed``: of the seeds 2n and 2n + 1 one is HC, one PD."""
    swap = int(np.random.SeedSequence((seed // 2, 0xD1A6)).generate_state(1)[0] & 1)
    return DIAGNOSES[(seed + swap) % 2]


def sample_truth(seed: int, diagnosis: str | None = None) -> Truth:
    """Draws one patient's truth.

    The random part does not depend on the diagnosis: the same seed with the other diagnosis is the
        same patient
    with the class effect added or taken away.

    Args:
        seed: Non-negative integer.
        diagnosis: ``HC`` or ``PD``; None takes :func:`diagnosis_of`.

    Raises:
        ValueError: an unknown diagnosis or a negative seed.
    """
    if diagnosis is None:
        diagnosis = diagnosis_of(seed)
    if diagnosis not in DIAGNOSES:
        raise ValueError(f"diagnosis must be one of {DIAGNOSES}, not {diagnosis!r}")
    random = random_stream(seed, "truth")
    factor = np.linalg.cholesky(correlation_matrix())
    draw = factor @ np.clip(random.standard_normal(len(FEATURES) + 1), -3.0, 3.0)
    state = draw[:-1] + class_effects() * (diagnosis == "PD")
    difference = {
        name: round(float(SIDE_DIFFERENCE_SD[name] * random.standard_normal()), 4)
        for name in NUCLEI
    }
    return Truth(
        seed=int(seed),
        diagnosis=diagnosis,
        age=round(float(AGE_MEAN + AGE_SD * draw[-1]), 1),
        sex=str(random.choice(["F", "M"])),
        more_affected_side=str(random.choice(["R", "L"])),
        latent={name: round(float(z), 6) for name, z in zip(FEATURES, state, strict=True)},
        side_difference=difference,
    )


_STREAMS = ("truth", "geometry", "head", "tissue", "qsm", "nm", "t1")


def random_stream(seed: int, purpose: str) -> np.random.Generator:
    """An independent generator per patient and purpose, so that no drawing can disturb another."""
    child = np.random.SeedSequence(seed).spawn(len(_STREAMS))[_STREAMS.index(purpose)]
    return np.random.Generator(np.random.SFC64(child))


def latent_matrix(truths: Iterable[Truth]) -> np.ndarray:
    """The latent states as [patients, features]."""
    return np.array([[truth.latent[name] for name in FEATURES] for truth in truths])
