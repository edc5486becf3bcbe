"""Logging for programs: loguru on standard error, and what libraries log through it."""

from __future__ import annotations

import logging
import sys

from loguru import logger

FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <7} | {message}"


class _ToLoguru(logging.Handler):
    """Hands records of the standard library's logging on."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname if record.levelname in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL") else "INFO"
        logger.opt(exception=record.exc_info).log(level, "{}: {}", record.name, record.getMessage())


def _write(line: str) -> None:
    """Write to what is standard error now, which may be another stream than at the start."""
    sys.stderr.write(line)
    sys.stderr.flush()


def log_to_stderr(level: str = "INFO") -> None:
    """Send every log line to standard error; values of variables are never part of a traceback there."""
    logger.remove()
    logger.add(_write, level=level, format=FORMAT, backtrace=False, diagnose=False)
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
