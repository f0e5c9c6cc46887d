"""nnU-Net v2: training through its own commands, and its results in a form that is safe to load."""
