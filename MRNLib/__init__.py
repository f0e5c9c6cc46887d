"""MRN for 3D Slicer: from a paired QSM and neuromelanin MRI examination to a Parkinson's
classification.

Importing this package is cheap: torch, timm, monai and nnunetv2 are imported only by the modules
that compute with them. The method is arXiv 2509.17566 (MRN). Research use only, not for clinical
use.
"""

__version__ = "0.1.0"
