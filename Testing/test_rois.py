from __future__ import annotations

import numpy as np
import pytest
from bad_inputs.patient import SPACING, sound

from MRNLib.anatomy import NORM_VOLUME_MM3, ROI_NAMES, nucleus
from MRNLib.errors import InputError
from MRNLib.rois import Box, bounding_box, boxes_from_masks, crop, largest_part, union
from MRNLib.rois import require_brainstem as require


def canonical_masks():
    """The sound patient's masks with j to posterior, as the library holds them."""
    patient = sound()
    return patient.qsm_mask[:, ::-1].copy(), patient.nm_mask[:, ::-1].copy()


def test_box_reads_what_it_writes():
    box = Box((1, 2, 3), (10, 20, 30))
    assert str(box) == "1:10,2:20,3:30"
    assert Box.parse(str(box)) == box
    assert box.size == (9, 18, 27)


@pytest.mark.parametrize("text", ["", "1:2,3:4", "5:2,3:4,5:6", "a:b,1:2,3:4", "1:2;3:4;5:6"])
def test_text_that_is_no_box_is_refused(text):
    with pytest.raises(InputError, match="is not a box"):
        Box.parse(text)


def test_box_moves_and_widens_within_the_volume():
    box = Box((2, 2, 2), (5, 5, 5))
    assert box.expand((3, 1, 0), (6, 6, 6)) == Box((0, 1, 2), (6, 6, 5))
    assert box.shift((9, -9, 1), (6, 6, 6)) == Box((3, 0, 3), (6, 3, 6))
    assert box.shift((-9, 0, 0)) == Box((-7, 2, 2), (-4, 5, 5))
    assert union([box, Box((0, 3, 4), (1, 4, 9))]) == Box((0, 2, 2), (5, 5, 9))
    with pytest.raises(ValueError, match="empty box"):
        Box((1, 1, 1), (1, 2, 2))


def test_crop_gives_slices_height_width():
    array = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    part = crop(array, Box((1, 2, 0), (4, 4, 3)))
    assert part.shape == (3, 2, 3)
    np.testing.assert_array_equal(part, array[0:3, 2:4, 1:4])
    with pytest.raises(ValueError, match="leaves the volume"):
        crop(array, Box((0, 0, 0), (7, 5, 4)))


def test_bounding_box_is_tight():
    array = np.zeros((4, 5, 6), bool)
    assert bounding_box(array) is None
    array[1, 2, 3] = array[3, 4, 5] = True
    assert bounding_box(array) == Box((3, 2, 1), (6, 5, 4))


def test_largest_part_is_26_connected():
    mask = np.zeros((3, 6, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True  # touch at corners only
    mask[0, 5, 4:6] = True
    assert np.count_nonzero(largest_part(mask)) == 3


def test_boxes_hold_their_nuclei_and_the_margin():
    qsm_mask, nm_mask = canonical_masks()
    rois = boxes_from_masks(qsm_mask, nm_mask, SPACING)
    assert tuple(rois) == ROI_NAMES
    tight = boxes_from_masks(qsm_mask, nm_mask, SPACING, margin_mm=0, margin_slices=0)
    for name, roi in rois.items():
        assert roi.present
        assert roi.warnings == ()
        # 5 mm are 3.6 pixels: four, and one slice at each end.
        assert roi.box == tight[name].box.expand((4, 4, 1))
        assert roi.slices == roi.box.size[2]
        assert roi.size_mm == pytest.approx(np.multiply(roi.box.size, SPACING))
    red_nuclei = np.isin(qsm_mask, (13, 14))
    inside = np.zeros_like(red_nuclei)
    inside[rois["QSM2"].box.slices] = True
    assert not (red_nuclei & ~inside).any()


def test_a_far_stray_voxel_does_not_widen_the_box():
    qsm_mask, nm_mask = canonical_masks()
    before = boxes_from_masks(qsm_mask, nm_mask, SPACING)["QSM2"]
    qsm_mask[2, 2, 2] = nucleus("SN").left
    after = boxes_from_masks(qsm_mask, nm_mask, SPACING)["QSM2"]
    assert after.box == before.box
    assert len(after.warnings) == 1
    assert "stray" in after.warnings[0]
    assert after.warnings[0].endswith("SN left 1")
    everything = boxes_from_masks(qsm_mask, nm_mask, SPACING, keep_largest=False)["QSM2"]
    assert everything.box.lower == (0, 0, 1)


def test_the_margin_stops_at_the_volume():
    qsm_mask, nm_mask = canonical_masks()
    roi = boxes_from_masks(qsm_mask, nm_mask, SPACING, margin_mm=500, margin_slices=99)["QSM1"]
    assert roi.box == Box((0, 0, 0), qsm_mask.shape[::-1])
    assert not any("edge" in note for note in roi.warnings)  # the nuclei themselves do not touch it


def test_a_roi_without_its_nuclei_is_absent():
    qsm_mask, nm_mask = canonical_masks()
    qsm_mask[qsm_mask >= 15] = 0
    roi = boxes_from_masks(qsm_mask, nm_mask, SPACING)["QSM3"]
    assert (roi.present, roi.box, roi.slices) == (False, None, 0)
    assert "DN right: not in the mask" in roi.warnings
    assert "absent" in roi.warnings[-1]


def test_half_a_roi_is_present_and_said():
    qsm_mask, nm_mask = canonical_masks()
    nm_mask[nm_mask == 1] = 0
    roi = boxes_from_masks(qsm_mask, nm_mask, SPACING)["NM"]
    assert roi.present
    assert roi.warnings == ("NM-SN right: not in the mask",)


def test_a_small_nucleus_is_compared_with_its_usual_volume():
    qsm_mask, nm_mask = canonical_masks()
    where = np.argwhere(qsm_mask == nucleus("PUT").left)
    keep = int(0.25 * NORM_VOLUME_MM3["PUT"]["L"] / np.prod(SPACING))
    qsm_mask[tuple(where[keep:].T)] = 0
    (note,) = boxes_from_masks(qsm_mask, nm_mask, SPACING)["QSM1"].warnings
    assert note.startswith("PUT left:")
    assert "% of the usual 3520" in note


def test_without_a_mask_its_rois_are_absent():
    qsm_mask, nm_mask = canonical_masks()
    rois = boxes_from_masks(qsm_mask, None, SPACING)
    assert [roi.present for roi in rois.values()] == [False, True, True, True]
    require(rois)
    rois = boxes_from_masks(None, None, SPACING)
    with pytest.raises(InputError, match="NM and QSM2"):
        require(rois, "RJPD_001")
    require(boxes_from_masks(None, nm_mask, SPACING))
