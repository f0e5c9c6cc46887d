"""Checks the digital patients and writes what was found as Markdown.

python Training/check_phantoms.py --patients 400 --out Training/results/phantom_checks.md
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from sklearn.metrics import roc_auc_score

from MRNLib.anatomy import NUCLEI, QSM_NUCLEI
from MRNLib.phantom import (
    HELD_OUT_SEEDS,
    checks,
    generate,
    geometry,
    latent_oracle,
    oracle,
    sample_truth,
    write_case,
)
from MRNLib.phantom.grid import CHALLENGE_GRID
from MRNLib.phantom.shapes import SHAPES
from MRNLib.phantom.tables import NEUROMELANIN, NM_SN_MEAN, SUSCEPTIBILITY
from MRNLib.phantom.truth import random_stream

MASKED = ((), ("NM",), ("QSM1",), ("QSM2",), ("QSM3",))
# Dice of the mean shapes that the design gives for the ends of the range.
WANTED_DICE = {"DN": 0.49, "TH": 0.88}
WANTED = {(): 0.92, ("NM",): 0.851, ("QSM1",): 0.918, ("QSM2",): 0.886}


def main() -> None:
    """Runs the checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=400, help="Patients whose images are made.")
    parser.add_argument("--draws", type=int, default=2000, help="Patients of the latent oracle.")
    parser.add_argument("--headers", type=int, default=20, help="Patients written to disk.")
    parser.add_argument("--real-masks", type=Path, help="Folder of *_QSM_pred and *_NM_pred masks.")
    parser.add_argument("--out", type=Path, help="Markdown file to write; printed in any case.")
    arguments = parser.parse_args()
    records = []
    for count, seed in enumerate(HELD_OUT_SEEDS[: arguments.patients]):
        records.append(checks.record(seed))
        if sys.stderr.isatty():
            print(f"\r{count + 1}/{arguments.patients}", end="", file=sys.stderr)
    sections = [
        [
            "# Checks of the digital patients",
            "",
            "Phantoms throughout; nothing here is about people.",
        ],
        ["Made by", "", "```", command(arguments), "```"],
        latent_section(arguments.draws),
        image_section(records, arguments.headers),
        susceptibility_section(records),
        neuromelanin_section(records),
        volume_section(records),
    ]
    if arguments.real_masks is not None:
        sections.append(real_section(arguments.real_masks))
    text = "\n\n".join("\n".join(lines) for lines in sections) + "\n"
    print(text)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)


def command(arguments: argparse.Namespace) -> str:
    """The command that made the page; where the masks lay is nobody's business."""
    words = [word for word in sys.argv if word != str(arguments.real_masks)]
    line = f"python {shlex.join(words)}"
    return line.replace("--real-masks", "--real-masks FOLDER")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def latent_section(draws: int) -> list[str]:
    """The latent oracle, drawn and in closed form."""
    truths = [sample_truth(seed) for seed in HELD_OUT_SEEDS[:draws]]
    labels = np.array([truth.diagnosis == "PD" for truth in truths])
    rows = []
    for masked in MASKED:
        scores = latent_oracle(truths, masked)
        rows.append(
            [
                "none" if not masked else masked[0],
                f"{WANTED[masked]:.3f}" if masked in WANTED else "",
                f"{oracle.expected_auc(masked):.3f}",
                f"{roc_auc_score(labels, scores):.3f}",
                f"{oracle.expected_accuracy(masked):.3f}",
                f"{np.mean((scores > 0.5) == labels):.3f}",
            ]
        )
    head = ["masked", "AUC wanted", "AUC exact", "AUC drawn", "accuracy exact", "accuracy drawn"]
    return [f"## Latent oracle, {draws} patients", "", *table(head, rows)]


def image_section(records: list[checks.Record], headers: int) -> list[str]:
    """What a classifier finds in the images, and where it must find nothing."""
    labels = np.array([item.pd for item in records])
    measured = checks.measurement_matrix(records)
    found = [
        ("image oracle: measurements inside the true masks", ".85 to .91", measured, None),
        ("volumes of the true masks", ".5 +- .07", [r.volumes for r in records], None),
        ("centroids and spreads of the true masks", ".5 +- .07", [r.shapes for r in records], 20),
        ("coarse crops with every nucleus blanked", ".5 +- .07", [r.blanked for r in records], 20),
    ]
    rows = [
        [name, wanted, f"{checks.cross_validated_auc(np.array(numbers), labels, parts):.3f}"]
        for name, wanted, numbers, parts in found
    ]
    rows.append(["file headers", ".5", f"{header_auc(headers):.3f}"])
    title = f"## Images, {len(records)} patients, AUC of a 5-fold logistic regression"
    note = f"Headers: {headers} patients written to disk, every numeric header field as a feature."
    return [title, "", *table(["from", "wanted", "AUC"], rows), "", note]


def header_auc(number: int) -> float:
    """AUC from the header fields of written files."""
    fields, labels = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in HELD_OUT_SEEDS[:number]:
            phantom = generate(seed, modalities=("QSM",), region="deep-grey")
            path = write_case(phantom, Path(folder) / str(seed)) / "QSM.nii.gz"
            image = sitk.ReadImage(str(path))
            numbers = [*image.GetSize(), *image.GetSpacing(), *image.GetDirection()]
            texts = sorted((key, image.GetMetaData(key)) for key in image.GetMetaDataKeys())
            fields.append([*numbers, *(float(sum(map(ord, value))) for _, value in texts)])
            labels.append(phantom.truth.diagnosis == "PD")
    return checks.cross_validated_auc(np.array(fields), labels)


