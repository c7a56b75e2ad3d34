"""Whisper's decoding: many windows in one batch, each with its own language, task, prompt and rules."""
