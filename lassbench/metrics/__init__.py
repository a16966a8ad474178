"""Metrics of separation quality: arrays in, numbers out.

``bss_eval``  SDR, SIR and SAR of BSS Eval v3; ``References`` scores many estimates
``ratios``    SNR (AudioSep's and DCASE's "SDR"), SI-SDR; what is accepted as a signal
``spectral``  multi-resolution STFT distance and log-spectral distance, which ignore phase
``clap``      CLAPScore: does the estimate sound like the query?  CLAPScore-A: like the
              target? (transformers)

The rest is what these are made of: ``correlations`` (blocked FFTs), ``projection`` (from
correlations to energies), ``kernels`` (compiled loops, and NumPy's where there are none).

All take 1-D arrays in any unit and compute in float64 (``spectral`` and ``clap`` in
float32, which suffices there).  Nothing here knows what a suite or a file is.  Import the
module you need: this one imports nothing.
"""
