from __future__ import annotations

import numpy as np
import pytest

from MRNLib.phantom.grid import Grid, Lattice, smooth_noise

GRID = Grid((12, 30, 40), (0.7, 0.8, 2.5))
WINDOW = ((3, 9), (5, 20), (11, 33))


def test_axes_are_voxel_centres_in_mm_of_the_whole_volume():
    x, y, z = GRID.windowed(WINDOW).axes()
    assert (len(x), len(y), len(z)) == (22, 15, 6)
    assert (x[0], y[0], z[0]) == pytest.approx((11 * 0.7, 5 * 0.8, 3 * 2.5))


def test_a_window_is_clipped_to_the_volume():
    assert GRID.windowed(((-3, 99), (0, 99), (39, 41))).bounds == ((0, 12), (0, 30), (39, 40))


def test_a_box_covers_what_it_is_asked_for():
    k, j, i = GRID.box(np.array([7.0, 8.0, 5.0]), np.array([14.0, 12.0, 10.0]))
    assert (i.start * 0.7, j.start * 0.8, k.start * 2.5) <= (7.0, 8.0, 5.0)
    assert ((i.stop - 1) * 0.7, (j.stop - 1) * 0.8, (k.stop - 1) * 2.5) >= (14.0, 12.0, 10.0)


def test_a_box_outside_the_volume_is_empty():
    box = GRID.box(np.array([500.0, 0, 0]), np.array([510.0, 5, 5]))
    assert box[2].stop - box[2].start == 0


def test_interpolation_is_exact_for_a_linear_field():
    lattice = Lattice(GRID)
    x, y, z = lattice.axes()
    field = 2 * x + 3 * y[:, None] - z[:, None, None]
    x, y, z = GRID.axes()
    expected = 2 * x + 3 * y[:, None] - z[:, None, None]
    assert lattice.volume(field) == pytest.approx(expected, abs=1e-3)


def test_a_window_sees_the_same_field_bit_for_bit():
    whole = smooth_noise(np.random.default_rng(1), GRID, 6.0)
    part = smooth_noise(np.random.default_rng(1), GRID.windowed(WINDOW), 6.0)
    cut = tuple(slice(*bounds) for bounds in WINDOW)
    assert np.array_equal(whole[0].volume(whole[1])[cut], part[0].volume(part[1]))


def test_a_smooth_field_has_unit_spread_and_changes_slowly():
    lattice, field = smooth_noise(np.random.default_rng(0), Grid((30, 60, 60), (1, 1, 1)), 8.0)
    assert field.std() == pytest.approx(1.0, abs=0.3)
    volume = lattice.volume(field)
    assert np.abs(np.diff(volume, axis=2)).mean() < 0.25
