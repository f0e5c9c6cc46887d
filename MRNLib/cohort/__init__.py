"""Cohorts of any size: found, worked through on one machine or a cluster, put into tables."""
