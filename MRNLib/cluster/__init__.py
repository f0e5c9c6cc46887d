"""Many tasks on one machine's processes or a cluster's, by Dask; none is lost when one of them is.

Trainings behind the paper's tables and the cases of a cohort are given out by the same code.
"""
