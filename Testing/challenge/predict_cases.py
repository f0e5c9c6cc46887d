"""What tests of predictions share: a network that draws the truth, and events by case."""

from __future__ import annotations

import SimpleITK as sitk

FILES = {"NM_pred.nii.gz", "QSM_pred.nii.gz", "PD_pred.txt", "PD_prob.txt"}
BRAINSTEM = {"QSM": (9, 10, 11, 12, 13, 14), "NM": (1, 2)}


class Network:
    """Stands for a trained nnU-Net: draws the truth of the only patient there is."""

    def __init__(self, truth, left_out=()):
        self.warnings = []
        self._truth = truth
        self._left_out = {float(label): 0 for label in left_out}

    def segment(self, images, *, device, exact, progress):
        truth = sitk.ReadImage(str(self._truth), sitk.sitkUInt8)
        drawn = sitk.Resample(truth, images[0], sitk.Transform(), sitk.sitkNearestNeighbor)
        return sitk.ChangeLabel(drawn, self._left_out)


def cases(events):
    return {event["identifier"]: event for event in events if event["event"] == "case"}


def states(events):
    return {name: case["state"] for name, case in cases(events).items()}


def read(path):
    image = sitk.ReadImage(str(path))
    return image, sitk.GetArrayFromImage(image)
