"""Keep people out of the logs."""

import logging


class PrivateFilter(logging.Filter):
    """Strip what may hold somebody's words or address from a record before it is written.

    Requests carry addresses and cookies; the text of an exception may quote a parameter, such as a
    message that PostgreSQL refused. What stays is the kind of error and where it happened.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.__dict__.pop("request", None)
        if record.exc_info and record.exc_info[0] is not None:
            kind, _error, trace = record.exc_info
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
            record.msg = f"{kind.__name__} at {where}"
            record.args = ()
            record.exc_info = None
            record.exc_text = None
        return True
