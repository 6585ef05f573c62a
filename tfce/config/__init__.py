"""Options, DIRAC configuration, credentials, places."""
