"""The cloud edge: what tfce asks of a cloud. Only this package imports libcloud."""
