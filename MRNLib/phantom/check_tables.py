"""Tissue values, volumes and overlaps the digital patients have, beside those they should have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from MRNLib.anatomy import NUCLEI, QSM_NUCLEI
from MRNLib.phantom import geometry
from MRNLib.phantom.checks import Record, overlap_share, record_of
from MRNLib.phantom.grid import CHALLENGE_GRID
from MRNLib.phantom.measure import ORACLE_REFERENCE_NAME
from MRNLib.phantom.patient import generate
from MRNLib.phantom.shapes import SHAPES
from MRNLib.phantom.tables import NEUROMELANIN, NM_SN_MEAN, SUSCEPTIBILITY
from MRNLib.phantom.truth import Truth, random_stream
from MRNLib.phantom.verdicts import Verdicts, standard_error, table

CLASSES = ("HC", "PD")
# Half the step in which the published volumes are given, mm3.
VOLUME_ROUNDING = 5.0
# Half a unit of the tables' last digit, where differences are given with a digit more.
PPB_ROUNDING = 0.05
NM_ROUNDING = 0.0005
NM_SN_GAP = NM_SN_MEAN["PD"] - NM_SN_MEAN["HC"]
WANTED_OVERLAP_PERCENT = 2.0


def susceptibility_section(
    records: Sequence[Record], truths: Sequence[Truth], verdicts: Verdicts
) -> list[str]:
    """Mean susceptibility per nucleus and class against the table; ``truths`` as drawn."""
    labels = np.array([item.pd for item in records])
    rows = []
    for nucleus in QSM_NUCLEI:
        key = nucleus.key
        values = np.array([item.measurements[f"susceptibility {key}"] for item in records])
        for diagnosis in CLASSES:
            group = values[labels == (diagnosis == "PD")]
            wanted = getattr(SUSCEPTIBILITY[key], diagnosis.lower())
            error = standard_error(group)
            latent = [item.latent[key] for item in truths if item.diagnosis == diagnosis]
            drawn = SUSCEPTIBILITY[key].hc + SUSCEPTIBILITY[key].sd * np.mean(latent) - wanted
            verdict = verdicts.judge(
                f"{key} susceptibility, {diagnosis}",
                group.mean(),
                wanted,
                error=error,
                digits=1,
                unit=" ppb",
                why=f"What happened to be drawn for these patients makes {drawn:+.1f}.",
            )
            made = f"{group.mean():.1f} +- {error:.1f}"
            rows.append([key, diagnosis, f"{wanted:.1f}", made, f"{group.std():.1f}", verdict])
    head = ["nucleus", "class", "table", "made", "SD", "verdict"]
    return ["## Susceptibility, ppb, mean of both sides", "", *table(head, rows)]


def neuromelanin_section(
    records: Sequence[Record], to_reader: np.ndarray, verdicts: Verdicts
) -> list[str]:
    """Mean NM signal per nucleus and class against the table.

    Args:
        records: The patients.
        to_reader: The oracle's reference over the reader's, per patient.
        verdicts: Judges the signal over the oracle's reference.
    """
    labels = np.array([item.pd for item in records])
    lower = 1 - to_reader.mean()
    reference = f"The oracle's reference is {lower:.1%} below the reader's, see 'NM signal'."
    covered = {n.key: np.mean([item.covered[n.key] for item in records]) for n in QSM_NUCLEI}
    rows, groups = [], {}
    for nucleus in NUCLEI:
        key = nucleus.key
        if key == "SN":
            continue
        values = np.array([item.neuromelanin[key] for item in records])
        outside = np.array([item.neuromelanin_outside[key] for item in records])
        for diagnosis in CLASSES:
            chosen = labels == (diagnosis == "PD")
            group = groups[diagnosis] = values[chosen]
            alone, read = outside[chosen].mean(), (outside * to_reader)[chosen].mean()
            wanted = NM_SN_MEAN[diagnosis] if key == "NM-SN" else float(np.mean(NEUROMELANIN[key]))
            why = reference if group.mean() > wanted else ""
            if covered.get(key, 0) > 0.01:
                share = f"NM-SN is painted over {covered[key]:.0%} of its voxels"
                why = f"{share}; outside NM-SN's label it has {alone:.3f}. {why}"
            error = standard_error(group)
            verdict = verdicts.judge(
                f"{key} NM signal, {diagnosis}",
                group.mean(),
                wanted,
                error=error,
                digits=3,
                why=why,
            )
            made = f"{group.mean():.3f} +- {error:.3f}"
            cells = [f"{group.std():.3f}", verdict, f"{alone:.3f}", f"{read:.3f}"]
            rows.append([key, diagnosis, f"{wanted:.3f}", made, *cells])
    error = float(np.hypot(standard_error(groups["HC"]), standard_error(groups["PD"])))
    gap, wanted = groups["PD"].mean() - groups["HC"].mean(), NM_SN_GAP
    verdict = verdicts.judge(
        "NM-SN NM signal, PD minus HC",
        gap,
        wanted,
        error=error,
        digits=4,
        margin=NM_ROUNDING,
        why="Mostly the luck of the draw: the same patients in both classes are judged below.",
    )
    rows.append(
        ["NM-SN", "PD - HC", f"{wanted:.4f}", f"{gap:.4f} +- {error:.4f}", "", verdict, "", ""]
    )
    head = ["nucleus", "class", "table", "made", "SD", "verdict"]
    head += ["made outside NM-SN's label", "the same, reader's reference"]
    title = "## NM signal over the image oracle's reference (not the reader's)"
    return [title, "", *table(head, rows), "", *_neuromelanin_notes(covered, lower)]


def _neuromelanin_notes(covered: dict[str, np.floating], lower: float) -> list[str]:
    """What the figures refer to, and why they are not quite the table's."""
    shares = ", ".join(f"{key} {share:.1%}" for key, share in covered.items() if share > 0.001)
    return [
        f"The oracle's reference: {ORACLE_REFERENCE_NAME}. The reader's (`MRNLib.neuromelanin`, "
        "what reports show): mode of the tissue 3 to 10 mm around NM-SN in three dimensions, "
        "nuclei not left out. Outside NM-SN the table's class means were averaged: the phantoms "
        "have no class effect there.",
        "",
        "Why NM-SN and others lie above the table: their tissue is painted relative to brainstem "
        "at 1.000. Without noise both references are that 1.000 (tested); with noise the shell's "
        "darker white matter and voxels mixed with fluid pull the oracle's median down, here "
        f"{lower:.2%} below the reader's mode, and every ratio up by as much. The last column has "
        "the ratios to the reader's reference.",
        "",
        "Why RN lies further above it: in the phantoms NM-SN is drawn on the NM image without "
        "regard to the QSM nuclei, since their masks overlap in patients too. Where its label "
        "covers another nucleus, NM-SN is what is painted, its bright core mostly. It covers "
        f"{shares} of the voxels. RN's own tissue is painted at the table's value, which was "
        "measured over whole RN masks and so holds any such overlap already: it is counted twice. "
        "It is the label, not its blurred rim: outside the label RN is as if NM-SN were not there "
        "(tested). The painting stays, because the shipped model was trained on it.",
    ]


