"""DIRAC looks for computing elements in this package."""
