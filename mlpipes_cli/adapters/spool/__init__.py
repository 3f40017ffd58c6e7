"""Predictions in local files for as long as the database does not take them.

``records`` is the format of a file, ``segments`` the files of one folder, ``folders`` who holds which
folder, ``grouping`` puts rows into files, ``replaying`` from there into the database, ``log`` is the log
that does either, ``looking`` what others may know of a spool without holding it.
"""

from mlpipes_cli.adapters.spool.log import SpoolingLog
from mlpipes_cli.adapters.spool.pending import PendingRecords, pending_records
from mlpipes_cli.adapters.spool.replay import replay_left

__all__ = ["PendingRecords", "SpoolingLog", "pending_records", "replay_left"]
