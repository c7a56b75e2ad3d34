"""Sound from files: any common format, rate and channels, as 16 kHz mono in blocks of bounded size.

What reads files is imported at the first file: most processes of a server never get one.
"""

from importlib.util import find_spec

from tritonzoo.runtime.audio.blocks import audio_blocks, request_blocks, waveform, waveform_blocks
from tritonzoo.runtime.audio.section import SAMPLE_RATE_HZ

__all__ = ["SAMPLE_RATE_HZ", "audio_blocks", "request_blocks", "waveform", "waveform_blocks"]

if absent := [name for name in ("av", "soundfile", "soxr") if find_spec(name) is None]:
    raise ModuleNotFoundError(f"sound is read with {', '.join(absent)}; pip install 'tritonzoo[serve]'")
