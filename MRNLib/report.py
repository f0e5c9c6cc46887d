"""The report of one examination: JSON, a page for a radiologist, figures and a table of biomarkers.

Everything is written to a folder beside the target first and moved into place file by file, so a
killed run leaves whole files only. Every file carries the research notice.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from MRNLib.anatomy import ROI_NAMES, roi
from MRNLib.biomarkers import Biomarker
from MRNLib.boxes import Box
from MRNLib.examination import NO_MEANING, Examination, to_json
from MRNLib.report_images import ReportImages, head_box, views
from MRNLib.writing import replaced_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PHANTOM = "Digital phantom, not a patient."
# A figure that a result does not have would be an earlier patient's.
OPTIONAL_FIGURES = (*(f"figures/roi_{name}.png" for name in ROI_NAMES), "figures/jitter.png")

__all__ = ["ReportImages", "biomarkers_csv", "figures_of", "fill", "write"]


def write(examination: Examination, images: ReportImages, out: Path) -> dict[str, Path]:
    """Writes the whole report into the folder ``out``.

    Args:
        examination: The result.
        images: Volumes and masks on the canonical grid that the ROI boxes refer to.
        out: Folder, made if missing; files of an earlier report are replaced, others stay.

    Returns:
        The files by name: ``diagnosis.json``, ``biomarkers.csv``, ``report.html`` and
        ``figures/<name>.png``.

    Raises:
        ValueError: For a number that JSON cannot hold (NaN or infinite).
        OSError: If the folder cannot be written.
    """
    with replaced_files(out, OPTIONAL_FIGURES) as folder:
        names = fill(examination, images, folder)
    return {name: out / name for name in names}


def fill(examination: Examination, images: ReportImages, folder: Path) -> list[str]:
    """Writes the report's files into an empty folder; returns their names (see :func:`write`)."""
    from MRNLib.report_page import page

    texts = {
        "diagnosis.json": to_json(examination),
        "biomarkers.csv": biomarkers_csv(examination),
    }
    figures = {name: png(figure) for name, figure in figures_of(examination, images).items()}
    texts["report.html"] = page(examination, figures)
    contents = {name: text.encode("utf-8") for name, text in texts.items()}
    contents |= {f"figures/{name}.png": data for name, data in figures.items()}
    for name, data in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return list(contents)


def biomarkers_csv(examination: Examination) -> str:
    """The biomarkers as a table, one row each.

    Every row names its case, what the model behind the outlines was trained on, and the notice, so
    that it keeps them when tables of many cases are put together.
    """
    names = [field.name for field in dataclasses.fields(Biomarker)]
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["identifier", *names, "model_trained_on", "notice"])
    for item in examination.biomarkers:
        row = {**dataclasses.asdict(item), "flags": "; ".join(item.flags)}
        values = ["" if row[name] is None else row[name] for name in names]
        table.writerow(
            [examination.identifier, *values, examination.trained_on, examination.notice]
        )
    return stream.getvalue()


def figures_of(examination: Examination, images: ReportImages) -> dict[str, Figure]:
    """All figures by name, in the order of the page."""
    from MRNLib import charts, figures

    warning = PHANTOM if examination.phantom else None
    if examination.demonstration:
        warning = NO_MEANING
    shown = views(images)
    drawn = {
        "probability": charts.probability_chart(examination, warning),
        "overview": figures.overview(shown, head_box(images), warning),
    }
    for summary in examination.rois:
        if summary.box is not None:
            nuclei = ", ".join(item.name.lower() for item in roi(summary.name).nuclei)
            drawn[f"roi_{summary.name}"] = figures.montage(
                shown[summary.modality],
                Box.parse(summary.box),
                f"{summary.name} · {nuclei}",
                warning,
            )
    if examination.masking:
        drawn["maskings"] = charts.masking_chart(examination, warning)
    if examination.jitter:
        drawn["jitter"] = charts.jitter_chart(examination, warning)
    return drawn


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    # Without the alpha channel, and without the many passes that "optimize" takes over noise.
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=6)
    return stream.getvalue()
