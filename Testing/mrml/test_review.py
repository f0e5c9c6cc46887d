"""The pictures of the review: drawn of what is chosen, and again only where it changed."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from MRNDiagnosisLib import review, rois, volumes
from MRNDiagnosisLib.volumes import canonical_grid
from scenes import cube


def test_review(session, outlined, tmp_path, monkeypatch):
    from MRNLib import cases

    read, load = [], cases.load_case
    monkeypatch.setattr(cases, "load_case", lambda *given, **o: read.append(1) or load(*given, **o))
    drawing = review.Pictures(session, tmp_path / "review")
    pictures = drawing.draw()
    assert set(pictures) == {"NM", "QSM1", "QSM2", "QSM3"}
    for path in pictures.values():
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert array.shape[2] == 3
        colored = (array.max(2).astype(int) - array.min(2)) > 40
        assert 0.002 < colored.mean() < 0.4
    before = {name: path.read_bytes() for name, path in pictures.items()}
    box = rois.box_of(rois.find_nodes(session.scene)["QSM3"], canonical_grid(session.chosen.qsm))
    cube(session.chosen.qsm_segmentation, "DN_R", session.chosen.qsm, middle(session, box), 9)
    session.look()
    after = {name: path.read_bytes() for name, path in drawing.draw().items()}
    assert [name for name in after if after[name] != before[name]] == ["QSM3"]
    assert read == [1]
    assert review.Pictures(session, tmp_path / "again").draw()["NM"].read_bytes() == after["NM"]
    session.chosen.nm.SetAttribute("MRN.Phantom", "0")
    drawing.draw()
    assert len(read) == 3


def middle(session, box) -> tuple[int, int, int]:
    """Where on the QSM's own grid the middle of a box lies, ``[k, j, i]``."""
    grid, image = canonical_grid(session.chosen.qsm), volumes.image_of(session.chosen.qsm)
    centre = (np.array(box.lower) + box.upper) / 2
    i, j, k = image.TransformPhysicalPointToIndex((grid.matrix() @ centre + grid.origin).tolist())
    return k, j, i
