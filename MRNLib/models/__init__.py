"""The networks: MRN (arXiv 2509.17566), from a cropped ROI to P(PD).

Importing this package imports nothing: take what is needed from its modules. ``heads`` needs torch
only, so that a re-diagnosis from cached tokens never waits for timm.
"""
