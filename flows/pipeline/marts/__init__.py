"""The marts: views that answer questions of analysts, one SQL file each, over the tables of a dataset."""
