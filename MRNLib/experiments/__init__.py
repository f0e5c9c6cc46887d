"""The paper's tables: which trainings they need, running those, and writing what was found."""
