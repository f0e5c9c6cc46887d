"""The nuclei, their labels, colours and codes, and the four regions of interest (ROIs).

Label numbers are the challenge's (MICCAI 2025 PDCADxFoundation): in the QSM mask 16 labels, in the
NM mask two; odd is the patient's right, even the left. The four ROIs are section 3.3 of the MRN
paper (arXiv 2509.17566); the order of the maskings is that of its Table 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NOTICE = "Research use only. Not for clinical use."
NOT_ATYPICAL = "Does not separate Parkinson's disease from atypical parkinsonism."

SIDES: tuple[Literal["R", "L"], ...] = ("R", "L")
SIDE_NAMES = {"R": "right", "L": "left"}
# SNOMED CT laterality qualifiers (DICOM CID 244).
SIDE_CODES = {"R": "24028007", "L": "7771000"}


@dataclass(frozen=True)
class Nucleus:
    """One nucleus as outlined in one modality's mask.

    Attributes:
        key: Short name used in tables and files (``CN`` ... ``DN``; ``NM-SN`` in the NM mask).
        name: Name for people.
        modality: Whose mask outlines it, ``QSM`` or ``NM``.
        right: Label of the patient's right side.
        left: Label of the patient's left side.
        color: Display colour, RGB 0-255.
        snomed: SNOMED CT concept identifier.
    """

    key: str
    name: str
    modality: str
    right: int
    left: int
    color: tuple[int, int, int]
    snomed: str

    def label(self, side: str) -> int:
        """The mask's label of ``side`` (``R`` or ``L``)."""
        return {"R": self.right, "L": self.left}[side]


# SNOMED CT codes. CN, PUT, GP, TH and SN are those of DICOM CID 7153 (CNS Segmentation Type), also
# in Slicer's terminology. CID 7153 has no STN, RN and DN: theirs are the SNOMED CT cross-references
# of the Uberon anatomy ontology (UBERON:0001906, 0001947, 0002132; its bridge to SCTID). All were
# looked up in these two, none in a SNOMED CT browser.
QSM_NUCLEI = (
    Nucleus("CN", "Caudate nucleus", "QSM", 1, 2, (122, 186, 220), "11000004"),
    Nucleus("PUT", "Putamen", "QSM", 3, 4, (236, 136, 84), "89278009"),
    Nucleus("GP", "Globus pallidus", "QSM", 5, 6, (110, 184, 110), "14738005"),
    Nucleus("TH", "Thalamus", "QSM", 7, 8, (176, 142, 212), "42695009"),
    Nucleus("STN", "Subthalamic nucleus", "QSM", 9, 10, (240, 210, 80), "361575000"),
    Nucleus("SN", "Substantia nigra", "QSM", 11, 12, (60, 140, 255), "70007007"),
    Nucleus("RN", "Red nucleus", "QSM", 13, 14, (226, 64, 64), "279287006"),
    Nucleus("DN", "Dentate nucleus", "QSM", 15, 16, (64, 200, 190), "279221005"),
)
NM_NUCLEI = (
    Nucleus("NM-SN", "Neuromelanin-rich substantia nigra", "NM", 1, 2, (255, 120, 200), "70007007"),
)
NUCLEI = QSM_NUCLEI + NM_NUCLEI
NUCLEI_BY_MODALITY = {"QSM": QSM_NUCLEI, "NM": NM_NUCLEI}
LABEL_COUNT = {"QSM": 16, "NM": 2}

# Usual volume of each nucleus and side in mm³: the PDCADxFoundation challenge's table, mean over
# its 300 training and validation cases (QSM mask). NM-SN: 663-668 mm³ over both sides.
NORM_VOLUME_MM3: dict[str, dict[str, float]] = {
    "CN": {"R": 3360.0, "L": 2840.0},
    "PUT": {"R": 3670.0, "L": 3520.0},
    "GP": {"R": 1850.0, "L": 2100.0},
    "TH": {"R": 4600.0, "L": 4610.0},
    "STN": {"R": 80.0, "L": 90.0},
    "SN": {"R": 470.0, "L": 460.0},
    "RN": {"R": 170.0, "L": 170.0},
    "DN": {"R": 660.0, "L": 650.0},
    "NM-SN": {"R": 333.0, "L": 333.0},
}


def nucleus(key: str) -> Nucleus:
    """The nucleus named ``key``; ``KeyError`` for an unknown name."""
    return {item.key: item for item in NUCLEI}[key]


def label_names(modality: str) -> dict[int, str]:
    """Label number to ``"SN right"``-style names, for one modality's mask."""
    return {
        item.label(side): f"{item.key} {SIDE_NAMES[side]}"
        for item in NUCLEI_BY_MODALITY[modality]
        for side in SIDES
    }


@dataclass(frozen=True)
class RoiDefinition:
    """One of the paper's four ROIs: a box around some nuclei of one modality.

    ``nuclei`` also fixes the classes of the auxiliary segmentation: class 0 is background, class
    ``n`` the n-th nucleus with left and right merged (section 3.4).
    """

    name: str
    modality: str
    nuclei: tuple[Nucleus, ...]

    @property
    def classes(self) -> int:
        """Segmentation classes including background."""
        return len(self.nuclei) + 1


ROIS = (
    RoiDefinition("NM", "NM", NM_NUCLEI),
    RoiDefinition("QSM1", "QSM", tuple(nucleus(key) for key in ("CN", "PUT", "GP", "TH"))),
    RoiDefinition("QSM2", "QSM", tuple(nucleus(key) for key in ("STN", "SN", "RN"))),
    RoiDefinition("QSM3", "QSM", (nucleus("DN"),)),
)
ROI_NAMES = tuple(roi.name for roi in ROIS)

# The 16 rows of Table 4: which ROIs are masked.
MASKINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("NM",),
    ("QSM1",),
    ("QSM2",),
    ("QSM3",),
    ("NM", "QSM1"),
    ("NM", "QSM2"),
    ("NM", "QSM3"),
    ("QSM1", "QSM2"),
    ("QSM1", "QSM3"),
    ("QSM2", "QSM3"),
    ("NM", "QSM1", "QSM2"),
    ("NM", "QSM1", "QSM3"),
    ("NM", "QSM2", "QSM3"),
    ("QSM1", "QSM2", "QSM3"),
    ("NM", "QSM1", "QSM2", "QSM3"),
)


def roi(name: str) -> RoiDefinition:
    """The ROI named ``name``; ``KeyError`` for an unknown name."""
    return {item.name: item for item in ROIS}[name]
