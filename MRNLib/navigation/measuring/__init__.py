"""What a pre-training has taught an encoder: probes, MRN with few labels, and the page of both."""
