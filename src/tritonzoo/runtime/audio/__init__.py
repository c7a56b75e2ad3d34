"""Sound from files: any common format, rate and channels, as 16 kHz mono in blocks of bounded size."""

from tritonzoo.runtime.audio.blocks import audio_blocks, request_blocks, waveform, waveform_blocks
from tritonzoo.runtime.audio.section import SAMPLE_RATE_HZ

__all__ = ["SAMPLE_RATE_HZ", "audio_blocks", "request_blocks", "waveform", "waveform_blocks"]
