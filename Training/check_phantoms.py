"""Checks the digital patients and writes what was found as Markdown.

The page in the repository, for which --real-masks was given as well:

    python Training/check_phantoms.py --out Training/results/phantom_checks.md
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import SimpleITK as sitk
import typer
from sklearn.metrics import roc_auc_score

from MRNLib.anatomy import nucleus
from MRNLib.cli.run import run_script, script_app
from MRNLib.neuromelanin import nm_reference
from MRNLib.phantom import (
    HELD_OUT_SEEDS,
    Truth,
    checks,
    generate,
    latent_oracle,
    oracle,
    sample_truth,
)
from MRNLib.phantom.check_tables import (
    neuromelanin_section,
    overlap_section,
    paired_section,
    susceptibility_section,
    volume_section,
)
from MRNLib.phantom.headers import distinct_heads, file_heads, head_features
from MRNLib.phantom.measure import oracle_reference
from MRNLib.phantom.verdicts import Verdicts, table

RN = nucleus("RN")
MASKED = ((), ("NM",), ("QSM1",), ("QSM2",), ("QSM3",))
# Dice of the mean shapes that the design gives for the ends of the range.
WANTED_DICE = {"DN": 0.49, "TH": 0.88}
WANTED_AUC = {(): 0.92, ("NM",): 0.851, ("QSM1",): 0.918, ("QSM2",): 0.886}
# The tests hold the oracle in closed form to this.
AUC_MARGIN = 0.003
# Patients of the cross-validated image oracle: ten of each class, give or take the draw.
FEWEST = 20
WANTED_IMAGE_AUC = (0.85, 0.91)
CHANCE = (0.43, 0.57)


@dataclass(frozen=True)
class Patient:
    """What is kept of one digital patient."""

    record: checks.Record
    truth: Truth
    heads: dict[str, bytes]
    oracle_to_reader: float


def check(
    patients: Annotated[
        int, typer.Option(min=FEWEST, help="Patients whose images are made; an AUC needs some.")
    ] = 400,
    draws: Annotated[int, typer.Option(help="Patients of the latent oracle.")] = 2000,
    pairs: Annotated[int, typer.Option(help="Patients made as HC and as PD.")] = 40,
    real_masks: Annotated[
        Path | None, typer.Option(help="Folder of *_QSM_pred and *_NM_pred masks.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Markdown file to write; printed in any case.")
    ] = None,
) -> None:
    """Runs the checks."""
    seeds = HELD_OUT_SEEDS[:patients]
    made = []
    for count, seed in enumerate(seeds):
        made.append(examine(seed))
        if sys.stderr.isatty():
            print(f"\r{count + 1}/{patients}", end="", file=sys.stderr)
    records = [item.record for item in made]
    to_reader = np.array([item.oracle_to_reader for item in made])
    verdicts = Verdicts()
    sections = [
        latent_section(draws, verdicts),
        image_section(made, verdicts),
        susceptibility_section(records, [item.truth for item in made], verdicts),
        neuromelanin_section(records, to_reader, verdicts),
        paired_section(HELD_OUT_SEEDS[:pairs], verdicts),
        volume_section(records, verdicts),
        overlap_section(seeds, verdicts),
    ]
    if real_masks is not None:
        sections.append(real_section(real_masks, verdicts))
    opening = [
        "# Checks of the digital patients",
        "",
        "Phantoms throughout; nothing here is about people.",
    ]
    numbers = {"patients": patients, "draws": draws, "pairs": pairs}
    made_by = ["Made by", "", "```", command(numbers, real_masks, out), "```"]
    sections = [opening, made_by, verdicts.section(), *sections]
    text = "\n\n".join("\n".join(lines) for lines in sections) + "\n"
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)


def command(numbers: dict[str, int], real_masks: Path | None, out: Path | None) -> str:
    """The command that made the page; where files lay is nobody's business."""
    words = ["python", "Training/check_phantoms.py"]
    for name, number in numbers.items():
        words += [f"--{name}", str(number)]
    words += ["--real-masks", "FOLDER"] if real_masks is not None else []
    if out is not None:
        words += ["--out", str(out.name if out.is_absolute() else out)]
    return shlex.join(words)


def examine(seed: int) -> Patient:
    """Makes one patient, the deep grey matter only, and takes what the checks need."""
    made = generate(seed, region="deep-grey")
    ours = oracle_reference(made.nm, made.nm_mask, made.qsm_mask, made.spacing)
    theirs = nm_reference(made.nm, made.nm_mask, made.spacing, tissue=made.qsm != 0)
    ratio = ours / theirs.mode if theirs is not None else float("nan")
    return Patient(checks.record_of(made), made.truth, file_heads(made), ratio)