def paired_section(seeds: Sequence[int], verdicts: Verdicts) -> list[str]:
    """The class effect alone: the same patients made as HC and as PD."""
    pairs = [
        [record_of(generate(seed, name, ("QSM", "NM"), "deep-grey")) for name in CLASSES]
        for seed in seeds
    ]
    rows = []
    for key, row in SUSCEPTIBILITY.items():
        name = f"susceptibility {key}"
        effect = np.array([pd.measurements[name] - hc.measurements[name] for hc, pd in pairs])
        made, wanted, error = float(effect.mean()), row.pd - row.hc, standard_error(effect)
        verdict = verdicts.judge(
            f"{key} susceptibility, PD minus HC, paired",
            made,
            wanted,
            error=error,
            digits=2,
            margin=PPB_ROUNDING,
            unit=" ppb",
        )
        rows.append([f"{name}, ppb", f"{wanted:.2f}", f"{made:.2f} +- {error:.2f}", verdict])
    effect = np.array([pd.neuromelanin["NM-SN"] - hc.neuromelanin["NM-SN"] for hc, pd in pairs])
    made, wanted, error = float(effect.mean()), NM_SN_GAP, standard_error(effect)
    verdict = verdicts.judge(
        "NM-SN NM signal, PD minus HC, paired",
        made,
        wanted,
        error=error,
        digits=4,
        margin=NM_ROUNDING,
    )
    rows.append(["NM signal NM-SN", f"{wanted:.4f}", f"{made:.4f} +- {error:.4f}", verdict])
    title = f"## PD minus HC in the same {len(pairs)} patients, each made as both"
    note = "Geometry, noise and everything but the class effect cancel."
    return [title, "", *table(["figure", "table", "made", "verdict"], rows), "", note]


