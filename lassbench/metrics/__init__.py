"""Metrics of separation quality: arrays in, decibels out.

``bss_eval``  SDR, SIR and SAR of BSS Eval v3; ``References`` scores many estimates
``ratios``    SNR (AudioSep's and DCASE's "SDR"), SI-SDR
``clap``      CLAPScore: does the estimate sound like the query? (transformers)

The rest is what these are made of: ``signals`` (what is accepted as a signal),
``correlations`` (blocked FFTs), ``projection`` (from correlations to energies),
``kernels`` and ``backend`` (compiled loops, and SciPy where there are none).

All take 1-D arrays in any unit, by keyword, and compute in float64.  Nothing
here knows what a suite or a file is.  Import the module you need: this one
imports nothing.
"""
