"""Where DIRAC looks for what an extension adds to its own Resources."""
