"""Any other cloud that libcloud has a driver for."""
