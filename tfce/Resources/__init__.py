"""The layout DIRAC expects of an extension."""
