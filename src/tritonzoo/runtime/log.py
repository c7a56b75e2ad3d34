"""Python's logging, written to Triton's own log."""

from __future__ import annotations

import logging
from typing import Any


class TritonLogHandler(logging.Handler):
    """Passes log records to Triton: debug as verbose, info, warning, error and above as error."""

    def __init__(self, triton_logger: Any) -> None:
        """`triton_logger` is `triton_python_backend_utils.Logger`."""
        super().__init__()
        self._logger = triton_logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with its traceback where it has one."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.log_error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.log_warn(text)
        elif record.levelno >= logging.INFO:
            self._logger.log_info(text)
        else:
            self._logger.log_verbose(text)


def triton_log(model_name: str, triton_logger: Any) -> logging.Logger:
    """A logger whose records are in Triton's log under the model's name."""
    # Not from logging.getLogger: a test process loads many models, and each keeps its own handler.
    logger = logging.Logger(model_name)
    handler = TritonLogHandler(triton_logger)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.addHandler(handler)
    return logger
