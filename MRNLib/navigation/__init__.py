"""Pre-training by controllable slice navigation (arXiv 2605.06487), from volumes without labels."""
