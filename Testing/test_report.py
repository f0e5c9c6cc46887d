"""The report: complete, self-contained, rightly oriented, whole or not there at all."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import struct
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from report_helpers import examination, images

from MRNLib import figures, report, report_page
from MRNLib.anatomy import MASKINGS, NOT_ATYPICAL, NOTICE
from MRNLib.boxes import Box
from MRNLib.examination import DEMONSTRATION, NO_MEANING, Examination, from_json
from MRNLib.report_images import head_box, outside_brain, views


def demonstration() -> Examination:
    return examination(decision=DEMONSTRATION, trained_on="phantom", headline=NO_MEANING)


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return report.figures_of(examination(), images())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return report.write(examination(), images(), tmp_path_factory.mktemp("report") / "out")


def texts(figure: Figure) -> list[str]:
    return [item.get_text() for item in figure.texts]


def test_every_file_is_there_and_nothing_else(written: dict[str, Path]) -> None:
    out = written["diagnosis.json"].parent
    named = {f"figures/{name}.png" for name in ("probability", "overview", "maskings", "jitter")}
    named |= {f"figures/roi_{name}.png" for name in ("NM", "QSM1", "QSM2", "QSM3")}
    assert set(written) == {"diagnosis.json", "biomarkers.csv", "report.html", *named}
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert found == set(written)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_the_notice_is_in_every_file(written: dict[str, Path], drawn: dict[str, Figure]) -> None:
    for name in ("diagnosis.json", "biomarkers.csv", "report.html"):
        assert NOTICE in written[name].read_text(encoding="utf-8")
    for figure in drawn.values():
        assert NOTICE in texts(figure)


def test_diagnosis_json_is_the_examination(written: dict[str, Path]) -> None:
    assert from_json(written["diagnosis.json"].read_text(encoding="utf-8")) == examination()


def test_the_table_reads_back(written: dict[str, Path]) -> None:
    with written["biomarkers.csv"].open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    measured = examination().biomarkers
    assert len(rows) == len(measured)
    for row, item in zip(rows, measured, strict=True):
        assert (row["nucleus"], row["side"], row["name"]) == (item.nucleus, item.side, item.name)
        assert float(row["value"] or "nan") == pytest.approx(item.value, nan_ok=True)
        assert row["notice"] == NOTICE


def test_the_page_needs_nothing_else(written: dict[str, Path]) -> None:
    html = written["report.html"].read_text(encoding="utf-8")
    assert len(html) < 5_000_000
    assert "<script" not in html
    assert not re.search(r"(?:src|href)=\"(?!data:)", html)
    assert not re.search(r"https?://|@import|url\(", html)
    assert html.count("data:image/png;base64,") == 8
    assert "case &lt;1&gt;" in html
    assert "ppm &amp; was" in html


def test_the_page_says_what_a_reader_has_to_know(written: dict[str, Path]) -> None:
    html = unescape(written["report.html"].read_text(encoding="utf-8"))
    assert NOT_ATYPICAL in html
    assert "cannot be detected: check the R and L marks" in html
    assert "normal range" in html
    assert "Thomas 2024" in html
    assert "Ruijin" in html
    assert examination().robustness in html
    assert "mean of the two sides" in html


def test_a_demonstration_model_says_so_everywhere() -> None:
    shown = demonstration()
    html = report_page.page(shown, {})
    assert f'<div class="banner">{NO_MEANING}</div>' in html
    assert "No decision: demonstration model" in html
    assert html.count("no meaning for a patient") >= 3
    for figure in report.figures_of(shown, images()).values():
        assert NO_MEANING in texts(figure)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "Parkinson&#39;s disease more likely"),
        ({"decision": "HC", "probability_pd": 0.2}, "Healthy control more likely"),
        ({"decision": "undecided", "probability_pd": 0.5}, "within the model&#39;s abstain limits"),
        ({"phantom": True, "trained_on": "phantom"}, "tells about the software only"),
        ({"degraded": True}, "Degraded result"),
    ],
)
def test_headlines(changes: dict[str, object], expected: str) -> None:
    assert expected in report_page.page(examination(**changes), {})


def test_an_absent_roi_has_no_figure() -> None:
    whole = examination()
    absent = dataclasses.replace(
        whole.rois[3], box=None, slices=0, size_mm=None, present=False, masked=True
    )
    shown = dataclasses.replace(whole, rois=(*whole.rois[:3], absent), masking=(), jitter=())
    drawn = report.figures_of(shown, images())
    assert "roi_QSM3" not in drawn
    assert not {"maskings", "jitter"} & drawn.keys()
    html = report_page.page(shown, {})
    assert "absent" in html
    assert "How robust" not in html


def test_slices_are_drawn_as_a_radiologist_reads_them() -> None:
    shown = views(images())["QSM"]
    box = Box((2, 3, 0), (46, 60, 12))
    figure = figures.new_figure(4, 4, None)
    axes = figure.add_axes((0, 0, 1, 1))
    figures.draw_slice(axes, shown, box, 6)
    drawn = axes.images[0].get_array()
    assert np.array_equal(drawn, shown.grey[6, 3:60, 2:46])
    # Row 0 (anterior) at the top, column 0 (patient right) at the left.
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlim()[0] < axes.get_xlim()[1]
    marks = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert marks["R"] < 0.5 < marks["L"]
    assert axes.get_aspect() == pytest.approx(1.0)


def test_outlines_lie_on_the_mask() -> None:
    shown = views(images())["NM"]
    figure = figures.new_figure(4, 4, None)
    axes = figure.add_axes((0, 0, 1, 1))
    figures.draw_slice(axes, shown, Box((0, 0, 0), (48, 64, 12)), 6)
    points = np.concatenate(
        [path.vertices for drawn in axes.collections for path in drawn.get_paths()]
    )
    right = points[points[:, 0] < 24]
    assert right.min(0) == pytest.approx((14.5, 38.5))
    assert right.max(0) == pytest.approx((19.5, 42.5))


def test_windows_are_quantitative() -> None:
    shown = views(images())
    low, high = figures_window = shown["QSM"].limits
    assert figures_window == (-100, 250)
    inside = images().qsm_mask == 11
    expected = np.clip((images().qsm[inside] - low) / (high - low), 0, 1)
    assert np.allclose(shown["QSM"].grey[inside], expected)
    assert shown["QSM"].grey[0, 0, 0] == 0
    tissue = shown["NM"].grey[images().nm_mask == 0].mean()
    assert tissue == pytest.approx((1 - 0.8) / 0.45, abs=0.03)


def test_a_single_zero_is_not_outside_the_brain() -> None:
    qsm = np.zeros((2, 20, 20), np.float32)
    qsm[:, 5:15, 5:15] = 30
    qsm[0, 9, 9] = 0
    outside = outside_brain(qsm)
    assert not outside[0, 9, 9]
    assert outside[0, 0, 0]


def test_the_head_box_follows_the_brain() -> None:
    assert str(head_box(images())) == "1:47,1:63,0:12"
    empty = dataclasses.replace(images(), qsm=np.zeros_like(images().qsm))
    assert head_box(empty).size == (48, 64, 12)


def test_the_masking_chart_has_table_4_rows(drawn: dict[str, Figure]) -> None:
    axes = drawn["maskings"].axes[1]
    widths = [bar.get_width() for bars in axes.containers for bar in bars]
    assert widths == pytest.approx([row.probability_pd for row in examination().masking])
    assert len(widths) == len(MASKINGS)


def test_a_failed_run_leaves_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("old")
    broken = dataclasses.replace(examination(), spread=float("inf"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.write(broken, images(), out)
    monkeypatch.setattr(report, "figures_of", lambda *_: {})
    monkeypatch.setattr(Path, "write_bytes", _full_disk)
    with pytest.raises(OSError, match="No space left"):
        report.write(examination(), images(), out)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "report.html"]
    assert (out / "report.html").read_text(encoding="utf-8") == "old"


def _full_disk(*_: object) -> int:
    raise OSError("No space left on device")


def test_an_earlier_report_is_replaced_and_other_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "figures_of", lambda *_: {})
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "qsm_mask.nii.gz").write_text("mask")
    report.write(examination(), images(), tmp_path)
    assert "Measurements" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "qsm_mask.nii.gz").read_text(encoding="utf-8") == "mask"
    json.loads((tmp_path / "diagnosis.json").read_text(encoding="utf-8"))


def test_no_figure_of_an_earlier_patient_stays(tmp_path: Path) -> None:
    report.write(examination(), images(), tmp_path)
    assert (tmp_path / "figures" / "jitter.png").is_file()
    report.write(examination(jitter=()), images(), tmp_path)
    assert not (tmp_path / "figures" / "jitter.png").exists()


def test_figures_are_pngs_without_alpha(written: dict[str, Path]) -> None:
    header = written["figures/overview.png"].read_bytes()[:26]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, color = struct.unpack(">IIBB", header[16:26])
    assert width > height > 400
    assert (depth, color) == (8, 2)


def test_importing_is_cheap_and_pyplot_stays_out() -> None:
    code = (
        "import sys, MRNLib.report, MRNLib.figures, MRNLib.charts\n"
        "assert 'matplotlib' not in sys.modules and 'jinja2' not in sys.modules\n"
        "MRNLib.figures.new_figure(1, 1, None)\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numbers_are_written_plainly() -> None:
    assert report_page.number(None, 0) == "–"
    assert report_page.number(-12.4, 0) == "−12"
    assert report_page.signed(-0.001, 2) == "0.00"
    assert report_page.signed(0.25, 2) == "+0.25"
    assert report_page.flattened({"a": {"b": [1, 2], "c": None}}) == [
        ("a · b", "1, 2"),
        ("a · c", "–"),
    ]
    stream = io.StringIO(report.biomarkers_csv(examination(biomarkers=())))
    assert next(csv.reader(stream))[0] == "identifier"
