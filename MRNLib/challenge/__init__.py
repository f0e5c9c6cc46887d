"""The MICCAI 2025 PDCADxFoundation challenge: predictions in its layout and scores by its rules."""
