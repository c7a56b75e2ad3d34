"""`tritonzoo explain`: where a pipeline's milliseconds go, and what to change where the figures say so."""
