"""Other people's evaluation lists as suites: AudioSep's and DCASE 2024 Task 9's.

Each list is a CSV file; its audio lies in a folder::

    audiosep-audiocaps   idx,caption,labels,src_wav,noise_wav
    audiosep-esc50       idx,caption,src_wav,noise_wav
    audiosep-music       idx,caption,src_wav,noise_wav
    audiosep-clotho      idx,caption,src_wav,noise_wav1,noise_wav1
                         audio: segment-<idx>.wav and mixture-<idx>.wav
    audiosep-audioset    idx,caption,src_wav,noise_wav
                         audio: .../<name>,source.wav and .../<name>,mixture.wav
    audiosep-vggsound    file_id,mix_wav,s0_wav,s0_text,s1_wav,s1_text
                         audio: mix_wav and s0_wav
    dcase2024-task9      source,noise,snr,caption
                         audio: <source>.wav and <noise>.wav

Where a mixture is given as a file, the interference is mixture minus source:
what a score calls interference is then exactly what was added.  DCASE's are
mixed here, by the equations of its evaluator (FACTS, section 3): with the mean
powers :math:`p_s, p_n` of source and noise and an SNR of :math:`r` dB,

.. math::
    x = s + n \\sqrt{p_s / (10^{r/10} p_n)}

and where :math:`\\max|x| > 1`, all are multiplied by :math:`0.9 / \\max|x|`.
"""

from __future__ import annotations

from lassbench.suites_external.importing import Imported, import_suite, mix_by_power
from lassbench.suites_external.lists import FORMATS, ExternalRow, read_list

__all__ = ["FORMATS", "ExternalRow", "Imported", "import_suite", "mix_by_power", "read_list"]
