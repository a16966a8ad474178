"""From the published metadata to every file of a benchmark, and back again to check them.

:func:`lassbench.benchmarks.building.build` is a pure function of a definition
and the metadata; it returns the text of every file.  ``lassbench select``
writes them, ``lassbench verify-manifests`` compares them byte for byte with
those that are there.
"""
