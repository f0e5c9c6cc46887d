from __future__ import annotations

import itertools

import pytest

from MRNLib import anatomy

# Verhoeff's check digit: products of the dihedral group D5 and powers of one permutation.
_TURNED = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def _product(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


def verhoeff(code: str) -> int:
    """0 for a code with a right check digit."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        number = int(digit)
        for _ in range(place):
            number = _TURNED[number]
        check = _product(check, number)
    return check


def test_the_check_digit_notices_typing_errors():
    assert verhoeff("2363") == 0  # the published example: 236 gets check digit 3
    assert verhoeff("2364") != 0
    assert verhoeff("3263") != 0


@pytest.mark.parametrize(
    "code", sorted({item.snomed for item in anatomy.NUCLEI} | set(anatomy.SIDE_CODES.values()))
)
def test_snomed_codes_carry_their_check_digit(code):
    assert verhoeff(code) == 0


def test_codes_name_one_nucleus_each():
    codes = [item.snomed for item in anatomy.QSM_NUCLEI]
    assert len(set(codes)) == len(codes)
    assert anatomy.nucleus("NM-SN").snomed == anatomy.nucleus("SN").snomed


@pytest.mark.parametrize(("modality", "last"), [("QSM", 16), ("NM", 2)])
def test_labels_are_the_challenges(modality, last):
    nuclei = anatomy.NUCLEI_BY_MODALITY[modality]
    labels = [item.label(side) for item in nuclei for side in anatomy.SIDES]
    assert labels == list(range(1, last + 1))
    assert all(item.right % 2 == 1 and item.left == item.right + 1 for item in nuclei)
    assert anatomy.LABEL_COUNT[modality] == last
    assert anatomy.label_names(modality)[1].endswith("right")


def test_rois_share_out_the_nuclei():
    assert anatomy.ROI_NAMES == ("NM", "QSM1", "QSM2", "QSM3")
    together = [item for roi in anatomy.ROIS for item in roi.nuclei]
    assert sorted(item.key for item in together) == sorted(item.key for item in anatomy.NUCLEI)
    assert [roi.classes for roi in anatomy.ROIS] == [2, 5, 4, 2]


def test_maskings_are_all_subsets_smallest_first():
    subsets = [
        subset for count in range(5) for subset in itertools.combinations(anatomy.ROI_NAMES, count)
    ]
    assert list(anatomy.MASKINGS) == subsets


def test_every_nucleus_has_a_usual_volume():
    assert set(anatomy.NORM_VOLUME_MM3) == {item.key for item in anatomy.NUCLEI}
    qsm = [anatomy.NORM_VOLUME_MM3[item.key] for item in anatomy.QSM_NUCLEI]
    assert sum(volume["R"] + volume["L"] for volume in qsm) == pytest.approx(29_300)


def test_unknown_names_are_refused():
    with pytest.raises(KeyError):
        anatomy.nucleus("XX")
    with pytest.raises(KeyError):
        anatomy.roi("QSM4")
