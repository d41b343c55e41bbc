"""What optimize says: a line for each trial, on standard error, as Optuna's logging does.
`set_verbosity(WARNING)` ends it."""
import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING  # noqa: F401

_handler = None


def _root():
    global _handler
    logger = logging.getLogger("rltune")
    if _handler is None:
        _handler = logging.StreamHandler()
        _handler.setFormatter(logging.Formatter("[%(levelname)1.1s %(asctime)s] %(message)s"))
        logger.addHandler(_handler)
        logger.setLevel(INFO)
        logger.propagate = False
    return logger


def get_logger(name="rltune"):
    _root()
    return logging.getLogger(name)


def get_verbosity():
    return _root().getEffectiveLevel()


def set_verbosity(verbosity):
    _root().setLevel(verbosity)


def disable_default_handler():
    _root().removeHandler(_handler)


def enable_default_handler():
    _root().addHandler(_handler)


def disable_propagation():
    _root().propagate = False


def enable_propagation():
    _root().propagate = True
