"""A stage's course: so many steps, a line of metrics every few hundred, going on after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from MRNLib.navigation.learners import Learner
from MRNLib.progress import Progress
from MRNLib.training.folder import Position, TrainingFolder
from MRNLib.training.loop import Loop
from MRNLib.training.optimisation import learning_rate_factor


class Stage(Loop):
    """Trains a learner for so many steps in a folder of its own; lets go of it in :meth:`run`.

    What the metrics call an epoch is ``train.record_steps`` steps.

    Args:
        learner: What learns.
        folder: The stage's folder; a checkpoint in it is resumed.
        identity: What makes this training this one; JSON values.
        steps: How many.
        before: Steps of the stages before it.
        title: The stage's name.
        progress: Called with the fraction of this stage and a line.

    Raises:
        InputError: The folder holds a training with other settings or volumes, or one is at work in
            it.
    """

    smaller = (
        "share the batch among more GPUs (torchrun), or start in another --out folder with a "
        "smaller train.batch_size"
    )
    gentler = "lower train.learning_rate, in another --out folder"

    def __init__(
        self,
        learner: Learner,
        folder: Path,
        identity: Mapping[str, Any],
        *,
        steps: int,
        before: int,
        title: str,
        progress: Progress,
    ) -> None:
        self.learner = learner
        self.steps = steps
        self.before = before
        self.settings = learner.settings
        group = learner.batches.group
        own = TrainingFolder(folder, identity, writes=group.leads)
        try:
            position = Position()
            if (stored := own.load()) is not None:
                tensors, position = stored
                learner.restore(tensors)
        except BaseException:
            own.release()
            raise
        super().__init__(
            own,
            position,
            learner.batches.device,
            group,
            progress,
            title=title,
            epochs=-(-steps // self.settings.record_steps),
            checkpoint_minutes=self.settings.checkpoint_minutes,
            tensorboard=self.settings.tensorboard,
        )

    def run(self) -> None:
        """Trains to the end, or goes on where a checkpoint stands; errors as in :class:`Loop`."""
        try:
            self.run_epochs()
        finally:
            self.folder.release()

    def begin_epoch(self) -> int:
        """Steps until the next line of the metrics; the last ones may be fewer."""
        self.learner.module.train()
        return min(
            self.settings.record_steps,
            self.steps - self.position.epoch * self.settings.record_steps,
        )

    def take_step(self, steps: int) -> dict[str, Tensor]:
        """Takes the step at the position."""
        done = self.position.updates
        return self.learner.step(self.before + done, self._factor(done))

    def close_epoch(self, steps: int) -> dict[str, Any]:
        """The mean losses of the last steps."""
        done = self.position.updates
        return {
            "updates": done,
            "learning_rate": self.settings.learning_rate * self._factor(done - 1),
            "losses": dict(sorted(self.ledger.means(steps).items())),
        }

    def tensors(self) -> dict[str, Tensor]:
        """The learner's weights and optimizer."""
        return self.learner.tensors()

    def _factor(self, step: int) -> float:
        return learning_rate_factor(step, self.steps, self.settings.warm_up_steps)
