"""Serving inside a container: the image's entry point, `python -m tritonzoo.container`."""