def volume_section(records: Sequence[Record], verdicts: Verdicts) -> list[str]:
    """Mean volume per label against the challenge's table."""
    volumes = np.array([item.volumes for item in records])
    rows = []
    for number, nucleus in enumerate(NUCLEI):
        cells, told = [], []
        for side, wanted in enumerate(SHAPES[nucleus.key].volumes):
            made = volumes[:, 2 * number + side]
            name = f"{nucleus.key} volume, {('right', 'left')[side]}"
            cells += [f"{wanted:.0f}", f"{made.mean():.0f} +- {standard_error(made):.0f}"]
            told.append(
                verdicts.judge(
                    name,
                    made.mean(),
                    wanted,
                    error=standard_error(made),
                    digits=0,
                    margin=VOLUME_ROUNDING,
                    unit=" mm3",
                    why=f"{made.mean() / wanted - 1:+.1%}.",
                )
            )
        both = volumes[:, 2 * number : 2 * number + 2]
        spread = f"{np.mean(both.std(axis=0) / both.mean(axis=0)):.0%}"
        rows.append([nucleus.key, *cells, spread, *told])
    head = ["nucleus", "right table", "right made", "left table", "left made", "CV"]
    note = "The table gives steps of 10 mm3: half of one is allowed besides two standard errors."
    columns = [*head, "verdict right", "verdict left"]
    return ["## Volumes, mm3", "", *table(columns, rows), "", note]


def overlap_section(seeds: Sequence[int], verdicts: Verdicts) -> list[str]:
    """Voxels that several nuclei claim."""
    drawn = [geometry.draw(random_stream(seed, "geometry"), CHALLENGE_GRID) for seed in seeds]
    shares = np.array([100 * overlap_share(item) for item in drawn])
    lenticular = np.mean([100 * overlap_share(item, ("GP", "PUT")) for item in drawn])
    mean = 100 * overlap_share(geometry.mean_anatomy(CHALLENGE_GRID, drawn[0].pose))
    error = standard_error(shares)
    why = (
        f"{lenticular:.1f} % is GP against PUT, which touch; the mean shapes have {mean:.1f} % "
        "where they stand, and the variation of place and size adds the rest."
    )
    wanted = WANTED_OVERLAP_PERCENT
    verdict = verdicts.judge(
        "overlap of nuclei before it is resolved",
        shares.mean(),
        wanted,
        error=error,
        digits=1,
        unit=" %",
        why=why,
    )
    head = ["voxels that two nuclei claim", "wanted", "made", "verdict", "GP against PUT alone"]
    made = f"{shares.mean():.1f} +- {error:.1f} %"
    row = ["before overlaps are resolved", f"{wanted:.0f} %", made, verdict, f"{lenticular:.1f} %"]
    return [f"## Overlap, {len(drawn)} patients", "", *table(head, [row])]
