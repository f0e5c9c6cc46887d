"""What a result says about where it comes from."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest
import SimpleITK as sitk

from MRNLib.bundle import open_bundle
from MRNLib.cases import load_case
from MRNLib.geometry import Grid
from MRNLib.parameters import Parameters
from MRNLib.provenance import provenance


@pytest.mark.parametrize("orientation", ["RAS", "PSL"])
def test_grid_is_the_one_that_boxes_refer_to(phantom_case, random_bundle, tmp_path, orientation):
    """A box can be placed in space from diagnosis.json alone, however the file lies."""
    turned = sitk.DICOMOrient(sitk.ReadImage(str(phantom_case.qsm)), orientation)
    sitk.WriteImage(turned, str(tmp_path / "QSM.nii.gz"))
    images = load_case(dataclasses.replace(phantom_case, qsm=tmp_path / "QSM.nii.gz"))
    stub = SimpleNamespace(folds=(0,), device="cpu", precision="fp32", computed={0: 0})
    found = provenance(images, open_bundle(random_bundle), stub, Parameters())
    grid = found["grid"]
    assert grid["size"] == list(images.qsm.image.GetSize())
    assert Grid(**grid).corners() == pytest.approx(Grid.of(images.qsm.image).corners(), abs=1e-9)
    assert grid["direction"] == pytest.approx([1, 0, 0, 0, 1, 0, 0, 0, 1])
    assert grid["size"] == list(sitk.DICOMOrient(turned, "LPS").GetSize())
    assert found["inputs"]["QSM"]["direction"] != grid["direction"]
    assert json.loads(json.dumps(found)) == found
