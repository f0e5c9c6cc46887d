from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from MRNLib.phantom import generate
from MRNLib.phantom.patient import DEEP_GREY_WINDOW

IMAGES = ("qsm", "nm", "t1", "qsm_mask", "nm_mask")
CUT = tuple(slice(*bounds) for bounds in DEEP_GREY_WINDOW)


def _digest(phantom) -> str:
    parts = b"".join(np.ascontiguousarray(getattr(phantom, name)).tobytes() for name in IMAGES)
    return hashlib.sha256(parts).hexdigest()


def _said_by(script: str) -> str:
    """What a new process prints."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_patient_has_the_challenges_grid_and_types(whole):
    for name, kind in zip(IMAGES, ("f4", "i2", "i2", "u1", "u1"), strict=True):
        array = getattr(whole, name)
        assert array.shape == (70, 300, 300)
        assert array.dtype == np.dtype(kind)
    assert whole.spacing == pytest.approx((2 / 3, 2 / 3, 2.0))
    assert np.array_equal(np.unique(whole.qsm_mask), np.arange(17))
    assert np.array_equal(np.unique(whole.nm_mask), np.arange(3))


def test_another_process_makes_the_same_bytes(affected):
    script = (
        "import hashlib, numpy; from MRNLib.phantom import generate;"
        f"p = generate({affected.truth.seed}, 'PD', region='deep-grey');"
        f"b = b''.join(numpy.ascontiguousarray(getattr(p, n)).tobytes() for n in {IMAGES!r});"
        "print(hashlib.sha256(b).hexdigest())"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == _digest(affected)


def test_the_deep_grey_region_is_cut_from_the_whole_head(whole, affected):
    for name in IMAGES:
        assert np.array_equal(getattr(whole, name)[CUT], getattr(affected, name)), name
    for name in ("qsm_mask", "nm_mask"):
        assert (getattr(whole, name) > 0).sum() == (getattr(affected, name) > 0).sum()


def test_fewer_modalities_are_the_same_images(affected):
    alone = generate(affected.truth.seed, "PD", modalities=("NM",), region="deep-grey")
    assert alone.qsm is None
    assert alone.t1 is None
    assert np.array_equal(alone.nm, affected.nm)


def test_the_diagnosis_changes_only_what_lies_inside_the_labels(control, affected):
    """Stronger than an AUC of one half: with the nuclei blanked both classes are one image."""
    assert np.array_equal(control.qsm_mask, affected.qsm_mask)
    assert np.array_equal(control.nm_mask, affected.nm_mask)
    assert np.array_equal(control.t1, affected.t1)
    for image, mask in (("qsm", "qsm_mask"), ("nm", "nm_mask")):
        first, second = getattr(control, image), getattr(affected, image)
        outside = getattr(control, mask) == 0
        assert np.array_equal(first[outside], second[outside])
        assert (first != second).any()


def test_another_seed_is_another_patient(affected):
    other = generate(affected.truth.seed + 1, "PD", modalities=("NM",), region="deep-grey")
    assert not np.array_equal(other.qsm_mask, affected.qsm_mask)
    assert not np.array_equal(other.nm, affected.nm)


def test_susceptibility_is_exactly_zero_outside_a_tight_brain(whole):
    inside = whole.qsm != 0
    litres = inside.sum() * np.prod(whole.spacing) / 1e6
    assert 0.9 < litres < 1.7
    assert not inside[:, :20].any()
    assert not np.signbit(whole.qsm[~inside]).any()
    # Every nucleus is in it, but for a voxel whose noise happens to be zero.
    assert inside[whole.qsm_mask > 0].mean() > 0.99


def test_susceptibility_spreads_as_in_the_challenge(whole):
    values = whole.qsm[whole.qsm != 0]
    assert 28 < values.std() < 44
    assert 250 < values.max() < 2900
    # Stored in steps that float32 holds exactly.
    assert np.array_equal(values * 8, np.rint(values * 8))


def test_neuromelanin_has_the_scanners_scale_and_noise(whole):
    signal = whole.nm[whole.nm_mask > 0].astype(float)
    assert 16_500 < signal.mean() < 24_000
    assert 0.04 < signal.std() / signal.mean() < 0.075
    air = whole.nm[:, :8, :8]
    # Rician: noise of 3.5 % of tissue leaves a positive floor in air.
    assert 0.01 < air.mean() / signal.mean() < 0.07


def test_t1_orders_the_tissues(whole):
    nucleus = np.median(whole.t1[np.isin(whole.qsm_mask, (1, 2))])
    white = np.percentile(whole.t1[30:40, 100:200, 100:200], 90)
    assert 0.55 < nucleus / white < 0.85


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"modalities": ("CT",)}, "CT"), ({"region": "foot"}, "foot"), ({"diagnosis": "X"}, "X")],
)
def test_unknown_settings_are_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        generate(0, **settings)


def test_importing_the_package_loads_nothing_heavy():
    script = (
        "import sys, MRNLib.phantom;"
        "print([n for n in ('numpy', 'scipy', 'SimpleITK', 'torch') if n in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


def test_the_core_needs_neither_simpleitk_nor_torch():
    script = (
        "import sys;"
        "sys.modules['SimpleITK'] = sys.modules['torch'] = sys.modules['sklearn'] = None;"
        "import MRNLib.phantom.patient, MRNLib.phantom.measure, MRNLib.phantom.oracle,"
        " MRNLib.phantom.painting, MRNLib.phantom.checks, MRNLib.phantom.check_tables"
    )
    assert _said_by(script) == ""