def latent_section(draws: int, verdicts: Verdicts) -> list[str]:
    """The latent oracle, drawn and in closed form."""
    truths = [sample_truth(seed) for seed in HELD_OUT_SEEDS[:draws]]
    labels = np.array([truth.diagnosis == "PD" for truth in truths])
    rows = []
    for masked in MASKED:
        scores = latent_oracle(truths, masked)
        exact, wanted, verdict = oracle.expected_auc(masked), "", ""
        if masked in WANTED_AUC:
            wanted = f"{WANTED_AUC[masked]:.3f}"
            name = f"latent oracle's AUC, masked: {', '.join(masked) or 'none'}"
            verdict = verdicts.judge(name, exact, WANTED_AUC[masked], digits=3, margin=AUC_MARGIN)
        rows.append(
            [
                "none" if not masked else masked[0],
                wanted,
                f"{exact:.3f}",
                verdict,
                f"{roc_auc_score(labels, scores):.3f}",
                f"{oracle.expected_accuracy(masked):.3f}",
                f"{np.mean((scores > 0.5) == labels):.3f}",
            ]
        )
    head = ["masked", "AUC wanted", "AUC exact", "verdict", "AUC drawn"]
    head += ["accuracy exact", "accuracy drawn"]
    note = f"The AUC in closed form is held to {AUC_MARGIN}."
    return [f"## Latent oracle, {draws} patients", "", *table(head, rows), "", note]


def image_section(patients: Sequence[Patient], verdicts: Verdicts) -> list[str]:
    """What a classifier finds in the images, and where it must find nothing."""
    records = [item.record for item in patients]
    labels = np.array([item.pd for item in records])
    heads = [item.heads for item in patients]
    latent = roc_auc_score(labels, latent_oracle([item.truth for item in patients]))
    above = (
        f"It reads nearly what there is: the latent oracle has {latent:.3f} on the same patients. "
        "The images lose less of the class than the design reckoned with."
    )
    found = [
        (
            "image oracle: measurements inside the true masks",
            WANTED_IMAGE_AUC,
            checks.measurement_matrix(records),
            None,
            above,
        ),
        ("volumes of the true masks", CHANCE, [r.volumes for r in records], None, ""),
        ("centroids and spreads of the true masks", CHANCE, [r.shapes for r in records], 20, ""),
        ("coarse crops with every nucleus blanked", CHANCE, [r.blanked for r in records], 20, ""),
        ("all bytes of the file headers", (0.5, 0.5), head_features(heads), None, ""),
    ]
    rows = []
    for name, (low, high), numbers, parts, why in found:
        auc = checks.cross_validated_auc(np.array(numbers), labels, parts)
        error = checks.auc_error(auc, labels)
        if low < high:
            verdict = verdicts.judge(
                name, auc, (low, high), digits=3, why=f"Standard error {error:.3f}. {why}"
            )
        else:
            verdict = verdicts.judge(name, auc, low, digits=3)
        wanted = f"{low:.2f} to {high:.2f}" if low < high else f"{low:.2f}"
        rows.append([name, wanted, f"{auc:.3f} +- {error:.3f}", verdict])
    rows.append(["latent oracle, the same patients", "", f"{latent:.3f}", ""])
    title = f"## Images, {len(records)} patients, AUC of a 5-fold logistic regression"
    note = (
        f"Headers: QSM, NM, T1 and both masks of {len(patients)} patients written to disk (blocks "
        "of the volumes), every byte before the voxels a feature, with the volume's whole size. "
        f"Different headers per file: {distinct_heads(heads)}."
    )
    return [title, "", *table(["from", "wanted", "AUC", "verdict"], rows), "", note]


def real_section(folder: Path, verdicts: Verdicts) -> list[str]:
    """Dice of the mean shapes against real mask pairs."""
    placed, shaped, covered = [], [], []
    for path in sorted(folder.glob("*_QSM_pred.nii.gz")):
        pair = (path, path.with_name(path.name.replace("_QSM_", "_NM_")))
        images = [sitk.DICOMOrient(sitk.ReadImage(str(item)), "LAS") for item in pair]
        masks = [sitk.GetArrayFromImage(image) for image in images]
        x, y, z = images[0].GetSpacing()
        placed.append(checks.dice_of_mean_shapes(*masks, (x, y, z)))
        shaped.append(checks.dice_of_mean_shapes(*masks, (x, y, z), own_centroids=True))
        covered.append((masks[1] > 0)[np.isin(masks[0], (RN.right, RN.left))].mean())
    rows = []
    for key in placed[0]:
        there, form = (np.mean([item[key] for item in group]) for group in (placed, shaped))
        wanted, verdict = "", ""
        if key in WANTED_DICE:
            wanted = f"{WANTED_DICE[key]:.2f}"
            why = f"Its form alone has {form:.2f}: the miss is its place's."
            name = f"{key} Dice of the mean shape in the head's frame"
            verdict = verdicts.judge(name, there, WANTED_DICE[key], digits=2, why=why)
        rows.append([key, wanted, f"{there:.2f}", verdict, f"{form:.2f}"])
    title = f"## Mean shapes against {len(placed)} real mask pairs, Dice, mean of both sides"
    head = ["nucleus", "wanted", "in the head's frame", "verdict", "on its own centroid"]
    note = (
        "In the head's frame the mean shape stands where the mean head has it; on its own centroid "
        "only its form is compared. The dentate nucleus, farthest from the frame's origin, misses "
        "the wanted figure by its place, not its form; fitting the frame's scale to each head did "
        "not help it. NM-SN's label covers "
        f"{', '.join(f'{share:.0%}' for share in covered)} of RN's voxels in these masks."
    )
    return [title, "", *table(head, rows), "", note]


app = script_app(check, __doc__)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    return run_script(app, arguments)


if __name__ == "__main__":
    sys.exit(main())
