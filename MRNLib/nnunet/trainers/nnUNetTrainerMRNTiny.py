"""An nnU-Net trainer for machines without a GPU, found through ``nnUNet_extTrainer``.

Only what a small machine needs is changed: the length of the training (read from the plan's
``mrn_training``, so that it is kept with the model), light augmentation without mirroring, more
patches with foreground, AdamW, frequent checkpoints. Loss and schedule are nnU-Net's own.
"""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.helpers.scalar_type import RandomScalar
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerMRNTiny(nnUNetTrainer):  # noqa: N801 - nnU-Net looks trainers up by such names
    """Short CPU training; see the module's text."""

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device,
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        schedule = self.configuration_manager.configuration["mrn_training"]
        self.num_epochs = schedule["epochs"]
        self.num_iterations_per_epoch = schedule["iterations"]
        self.num_val_iterations_per_epoch = schedule["validation_iterations"]
        self.oversample_foreground_percent = schedule["foreground"]
        self.probabilistic_oversampling = True
        self.initial_lr = schedule["learning_rate"]
        # nnU-Net seeds nothing. With the augmentation in this process and one thread, a training
        # that is not interrupted repeats.
        seed = schedule.get("seed", 1)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.save_every = 2
        # nnU-Net's command takes every core; a user who shares the machine says so with
        # OMP_NUM_THREADS.
        if threads := os.environ.get("OMP_NUM_THREADS"):
            torch.set_num_threads(int(threads))

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple:  # noqa: N802
        """No mirroring: left and right are different labels. Nothing is rotated, so no margin."""
        rotation, dummy_2d, _, _ = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        self.inference_allowed_mirroring_axes = None
        return rotation, dummy_2d, self.configuration_manager.patch_size, None

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """AdamW: in 2,100 steps nnU-Net's SGD had not found the small ones of 16 nuclei."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay
        )
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    @staticmethod
    def get_training_transforms(
        patch_size: Any,
        rotation_for_DA: RandomScalar,
        deep_supervision_scales: list | tuple | None,
        mirror_axes: tuple[int, ...] | None,
        do_dummy_2d_data_aug: bool,
        use_mask_for_norm: list[bool] | None = None,
        is_cascaded: bool = False,
        foreground_labels: list[int] | tuple[int, ...] | None = None,
        regions: list | None = None,
        ignore_label: int | None = None,
    ) -> BasicTransform:
        """Noise, brightness and contrast now and then; then what nnU-Net does for validation."""
        light = [
            RandomTransform(GaussianNoiseTransform((0, 0.05), 1, True), apply_probability=0.1),
            RandomTransform(
                MultiplicativeBrightnessTransform(BGContrast((0.85, 1.15)), False, 1),
                apply_probability=0.15,
            ),
            RandomTransform(
                ContrastTransform(BGContrast((0.85, 1.15)), True, False, 1), apply_probability=0.15
            ),
        ]
        rest = nnUNetTrainer.get_validation_transforms(
            deep_supervision_scales, is_cascaded, foreground_labels, regions, ignore_label
        )
        return ComposeTransforms([*light, rest])

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Left out: predicting whole heads would take longer than the training did."""
        self.print_to_log_file("Validation of whole volumes is left to MRN's own evaluation.")
