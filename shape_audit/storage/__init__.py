"""Folders elsewhere: on the Hub, in S3 and its kin. Each file is written whole or not at all.

working_copy(place, wanted)          -> a folder here that stands for the place, while its `with` block is open
check_record_folder(place), keep_record(record, place), records_of(place)   a record folder, wherever it is
fetched(url, suffixes)               -> a file or folder that is only read, here
is_plain(name), is_record(path)      -> whether a file of this name is fetched and sent
hub_write_errors(subject)            what the Hub says to one who writes, in our words
"""

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.storage.fetching import fetched
from shape_audit.storage.names import is_plain, is_record
from shape_audit.storage.record_folder import check_record_folder, keep_record, records_of

if TYPE_CHECKING:
    from shape_audit.storage.hub_errors import hub_write_errors
    from shape_audit.storage.working_copies import WorkingCopy, working_copy

__all__ = [
    "WorkingCopy",
    "check_record_folder",
    "fetched",
    "hub_write_errors",
    "is_plain",
    "is_record",
    "keep_record",
    "records_of",
    "working_copy",
]

__getattr__ = lazy_names(__name__, {"hub_errors": "hub_write_errors", "working_copies": "WorkingCopy working_copy"})