def susceptibility_section(records: list[checks.Record]) -> list[str]:
    """Mean susceptibility per nucleus and class against the table."""
    labels = np.array([item.pd for item in records])
    rows = []
    for nucleus in QSM_NUCLEI:
        key = nucleus.key
        values = np.array([item.measurements[f"susceptibility {key}"] for item in records])
        wanted = SUSCEPTIBILITY[key]
        rows.append(
            [
                key,
                f"{wanted.hc:.1f}",
                *_class_summary(values[~labels], 1),
                f"{wanted.pd:.1f}",
                *_class_summary(values[labels], 1),
            ]
        )
    head = ["nucleus", "HC table", "HC made", "SD", "PD table", "PD made", "SD"]
    return ["## Susceptibility, ppb, mean of both sides", "", *table(head, rows)]


def neuromelanin_section(records: list[checks.Record]) -> list[str]:
    """Mean NM signal per nucleus and class against the table."""
    labels = np.array([item.pd for item in records])
    rows = []
    for nucleus in NUCLEI:
        if nucleus.key == "SN":
            continue
        values = np.array([item.neuromelanin[nucleus.key] for item in records])
        if nucleus.key == "NM-SN":
            hc, pd = NM_SN_MEAN["HC"], NM_SN_MEAN["PD"]
        else:
            hc = pd = float(np.mean(NEUROMELANIN[nucleus.key]))
        summary = (_class_summary(values[~labels], 3), _class_summary(values[labels], 3))
        rows.append([nucleus.key, f"{hc:.3f}", *summary[0], f"{pd:.3f}", *summary[1]])
    head = ["nucleus", "HC table", "HC made", "SD", "PD table", "PD made", "SD"]
    note = (
        "Relative to tissue 3 to 10 mm around NM-SN. Outside NM-SN the table's class means were "
        "averaged: the phantoms have no class effect there."
    )
    return ["## NM signal", "", *table(head, rows), "", note]


def _class_summary(values: np.ndarray, digits: int) -> list[str]:
    error = values.std() / np.sqrt(len(values))
    return [f"{values.mean():.{digits}f} +- {error:.{digits}f}", f"{values.std():.{digits}f}"]


def volume_section(records: list[checks.Record]) -> list[str]:
    """Mean volume per label against the challenge's table."""
    volumes = np.array([item.volumes for item in records])
    rows = []
    for number, nucleus in enumerate(NUCLEI):
        wanted = SHAPES[nucleus.key].volumes
        made = volumes[:, 2 * number : 2 * number + 2]
        cells = [f"{wanted[0]:.0f}", f"{made[:, 0].mean():.0f}", f"{wanted[1]:.0f}"]
        spread = f"{np.mean(made.std(axis=0) / made.mean(axis=0)):.0%}"
        rows.append([nucleus.key, *cells, f"{made[:, 1].mean():.0f}", spread])
    anatomies = [
        geometry.draw(random_stream(seed, "geometry"), CHALLENGE_GRID)
        for seed in HELD_OUT_SEEDS[:20]
    ]
    overlap = np.mean([checks.overlap_share(item) for item in anatomies])
    head = ["nucleus", "right table", "right made", "left table", "left made", "CV"]
    note = f"Voxels that two nuclei would claim before overlaps are resolved: {overlap:.1%}."
    return ["## Volumes, mm3", "", *table(head, rows), "", note]


def real_section(folder: Path) -> list[str]:
    """Dice of the mean shapes against real mask pairs."""
    placed, shaped = [], []
    for path in sorted(folder.glob("*_QSM_pred.nii.gz")):
        pair = (path, path.with_name(path.name.replace("_QSM_", "_NM_")))
        images = [sitk.DICOMOrient(sitk.ReadImage(str(item)), "LAS") for item in pair]
        masks = [sitk.GetArrayFromImage(image) for image in images]
        x, y, z = images[0].GetSpacing()
        placed.append(checks.dice_of_mean_shapes(*masks, (x, y, z)))
        shaped.append(checks.dice_of_mean_shapes(*masks, (x, y, z), own_centroids=True))
    rows = []
    for key in placed[0]:
        found = [f"{np.mean([item[key] for item in group]):.2f}" for group in (placed, shaped)]
        rows.append([key, f"{WANTED_DICE[key]:.2f}" if key in WANTED_DICE else "", *found])
    title = f"## Mean shapes against {len(placed)} real mask pairs, Dice, mean of both sides"
    head = ["nucleus", "wanted", "in the head's frame", "on its own centroid"]
    note = (
        "In the head's frame the mean shape stands where the mean head has it; on its own centroid "
        "only its form is compared. The dentate nucleus, farthest from the frame's origin, misses "
        "the wanted figure by its place, not its form; fitting the frame's scale to each head did "
        "not help it."
    )
    return [title, "", *table(head, rows), "", note]


if __name__ == "__main__":
    main()
