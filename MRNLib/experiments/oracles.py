"""What could be told at best on digital patients: the two oracles, on the evaluation patients.

The image oracle reads measurements inside the true masks (logistic regression, cross-validated on
these very patients, as in the model card); the latent oracle knows the state behind the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from MRNLib.anatomy import MASKINGS
from MRNLib.experiments.cells import IMAGE_ORACLE, latent_variant, masking_name
from MRNLib.progress import Progress
from MRNLib.training.crops import PatientCrops


def oracle_margins(
    patients: Sequence[PatientCrops], progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Margins of both oracles; of the latent one under every masking of Table 4.

    Args:
        patients: Digital patients with their seeds; each is made again, a second apiece.
        progress: Called before each; may raise ``Cancelled``.
    """
    from MRNLib.canonical_phantom import CanonicalPhantom
    from MRNLib.card import cross_validated_scores
    from MRNLib.phantom import image_measurements, latent_oracle, sample_truth

    truths, features = [], []
    for number, patient in enumerate(patients):
        progress(number / len(patients), f"measuring patient {number + 1} of {len(patients)}")
        made = CanonicalPhantom.of(patient.seed, whole=False)
        measured = image_measurements(
            made.qsm, made.nm, made.masks["QSM"], made.masks["NM"], made.spacing
        )
        features.append(list(measured.values()))
        truths.append(sample_truth(patient.seed))
    labels = np.array([patient.diagnosis for patient in patients])
    found = {IMAGE_ORACLE: _margins(cross_validated_scores(np.array(features), labels))}
    for masked in MASKINGS:
        found[latent_variant(masking_name(masked))] = _margins(latent_oracle(truths, masked))
    return found


def _margins(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return logit(np.clip(probabilities, 1e-12, 1 - 1e-12))
