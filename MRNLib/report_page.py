"""The page for a radiologist: one self-contained HTML file, filled from a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from MRNLib.anatomy import NOT_ATYPICAL, NUCLEI
from MRNLib.biomarkers import NM_SN, SNPC, SNPC_NAME, THRESHOLD_ABOVE_MEAN_PPB, Biomarker
from MRNLib.examination import IN_WORDS, NO_MEANING, Examination
from MRNLib.templates import embedded, environment

# Rows of the biomarker table; two names share a row where one number helps to read the other.
ROWS = (
    (("volume",), "Volume", "mm³", 0),
    (("susceptibility_mean",), "Susceptibility, mean", "ppb", 0),
    (("susceptibility_median", "susceptibility_p90"), "Median · 90th percentile", "ppb", 0),
    (
        ("voxels_above_threshold",),
        f"Voxels more than {THRESHOLD_ABOVE_MEAN_PPB:.0f} ppb over published",
        "",
        0,
    ),
    (("nm_contrast",), "NM contrast ratio", "", 3),
    (("hyperintense_volume",), "Hyperintense volume", "mm³", 0),
)
FAR_Z = 2.0
# The nigra is what a reader looks for; the other nuclei follow in the order of their labels.
FIRST = ("SN", NM_SN, SNPC)
LATERALITY = (
    "Images are shown as radiologists read them: the patient's right is on the left of the screen. "
    "A mirrored image with an intact header cannot be detected: check the R and L marks against "
    "what you know of the patient."
)


@dataclass(frozen=True)
class Row:
    """One line of the biomarker table, as text.

    ``*_far`` say that a z lies beyond 2; ``source``, ``asymmetry_source``, ``rule`` are footnotes.
    """

    label: str
    unit: str
    right: str
    left: str
    right_z: str
    left_z: str
    published: str
    asymmetry: str
    asymmetry_published: str
    asymmetry_z: str
    right_far: bool
    left_far: bool
    asymmetry_far: bool
    source: int | None
    asymmetry_source: int | None
    rule: int | None


@dataclass(frozen=True)
class Group:
    """The lines of one nucleus."""

    key: str
    name: str
    color: str
    rows: tuple[Row, ...]


def page(examination: Examination, figures: Mapping[str, bytes]) -> str:
    """The HTML text.

    Args:
        examination: The result.
        figures: PNG files by name, embedded as they are.

    Returns:
        A page that needs nothing else: no script, no font, no address.
    """
    groups, sources = biomarker_table(examination.biomarkers)
    template = environment().get_template("report.html.j2")
    return template.render(
        examination=examination,
        decision=IN_WORDS[examination.decision],
        meaning=meaning(examination),
        no_meaning=NO_MEANING,
        figures=embedded(figures),
        groups=groups,
        sources=sources,
        provenance=flattened(examination.provenance),
        laterality=LATERALITY,
        not_atypical=NOT_ATYPICAL,
    )


def meaning(examination: Examination) -> str:
    """What the decision means, in one or two sentences."""
    band = examination.calibration
    if examination.demonstration:
        return (
            "The model was trained on digital phantoms only, and these images are not marked as "
            "one. Masks that it drew, and what was measured inside them, have to be checked "
            "against the images."
        )
    limits = f"{band.abstain_low:.2f} to {band.abstain_high:.2f}"
    if examination.decision == "undecided":
        text = f"The mean probability lies within the model's abstain limits ({limits})."
    elif band.abstain_high > band.abstain_low:
        text = f"The mean probability lies outside the model's abstain limits ({limits})."
    else:
        text = "The mean probability is read at .5; the model has no abstain limits."
    if examination.phantom:
        return text + " The images are a digital phantom: this tells about the software only."
    return text + (
        " The number assumes as many patients as controls; where PD is rarer, it overstates the "
        "chance of PD."
    )


def biomarker_table(biomarkers: tuple[Biomarker, ...]) -> tuple[list[Group], list[str]]:
    """Biomarkers grouped by nucleus, right and left side by side, with numbered sources."""
    found: dict[tuple[str, str, str], Biomarker] = {
        (item.nucleus, item.side, item.name): item for item in biomarkers
    }
    names = {item.key: (item.name, item.color) for item in NUCLEI}
    names[SNPC] = (SNPC_NAME, names[NM_SN][1])
    sources: list[str] = []
    groups = []
    for key in sorted(names, key=lambda key: key not in FIRST):
        if (key, "R", "volume") not in found:
            continue
        name, color = names[key]
        rows = [_row(found, key, line, sources) for line in ROWS if (key, "R", line[0][0]) in found]
        groups.append(Group(key, name, f"rgb{color}", tuple(rows)))
    return groups, sources


def _row(
    found: Mapping[tuple[str, str, str], Biomarker],
    key: str,
    line: tuple[tuple[str, ...], str, str, int],
    sources: list[str],
) -> Row:
    names, label, unit, digits = line
    right, left = ([found[key, side, name] for name in names] for side in ("R", "L"))
    both = found.get((key, "both", names[0].removesuffix("_mean") + "_asymmetry"))
    published = [item.published for item in (right[0], left[0])]
    return Row(
        label=label,
        unit=unit,
        right=" · ".join(number(item.value, digits) for item in right),
        left=" · ".join(number(item.value, digits) for item in left),
        right_z=signed(right[0].z, 1),
        left_z=signed(left[0].z, 1),
        published="" if None in published else " / ".join(number(x, digits) for x in published),
        asymmetry="" if both is None else signed(both.value, 2) or "–",
        asymmetry_published="" if both is None else signed(both.published, 2),
        asymmetry_z="" if both is None else signed(both.z, 1),
        right_far=far(right[0]),
        left_far=far(left[0]),
        asymmetry_far=far(both),
        source=_footnote(sources, right[0].norm),
        asymmetry_source=_footnote(sources, None if both is None else both.norm),
        rule=_footnote(
            sources, None if names[0] == "voxels_above_threshold" else right[0].reference
        ),
    )


def far(biomarker: Biomarker | None) -> bool:
    """Whether a z is large enough to be set in bold."""
    return biomarker is not None and biomarker.z is not None and abs(biomarker.z) >= FAR_Z


def _footnote(sources: list[str], text: str | None) -> int | None:
    if text is None:
        return None
    if text not in sources:
        sources.append(text)
    return sources.index(text) + 1


def number(value: float | None, digits: int) -> str:
    """``value`` with a real minus sign and thin thousands; a dash where it is unknown."""
    return "–" if value is None else f"{value:,.{digits}f}".replace("-", "−").replace(",", "\u2009")


def counted(count: int) -> str:
    """A number of things, with thin thousands."""
    return number(count, 0)


def signed(value: float | None, digits: int) -> str:
    """``value`` with its sign, none where it rounds to zero; empty where it is unknown."""
    if value is None:
        return ""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def flattened(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Nested provenance as lines of a table: ``inputs · QSM · sha256``."""
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{before} · {key}" if before else str(key)
        if isinstance(value, Mapping):
            lines += flattened(value, name)
        elif isinstance(value, list | tuple):
            lines.append((name, ", ".join(str(item) for item in value)))
        else:
            lines.append((name, "–" if value is None else str(value)))
    return lines
