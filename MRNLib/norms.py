"""Published values that a measurement is set against, each with its source.

They are never called a normal range.

* Volumes (:data:`MRNLib.anatomy.NORM_VOLUME_MM3`): the PDCADxFoundation (MICCAI 2025) table, mean
  of 300 training and validation cases.
* Susceptibility means: the same site's figure of nucleus means, digitised to about 1 ppb.
* Between-subject SDs: 59 patients with PD of Thomas et al. 2024 (doi 10.1002/mds.29702), another
  cohort with another scanner and other outlines; computed from the authors' public table.

Susceptibility in ppb, keys as in :mod:`MRNLib.anatomy`.
"""

from __future__ import annotations

VOLUME_SOURCE = "Ruijin (PDCADxFoundation), mean of 300 cases"
NM_VOLUME_SOURCE = "Ruijin (PDCADxFoundation) training set, mean of the two sides"
SUSCEPTIBILITY_SOURCE = "Ruijin healthy controls (PDCADxFoundation, figure of 300 cases)"
SPREAD_SOURCE = "Thomas 2024 (59 PD, another cohort)"

HEALTHY_SUSCEPTIBILITY_PPB: dict[str, dict[str, float]] = {
    "CN": {"R": 38.6, "L": 42.2},
    "PUT": {"R": 53.0, "L": 46.7},
    "GP": {"R": 121.2, "L": 119.4},
    "TH": {"R": -12.0, "L": -10.8},
    "STN": {"R": 97.0, "L": 101.5},
    "SN": {"R": 132.0, "L": 132.9},
    "RN": {"R": 111.4, "L": 112.3},
    "DN": {"R": 108.7, "L": 103.3},
}

# SD between subjects of a nucleus's mean. Thomas 2024 outlines the SN in two parts; the SD of the
# compacta stands for the whole. Thalamus and subthalamic nucleus are not in that table: no z.
SPREAD_PPB: dict[str, float] = {
    "CN": 12.9,
    "PUT": 19.7,
    "GP": 23.3,
    "SN": 27.1,
    "RN": 21.0,
    "DN": 33.3,
}

# SD between subjects of left minus right, same table.
SIDE_DIFFERENCE_SPREAD_PPB: dict[str, float] = {
    "CN": 8.6,
    "PUT": 6.2,
    "GP": 14.3,
    "SN": 15.2,
    "RN": 11.3,
    "DN": 11.1,
}


def volume_source(nucleus: str) -> str:
    """Where the volume of ``nucleus`` in the anatomy's table comes from."""
    return NM_VOLUME_SOURCE if nucleus == "NM-SN" else VOLUME_SOURCE


def spread_source(nucleus: str) -> str:
    """The source of mean and SD behind a z of ``nucleus``, as one phrase for tables and files."""
    part = "SNpc of " if nucleus == "SN" else ""
    return f"mean: {SUSCEPTIBILITY_SOURCE}; SD: {part}{SPREAD_SOURCE}"
