"""Published tissue values that the digital patients are drawn from.

Means per nucleus, class and side: digitised from the figures QSM_stats and NM_stats of the
    challenge's site
(MICCAI 2025 PDCADxFoundation, n = 300; +-1 ppb, +-.001). Spread between subjects and between sides:
Thomas 2024 (doi 10.1002/mds.29702; 59 patients with Parkinson's disease; TH and STN set here).
Brain background: Marques 2021, QSM reconstruction challenge 2.0.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Susceptibility:
    """Mean susceptibility of one nucleus, ppb.

    The two sides' class means are reduced to a class mean and a side offset without interaction: a
    class effect that always sat on the same side would be a sign no disease has.

    Attributes:
        hc: Mean of both sides in healthy controls.
        pd: Mean of both sides in Parkinson's disease.
        left_minus_right: Mean side difference, the same in both classes.
        sd: Between subjects.
    """

    hc: float
    pd: float
    left_minus_right: float
    sd: float


SUSCEPTIBILITY = {
    "CN": Susceptibility(40.4, 39.5, 3.6, 12.9),
    "PUT": Susceptibility(49.85, 47.6, -5.85, 19.7),
    "GP": Susceptibility(120.3, 128.85, -1.35, 23.3),
    "TH": Susceptibility(-11.4, -8.5, 2.4, 10.0),
    "STN": Susceptibility(99.25, 100.15, 3.6, 22.0),
    "SN": Susceptibility(132.45, 150.9, 3.15, 27.1),
    "RN": Susceptibility(111.85, 113.15, 2.2, 21.0),
    "DN": Susceptibility(106.0, 101.95, -3.15, 33.3),
}

# SD of left minus right, ppb. SN: what the disease's asymmetry adds is already taken out.
SIDE_DIFFERENCE_SD = {
    "CN": 8.6,
    "PUT": 6.2,
    "GP": 14.3,
    "TH": 5.0,
    "STN": 12.0,
    "SN": 11.0,
    "RN": 11.3,
    "DN": 11.1,
}

# NM relative to tissue, right and left; no class effect outside the SN.
NEUROMELANIN = {
    "CN": (1.008, 0.9725),
    "PUT": (1.022, 1.0045),
    "GP": (0.9905, 0.971),
    "TH": (0.9895, 1.0035),
    "STN": (1.0145, 1.004),
    "SN": (1.004, 1.004),
    "RN": (0.9965, 0.999),
    "DN": (0.959, 0.990),
}
NM_SN_MEAN = {"HC": 1.042, "PD": 1.032}

CSF_SUSCEPTIBILITY = 19.0
GREY_SUSCEPTIBILITY = 20.0
WHITE_SUSCEPTIBILITY = -30.0

AGE_MEAN = 63.4
AGE_SD = 7.1
