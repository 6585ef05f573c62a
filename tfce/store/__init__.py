"""The files of one queue, and who may write them."""
