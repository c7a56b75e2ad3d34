"""Transcription of audio of any length: cut into windows, decoded side by side, put back in its own time."""
