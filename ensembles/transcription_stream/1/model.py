"""Transcribe a recording of any length, one answer for each segment as soon as it is ready."""

from tritonzoo.runtime.transcription.pipeline import TranscriptionModel


class TritonPythonModel(TranscriptionModel):
    """Calls silero_vad, whisper_encoder and whisper_decoder; see `tritonzoo.runtime.transcription`."""
