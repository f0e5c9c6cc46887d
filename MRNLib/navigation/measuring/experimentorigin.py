"""What the experiment's page says of where its figures come from: weights, amounts, versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from MRNLib.experiments.origin import versions_text
from MRNLib.markdown import table
from MRNLib.navigation.config import ARMS
from MRNLib.navigation.measuring.probecells import KIND

# Digits of a SHA-256 that are shown; the cells have all.
SHORT = 8
HEADER = (
    "arm",
    "steps, first stage",
    "second stage",
    "frames seen",
    "of these by the encoder",
    "patients learned from",
    "encoder",
    "weights by seed: encoder, dynamics",
)


def provenance_section(cells: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What each arm took to make, and by what it was probed; nothing without probes.

    Args:
        cells: By key; those of probes are looked at.
    """
    found = [
        one
        for one in cells.values()
        if one["identity"]["kind"] == KIND and "provenance" in one["result"]
    ]
    if not found:
        return []
    made = [one["result"]["provenance"] for one in found]
    train, test = (_short(one) for one in found[0]["identity"]["volumes"])
    return [
        "## What was compared",
        "",
        *table(HEADER, _arms(found)),
        "",
        f"Probed with {versions_text(one['versions'] for one in made)}, on "
        f"{' and '.join(sorted({one['device'] for one in made}))}; volumes {train} to learn from "
        f"and {test} to test on. Weights and volumes by the first {SHORT} digits of their SHA-256.",
    ]


def _arms(cells: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each arm; more where an arm's seeds were not made alike."""
    rows: dict[tuple[str, ...], dict[int, str]] = {}
    for one in cells:
        facts, identity = one["result"]["provenance"]["arm"], one["identity"]
        # An encoder that arms share, and dynamics that have learned nothing, have no row.
        if facts is None or facts["arm"] != identity["name"]:
            continue
        hashes = " ".join(_short(sha256) for sha256 in identity["weights"])
        rows.setdefault(_amounts(facts), {})[identity["seed"]] = hashes
    return [
        [*amounts, "; ".join(f"{seed}: {one}" for seed, one in sorted(hashes.items()))]
        for amounts, hashes in sorted(rows.items(), key=lambda row: ARMS.index(row[0][0]))
    ]


def _amounts(facts: Mapping[str, Any]) -> tuple[str, ...]:
    first, second = facts["steps"]
    shape = facts["shape"]
    return (
        facts["arm"],
        f"{first:,}",
        f"{second:,}" if second else "none",
        f"{facts['frames']:,}",
        f"{facts['frames'] * first // (first + second):,}",
        str(facts["patients"]),
        f"{shape['parameters'] / 1e6:.2f} M: {shape['depth']} blocks of width "
        f"{shape['embed_dim']}, patch {shape['patch_size']}",
    )


def _short(sha256: str) -> str:
    return f"`{sha256[:SHORT]}`"
