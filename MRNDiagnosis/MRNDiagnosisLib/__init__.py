"""Behind the Slicer module's panel: scene logic on MRML nodes, running jobs, installing, views."""
