"""`tritonzoo transcribe`: recordings and folders of them to subtitle and text files."""

from tritonzoo.transcribe.run import TranscribeOptions, transcribe

__all__ = ["TranscribeOptions", "transcribe"]
