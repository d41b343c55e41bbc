"""Storages by Optuna's names: a study's storage is an SQLite file."""


class RDBStorage:
    def __init__(self, url, engine_kwargs=None, **options):
        self.url = url


class InMemoryStorage:
    """A temporary file, which goes with the study."""
    url = None


def __getattr__(name):
    raise AttributeError(f"rltune has no storage '{name}': studies are in SQLite files, "
                         "storage='sqlite:///FILE', which several processes of one machine share")
