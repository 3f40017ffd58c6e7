"""Stores predictions in local files while the database is not available.

``record_format`` is the format of a file, ``segments`` the files of one folder, ``folders`` the locks on
folders, ``group_commit`` writes rows to files, ``replay`` stores them in the database, ``log`` is the log
that does either, ``pending`` reads what a spool holds without locking it.
"""

from mlpipes_cli.adapters.spool.log import SpoolingLog
from mlpipes_cli.adapters.spool.pending import PendingRecords, pending_records
from mlpipes_cli.adapters.spool.replay import replay_left

__all__ = ["PendingRecords", "SpoolingLog", "pending_records", "replay_left"]
