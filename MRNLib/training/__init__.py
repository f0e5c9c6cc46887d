"""Training of MRN: losses, bank, teacher, augmentation, data, loop (paper, sections 3.3 to 4.1).

Needs torch, numpy and safetensors; pydantic and YAML only in :mod:`MRNLib.training.config`. It
reads crops (``.npz``), never image files, so that a machine without SimpleITK can train.
"""
